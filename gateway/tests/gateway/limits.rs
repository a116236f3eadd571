//! How much is served at once.

use serde_json::json;

use crate::access::open_session;
use crate::service::{Served, answer};

#[tokio::test]
async fn sessions_beyond_the_limit_are_refused_and_stateless_calls_are_not() {
    let served = Served::start_with("[limits]\nsessions = 2").await;
    open_session(&served).await;
    open_session(&served).await;
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "third", "version": "1" },
    });
    let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    let response = served.post(body.to_string()).send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "5");
    let (status, told) = answer(response).await;
    assert_eq!((status, &told["error"]["data"]["reason"]), (503, &json!("TOO_MANY_SESSIONS")));
    assert_eq!(served.request("tools/list", json!({})).await.0, 200);
}

#[tokio::test]
async fn a_thousand_sessions_are_open_at_once() {
    let served = Served::start().await;
    let mut sessions = Vec::new();
    for _ in 0..1000 {
        sessions.push(open_session(&served).await);
    }
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    for session in [&sessions[0], &sessions[999]] {
        let listed = served.post(list).header("mcp-session-id", session).send().await.unwrap();
        assert_eq!(listed.status(), 200);
    }
}

#[tokio::test]
async fn many_callers_at_once_are_all_answered() {
    let served = std::sync::Arc::new(Served::start().await);
    let callers: Vec<_> = (0..64)
        .map(|_| {
            let served = std::sync::Arc::clone(&served);
            tokio::spawn(async move { served.call("list_hosts", json!({})).await })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap()["result"]["isError"], false);
    }
}
