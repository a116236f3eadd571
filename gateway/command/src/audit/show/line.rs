//! A record as one line for a person, and beneath an outcome a line for each
//! thing that its sandbox refused or let through. What a stranger wrote is shown without
//! control characters, so that it cannot move the cursor or hide a line.

use std::io::{self, Write};

use cofferdam_journal::{Approval, Body, Call, Ending, Outcome, Peer, Policy, Record};
use serde_json::Value;

use super::sandbox;

/// Before what belongs to the line above.
const INDENT: &str = "          ";

/// The longest action that is shown, in characters.
const MAX_ACTION: usize = 160;

pub(super) fn write(out: &mut impl Write, record: &Record) -> io::Result<()> {
    let Record { sequence, time, body, .. } = record;
    writeln!(out, "{sequence:>6}  {time}  {:10}  {}", body.kind(), plain(&told(body)))?;
    let Body::Outcome(Outcome { sandbox: Some(sandbox), .. }) = body else { return Ok(()) };
    sandbox::lines(sandbox).iter().try_for_each(|line| writeln!(out, "{INDENT}{}", plain(line)))
}

fn told(body: &Body) -> String {
    match body {
        Body::Opened(opened) => {
            let cut = opened
                .cut
                .map_or(String::new(), |cut| format!("; {} torn bytes were cut off", cut.bytes));
            format!("{} with the key {}{cut}", opened.owner, opened.key)
        }
        Body::Key(change) => format!("signs with {} from here on", change.key),
        Body::Intent(intent) => {
            format!("{}  by {}", asked(&intent.call), list("rule", &intent.rules))
        }
        Body::Denial(denial) => {
            let by = list("rule", &denial.rules);
            format!("{}  by {by}: {}", asked(&denial.call), denial.reasons.join("; "))
        }
        Body::Failure(failure) => {
            format!("{}  {}: {}", asked(&failure.call), failure.reason, failure.detail)
        }
        Body::Outcome(outcome) => {
            let took = outcome
                .usage
                .map_or(String::new(), |usage| format!(" after {} ms", usage.wall_micros / 1000));
            let proof = if outcome.receipt.is_some() { ", with the host's receipt" } else { "" };
            format!("{}  {}{took}{proof}", outcome.run_id, ending(&outcome.ending))
        }
        Body::Approval(approval) => step(approval),
        Body::Policy(policy) => rules(policy),
        Body::Peer(peer) => standing(peer),
        Body::Checkpoint(checkpoint) => {
            format!("signs everything up to record {}", checkpoint.sequence)
        }
    }
}

/// What happened to a request for approval, and by whom.
fn step(approval: &Approval) -> String {
    let Approval { call, request, step, by, scope, note, signed_version, .. } = approval;
    let by = by.as_ref().map_or(String::new(), |by| format!(" by {}", by.user));
    let scope = if scope.is_empty() { String::new() } else { format!(" ({scope})") };
    let note = if note.is_empty() { String::new() } else { format!(": {note}") };
    let signed = signed_version.map_or(String::new(), |it| format!(", by rules of version {it}"));
    format!("{}  {request} {}{by}{scope}{signed}{note}", asked(call), step.name())
}

/// What happened to the rules, and which are in force.
fn rules(policy: &Policy) -> String {
    let Policy { step, shadow, path, policy_digest, signed_version, signed_by, error } = policy;
    let kind = if *shadow { "shadow rules" } else { "rules" };
    let digest = policy_digest.map_or_else(|| "none".to_owned(), |digest| digest.to_string());
    let error = if error.is_empty() { String::new() } else { format!(": {error}") };
    let signed = match (signed_version, signed_by) {
        (Some(version), Some(key)) => format!(", version {version} signed by key {key}"),
        _ => String::new(),
    };
    format!("{kind} {} from {path}; in force: {digest}{signed}{error}", step.name())
}

/// What happened to a host or gateway, and by whom.
fn standing(peer: &Peer) -> String {
    let Peer { peer, step, by, detail } = peer;
    let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
    let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
    format!("{peer} {}{by}{detail}", step.name())
}

