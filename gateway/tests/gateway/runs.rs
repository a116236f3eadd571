//! Runs on a host that answers: what it is asked, and what its answer becomes.

use cofferdam_gateway::tokens::{NewToken, Purpose};
use cofferdam_proto::exec::v1::{Connection, Denial, Layer, Sandbox};
use serde_json::{Value, json};

use crate::access::open_session;
use crate::host::{Script, TestHost};
use crate::records::bodies;
use crate::refusal;
use crate::service::{STATELESS, Served, answer};

/// A sandbox that refused something and let something through.
fn sandbox() -> Sandbox {
    let layer = |name: &str, effective, detail: &str| Layer {
        name: name.into(),
        effective,
        detail: detail.into(),
    };
    let connection = |name: &str, refused: &str, bytes| Connection {
        protocol: "connect".into(),
        name: name.into(),
        port: 443,
        address: if refused.is_empty() { "192.0.2.7:443".into() } else { String::new() },
        refused: refused.into(),
        sent_bytes: bytes,
        received_bytes: bytes * 100,
    };
    Sandbox {
        layers: vec![layer("seccomp", true, ""), layer("cgroup", false, "no io controller")],
        kernel: "6.18.0".into(),
        profile: "build".into(),
        profile_digest: vec![7; 32],
        ceiling_digest: vec![8; 32],
        denials: vec![Denial {
            layer: "landlock".into(),
            operation: "read the file".into(),
            object: "/etc/shadow\nnext".into(),
            count: 2,
            setting: "view.read".into(),
            remedy: "a profile whose `view.read` has it".into(),
        }],
        denials_untold: 3,
        denials_unseen: String::new(),
        connections: vec![
            connection("crates.io", "", 12),
            connection("evil.example", "network.allow of profile build does not have it", 0),
        ],
        connections_untold: 0,
    }
}

async fn start(script: Script) -> (Served, TestHost) {
    Served::start_with_host(None, script).await
}

async fn run(served: &Served, arguments: Value) -> Value {
    let answer = served.call("execute_command", arguments).await;
    answer["result"].clone()
}

/// Every text and number inside `value`.
fn leaves(value: &Value) -> Vec<String> {
    match value {
        Value::Array(elements) => elements.iter().flat_map(leaves).collect(),
        Value::Object(fields) => fields.values().flat_map(leaves).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Null => Vec::new(),
        other => vec![other.to_string()],
    }
}

/// Every field is one of the schema, and every field that it requires is there.
fn conforms(value: &Value, schema: &Value, required: &Value, definitions: &Value) {
    if let Some(name) = schema["$ref"].as_str().and_then(|it| it.strip_prefix("#/$defs/")) {
        let schema = &definitions[name];
        return conforms(value, schema, &schema["required"], definitions);
    }
    match value {
        Value::Object(fields) => {
            for name in required.as_array().into_iter().flatten() {
                assert!(fields.contains_key(name.as_str().unwrap()), "{name} is missing: {value}");
            }
            for (name, value) in fields {
                let schema = &schema["properties"][name];
                assert!(schema.is_object(), "{name} is not in the schema");
                conforms(value, schema, &schema["required"], definitions);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                conforms(element, &schema["items"], &Value::Null, definitions);
            }
        }
        _ => assert!(!schema["type"].is_null() || !schema["$ref"].is_null(), "{value}: {schema}"),
    }
}

