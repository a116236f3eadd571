//! What a host says of the end of a run, and what becomes of it where the host does not
//! prove it. The one thing that it need not prove is that it does not know.

use std::time::{Duration, Instant};

use cofferdam_proto::exec::v1::outcome::Ending;
use cofferdam_proto::exec::v1::{Cancelled, Exited, FailedToStart, Lost};
use serde_json::{Value, json};

use crate::host::{Proof, Script, TestHost};
use crate::records::bodies;
use crate::refusal;
use crate::service::Served;

/// The longest that a gateway takes to look again at a run that goes on.
const PATIENCE: Duration = Duration::from_secs(20);

fn lost(reason: &str) -> Ending {
    Ending::Lost(Lost { reason: reason.to_owned() })
}

/// What a caller is told of a run that ends like this, and what is recorded.
async fn told(ending: Option<Ending>, proof: Proof) -> (Value, Value) {
    let script = Script { stdout: "secret plans\n", ending, proof, ..Script::default() };
    let (mut served, _host) = Served::start_with_host(None, script).await;
    let answer = served.call("execute_command", json!({ "program": "true" })).await;
    served.stop().await;
    let outcome = bodies(&served, "outcome").pop().unwrap();
    (answer, outcome)
}

#[tokio::test]
async fn a_host_that_lost_a_run_proves_nothing_and_is_recorded_as_having_lost_it() {
    let (answer, outcome) = told(Some(lost("the agent was killed")), Proof::Missing).await;
    let error = refusal(&answer);
    assert_eq!(error["reason"], "OUTCOME_LOST", "{error:#}");
    assert!(error["message"].as_str().unwrap().contains("the agent was killed"), "{error:#}");
    assert_eq!(outcome["ending"]["kind"], "lost", "{outcome:#}");
    // It is the host's word, and told as such.
    let reason = outcome["ending"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("the host `down` does not know"), "{reason}");
    assert!(outcome["receipt"].is_null() && outcome["output_digest"].is_null(), "{outcome:#}");
    assert!(!answer.to_string().contains("secret plans"), "{answer:#}");
}

#[tokio::test]
async fn whatever_else_a_host_says_without_a_right_receipt_is_not_believed() {
    let exited = |code| Some(Ending::Exited(Exited { code }));
    let cancelled = Ending::Cancelled(Cancelled { by: "caller".to_owned() });
    let not_started = Ending::FailedToStart(FailedToStart {
        step: "execve".to_owned(),
        errno: 2,
        detail: "lost".to_owned(),
    });
    let endings = [exited(0), exited(1), Some(cancelled), Some(not_started)];
    let unproven = endings.into_iter().map(|ending| (ending, Proof::Missing));
    let wrong = [Proof::OtherRun, Proof::OtherOutput, Proof::Strangers];
    // Who shows something for what it does not know has to show what is right.
    let shown =
        wrong.into_iter().flat_map(|it| [(exited(0), it), (Some(lost("it was killed")), it)]);
    for (ending, proof) in unproven.chain(shown) {
        let what = format!("{ending:?} {proof:?}");
        let (answer, outcome) = told(ending, proof).await;
        assert_eq!(refusal(&answer)["reason"], "BAD_RECEIPT", "{what}");
        assert_eq!(outcome["ending"]["kind"], "failed", "{what}");
        assert_eq!(outcome["ending"]["reason"], "BAD_RECEIPT", "{what}");
        assert!(!answer.to_string().contains("secret plans"), "{what}");
    }
}

#[tokio::test]
async fn what_a_host_proves_to_have_lost_is_recorded_with_its_receipt() {
    let (_, outcome) = told(Some(lost("its cell was killed")), Proof::Right).await;
    assert_eq!(outcome["ending"]["kind"], "lost", "{outcome:#}");
    assert_eq!(outcome["ending"]["reason"], "its cell was killed", "{outcome:#}");
    assert!(!outcome["receipt"].is_null(), "{outcome:#}");
}

#[tokio::test]
async fn a_hosts_reason_is_one_bounded_line_whatever_it_says() {
    let reason = format!("\u{1b}[2J\n- the run went well\u{202e}{}", "x".repeat(2 << 20));
    let (answer, outcome) = told(Some(lost(&reason)), Proof::Missing).await;
    let recorded = outcome["ending"]["reason"].as_str().unwrap();
    assert!(recorded.len() < 4096, "{}", recorded.len());
    assert!(!recorded.contains(['\n', '\u{1b}', '\u{202e}']), "{recorded}");
    assert!(refusal(&answer)["message"].as_str().unwrap().len() < 4096);
    // So long that no record would take it; it is signed for, and recorded all the same.
    let (_, outcome) = told(Some(lost(&reason)), Proof::Right).await;
    assert_eq!(outcome["ending"]["kind"], "lost");
}

/// The last outcome of a run that was left to itself and then ended like this.
async fn later(ending: Option<Ending>, proof: Proof) -> Value {
    let script = Script { stdout: "x", ending, proof, goes_on: true, ..Script::default() };
    let (served, _host): (Served, TestHost) = Served::start_with_host(None, script).await;
    let arguments = json!({ "program": "true", "wait_seconds": 0 });
    let answer = served.call("execute_command", arguments).await;
    assert_eq!(answer["result"]["structuredContent"]["outcome"]["kind"], "running", "{answer:#}");
    let began = Instant::now();
    loop {
        let outcome = bodies(&served, "outcome").pop().unwrap_or_default();
        if ![Value::Null, json!("goes_on")].contains(&outcome["ending"]["kind"]) {
            return outcome;
        }
        assert!(began.elapsed() < PATIENCE, "{outcome:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_same_holds_for_the_end_of_a_run_that_nobody_waits_for() {
    let right = later(None, Proof::Right).await;
    assert_eq!(right["ending"], json!({ "kind": "exited", "code": 0 }), "{right:#}");
    assert!(!right["receipt"].is_null(), "{right:#}");
    for proof in [Proof::Missing, Proof::OtherRun, Proof::Strangers] {
        let wrong = later(None, proof).await;
        assert_eq!(wrong["ending"]["reason"], "BAD_RECEIPT", "{proof:?}: {wrong:#}");
        assert!(wrong["receipt"].is_null(), "{wrong:#}");
    }
    let lost = later(Some(lost("the agent was killed")), Proof::Missing).await;
    assert_eq!(lost["ending"]["kind"], "lost", "{lost:#}");
}
