//! Completion: what is proposed, to whom, and how soon.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::service::Served;

const FILES: &str = "cofferdam://{host}/files/{project}/{+path}";
const OUTPUTS: &str = "cofferdam://{host}/runs/{run}/{stream}{?offset}";

async fn complete(served: &Served, of: Value, name: &str, value: &str, said: Value) -> Value {
    let began = Instant::now();
    let params = json!({
        "ref": of, "argument": { "name": name, "value": value },
        "context": { "arguments": said },
    });
    let answer = served.request("completion/complete", params).await.1;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}: {answer:#}");
    answer
}

fn prompt(name: &str) -> Value {
    json!({ "type": "ref/prompt", "name": name })
}

fn template(uri: &str) -> Value {
    json!({ "type": "ref/resource", "uri": uri })
}

#[tokio::test]
async fn hosts_projects_streams_and_sessions_are_proposed_quickly() {
    let served = Served::start().await;
    let opened = served.call("open_session", json!({})).await;
    let opened = &opened["result"]["structuredContent"];
    let listed = served.call("list_sessions", json!({})).await;
    let id = listed["result"]["structuredContent"]["sessions"][0]["id"].as_str().unwrap();
    let began = Instant::now();
    for (of, name, value, expected) in [
        (prompt("run_tests"), "host", "", json!(["down"])),
        (prompt("run_tests"), "host", "OW", json!(["down"])),
        (prompt("run_tests"), "host", "x", json!([])),
        (prompt("run_tests"), "project", "s", json!(["site"])),
        (prompt("run_tests"), "command", "cargo", json!([])),
        (prompt("clean_up"), "session", &id[..4], json!([id])),
        (template(FILES), "host", "d", json!(["down"])),
        (template(FILES), "project", "", json!(["site"])),
        (template(OUTPUTS), "stream", "std", json!(["stderr", "stdout"])),
    ] {
        let answer = complete(&served, of, name, value, json!({})).await;
        let completion = &answer["result"]["completion"];
        let mut values = completion["values"].as_array().unwrap().clone();
        values.sort_by_key(Value::to_string);
        assert_eq!(json!(values), expected, "{name}: {answer:#}");
        assert_eq!(completion["hasMore"], false, "{answer:#}");
    }
    assert!(began.elapsed() < Duration::from_millis(9 * 200), "{:?}", began.elapsed());
    // What opens a session is proposed to nobody.
    let handle = opened["session"].as_str().unwrap();
    let none = complete(&served, prompt("clean_up"), "session", &handle[..8], json!({})).await;
    assert_eq!(none["result"]["completion"]["values"], json!([]));
}

#[tokio::test]
async fn where_a_host_does_not_answer_nothing_is_proposed() {
    let served = Served::start().await;
    for (of, name) in
        [(template(FILES), "path"), (template(OUTPUTS), "run"), (prompt("review_changes"), "path")]
    {
        let answer = complete(&served, of, name, "", json!({})).await;
        assert_eq!(answer["result"]["completion"]["values"], json!([]), "{name}: {answer:#}");
    }
}

#[tokio::test]
async fn what_there_is_not_cannot_be_completed() {
    let served = Served::start().await;
    for (of, name, value) in [
        (prompt("nonsense"), "host", String::new()),
        (prompt("run_tests"), "hots", String::new()),
        (template("file:///{path}"), "path", String::new()),
        (template("cofferdam://down/files/site/a"), "path", String::new()),
        (template(FILES), "stream", String::new()),
        (prompt("run_tests"), "host", "x".repeat(100_000)),
    ] {
        let answer = complete(&served, of, name, &value, json!({})).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer:#}");
    }
    for path in ["../", "..", "/etc/", "a%00", "a%2e%2e/", "%zz"] {
        let answer = complete(&served, template(FILES), "path", path, json!({})).await;
        assert_eq!(answer["result"]["completion"]["values"], json!([]), "{path}: {answer:#}");
    }
    let said = json!({ "host": "elsewhere", "project": "../site" });
    let answer = complete(&served, template(FILES), "path", "", said).await;
    assert_eq!(answer["result"]["completion"]["values"], json!([]), "{answer:#}");
}
