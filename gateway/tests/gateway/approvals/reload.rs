//! Rules that change while a call waits for people: the rules of the moment when
//! they agreed are asked anew.

use rustix::process::{Signal, getpid, kill_process};

use super::*;
use crate::records::bodies;

/// Takes these rules, and waits until they decide.
async fn take(scene: &Scene, rules: &str) {
    std::fs::write(scene.served.directory.path().join("rules.toml"), rules).unwrap();
    kill_process(getpid(), Signal::HUP).unwrap();
    let probe = scene.client().await;
    tokio::time::timeout(LONG, async {
        // The new rules deny this, those before did not.
        while run(&probe, "probe").await.is_error == Some(false) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
}

/// The rules of these tests, and one by which a probe is denied.
fn with(more: &str) -> String {
    format!(
        "{RULES}\n[[rule]]\nid = \"probe\"\neffect = \"deny\"\nprograms = [{{ names = [\"probe\"{more}] }}]\n"
    )
}

/// What the call that waited came to, when the rules became these meanwhile.
async fn waited_through(scene: &Scene, rules: &str) -> Value {
    let (client, bob) = (scene.client().await, scene.approver("bob"));
    let (result, ()) = tokio::join!(run(&client, "push"), async {
        let request = waiting(&bob).await;
        take(scene, rules).await;
        agree(&bob, &request).await;
    });
    failed(&result).clone()
}

#[tokio::test]
async fn what_the_rules_deny_when_people_agree_is_not_done() {
    let mut scene = Scene::start(20).await;
    let error = waited_through(&scene, &with(", \"push\"")).await;
    assert_eq!(error["reason"], "DENIED", "{error:#}");
    scene.served.stop().await;
    let denials = bodies(&scene.served, "denial");
    let denial = denials.iter().find(|it| it["call"]["run_id"] == error["run_id"]).unwrap();
    let taken = bodies(&scene.served, "policy");
    assert_eq!(denial["policy_digest"], taken.last().unwrap()["policy_digest"]);
    assert_ne!(denial["policy_digest"], taken[0]["policy_digest"]);
}

#[tokio::test]
async fn people_agreed_to_a_call_by_the_rules_that_they_were_asked_by() {
    let scene = Scene::start(20).await;
    let error = waited_through(&scene, &with("")).await;
    assert_eq!(error["reason"], "APPROVAL_STALE", "{error:#}");
    assert!(error["message"].as_str().unwrap().contains("the rules have changed"), "{error:#}");
}