/// Who asked for what, where. Much of it may be unknown.
fn asked(call: &Call) -> String {
    let known = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let user = call.subject.as_ref().map_or("nobody", |subject| &subject.user);
    format!(
        "{}  {user} {} on {} {}",
        known(&call.run_id),
        known(&call.tool),
        known(&call.host),
        action(&call.action)
    )
    .trim_end()
    .to_owned()
}

fn action(action: &Value) -> String {
    if action.is_null() {
        return String::new();
    }
    let text = action.to_string();
    match text.char_indices().nth(MAX_ACTION) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn list(noun: &str, names: &[String]) -> String {
    match names {
        [] => format!("no {noun}"),
        names => format!("{noun} {}", names.join(", ")),
    }
}

fn ending(ending: &Ending) -> String {
    match ending {
        Ending::Exited { code } => format!("exited with {code}"),
        Ending::Signalled { signal: _, name, sender, evidence } => {
            let by = sender.in_words().map_or(String::new(), |by| format!(", sent by {by}"));
            let why = if evidence.is_empty() { String::new() } else { format!(": {evidence}") };
            format!("ended by {name}{by}{why}")
        }
        Ending::TimedOut { limit_millis } => format!("timed out at {limit_millis} ms"),
        Ending::OutOfMemory { limit_bytes, .. } => format!("out of memory at {limit_bytes} bytes"),
        Ending::LimitHit { limit, value } => format!("hit the limit of {limit}: {value}"),
        Ending::DeniedBySandbox { detail } => format!("denied by the sandbox: {detail}"),
        Ending::Cancelled { by } => format!("cancelled by {by}"),
        Ending::FailedToStart { step, detail, .. } => format!("failed to start: {step}: {detail}"),
        Ending::Lost { reason } => format!("lost: {reason}"),
        Ending::GoesOn => "goes on".to_owned(),
        Ending::Completed => "completed".to_owned(),
        Ending::Failed { reason, detail } => format!("failed: {reason}: {detail}"),
    }
}

fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use cofferdam_journal::{Digest, Failure};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_stranger_wrote_cannot_move_the_cursor() {
        let failure = Failure {
            detail: "\u{1b}[2Jall is well\n  7  forged".to_owned(),
            ..Failure::default()
        };
        let line = plain(&told(&Body::Failure(failure)));
        assert!(!line.contains(char::is_control), "{line:?}");
    }

    #[test]
    fn a_signal_stands_with_its_sender() {
        let (signal, name, evidence) = (9, "SIGKILL".to_owned(), "nobody knows".to_owned());
        let sender = cofferdam_journal::Sender::Process;
        let told = ending(&Ending::Signalled { signal, name, sender, evidence });
        let expected = "ended by SIGKILL, sent by a process of the cell, or root on the host: \
                        nobody knows";
        assert_eq!(told, expected);
    }

    #[test]
    fn a_long_action_is_cut_at_a_character() {
        let shown = action(&Value::String("é".repeat(300)));
        assert_eq!(shown.chars().count(), MAX_ACTION + 1);
        assert_eq!(action(&Value::Null), "");
    }

    #[test]
    fn what_the_sandbox_refused_stands_beneath_the_outcome() {
        let mut outcome = Outcome::new("0199-run", [0; 32], Ending::Exited { code: 1 });
        outcome.sandbox = Some(json!({ "denials": [
            { "operation": "read the file", "object": "/a\u{1b}b", "count": 1, "setting": "view.read" },
        ] }));
        let record = Record {
            sequence: 7,
            time: "2026-01-01T00:00:00Z".to_owned(),
            body: Body::Outcome(outcome),
            previous: Digest::ZERO,
            hash: Digest::ZERO,
        };
        let mut out = Vec::new();
        write(&mut out, &record).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "     7  2026-01-01T00:00:00Z  outcome     0199-run  exited with 1\n          refused: \
             read the file `/a\u{fffd}b` (setting view.read)\n"
        );
    }
}
