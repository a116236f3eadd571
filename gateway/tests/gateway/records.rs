//! What the journal says about calls.

use std::time::{Duration, Instant};

use cofferdam_journal::{Call, Entry, Intent, Journal, Options};
use cofferdam_trust::SigningKey;
use serde_json::{Value, json};

use crate::refusal;
use crate::service::Served;

/// The bodies of the records of one kind, in order.
pub(crate) fn bodies(served: &Served, kind: &str) -> Vec<Value> {
    let all = records(served).into_iter().filter(|record| record["kind"] == kind);
    all.map(|record| record["body"].clone()).collect()
}

/// All records, in order.
pub(crate) fn records(served: &Served) -> Vec<Value> {
    cofferdam_journal::verify(&served.journal(), None).unwrap();
    let mut segments: Vec<_> = std::fs::read_dir(served.journal())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    segments.sort();
    let lines = segments.iter().map(|path| std::fs::read_to_string(path).unwrap());
    let records = lines.flat_map(|text| {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    });
    records.collect()
}

#[tokio::test]
async fn a_host_that_is_down_is_told_quickly_and_recorded() {
    let mut served = Served::start().await;
    let calls = [
        ("execute_command", json!({ "program": "true" })),
        ("execute_command", json!({ "command": "echo $HOME" })),
        ("read_file", json!({ "path": "a" })),
        ("write_file", json!({ "path": "a", "content": "secret content" })),
        ("list_directory", json!({})),
        ("search_files", json!({ "content": "x" })),
        ("read_files", json!({ "paths": ["a", "b"] })),
        (
            "edit_file",
            json!({ "path": "a", "edits": [{ "old_text": "secret content", "new_text": "b" }] }),
        ),
        ("stat_file", json!({ "path": "a" })),
        ("make_directory", json!({ "path": "d" })),
        ("move_file", json!({ "from": "a", "to": "b" })),
        ("copy_file", json!({ "from": "a", "to": "b" })),
        ("delete_file", json!({ "path": "a" })),
        ("watch_files", json!({})),
        ("get_system_info", json!({})),
        ("check_command_exists", json!({ "program": "ls" })),
        ("read_service", json!({ "what": "journal", "unit": "nginx" })),
    ];
    for (tool, arguments) in calls.clone() {
        let start = Instant::now();
        let answer = served.call(tool, arguments).await;
        assert!(start.elapsed() < Duration::from_secs(3), "{tool}");
        let error = refusal(&answer);
        assert_eq!(error["reason"], "HOST_UNREACHABLE", "{tool}: {error:#}");
        assert_eq!(error["host"], "down", "{error:#}");
        assert!(error["message"].as_str().unwrap().contains("refused"), "{error:#}");
    }
    served.stop().await;
    let (intents, outcomes) = (bodies(&served, "intent"), bodies(&served, "outcome"));
    assert_eq!((intents.len(), outcomes.len()), (calls.len(), calls.len()));
    for ((intent, outcome), (tool, _)) in intents.iter().zip(&outcomes).zip(&calls) {
        assert_eq!(intent["call"]["tool"], *tool);
        assert_eq!(intent["call"]["run_id"], outcome["run_id"]);
        assert_eq!(outcome["ending"]["kind"], "failed");
        assert_eq!(outcome["ending"]["reason"], "HOST_UNREACHABLE");
        assert_eq!(intent["call"]["action_digest"].as_str().unwrap().len(), 64);
    }
    let written = &intents[3]["call"]["action"]["content"];
    assert_eq!(written["bytes"], 14);
    assert!(!json!(intents).to_string().contains("secret content"));
}

#[tokio::test]
async fn what_the_gateway_answers_itself_is_recorded_like_the_rest() {
    let mut served = Served::start().await;
    let answer = served.call("list_hosts", json!({})).await;
    let told = &answer["result"]["structuredContent"];
    assert_eq!(told["hosts"][0]["labels"]["role"], "test", "{answer:#}");
    assert_eq!(told["projects"][0]["workspace"], "/srv/site", "{answer:#}");
    served.stop().await;
    assert_eq!(bodies(&served, "intent")[0]["call"]["run_id"], told["run_id"]);
    assert_eq!(bodies(&served, "outcome")[0]["ending"]["kind"], "completed");
}

#[tokio::test]
async fn the_state_of_a_host_that_is_down_is_shown() {
    let served = Served::start().await;
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let answer = served.call("list_hosts", json!({})).await;
        let host = &answer["result"]["structuredContent"]["hosts"][0];
        if host["state"] == "unreachable" {
            assert!(host["detail"].as_str().unwrap().contains("refused"), "{host:#}");
            return;
        }
        assert!(Instant::now() < deadline, "{host:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_chain_goes_on_after_a_restart() {
    let served = Served::start().await;
    served.call("list_hosts", json!({})).await;
    let mut served = served.restart().await;
    served.call("list_hosts", json!({})).await;
    served.stop().await;
    assert_eq!(bodies(&served, "opened").len(), 2);
    assert_eq!(bodies(&served, "outcome").len(), 2);
}

#[tokio::test]
async fn what_a_killed_gateway_left_open_is_ended_as_lost() {
    let mut served = Served::start().await;
    served.stop().await;
    let key = SigningKey::load(&served.directory.path().join("signing.key")).unwrap();
    let options = Options::new("spiffe://cofferdam/gateway/main", key);
    let (journal, _) = Journal::open(&served.journal(), options).unwrap();
    let call = Call { run_id: "0199-left-open".into(), ..Call::default() };
    journal.append(Entry::Intent(Intent { call, ..Intent::default() })).unwrap();
    journal.close().unwrap();
    drop(journal);
    let mut served = served.restart().await;
    served.stop().await;
    let outcomes = bodies(&served, "outcome");
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0]["run_id"], "0199-left-open");
    assert_eq!(outcomes[0]["ending"]["kind"], "lost");
}

#[tokio::test]
async fn secrets_in_arguments_reach_no_record() {
    let mut served = Served::start().await;
    let secret = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";
    let arguments = json!({
        "program": "true",
        "arguments": [secret],
        "environment": { "API_TOKEN": "hunter2-hunter2" },
        "surprise": secret,
    });
    refusal(&served.call("execute_command", arguments.clone()).await);
    let mut arguments = arguments;
    arguments.as_object_mut().unwrap().remove("surprise");
    refusal(&served.call("execute_command", arguments).await);
    served.stop().await;
    let all = [bodies(&served, "intent"), bodies(&served, "failure")].concat();
    assert_eq!(all.len(), 2);
    let text = serde_json::to_string(&all).unwrap();
    assert!(!text.contains(secret) && !text.contains("hunter2"), "{text}");
}
