//! Both eras of MCP, and clients that keep neither quite.

use serde_json::{Value, json};

use crate::access::open_session;
use crate::refusal;
use crate::service::{Served, answer};

fn initialize(version: &str) -> String {
    let params = json!({
        "protocolVersion": version,
        "capabilities": {},
        "clientInfo": { "name": "old client", "version": "7" },
    });
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params }).to_string()
}

fn check_tools(answer: &Value) {
    let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer:#}"));
    assert_eq!(tools.len(), 29);
    for tool in tools {
        for key in ["title", "description", "inputSchema", "outputSchema"] {
            assert!(!tool[key].is_null(), "{key} of {}", tool["name"]);
        }
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            assert!(tool["annotations"][hint].is_boolean(), "{hint} of {}", tool["name"]);
        }
    }
}

#[tokio::test]
async fn the_handshake_gives_the_version_that_was_asked_for_and_a_session() {
    let served = Served::start().await;
    for version in ["2025-06-18", "2025-11-25"] {
        let response = served.post(initialize(version)).send().await.unwrap();
        assert!(response.headers().contains_key("mcp-session-id"));
        let (_, answer) = answer(response).await;
        assert_eq!(answer["result"]["protocolVersion"], version);
        assert_eq!(answer["result"]["serverInfo"]["name"], "cofferdam");
        assert!(answer["result"]["instructions"].as_str().unwrap().contains("list_hosts"));
    }
}

#[tokio::test]
async fn no_stream_begins_with_an_event_that_says_nothing() {
    let served = Served::start().await;
    let opened = served.post(initialize("2025-11-25")).send().await.unwrap();
    let session = opened.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let text = opened.text().await.unwrap();
    assert_eq!(text.matches("data:").count(), 1, "{text}");
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string();
    let sent = served.post(ready).header("mcp-session-id", &session).send().await.unwrap();
    assert_eq!(sent.status(), 202);
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let listed = served.post(list).header("mcp-session-id", &session).send().await.unwrap();
    let text = listed.text().await.unwrap();
    assert_eq!(text.matches("data:").count(), 1, "{text}");
    assert!(!text.contains("retry:"), "{text}");
}

#[tokio::test]
async fn a_session_lists_tools_without_a_version_header() {
    let served = Served::start().await;
    let session = open_session(&served).await;
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let bare = served.post(list).header("mcp-session-id", &session);
    check_tools(&answer(bare.send().await.unwrap()).await.1);
    let versioned = served
        .post(list)
        .header("mcp-session-id", &session)
        .header("mcp-protocol-version", "2025-11-25");
    check_tools(&answer(versioned.send().await.unwrap()).await.1);
}

#[tokio::test]
async fn an_old_client_without_a_session_is_served_too() {
    let served = Served::start().await;
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    check_tools(&answer(served.post(list).send().await.unwrap()).await.1);
}

#[tokio::test]
async fn a_stateless_client_discovers_and_lists_tools() {
    let served = Served::start().await;
    let (status, discovered) = served.request("server/discover", json!({})).await;
    assert_eq!(status, 200);
    let versions = discovered["result"]["supportedVersions"].as_array().unwrap();
    assert!(versions.iter().any(|version| version == "2026-07-28"), "{discovered:#}");
    assert!(discovered["result"]["capabilities"]["tools"].is_object(), "{discovered:#}");
    let (status, listed) = served.request("tools/list", json!({})).await;
    assert_eq!(status, 200);
    check_tools(&listed);
}

#[tokio::test]
async fn a_session_that_was_ended_is_gone() {
    let served = Served::start().await;
    let session = open_session(&served).await;
    let end = served
        .client()
        .delete(&served.url)
        .bearer_auth(&served.token)
        .header("mcp-session-id", &session);
    assert!(end.send().await.unwrap().status().is_success());
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let after = served.post(list).header("mcp-session-id", &session).send().await.unwrap();
    assert_eq!(after.status(), 404);
}

#[tokio::test]
async fn a_call_in_a_session_is_recorded_with_session_and_client() {
    let mut served = Served::start().await;
    let session = open_session(&served).await;
    let call = json!({
        "jsonrpc": "2.0", "id": 5, "method": "tools/call",
        "params": { "name": "list_hosts", "arguments": {} },
    });
    let sent = served.post(call.to_string()).header("mcp-session-id", &session);
    let (_, answer) = answer(sent.send().await.unwrap()).await;
    assert_eq!(answer["result"]["structuredContent"]["hosts"][0]["name"], "down", "{answer:#}");
    served.stop().await;
    let intents = crate::records::bodies(&served, "intent");
    assert_eq!(intents[0]["call"]["session"], session.as_str());
    assert_eq!(intents[0]["call"]["subject"]["client"], "old client 7");
    assert_eq!(intents[0]["call"]["subject"]["user"], "ada");
}

#[tokio::test]
async fn an_unknown_method_is_refused_by_name() {
    let served = Served::start().await;
    let (_, answer) = served.request("tools/destroy", json!({})).await;
    assert_eq!(refusal(&answer)["code"], -32601, "{answer:#}");
}
