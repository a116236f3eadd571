//! Prompts: whom they are shown to, and what becomes of their arguments.

use serde_json::{Value, json};

use crate::records::bodies;
use crate::service::Served;

async fn get(served: &Served, name: &str, arguments: Value) -> Value {
    served.request("prompts/get", json!({ "name": name, "arguments": arguments })).await.1
}

#[tokio::test]
async fn prompts_are_listed_with_arguments_and_give_text_that_names_calls() {
    let served = Served::start().await;
    let (_, listed) = served.request("prompts/list", json!({})).await;
    let prompts = listed["result"]["prompts"].as_array().unwrap();
    let names: Vec<&str> = prompts.iter().map(|it| it["name"].as_str().unwrap()).collect();
    let all = [
        "run_tests",
        "find_disk_usage",
        "explain_service",
        "start_server",
        "review_changes",
        "clean_up",
    ];
    assert_eq!(names, all);
    for prompt in prompts {
        assert!(prompt["title"].is_string() && prompt["description"].is_string(), "{prompt:#}");
        let arguments = prompt["arguments"].as_array().unwrap();
        assert!(arguments.iter().any(|it| it["name"] == "host"), "{prompt:#}");
    }
    let arguments = json!({ "unit": "nginx.service", "host": "down" });
    let told = get(&served, "explain_service", arguments).await;
    let text = told["result"]["messages"][0]["content"]["text"].as_str().unwrap();
    assert!(
        text.contains(
            r#"`read_service` with {"host":"down","unit":"nginx.service","what":"status"}"#
        ),
        "{text}"
    );
    assert_eq!(told["result"]["messages"][0]["role"], "user");
}

#[tokio::test]
async fn a_prompt_that_is_not_there_or_not_complete_is_refused_and_recorded() {
    let mut served = Served::start().await;
    let wrong = [
        ("nonsense", json!({}), "there are: run_tests"),
        ("explain_service", json!({}), "needs `unit`"),
        ("explain_service", json!({ "unit": "" }), "needs `unit`"),
        ("run_tests", json!({ "hots": "x" }), "no such argument"),
        ("run_tests", json!({ "host": "elsewhere" }), "no such host"),
        ("run_tests", json!({ "command": "x".repeat(10_000) }), "10000 bytes"),
        ("run_tests", json!({ "command": "a\u{1b}[0m" }), "control character"),
    ];
    for (name, arguments, named) in wrong.clone() {
        let told = get(&served, name, arguments).await;
        assert_eq!(told["error"]["code"], -32602, "{told:#}");
        assert!(told["error"]["message"].as_str().unwrap().contains(named), "{told:#}");
    }
    served.stop().await;
    assert_eq!(bodies(&served, "failure").len(), wrong.len());
}
