//! `read_service` up to the host: who is told of it, what is refused and what is
//! asked. What a host answers is tried in `tests/journey/services.rs`.

use serde_json::{Value, json};

use crate::records::bodies;
use crate::refusal;
use crate::service::Served;

const RULES: &str = r#"
version = 1

[sets]
shop = ["shop.service", "shop-*.service"]

[[rule]]
id = "states"
effect = "allow"
services = ["@shop"]

[[rule]]
id = "journal"
effect = "ask"
reason = "journals hold what customers wrote"
services = ["shop.service"]
journal = true

[[rule]]
id = "no-payments"
effect = "deny"
reason = "payments are looked at by people"
services = ["shop-payments.service"]

[[rule]]
id = "others"
effect = "allow"
subjects = { users = ["bob"] }
services = ["*"]
journal = true
"#;

fn asked(what: &str, unit: &str) -> Value {
    json!({ "what": what, "unit": unit })
}

#[tokio::test]
async fn the_tool_is_told_of_where_a_rule_names_units_for_the_caller() {
    let names = |answer: Value| answer["result"]["tools"].to_string();
    let served_all = Served::with_rules(RULES).await;
    let (_, answer) = served_all.request("tools/list", json!({})).await;
    assert!(names(answer).contains("\"read_service\""));
    // Tools alone name no unit, and rules for others are for others.
    let others = RULES.replace("[\"@shop\"]", "[\"a.service\"]\nsubjects = { users = [\"eve\"] }");
    let others = others.split("[[rule]]\nid = \"journal\"").next().unwrap().to_owned()
        + "[[rule]]\nid = \"tool\"\neffect = \"allow\"\ntools = [\"read_service\"]\n";
    let served_none = Served::with_rules(&others).await;
    let (_, answer) = served_none.request("tools/list", json!({})).await;
    assert!(!names(answer).contains("\"read_service\""));
    let refused = served_none.call("read_service", asked("list", "*")).await;
    assert_eq!(refusal(&refused)["reason"], "DENIED");
}

#[tokio::test]
async fn a_refusal_says_which_units_may_be_read_and_is_recorded() {
    let mut served = Served::with_rules(RULES).await;
    for (what, unit, words) in [
        ("status", "ssh", "no rule permits to read the state of `ssh.service`"),
        ("list", "*.timer", "no rule permits to list the units `*.timer`"),
        ("list", "sho?.service", "permits only the units `shop.service`"),
        ("status", "shop-payments", "payments are looked at by people"),
        ("journal", "shop-web", "permits to read the state only, not the journal"),
        // A listing that holds a denied unit shows none.
        ("list", "shop-*", "the rule names some of these units"),
    ] {
        let answer = served.call("read_service", asked(what, unit)).await;
        let error = refusal(&answer);
        assert_eq!(error["reason"], "DENIED", "{what} {unit}: {error:#}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(words), "{what} {unit}: {message}");
        assert!(error["allowed"].to_string().contains("shop-*.service (state)"), "{error:#}");
    }
    // What may be read goes to the host, which is down here.
    let answer = served.call("read_service", asked("status", "shop-web")).await;
    assert_eq!(refusal(&answer)["reason"], "HOST_UNREACHABLE");
    served.stop().await;
    let denials = bodies(&served, "denial");
    assert_eq!(denials.len(), 6);
    assert_eq!(denials[0]["call"]["action"]["unit"], "ssh", "as it was asked");
    assert_eq!(bodies(&served, "intent").len(), 1);
}

#[tokio::test]
async fn what_may_be_read_is_described() {
    let served = Served::with_rules(RULES).await;
    let answer = served.call("describe_access", json!({})).await;
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    for expected in [
        "may read units shop.service (state), shop-*.service (state)",
        "may read units shop.service (state, journal); people have to agree",
        "may not read units shop-payments.service (state, journal) [rule `no-payments`",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
}