#[tokio::test]
async fn a_failed_run_tells_what_was_refused_right_after_its_output() {
    let script = Script {
        stdout: "cat: /etc/shadow: Permission denied\n",
        code: 1,
        sandbox: Some(sandbox()),
        ..Script::default()
    };
    let (served, _host) = start(script).await;
    let result = run(&served, json!({ "command": "cat /etc/shadow" })).await;
    let text = result["content"][0]["text"].as_str().unwrap();
    let expected = "\nstdout:\ncat: /etc/shadow: Permission denied\n\ndenials:\n- cannot read the \
                    file `/etc/shadow\u{fffd}next` (2 times): setting `view.read`; what would allow \
                    it: a profile whose `view.read` has it\n- 3 refusals more were counted";
    assert!(text.contains(expected), "{text}");
    let structured = &result["structuredContent"];
    assert_eq!(structured["denials"][0]["setting"], "view.read");
    assert_eq!(structured["sandbox"], json!(["seccomp"]));
    assert_eq!(structured["degraded"][0]["layer"], "cgroup");
    assert_eq!(structured["network"][0]["destination"], "evil.example:443");
    assert_eq!(structured["network"][1]["received_bytes"], 1200);
    for leaf in leaves(structured) {
        assert!(text.contains(&leaf), "{leaf:?} is missing in\n{text}");
    }
    let tools = served.request("tools/list", json!({})).await.1;
    let schema = &tools["result"]["tools"][0]["outputSchema"];
    conforms(structured, schema, &schema["anyOf"][0]["required"], &schema["$defs"]);
}

#[tokio::test]
async fn of_a_run_that_met_nothing_nothing_is_told() {
    let unseen = Sandbox { denials_unseen: "audit is off".into(), ..Sandbox::default() };
    let layers = vec![Layer { name: "seccomp".into(), effective: true, detail: String::new() }];
    let script = Script {
        stdout: "fine\n",
        layers: layers.clone(),
        sandbox: Some(unseen),
        ..Script::default()
    };
    let (served, _host) = start(script).await;
    let result = run(&served, json!({ "program": "true" })).await;
    let structured = &result["structuredContent"];
    assert_eq!((&structured["denials"], &structured["network"]), (&json!([]), &json!([])));
    assert!(structured["denials_note"].is_null() && structured["network_note"].is_null());
    // The layers that it began with hold where no later ones are told.
    assert_eq!(structured["sandbox"], json!(["seccomp"]));
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("\ndenials: none\n") && !text.contains("audit"), "{text}");
}

#[tokio::test]
async fn a_host_that_tells_nothing_of_its_sandbox_is_told_apart_from_one_that_refused_nothing() {
    let (mut served, _host) = start(Script { code: 1, ..Script::default() }).await;
    let result = run(&served, json!({ "program": "false" })).await;
    let note = result["structuredContent"]["denials_note"].as_str().unwrap();
    assert!(note.contains("does not tell"), "{note}");
    served.stop().await;
    assert!(bodies(&served, "outcome")[0]["sandbox"].is_null());
}

#[tokio::test]
async fn the_record_of_an_outcome_says_what_held_and_what_was_met() {
    let script = Script { code: 1, sandbox: Some(sandbox()), ..Script::default() };
    let (mut served, _host) = start(script).await;
    run(&served, json!({ "program": "false" })).await;
    served.stop().await;
    let outcome = &bodies(&served, "outcome")[0];
    assert!(outcome["receipt"].is_object() || outcome["receipt"].is_string(), "{outcome:#}");
    let recorded = &outcome["sandbox"];
    assert_eq!(recorded["profile_digest"], "07".repeat(32));
    assert_eq!(recorded["kernel"], "6.18.0");
    assert_eq!(
        recorded["weak_layers"],
        json!([{ "name": "cgroup", "detail": "no io controller" }])
    );
    assert_eq!(recorded["denials"][0]["operation"], "read the file");
    assert_eq!(recorded["denials_untold"], 3);
    assert_eq!(recorded["connections"][0]["address"], "192.0.2.7:443");
    assert_eq!(recorded["connections"][1]["name"], "evil.example");
}

#[tokio::test]
async fn how_long_the_sandbox_lives_travels_with_the_action_and_contradictions_do_not() {
    let (served, host) = start(Script::default()).await;
    run(&served, json!({ "command": "sleep 9 &", "background": true })).await;
    run(&served, json!({ "command": "ls", "one_shot": true })).await;
    let both = json!({ "command": "ls", "one_shot": true, "background": true });
    let refused = served.call("execute_command", both).await;
    assert_eq!(refusal(&refused)["field"], "one_shot");
    let asked: Vec<_> =
        host.asked().iter().map(|(_, command)| (command.background, command.one_shot)).collect();
    assert_eq!(asked, [(true, false), (false, true)]);
}

