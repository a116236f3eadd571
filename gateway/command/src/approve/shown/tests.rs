//! What a hostile request looks like.

use cofferdam_gateway::approvals::{Asker, Question, is_visible};
use cofferdam_policy::{Claims, Demand};
use serde_json::json;

use super::*;

pub(in crate::approve) fn request(arguments: Value) -> Request {
    Request {
        id: "ap-0123456789ab".into(),
        state: State::Pending,
        scope: None,
        created_at: 1_000_000,
        expires_at: 1_000_900,
        votes: Vec::new(),
        question: Question {
            binding: "ab".repeat(32),
            asker: Asker {
                user: "ada".into(),
                groups: vec!["developers".into()],
                tenant: String::new(),
                claims: Claims::default(),
                client: "claude-code 2\u{1b}[2J".into(),
                token_id: "t".into(),
                session: "s".into(),
            },
            run_id: "r".into(),
            project: "site".into(),
            host: "web-1".into(),
            workspace: "/srv/site".into(),
            tool: "execute_command".into(),
            action: "run `git push`\n     until  never\r\u{202e}".into(),
            arguments,
            cut_from_bytes: None,
            grant: "profile build".into(),
            profile: "build".into(),
            workspace_access: "write".into(),
            rules: vec!["push".into()],
            policy_digest: "00".into(),
            policy_version: Some(4),
            signed_version: Some(7),
            reasons: vec!["what is pushed is public".into()],
            demands: vec![Demand::plain("push")],
        },
    }
}

#[test]
fn which_rules_ask_is_shown_with_their_versions() {
    let text = shown(json!({}));
    assert!(text.contains("of  the policy 00, signed as version 7, taken by record 4\n"), "{text}");
}

fn shown(arguments: Value) -> String {
    Shown { request: &request(arguments), now: 1_000_012 }.to_string()
}

#[test]
fn nothing_reaches_the_terminal_that_it_would_act_on_or_hide() {
    let hostile = "a\u{1b}[31m\u{7}\u{8}\r\u{9b}2J\u{202e}\u{200b}\u{2066}\u{feff}\u{e0041}\u{301}";
    let text =
        shown(json!({ hostile: hostile, "list": [hostile], "script": format!("x\n{hostile}") }));
    let odd: Vec<char> = text.chars().filter(|c| *c != '\n' && !is_visible(*c)).collect();
    assert!(odd.is_empty(), "{odd:?} in\n{text}");
    for escape in ["\\u{1b}", "\\u{202e}", "\\u{200b}", "\\u{9b}", "\\u{301}"] {
        assert!(text.contains(escape), "{escape} in\n{text}");
    }
    assert!(text.contains("letters beyond ASCII"), "{text}");
}

#[test]
fn no_line_of_an_argument_can_be_taken_for_one_of_ours() {
    let text = shown(json!({ "command": "true\n     until  never\n   binding  0000" }));
    for name in ["until", "binding"] {
        let lines = text.lines().filter(|line| line.trim_start().starts_with(name)).count();
        assert_eq!(lines, 1, "{name} in\n{text}");
    }
    assert!(text.contains("  |      until  never\n"), "{text}");
    assert!(text.contains("what  run `git push`\\n     until  never\\r\\u{202e}\n"), "{text}");
}

#[test]
fn what_is_too_long_to_be_shown_is_said_to_be() {
    let left_out = json!({ "bytes": 100_000, "sha256": "00", "head": "#!/bin/sh" });
    assert!(shown(json!({ "content": left_out })).contains("NOT SHOWN IN FULL"));
    assert!(!shown(json!({ "content": "short" })).contains("NOT SHOWN"));
    let arguments = json!(["--dry-run", "… and more"]);
    assert!(shown(json!({ "arguments": arguments })).contains("NOT SHOWN IN FULL"));
    let deeper = json!({ "edits": [{ "new_text": left_out }] });
    assert!(shown(deeper).contains("NOT SHOWN IN FULL"));
    let mut request = request(json!({ "program": "deploy" }));
    request.question.cut_from_bytes = Some(80_000);
    let text = Shown { request: &request, now: 12 }.to_string();
    assert!(text.contains("NOT SHOWN IN FULL") && text.contains("80000 bytes"), "{text}");
}

#[test]
fn who_where_why_and_until_when_is_all_there() {
    let text = shown(json!({ "program": "git", "arguments": ["push"] }));
    for part in [
        "ada, in developers",
        "claude-code 2\\u{1b}[2J (as the client says)",
        "project site, host web-1",
        "what is pushed is public",
        "1 of approvers, not who asks (rule push)",
        "(in 14 m)",
        "(12 s ago)",
        "arguments = [\"push\"]",
        &"ab".repeat(32),
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn a_list_has_a_line_for_each() {
    let mut out = Vec::new();
    Listed { approvals: vec![request(Value::Null)] }.write(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("ap-0123456789ab  pending"), "{text}");
}
