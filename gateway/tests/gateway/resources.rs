//! Resources before any host is asked: what is listed for whom, which URIs name nothing,
//! and that nothing is shown that the tools refuse.

use std::time::Duration;

use cofferdam_gateway::tokens::{NewToken, Purpose};
use serde_json::{Value, json};

use crate::access::open_session;
use crate::host::Script;
use crate::records::bodies;
use crate::refusal;
use crate::service::{Served, answer};

const RUN: &str = "0b9c6a52-7d1e-4d0a-9c55-6f2f9d3f7a10";

/// Rules by which some may be read, some not, and some only once people agree.
const RULES: &str = r#"
version = 1
profiles = ["readonly"]

[[rule]]
id = "read"
effect = "allow"
subjects = { users = ["ada"] }
tools = ["read_file", "list_directory", "stat_file", "watch_files"]
paths = [{ beneath = "workspace/open", mode = "read" }]

[[rule]]
id = "secrets"
effect = "deny"
reason = "secrets stay with people"
paths = [{ beneath = "workspace/open/secrets", mode = "read" }]

[[rule]]
id = "plans"
effect = "ask"
subjects = { users = ["ada"] }
reason = "plans are shown to few"
tools = ["read_file"]
paths = [{ beneath = "workspace/plans", mode = "read" }]

[[rule]]
id = "bob"
effect = "allow"
subjects = { users = ["bob"] }
tools = ["list_hosts"]
"#;

fn token_of(served: &Served, user: &str) -> String {
    let new = NewToken {
        purpose: Purpose::Client,
        name: user.into(),
        user: user.into(),
        groups: Vec::new(),
        tenant: String::new(),
        claims: cofferdam_policy::Claims::default(),
        expires_at: None,
    };
    served.tokens().create(&new).unwrap().0.reveal().to_owned()
}

/// A request of 2025-11-25: in a session, or by itself.
async fn legacy(served: &Served, session: Option<&str>, method: &str, params: Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let mut request = served.post(body.to_string());
    if let Some(session) = session {
        request = request.header("mcp-session-id", session);
    }
    answer(request.send().await.unwrap()).await.1
}

async fn read(served: &Served, uri: &str) -> Value {
    legacy(served, None, "resources/read", json!({ "uri": uri })).await
}

#[tokio::test]
async fn workspaces_and_templates_are_listed_in_both_eras() {
    let served = Served::start().await;
    let session = open_session(&served).await;
    let listed = [
        served.request("resources/list", json!({})).await.1,
        legacy(&served, Some(&session), "resources/list", json!({})).await,
        legacy(&served, None, "resources/list", json!({})).await,
    ];
    for listed in &listed {
        let resources = listed["result"]["resources"].as_array().unwrap();
        assert_eq!(resources.len(), 1, "{listed:#}");
        assert_eq!(resources[0]["uri"], "cofferdam://down/files/site/");
        assert_eq!(resources[0]["mimeType"], "inode/directory");
        assert!(listed["result"]["nextCursor"].is_null());
    }
    // Clients of 2026-07-28 are told for how long and for whom it holds.
    assert_eq!(listed[0]["result"]["cacheScope"], "private", "{:#}", listed[0]);
    let (_, templates) = served.request("resources/templates/list", json!({})).await;
    let templates = templates["result"]["resourceTemplates"].as_array().unwrap();
    let uris: Vec<&str> = templates.iter().map(|it| it["uriTemplate"].as_str().unwrap()).collect();
    assert_eq!(
        uris,
        [
            "cofferdam://{host}/files/{project}/{+path}",
            "cofferdam://{host}/files/{project}/{+path}{?offset,length}",
            "cofferdam://{host}/runs/{run}/{stream}{?offset}",
        ]
    );
}

