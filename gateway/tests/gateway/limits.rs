//! How much is served at once.

use serde_json::json;

use crate::access::open_session;
use crate::records::bodies;
use crate::service::{Served, answer};

/// Asks for a session.
async fn initialize(served: &Served) -> reqwest::Response {
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "third", "version": "1" },
    });
    let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    served.post(body.to_string()).send().await.unwrap()
}

#[tokio::test]
async fn sessions_beyond_the_limit_are_refused_and_stateless_calls_are_not() {
    let served = Served::start_with("[limits]\nsessions = 2").await;
    open_session(&served).await;
    open_session(&served).await;
    let response = initialize(&served).await;
    assert_eq!(response.headers()["retry-after"], "5");
    let (status, told) = answer(response).await;
    assert_eq!((status, &told["error"]["data"]["reason"]), (503, &json!("TOO_MANY_SESSIONS")));
    assert_eq!(served.request("tools/list", json!({})).await.0, 200);
}

#[tokio::test]
async fn a_thousand_sessions_are_open_at_once() {
    let served = Served::start_with("[limits]\nsessions_per_subject = 1000").await;
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
async fn one_user_has_a_share_of_the_sessions_and_is_told_so() {
    let served = Served::start_with("[limits]\nsessions_per_subject = 2").await;
    for _ in 0..2 {
        open_session(&served).await;
    }
    let response = initialize(&served).await;
    let (status, told) = answer(response).await;
    assert_eq!((status, &told["error"]["data"]["reason"]), (503, &json!("TOO_MANY_SESSIONS")));
    let message = told["error"]["message"].as_str().unwrap();
    assert!(message.contains("limit for one user"), "{message}");
}

#[tokio::test]
async fn whoever_is_too_fast_is_told_to_wait_and_recorded_sparsely() {
    let mut served = Served::start_with("[limits]\nrequests_per_second_per_subject = 1").await;
    let mut refused = 0;
    for _ in 0..200 {
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let response = served.post(list).send().await.unwrap();
        if response.status() == 429 {
            assert_eq!(response.headers()["retry-after"], "1");
            refused += 1;
        }
    }
    assert!(refused > 150, "{refused}");
    served.stop().await;
    let failures = bodies(&served, "failure");
    let recorded = failures.iter().filter(|it| it["reason"] == "TOO_MANY_REQUESTS").count();
    assert!((1..refused / 2).contains(&recorded), "{recorded} of {refused}");
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
