//! Who is let in.

use serde_json::{Value, json};

use crate::service::{Served, answer};

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

#[tokio::test]
async fn a_request_without_a_valid_token_is_challenged_and_recorded() {
    let mut served = Served::start().await;
    for token in ["", "cfd_", "cfd_wrong", "Bearer"] {
        let request = served.client().post(&served.url).bearer_auth(token).body(LIST);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401);
        let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert!(challenge.starts_with("Bearer realm="), "{challenge}");
        let (_, told) = answer(response).await;
        assert_eq!(told["error"]["data"]["reason"], "UNAUTHENTICATED", "{told}");
    }
    let basic = served.client().post(&served.url).basic_auth("ada", Some("x")).body(LIST);
    assert_eq!(basic.send().await.unwrap().status(), 401);
    served.stop().await;
    let records = crate::records::bodies(&served, "failure");
    assert_eq!(records.len(), 5);
    assert!(records.iter().all(|record| record["reason"] == "UNAUTHENTICATED"), "{records:#?}");
}

#[tokio::test]
async fn a_revoked_token_is_refused_from_the_next_request_on() {
    let served = Served::start().await;
    assert_eq!(served.post(LIST).send().await.unwrap().status(), 200);
    assert!(served.tokens().revoke("test").unwrap());
    let (status, told) = answer(served.post(LIST).send().await.unwrap()).await;
    assert_eq!(status, 401);
    // The caller learns nothing about why.
    assert!(!told.to_string().contains("revoked"), "{told}");
}

#[tokio::test]
async fn foreign_origins_and_hosts_are_refused_and_loopback_ones_served() {
    let served = Served::start().await;
    let own = served.url.strip_suffix("/mcp").unwrap();
    let table = [
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("origin", "http://127.0.0.1.evil.example", 403),
        ("origin", own, 200),
        ("origin", "http://localhost:3000", 200),
        ("host", "evil.example", 403),
        ("host", "localhost:1234", 200),
    ];
    for (header, value, expected) in table {
        let response = served.post(LIST).header(header, value).send().await.unwrap();
        assert_eq!(response.status(), expected, "{header}: {value}");
    }
}

#[tokio::test]
async fn a_session_answers_only_the_token_that_opened_it() {
    let served = Served::start().await;
    let session = open_session(&served).await;
    let listed = served.post(LIST).header("mcp-session-id", &session).send().await.unwrap();
    assert_eq!(listed.status(), 200);
    let other = cofferdam_gateway::tokens::NewToken {
        purpose: cofferdam_gateway::tokens::Purpose::Client,
        name: "other".into(),
        user: "eve".into(),
        groups: Vec::new(),
        tenant: String::new(),
        claims: cofferdam_policy::Claims::default(),
        expires_at: None,
    };
    let (eve, _) = served.tokens().create(&other).unwrap();
    let methods = [reqwest::Method::POST, reqwest::Method::GET, reqwest::Method::DELETE];
    for method in methods {
        let stolen = served
            .client()
            .request(method.clone(), &served.url)
            .bearer_auth(eve.reveal())
            .header("mcp-session-id", &session)
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .body(LIST);
        assert_eq!(stolen.send().await.unwrap().status(), 404, "{method}");
    }
    let still = served.post(LIST).header("mcp-session-id", &session).send().await.unwrap();
    assert_eq!(still.status(), 200);
}

/// Opens a session as a client of 2025-11-25 does; gives its id.
pub(crate) async fn open_session(served: &Served) -> String {
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "old client", "version": "7" },
    });
    let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    let response = served.post(body.to_string()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let session = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let (_, answer) = answer(response).await;
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{answer}");
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let response =
        served.post(initialized.to_string()).header("mcp-session-id", &session).send().await;
    assert_eq!(response.unwrap().status(), 202);
    session
}

#[tokio::test]
async fn health_is_told_without_a_token() {
    let served = Served::start().await;
    let url = served.url.replace("/mcp", "/healthz");
    let response = served.client().get(url).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.text().await.unwrap()), (200, "ok\n".into()));
}

#[tokio::test]
async fn another_path_is_not_found() {
    let served = Served::start().await;
    let url = served.url.replace("/mcp", "/");
    let response = served.client().get(url).send().await.unwrap();
    assert_eq!(response.status(), 404);
    let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default();
    assert_eq!(body, Value::Null);
}