#[tokio::test]
async fn a_uri_that_hides_something_names_nothing_and_is_recorded() {
    let mut served = Served::start().await;
    let session = open_session(&served).await;
    let long = format!("cofferdam://down/files/site/{}", "x".repeat(5000));
    let hostile = [
        "file:///etc/passwd",
        "cofferdam://down/files/site/../../etc/passwd",
        "cofferdam://down/files/site/%2e%2e/%2e%2e/etc/passwd",
        "cofferdam://down/files/site/..%2f..%2fetc%2fpasswd",
        "cofferdam://down/files/site//etc/passwd",
        "cofferdam://down/files/site/a%00b",
        "cofferdam://down/files/site/a\u{0}b",
        "cofferdam://down/files/site/a\nb",
        "cofferdam://down%2ffiles/site/a",
        "cofferdam://down/files/site/a?encoding=base64",
        "cofferdam://down/runs/../files/site/a",
        &long,
    ];
    for uri in hostile {
        let told = legacy(&served, Some(&session), "resources/read", json!({ "uri": uri })).await;
        assert_eq!(told["error"]["code"], -32002, "{uri}: {told:#}");
        assert_eq!(told["error"]["data"]["reason"], "UNKNOWN_RESOURCE", "{uri}: {told:#}");
        let subscribed =
            legacy(&served, Some(&session), "resources/subscribe", json!({ "uri": uri })).await;
        assert_eq!(subscribed["error"]["code"], -32002, "{uri}: {subscribed:#}");
    }
    let (_, told) = served.request("resources/read", json!({ "uri": hostile[1] })).await;
    assert_eq!(told["error"]["code"], -32602, "newer clients know another code: {told:#}");
    served.stop().await;
    let failures = bodies(&served, "failure");
    assert_eq!(failures.len(), 2 * hostile.len() + 1, "{failures:#?}");
    assert!(failures.iter().all(|it| it["reason"] == "UNKNOWN_RESOURCE"), "{failures:#?}");
}

#[tokio::test]
async fn places_and_runs_that_there_are_not_are_not_found() {
    let served = Served::start().await;
    for (uri, reason) in [
        ("cofferdam://other/files/site/a".to_owned(), "UNKNOWN_HOST"),
        ("cofferdam://down/files/other/a".to_owned(), "UNKNOWN_PROJECT"),
        ("cofferdam://DOWN/files/site/a".to_owned(), "UNKNOWN_HOST"),
        (format!("cofferdam://other/runs/{RUN}/output"), "UNKNOWN_PROCESS"),
        ("cofferdam://down/runs/not-an-id/output".to_owned(), "UNKNOWN_PROCESS"),
    ] {
        let told = read(&served, &uri).await;
        assert_eq!(told["error"]["data"]["reason"], reason, "{told:#}");
        assert_eq!(told["error"]["code"], -32002, "{told:#}");
        assert_eq!(told["error"]["data"]["uri"], uri.as_str());
    }
    // A host that does not answer is another matter.
    let told = read(&served, "cofferdam://down/files/site/a").await;
    assert_eq!(told["error"]["code"], -32603, "{told:#}");
    assert_eq!(told["error"]["data"]["reason"], "HOST_UNREACHABLE");
}

#[tokio::test]
async fn a_resource_is_refused_exactly_where_the_tool_is() {
    let mut served = Served::with_rules(RULES).await;
    let paths = [
        "open/a",
        "open",
        "open/secrets/key",
        "open/secretsx",
        "other",
        "open%2Fa",
        "a%20b",
        "%66pen/a",
        "open/a%20b",
        "open/caf%E9",
    ];
    for path in paths {
        let told = read(&served, &format!("cofferdam://down/files/site/{path}")).await;
        let name = path.replace("%20", " ").replace("%E9", "\\xe9").replace("%66", "f");
        let refused = served.call("read_file", json!({ "path": name.replace("%2F", "/") })).await;
        let (resource, tool) = (&told["error"], refusal(&refused));
        if path.contains("%2F") {
            // It is none.
            assert_eq!(resource["data"]["reason"], "UNKNOWN_RESOURCE", "{told:#}");
            continue;
        }
        let reason = resource["data"]["reason"].as_str().unwrap();
        assert_eq!(reason, tool["reason"], "{path}: {told:#} {tool:#}");
        assert_eq!(resource["data"]["rules"], tool["rules"], "{path}");
        if reason == "DENIED" {
            assert_eq!(resource["code"], -32003, "{told:#}");
            assert_eq!(resource["data"]["allowed"], tool["allowed"]);
            assert!(resource["data"]["ask"].is_string(), "{told:#}");
        }
    }
    // Directories are lists, by the rules of lists.
    let told = read(&served, "cofferdam://down/files/site/").await;
    let tool = served.call("list_directory", json!({ "path": "." })).await;
    assert_eq!(told["error"]["data"]["reason"], refusal(&tool)["reason"], "{told:#}");
    served.stop().await;
    let denials = bodies(&served, "denial");
    let by_tool = |tool: &str| denials.iter().filter(|it| it["call"]["tool"] == tool).count();
    assert_eq!(by_tool("read_file") % 2, 0, "each refusal of either way is on record");
    assert_eq!(by_tool("list_directory"), 2, "{denials:#?}");
}

