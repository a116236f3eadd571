//! Sessions that callers open, and calls that go to several hosts: what is carried,
//! whom a handle works for, what each host gets.

use cofferdam_gateway::tokens::{NewToken, Purpose};
use serde_json::{Value, json};

use crate::host::{Script, TestHost};
use crate::records::bodies;
use crate::refusal;
use crate::service::{Served, answer};

/// Two hosts of one project.
async fn two_hosts() -> (Served, [TestHost; 2]) {
    let script = Script { stdout: "hello\n", ..Script::default() };
    let (mut served, down) = Served::start_with_host(None, script.clone()).await;
    served.stop().await;
    let twin = TestHost::start_as("twin", served.directory.path(), script).await;
    let path = served.directory.path().join("gateway.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, project) = text.split_once("[[project]]").unwrap();
    let host = format!(
        "[[host]]\nname = \"twin\"\naddress = \"{}\"\nagent = \"spiffe://cofferdam/agent/twin\"\n\
         key = \"{}\"\nlabels = {{ role = \"twin\" }}\n",
        twin.address, twin.key
    );
    let project = project.replace(
        "workspace = \"/srv/site\"",
        "workspace = \"/srv/site\"\nhosts = [\"down\", \"twin\"]",
    );
    std::fs::write(&path, format!("{head}{host}\n[[project]]{project}")).unwrap();
    (served.restart().await, [down, twin])
}

async fn result(served: &Served, tool: &str, arguments: Value) -> Value {
    let answer = served.call(tool, arguments).await;
    assert_ne!(answer["result"]["isError"], true, "{answer:#}");
    answer["result"]["structuredContent"].clone()
}

async fn open(served: &Served, arguments: Value) -> String {
    let opened = result(served, "open_session", arguments).await;
    opened["session"].as_str().unwrap().to_owned()
}

/// A call as clients before 2026-07-28 make it.
async fn legacy(served: &Served, tool: &str, arguments: Value) -> Value {
    let params = json!({ "name": tool, "arguments": arguments });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    answer(served.post(body.to_string()).send().await.unwrap()).await.1
}

#[tokio::test]
async fn what_a_session_carries_is_decided_on_and_recorded_as_if_the_call_had_said_it() {
    let (mut served, [down, twin]) = two_hosts().await;
    let carried = json!({
        "host": "twin", "working_directory": "src", "profile": "readonly",
        "environment": { "LANG": "C", "EDITOR": "vi" },
    });
    let handle = open(&served, carried).await;
    let run = json!({ "program": "true", "session": handle, "environment": { "EDITOR": "ed" } });
    result(&served, "execute_command", run.clone()).await;
    assert_ne!(legacy(&served, "execute_command", run).await["result"]["isError"], true);
    let elsewhere =
        json!({ "program": "true", "session": handle, "host": "down", "working_directory": "lib" });
    result(&served, "execute_command", elsewhere).await;
    let (asked, asked_elsewhere) = (twin.asked(), down.asked());
    assert_eq!((asked.len(), asked_elsewhere.len()), (2, 1));
    let (intent, command) = &asked[0];
    assert_eq!(command.working_directory, b"src");
    let variables: Vec<_> =
        command.environment.iter().map(|it| (it.name.as_str(), it.value.as_slice())).collect();
    assert_eq!(variables, [("EDITOR", &b"ed"[..]), ("LANG", b"C")]);
    assert_eq!(intent.grant.as_ref().unwrap().profile, "readonly", "narrower than `build`");
    assert!(intent.session.starts_with("session/") && !intent.session.contains(&handle));
    assert_eq!(asked_elsewhere[0].1.working_directory, b"lib");
    let closed = result(&served, "close_session", json!({ "session": handle })).await;
    assert_eq!(
        (&closed["state"], closed["hosts"].as_array().unwrap().len()),
        (&json!("closed"), 2)
    );
    assert_eq!(twin.closed(), [intent.session.as_str()]);
    assert_eq!(down.closed(), twin.closed());
    served.stop().await;
    let intents = bodies(&served, "intent");
    let of =
        |tool: &str| intents.iter().filter(|it| it["call"]["tool"] == tool).collect::<Vec<_>>();
    assert_eq!((of("open_session").len(), of("close_session").len()), (1, 3));
    let run = of("execute_command")[0];
    assert_eq!(run["call"]["action"]["working_directory"], "src", "{run:#}");
    assert_eq!(run["call"]["session"], intent.session);
    assert!(!format!("{intents:?}").contains(&handle), "no record has the handle");
}

#[tokio::test]
async fn a_session_grants_nothing() {
    let (served, host) = Served::start_with_host(None, Script::default()).await;
    // Wider than what the rules give for this, so that it changes nothing.
    let handle = open(&served, json!({ "profile": "build" })).await;
    let sudo =
        served.call("execute_command", json!({ "program": "sudo", "session": handle })).await;
    assert_eq!(refusal(&sudo)["rules"], json!(["no-sudo"]));
    assert!(host.asked().is_empty());
    let unknown = served.call("open_session", json!({ "profile": "everything" })).await;
    assert!(refusal(&unknown)["message"].as_str().unwrap().contains("readonly, build"));
    let outside = served.call("open_session", json!({ "working_directory": "../x" })).await;
    assert_eq!(refusal(&outside)["field"], "working_directory");
}

#[tokio::test]
async fn a_handle_works_after_a_restart_and_for_its_caller_only() {
    let (served, _host) = two_hosts().await;
    let handle = open(&served, json!({})).await;
    let mut served = served.restart().await;
    let run = json!({ "program": "true", "session": handle });
    result(&served, "execute_command", run.clone()).await;
    let listed = result(&served, "list_sessions", json!({})).await;
    let id = listed["sessions"][0]["id"].as_str().unwrap().to_owned();
    assert!(!listed.to_string().contains(&handle), "{listed:#}");
    let new = |user: &str, tenant: &str| NewToken {
        purpose: Purpose::Client,
        name: format!("{user}-{tenant}"),
        user: user.into(),
        groups: Vec::new(),
        tenant: tenant.into(),
        claims: cofferdam_policy::Claims::default(),
        expires_at: None,
    };
    let nothing = served
        .call("execute_command", json!({ "program": "true", "session": "cfs_nothing" }))
        .await;
    let words = refusal(&nothing)["message"].clone();
    for other in [new("bob", ""), new("ada", "elsewhere")] {
        served.token = served.tokens().create(&other).unwrap().0.reveal().to_owned();
        for (tool, arguments) in [
            ("execute_command", run.clone()),
            ("read_file", json!({ "path": "a", "session": handle })),
            ("close_session", json!({ "session": handle })),
            ("close_session", json!({ "session": id })),
        ] {
            let refused = served.call(tool, arguments).await;
            let refused = refusal(&refused);
            assert_eq!(refused["reason"], "UNKNOWN_SESSION", "{tool}");
            assert_eq!(refused["message"], words, "{tool}");
        }
        let none = result(&served, "list_sessions", json!({})).await;
        assert_eq!(none["sessions"], json!([]));
    }
}

#[tokio::test]
async fn one_that_was_unused_for_too_long_is_unknown_and_one_user_has_only_so_many() {
    let served = Served::start_with("[sessions]\nidle_seconds = 1\nper_user = 1\n").await;
    let handle = open(&served, json!({})).await;
    let more = served.call("open_session", json!({})).await;
    assert_eq!(refusal(&more)["reason"], "TOO_MANY_SESSIONS");
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    let late = served.call("read_file", json!({ "path": "a", "session": handle })).await;
    assert_eq!(refusal(&late)["reason"], "UNKNOWN_SESSION");
    open(&served, json!({})).await;
}

#[tokio::test]
async fn a_call_on_several_hosts_is_decided_recorded_and_answered_by_each() {
    let (mut served, [down, twin]) = two_hosts().await;
    let arguments = json!({ "program": "true", "hosts": ["down", "nowhere", "twin"] });
    for answer in [
        served.call("execute_command", arguments.clone()).await,
        legacy(&served, "execute_command", arguments).await,
    ] {
        assert_ne!(answer["result"]["isError"], true, "{answer:#}");
        let told = &answer["result"]["structuredContent"];
        let results = told["results"].as_array().unwrap();
        let hosts: Vec<_> =
            results.iter().map(|it| (it["host"].clone(), it["is_error"].clone())).collect();
        let expected = [("down", false), ("nowhere", true), ("twin", false)];
        assert_eq!(hosts, expected.map(|(host, failed)| (json!(host), json!(failed))));
        assert_eq!(results[2]["result"]["stdout"], "hello\n", "{told:#}");
        assert_eq!(results[1]["result"]["error"]["reason"], "UNKNOWN_HOST");
    }
    let by_label = json!({ "program": "true", "host_labels": { "role": "twin" } });
    let labelled = result(&served, "execute_command", by_label).await;
    assert_eq!(
        (labelled["results"].as_array().unwrap().len(), &labelled["results"][0]["host"]),
        (1, &json!("twin"))
    );
    for wrong in [
        json!({ "program": "true", "hosts": ["down"], "host": "down" }),
        json!({ "program": "true", "hosts": [] }),
        json!({ "program": "true", "host_labels": { "role": "none" } }),
    ] {
        refusal(&served.call("execute_command", wrong).await);
    }
    let denied = served
        .call("execute_command", json!({ "program": "sudo", "hosts": ["down", "twin"] }))
        .await;
    assert_eq!(denied["result"]["isError"], true, "each of them refused");
    assert_eq!((down.asked().len(), twin.asked().len()), (2, 3));
    served.stop().await;
    assert_eq!((bodies(&served, "intent").len(), bodies(&served, "denial").len()), (5, 2));
}