#[tokio::test]
async fn the_networks_of_all_rules_travel_side_by_side_and_are_recorded() {
    let rules = r#"
version = 1
profiles = ["readonly", "build-network"]
[[rule]]
id = "base"
effect = "allow"
programs = [{ any = true }]
grant = { profile = "build-network", network = ["static.crates.io:443", "INDEX.crates.io:443"] }
[[rule]]
id = "narrow"
effect = "allow"
scope = "project"
programs = [{ any = true }]
grant = { network = ["*.crates.io:443"] }
"#;
    let (mut served, host) = Served::start_with_host(Some(rules), Script::default()).await;
    run(&served, json!({ "program": "cargo", "arguments": ["fetch"] })).await;
    let (intent, _) = host.asked().remove(0);
    let lists: Vec<_> =
        intent.grant.unwrap().network.into_iter().map(|list| list.allowed).collect();
    let expected = [vec!["*.crates.io:443"], vec!["index.crates.io:443", "static.crates.io:443"]];
    assert_eq!(lists, expected);
    served.stop().await;
    assert_eq!(bodies(&served, "intent")[0]["grant"]["network"], json!(expected));
}

#[tokio::test]
async fn no_two_tokens_share_a_session_even_of_one_users_name() {
    let (served, host) = start(Script::default()).await;
    let twin = NewToken {
        purpose: Purpose::Client,
        name: "twin".into(),
        user: "ada".into(),
        groups: vec!["developers".into()],
        tenant: String::new(),
        claims: cofferdam_policy::Claims::default(),
        expires_at: None,
    };
    let (twin, _) = served.tokens().create(&twin).unwrap();
    run(&served, json!({ "program": "true" })).await;
    run(&served, json!({ "program": "true" })).await;
    call_as(&served, twin.reveal(), "").await;
    let sessions: Vec<_> = host.asked().into_iter().map(|(intent, _)| intent.session).collect();
    assert!(sessions[0].starts_with("token/") && sessions[0] == sessions[1], "{sessions:?}");
    assert!(sessions[2].starts_with("token/") && sessions[2] != sessions[0], "{sessions:?}");
}

#[tokio::test]
async fn a_session_counts_only_where_it_is_the_callers_own() {
    let (mut served, host) = start(Script::default()).await;
    let session = open_session(&served).await;
    let params = json!({ "name": "execute_command", "arguments": { "program": "true" } });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let request = served.post(body.to_string()).header("mcp-session-id", &session);
    let (_, answered) = answer(request.send().await.unwrap()).await;
    assert_eq!(answered["result"]["isError"], false, "{answered:#}");
    // A stateless request that names the session is not in it.
    call_as(&served, &served.token, &session).await;
    let sessions: Vec<_> = host.asked().into_iter().map(|(intent, _)| intent.session).collect();
    assert_eq!(sessions[0], session);
    assert!(sessions[1].starts_with("token/"), "{sessions:?}");
    served.stop().await;
    let recorded: Vec<_> =
        bodies(&served, "intent").iter().map(|it| it["call"]["session"].clone()).collect();
    assert_eq!(recorded, sessions);
}

/// A stateless call with a token, which claims to be in a session.
async fn call_as(served: &Served, token: &str, session: &str) {
    let params = json!({
        "name": "execute_command",
        "arguments": { "program": "true" },
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": STATELESS,
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let mut request = served
        .client()
        .post(&served.url)
        .bearer_auth(token)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", STATELESS)
        .header("mcp-method", "tools/call")
        .header("mcp-name", "execute_command");
    if !session.is_empty() {
        request = request.header("mcp-session-id", session);
    }
    let (_, answered) = answer(request.body(body.to_string()).send().await.unwrap()).await;
    assert_eq!(answered["result"]["isError"], false, "{answered:#}");
}
