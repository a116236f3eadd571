//! Whoever should not answer, and bodies that are no answers.

use super::*;

/// Status and reason of a raw request to the approvals.
async fn raw(
    scene: &Scene,
    method: reqwest::Method,
    path: &str,
    token: Option<&str>,
    body: impl Into<reqwest::Body>,
) -> (u16, String) {
    let url = scene.served.url.replace("/mcp", path);
    let mut request = scene.served.client().request(method, url).body(body);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let told: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default();
    (status, told["error"]["reason"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_clients_token_answers_nothing_and_an_approvers_calls_nothing() {
    let scene = Scene::start(1).await;
    let approver = scene.token(Purpose::Approver, "bob", &[], "");
    let id = failed(&run(&scene.client().await, "push").await)["approval"].clone();
    let one = format!("/approvals/{}", id.as_str().unwrap());
    let get = reqwest::Method::GET;
    for token in [None, Some(scene.served.token.as_str()), Some("cfa_guessed"), Some("")] {
        for (method, path) in
            [(&get, "/approvals"), (&get, one.as_str()), (&reqwest::Method::POST, one.as_str())]
        {
            let refused = raw(&scene, method.clone(), path, token, "{}").await;
            assert_eq!(refused, (401, "UNAUTHENTICATED".to_owned()), "{token:?} {method} {path}");
        }
    }
    assert_eq!(raw(&scene, get, "/approvals", Some(&approver), "").await.0, 200);
    assert!(Client::connect(&scene.endpoint(&approver), |_| {}).await.is_err());
    // A client's own way to look shows nothing of others', and agrees to nothing.
    assert_eq!(reason(scene.approvals(&scene.served.token).list(false).await), "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_revoked_credential_and_a_browser_answer_nothing() {
    let scene = Scene::start(1).await;
    let token = scene.token(Purpose::Approver, "bob", &[], "");
    let url = scene.served.url.replace("/mcp", "/approvals");
    let browser = scene.served.client().get(&url).bearer_auth(&token).header("origin", &url);
    assert_eq!(browser.send().await.unwrap().status().as_u16(), 403);
    let all = scene.served.tokens().list().unwrap();
    let name = &all.iter().find(|token| token.user == "bob").unwrap().name;
    assert!(scene.served.tokens().revoke(name).unwrap());
    assert_eq!(reason(scene.approvals(&token).list(false).await), "UNAUTHENTICATED");
}

#[tokio::test]
async fn bodies_that_are_no_answers_change_nothing() {
    let scene = Scene::start(1).await;
    let token = scene.token(Purpose::Approver, "bob", &[], "");
    let bob = scene.approvals(&token);
    let id = failed(&run(&scene.client().await, "push").await)["approval"].clone();
    let request = bob.get(id.as_str().unwrap()).await.unwrap();
    let path = format!("/approvals/{}", request.id);
    let binding = &request.question.binding;
    let long = "x".repeat(2000);
    let deep = "[".repeat(10_000);
    let huge = format!(r#"{{"note": "{}"}}"#, "x".repeat(64 * 1024));
    let bad = [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        deep,
        huge,
        "\u{0}\u{1}".to_owned(),
        r#"{"verdict": "approve"}"#.to_owned(),
        format!(r#"{{"verdict": "Approve", "binding": "{binding}"}}"#),
        format!(r#"{{"verdict": true, "binding": "{binding}"}}"#),
        format!(r#"{{"verdict": "approve", "binding": "{binding}", "scope": "always"}}"#),
        format!(r#"{{"verdict": "approve", "binding": "{binding}", "as": "eve"}}"#),
        format!(r#"{{"verdict": "refuse", "verdict": "approve", "binding": "{binding}"}}"#),
        format!(r#"{{"verdict": "approve", "binding": "{binding}", "note": "{long}"}}"#),
        format!(r#"{{"verdict": "approve", "binding": "{binding}"}} {{}}"#),
    ];
    for body in bad {
        let shown: String = body.chars().take(80).collect();
        let (status, told) = raw(&scene, reqwest::Method::POST, &path, Some(&token), body).await;
        assert_eq!((status, told.as_str()), (400, "INVALID_ARGUMENT"), "{shown}");
    }
    let mut raw_bytes = br#"{"verdict": "approve", "binding": ""#.to_vec();
    raw_bytes.extend([0xff, 0xfe, b'"', b'}']);
    assert_eq!(raw(&scene, reqwest::Method::POST, &path, Some(&token), raw_bytes).await.0, 400);
    for other in ["", "0", &binding[1..], &binding.to_uppercase(), &"0".repeat(64)] {
        let answer = Answer {
            verdict: Verdict::Approve,
            binding: other.to_owned(),
            scope: Scope::Once,
            note: String::new(),
        };
        assert_eq!(reason(bob.answer(&request.id, &answer).await), "ANOTHER_ACTION", "{other:?}");
    }
    assert_eq!(bob.get(&request.id).await.unwrap(), request);
    assert_eq!(scene.runs(), 0);
}

#[tokio::test]
async fn paths_and_queries_that_lead_nowhere_are_told_so() {
    let scene = Scene::start(1).await;
    let token = scene.token(Purpose::Approver, "bob", &[], "");
    for (path, status) in [
        ("/approvals/ap-000000000000", 404),
        ("/approvals/%00", 404),
        ("/approvals/..%2f..%2fmcp", 404),
        ("/approvals/'%20OR%201=1--", 404),
        ("/approvals?state=open", 400),
        ("/approvals?state=pending&state=used", 400),
        ("/approvals?limit=1", 400),
        ("/approvals?state=used", 200),
    ] {
        let told = raw(&scene, reqwest::Method::GET, path, Some(&token), "").await;
        assert_eq!(told.0, status, "{path}: {}", told.1);
    }
    for id in ["", "../mcp", "a b", "ap-1?x"] {
        assert_eq!(reason(scene.approvals(&token).get(id).await), "UNKNOWN_APPROVAL", "{id:?}");
    }
}

#[tokio::test]
async fn an_approver_of_a_tenant_sees_and_answers_that_tenants_requests_only() {
    let scene = Scene::start(1).await;
    let client = scene.client_as(&scene.token(Purpose::Client, "dan", &[], "shop")).await;
    let id = failed(&run(&client, "push").await)["approval"].as_str().unwrap().to_owned();
    let approver =
        |tenant: &str| scene.approvals(&scene.token(Purpose::Approver, "bob", &[], tenant));
    let (bank, shop, all) = (approver("bank"), approver("shop"), approver(""));
    assert!(bank.list(true).await.unwrap().is_empty());
    assert_eq!(reason(bank.get(&id).await), "UNKNOWN_APPROVAL");
    let request = all.get(&id).await.unwrap();
    let answered = say(&bank, &request, Verdict::Approve, Scope::Once).await;
    assert_eq!(reason(answered), "UNKNOWN_APPROVAL");
    assert_eq!(shop.list(false).await.unwrap().len(), 1);
    assert_eq!(agree(&shop, &request).await.state, State::Approved);
}
