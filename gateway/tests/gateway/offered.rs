//! What a caller is told that they can do, and how to be allowed more.

use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use serde_json::{Value, json};

use crate::access::open_session;
use crate::records::bodies;
use crate::refusal;
use crate::service::{Served, prepare};

const RULES: &str = r#"
version = 1
profiles = ["readonly", "build"]

[[rule]]
id = "read"
effect = "allow"
paths = [{ beneath = "workspace", mode = "read" }]

[[rule]]
id = "build"
effect = "allow"
reason = "what this project needs"
programs = [{ name = "cargo", args = [{ one_of = ["build", "test"] }, { rest = true }] }]
shell = "parsed"
grant = { profile = "build", workspace_access = "write", limits = { wall = "10m" } }

[[rule]]
id = "push"
effect = "ask"
reason = "what is pushed is public"
programs = [{ name = "git", args = ["push"] }]

[[rule]]
id = "no-secrets"
effect = "deny"
reason = "secrets stay with people"
paths = [{ beneath = "workspace/secrets", mode = "read" }]

[[rule]]
id = "others"
effect = "allow"
subjects = { users = ["bob"] }
tools = ["list_hosts", "get_system_info"]
"#;

async fn served() -> Served {
    let directory = tempfile::TempDir::new().unwrap();
    let token = prepare(directory.path(), "");
    std::fs::write(directory.path().join("rules.toml"), RULES).unwrap();
    let configuration = directory.path().join("gateway.toml");
    let text = std::fs::read_to_string(&configuration).unwrap();
    let contact = "contact = \"the platform team, platform@example.org\"\n";
    std::fs::write(&configuration, format!("{contact}{text}")).unwrap();
    Served::serve(directory, token).await
}

async fn tools(served: &Served) -> Vec<Value> {
    let (_, answer) = served.request("tools/list", json!({})).await;
    answer["result"]["tools"].as_array().unwrap().clone()
}

fn names(tools: &[Value]) -> Vec<&str> {
    tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_caller_is_told_of_the_tools_that_rules_could_permit_and_of_no_others() {
    let mut served = served().await;
    let told = tools(&served).await;
    let expected = [
        "execute_command",
        "start_process",
        "read_process",
        "write_process",
        "resize_process",
        "signal_process",
        "wait_process",
        "list_processes",
        "read_file",
        "read_files",
        "stat_file",
        "list_directory",
        "search_files",
        "watch_files",
        "check_command_exists",
        "open_session",
        "list_sessions",
        "close_session",
        "describe_access",
        "check_approval",
    ];
    assert_eq!(names(&told), expected);
    let description = told[0]["description"].as_str().unwrap();
    assert!(
        description.contains("with some arguments: cargo, git; describe_access"),
        "{description}"
    );
    // What is not told of is refused and recorded like anything else.
    let answer = served.call("write_file", json!({ "path": "a", "content": "x" })).await;
    assert_eq!(refusal(&answer)["reason"], "DENIED");
    served.stop().await;
    assert_eq!(bodies(&served, "denial")[0]["call"]["tool"], "write_file");
}

#[tokio::test]
async fn what_may_be_done_is_described_in_few_lines_and_recorded() {
    let mut served = served().await;
    let answer = served.call("describe_access", json!({})).await;
    let told = &answer["result"]["structuredContent"];
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.lines().count() < 40, "{text}");
    for expected in [
        "ada on the host down in the project site",
        "may run cargo build|test …, in command lines too; with profile build, workspace write, wall 600000 ms",
        "may run git push; people have to agree: 1 of approvers, not who asks",
        "may use files in workspace (read)",
        "may not use files in workspace/secrets (read) [rule `no-secrets`: secrets stay with people]",
        "workspace: /srv/site",
        "contact: the platform team, platform@example.org",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
    assert!(!text.contains("others"), "rules for others are not told: {text}");
    assert_eq!(told["may"][0]["rule"], "build", "{told:#}");
    assert_eq!(told["truncated"], false);
    let wrong = served.call("describe_access", json!({ "host": "nowhere" })).await;
    assert_eq!(refusal(&wrong)["reason"], "UNKNOWN_HOST");
    served.stop().await;
    let intent = &bodies(&served, "intent")[0];
    assert_eq!(intent["call"]["tool"], "describe_access");
    assert!(intent["call"]["policy_version"].is_u64(), "{intent:#}");
    assert_eq!(bodies(&served, "outcome")[0]["ending"]["kind"], "completed");
}

#[tokio::test]
async fn a_refusal_says_what_which_rule_what_instead_and_how_to_ask() {
    let served = served().await;
    let arguments = json!({ "program": "cargo", "arguments": ["publish"] });
    let answer = served.call("execute_command", arguments).await;
    let error = refusal(&answer).clone();
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("no rule permits to run `cargo publish`"), "{message}");
    assert!(message.contains("rule `build` permits `cargo build|test …`"), "{message}");
    assert!(error["allowed"].to_string().contains("cargo build|test"), "{error:#}");
    let ask = error["ask"].as_str().unwrap();
    assert!(ask.contains("the platform team, platform@example.org for a rule"), "{ask}");
    assert!(ask.contains(error["run_id"].as_str().unwrap()), "{ask}");
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains(ask), "{text}");
    let answer = served.call("read_file", json!({ "path": "secrets/key" })).await;
    let error = refusal(&answer);
    assert_eq!(error["rules"], json!(["no-secrets"]), "{error:#}");
    assert!(error["message"].as_str().unwrap().contains("secrets stay with people"), "{error:#}");
    assert!(error["ask"].as_str().unwrap().contains("to take that rule back"), "{error:#}");
}

#[tokio::test]
async fn an_open_session_is_told_that_its_tools_are_others_now() {
    let served = served().await;
    let session = open_session(&served).await;
    let mut stream = served
        .client()
        .get(&served.url)
        .bearer_auth(&served.token)
        .header("accept", "text/event-stream")
        .header("mcp-session-id", &session)
        .send()
        .await
        .unwrap();
    assert_eq!(stream.status(), 200);
    let rules =
        format!("{RULES}\n[[rule]]\nid = \"list\"\neffect = \"allow\"\ntools = [\"list_hosts\"]\n");
    std::fs::write(served.directory.path().join("rules.toml"), rules).unwrap();
    kill_process(getpid(), Signal::HUP).unwrap();
    let told = async {
        let mut text = String::new();
        while !text.contains("notifications/tools/list_changed") {
            let chunk = stream.chunk().await.unwrap().expect("the stream goes on");
            text += &String::from_utf8_lossy(&chunk);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told).await.unwrap();
    assert!(names(&tools(&served).await).contains(&"list_hosts"));
}
