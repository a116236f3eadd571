//! Rules that change while the gateway serves.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};
use serde_json::{Value, json};

use crate::records::bodies;
use crate::refusal;
use crate::service::Served;

/// Rules by which `list_hosts` is allowed by the rule of this id, and nothing
/// else.
fn rules(id: &str) -> String {
    format!(
        "version = 1\n[[rule]]\nid = \"{id}\"\neffect = \"allow\"\ntools = [\"list_hosts\"]\n\
         [[test]]\nname = \"list\"\ncall = {{ user = \"ada\", tool = \"list_hosts\" }}\nexpect = \"allow\"\n"
    )
}

fn write(served: &Served, text: &str) {
    std::fs::write(served.directory.path().join("rules.toml"), text).unwrap();
}

/// As `systemctl reload` does; every gateway of these tests hears it.
fn hang_up() {
    kill_process(getpid(), Signal::HUP).unwrap();
}

async fn health(served: &Served) -> String {
    let url = served.url.replace("/mcp", "/healthz");
    let response = served.client().get(url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.text().await.unwrap()
}

async fn until_health(served: &Served, is: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let health = health(served).await;
        if is(&health) {
            return;
        }
        assert!(Instant::now() < deadline, "{health}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What `list_hosts` comes to.
async fn list(served: &Served) -> Result<(), String> {
    let answer = served.call("list_hosts", json!({})).await;
    match answer["result"]["isError"] {
        Value::Bool(false) => Ok(()),
        _ => Err(refusal(&answer)["reason"].as_str().unwrap().to_owned()),
    }
}

async fn until_listed(served: &Served, is: &Result<(), String>) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while list(served).await != *is {
        assert!(Instant::now() < deadline, "never {is:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn no_call_fails_or_sees_a_mixture_while_rules_change() {
    let mut served = Served::start().await;
    write(&served, &rules("one"));
    hang_up();
    let turns = async {
        for turn in 0..6 {
            tokio::time::sleep(Duration::from_millis(400)).await;
            write(&served, &rules(if turn % 2 == 0 { "two" } else { "one" }));
            hang_up();
        }
    };
    let calls = async {
        let mut count = 0;
        loop {
            let four = tokio::join!(list(&served), list(&served), list(&served), list(&served));
            assert_eq!(four, (Ok(()), Ok(()), Ok(()), Ok(())));
            count += 4;
            if count > 100_000 {
                return;
            }
        }
    };
    tokio::select! {
        () = turns => {}
        () = calls => {}
    }
    served.stop().await;
    let taken: BTreeMap<u64, Value> = policies(&served);
    let mut versions = Vec::new();
    for intent in bodies(&served, "intent") {
        let version = intent["call"]["policy_version"].as_u64().unwrap();
        assert_eq!(intent["policy_digest"], taken[&version]["policy_digest"], "{intent:#}");
        versions.push(version);
    }
    versions.dedup();
    assert!(versions.len() > 3, "rules changed under these calls: {versions:?}");
    let digest = |name: &str| cofferdam_journal::Digest::of(rules(name).as_bytes()).to_string();
    for intent in bodies(&served, "intent") {
        let by = intent["rules"][0].as_str().unwrap();
        if by != "look" {
            assert_eq!(intent["policy_digest"], digest(by), "{intent:#}");
        }
    }
}

/// The records of rules that were taken, by their sequence.
fn policies(served: &Served) -> BTreeMap<u64, Value> {
    let records = crate::records::records(served);
    let taken = records.into_iter().filter(|it| it["kind"] == "policy");
    taken
        .filter(|it| it["body"]["step"] == "loaded")
        .map(|it| (it["seq"].as_u64().unwrap(), it["body"].clone()))
        .collect()
}

#[tokio::test]
async fn a_rule_that_is_taken_out_refuses_the_next_call_and_one_that_is_put_in_permits_it() {
    let mut served = Served::start().await;
    assert_eq!(list(&served).await, Ok(()));
    let path = served.directory.path().join("rules.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    // As editors do it: a new file takes the name of the old one. Nobody says so.
    let replace = |text: &str| {
        let new = path.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &path).unwrap();
    };
    replace(&text.replace(", \"list_hosts\"]", "]"));
    until_listed(&served, &Err("DENIED".to_owned())).await;
    replace(&text);
    until_listed(&served, &Ok(())).await;
    served.stop().await;
    assert_eq!(policies(&served).len(), 3);
    let denials = bodies(&served, "denial");
    let second = *policies(&served).keys().nth(1).unwrap();
    assert_eq!(denials[0]["call"]["policy_version"], second);
}

#[tokio::test]
async fn broken_and_vanished_rules_change_nothing_until_they_are_right_again() {
    let mut served = Served::start().await;
    let path = served.directory.path().join("rules.toml");
    let tested = rules("one");
    let failing = tested.replace("expect = \"allow\"", "expect = \"deny\"");
    for broken in ["version = 1\n[[rule]]\nid = 5\n", &failing] {
        write(&served, broken);
        hang_up();
        until_health(&served, |health| health.contains("refused")).await;
        assert_eq!(list(&served).await, Ok(()), "those before decide");
        let answer = served.call("execute_command", json!({ "program": "cat" })).await;
        assert_eq!(refusal(&answer)["reason"], "HOST_UNREACHABLE", "{answer:#}");
        write(&served, &tested);
        hang_up();
        until_health(&served, |health| health == "ok\n").await;
        let answer = served.call("execute_command", json!({ "program": "cat" })).await;
        assert_eq!(refusal(&answer)["reason"], "DENIED", "what was put right decides");
        write(&served, &allowing_everything());
        hang_up();
        until_program(&served, "HOST_UNREACHABLE").await;
    }
    std::fs::remove_file(&path).unwrap();
    hang_up();
    until_health(&served, |health| health.contains("refused")).await;
    let answer = served.call("execute_command", json!({ "program": "cat" })).await;
    assert_eq!(refusal(&answer)["reason"], "HOST_UNREACHABLE", "{answer:#}");
    write(&served, &tested);
    until_program(&served, "DENIED").await;
    assert_eq!(health(&served).await, "ok\n");
    served.stop().await;
    let refused: Vec<Value> = bodies(&served, "policy")
        .into_iter()
        .filter(|policy| policy["step"] == "refused")
        .collect();
    let said =
        |what: &str| refused.iter().any(|policy| policy["error"].as_str().unwrap().contains(what));
    assert!(said("rules.toml:3"), "{refused:#?}");
    assert!(said("do not pass their own tests"), "{refused:#?}");
    assert!(said("No such file"), "{refused:#?}");
    assert!(refused.iter().all(|policy| policy["policy_digest"].is_string()), "{refused:#?}");
}

fn allowing_everything() -> String {
    rules("one")
        + "[[rule]]\nid = \"all\"\neffect = \"allow\"\nprograms = [{ any = true }]\n\
           grant = { profile = \"build\" }\n"
}

async fn until_program(served: &Served, reason: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = served.call("execute_command", json!({ "program": "cat" })).await;
        if refusal(&answer)["reason"] == reason {
            return;
        }
        assert!(Instant::now() < deadline, "{answer:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn versions_grow_from_one_process_to_the_next() {
    let served = Served::start().await;
    let mut served = served.restart().await;
    served.call("list_hosts", json!({})).await;
    served.stop().await;
    let taken: Vec<u64> = policies(&served).into_keys().collect();
    assert_eq!(taken.len(), 2);
    assert_eq!(bodies(&served, "intent")[0]["call"]["policy_version"], taken[1]);
}
