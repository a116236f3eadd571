//! Rules that only look on.

use serde_json::json;

use crate::records::bodies;
use crate::refusal;
use crate::service::Served;

/// A gateway whose shadow rules are these.
async fn watched(shadow: &str) -> Served {
    let served = Served::start().await;
    let configuration = served.directory.path().join("gateway.toml");
    let text = std::fs::read_to_string(&configuration).unwrap();
    std::fs::write(served.directory.path().join("shadow.toml"), shadow).unwrap();
    std::fs::write(&configuration, format!("rules_shadow = \"shadow.toml\"\n{text}")).unwrap();
    served.restart().await
}

#[tokio::test]
async fn shadow_rules_change_no_answer_and_what_they_would_say_is_recorded() {
    let rules = "version = 1\n\
        [[rule]]\nid = 'ls-only'\neffect = 'allow'\nprograms = [{ names = ['ls', 'sudo'] }]\n\
        grant = { profile = 'build', workspace_access = 'write' }\n\
        [[rule]]\nid = 'list'\neffect = 'allow'\ntools = ['list_hosts']\n\
        grant = { profile = 'readonly' }\n";
    let mut served = watched(rules).await;
    for (program, reason) in
        [("ls", "HOST_UNREACHABLE"), ("cat", "HOST_UNREACHABLE"), ("sudo", "DENIED")]
    {
        let answer = served.call("execute_command", json!({ "program": program })).await;
        assert_eq!(refusal(&answer)["reason"], reason, "{program}");
    }
    let hosts = served.call("list_hosts", json!({})).await;
    assert_eq!(hosts["result"]["isError"], json!(false), "{hosts:#}");
    served.stop().await;
    let intents = bodies(&served, "intent");
    let shadows: Vec<_> = intents.iter().map(|intent| &intent["call"]["shadow"]).collect();
    assert!(shadows[0].is_null() && shadows[2].is_null(), "the same is not told: {shadows:?}");
    assert_eq!(
        (&shadows[1]["difference"], &shadows[1]["effect"]),
        (&json!("narrower"), &json!("deny"))
    );
    let denied = &bodies(&served, "denial")[0]["call"]["shadow"];
    assert_eq!(denied["difference"], "wider");
    assert_eq!(denied["rules"], json!(["ls-only"]));
    assert_eq!(denied["policy_digest"].as_str().unwrap().len(), 64);
}

#[tokio::test]
async fn shadow_rules_that_are_wrong_or_missing_stop_nothing() {
    let mut served = watched("this is no rule file").await;
    let answer = served.call("list_hosts", json!({})).await;
    assert_eq!(answer["result"]["isError"], json!(false), "{answer:#}");
    std::fs::remove_file(served.directory.path().join("shadow.toml")).unwrap();
    served = served.restart().await;
    let answer = served.call("execute_command", json!({ "program": "sudo" })).await;
    assert_eq!(refusal(&answer)["reason"], "DENIED");
    served.stop().await;
    assert!(bodies(&served, "denial")[0]["call"]["shadow"].is_null());
}