#[tokio::test]
async fn what_people_must_agree_to_waits_for_them_and_for_nobody_in_the_request() {
    let served = Served::with_rules(RULES).await;
    let told = tokio::time::timeout(
        Duration::from_secs(10),
        read(&served, "cofferdam://down/files/site/plans/x"),
    )
    .await
    .unwrap();
    assert_eq!(told["error"]["code"], -32003, "{told:#}");
    assert!(
        told["error"]["message"].as_str().unwrap().contains("people have to agree"),
        "{told:#}"
    );
    assert!(
        told["error"]["data"]["approval"].is_string()
            || told["error"]["message"].as_str().unwrap().contains("ap-"),
        "{told:#}"
    );
}

#[tokio::test]
async fn who_may_read_nothing_is_shown_nothing() {
    let mut served = Served::with_rules(RULES).await;
    served.token = token_of(&served, "bob");
    for (method, field) in [
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
        ("prompts/list", "prompts"),
    ] {
        let (_, listed) = served.request(method, json!({})).await;
        assert_eq!(listed["result"][field], json!([]), "{listed:#}");
    }
    let told = read(&served, "cofferdam://down/files/site/open/a").await;
    assert_eq!(told["error"]["code"], -32003, "{told:#}");
}

#[tokio::test]
async fn a_cursor_that_no_list_gave_is_refused() {
    let served = Served::start().await;
    for method in ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
        for cursor in ["x", "e30", "", "WyJhIl0"] {
            let (_, told) = served.request(method, json!({ "cursor": cursor })).await;
            assert_eq!(told["error"]["code"], -32602, "{method} {cursor}: {told:#}");
        }
    }
}

#[tokio::test]
async fn nobody_subscribes_where_they_could_not_be_told_or_may_not_read() {
    let served = Served::with_rules(RULES).await;
    let uri = "cofferdam://down/files/site/open/secrets/key";
    let alone = legacy(&served, None, "resources/subscribe", json!({ "uri": uri })).await;
    assert_eq!(alone["error"]["code"], -32600, "{alone:#}");
    let session = open_session(&served).await;
    let refused =
        legacy(&served, Some(&session), "resources/subscribe", json!({ "uri": uri })).await;
    assert_eq!(refused["error"]["data"]["reason"], "DENIED", "{refused:#}");
    let asked = "cofferdam://down/files/site/plans/next";
    let refused =
        legacy(&served, Some(&session), "resources/subscribe", json!({ "uri": asked })).await;
    assert_eq!(refused["error"]["data"]["reason"], "NEEDS_APPROVAL", "{refused:#}");
    let none =
        legacy(&served, Some(&session), "resources/unsubscribe", json!({ "uri": uri })).await;
    assert_eq!(none["result"], json!({}), "{none:#}");
    // Newer clients have no such method.
    let (_, told) = served.request("resources/subscribe", json!({ "uri": uri })).await;
    assert_eq!(told["error"]["code"], -32601, "{told:#}");
}

#[tokio::test]
async fn a_request_of_the_wrong_shape_is_named() {
    let served = Served::start().await;
    for (method, params) in [
        ("resources/read", json!({ "uri": 3 })),
        ("resources/read", json!({})),
        ("prompts/get", json!({ "name": [] })),
        ("completion/complete", json!({ "ref": "x" })),
    ] {
        let told = legacy(&served, None, method, params).await;
        assert_eq!(told["error"]["code"], -32602, "{method}: {told:#}");
        assert!(told["error"]["message"].as_str().unwrap().contains(method), "{told:#}");
    }
}

#[tokio::test]
async fn a_session_hears_that_its_runs_are_others_now() {
    let (served, _host) = Served::start_with_host(None, Script::default()).await;
    let session = open_session(&served).await;
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string();
    served.post(ready).header("mcp-session-id", &session).send().await.unwrap();
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
    // Somebody else's run is nothing to this session.
    served.call("execute_command", json!({ "program": "true" })).await;
    let told = async {
        let mut text = String::new();
        while !text.contains("notifications/resources/list_changed") {
            let chunk = stream.chunk().await.unwrap().expect("the stream goes on");
            text += &String::from_utf8_lossy(&chunk);
        }
        text
    };
    let text = tokio::time::timeout(Duration::from_secs(20), told).await.unwrap();
    assert!(!text.contains("tools/list_changed"), "{text}");
}
