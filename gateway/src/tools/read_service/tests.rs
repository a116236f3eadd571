use cofferdam_policy::{Action, Reading};
use cofferdam_proto::host::v1::{
    JournalEntry, JournalPage, ServiceReading, UnitList, UnitState, UnitStatus,
};
use serde_json::{Value, json};

use super::*;
use crate::action::WireAction;
use crate::input::parse;
use crate::result::present;

fn asked(arguments: Value) -> Result<ServiceQuery, BadInput> {
    let Value::Object(arguments) = arguments else { panic!("an object") };
    input::query(parse(Some(arguments))?)
}

fn text(output: &Output) -> String {
    let result = serde_json::to_value(present(output)).unwrap();
    result["content"][0]["text"].as_str().unwrap().to_owned()
}

fn journal(arguments: &Value) -> ServiceQuery {
    let mut all = json!({ "what": "journal", "unit": "nginx" });
    all.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
    asked(all).unwrap()
}

fn entry(number: u32, message: &str) -> JournalEntry {
    JournalEntry {
        at: Some(prost_types::Timestamp { seconds: 1_700_000_000 + i64::from(number), nanos: 0 }),
        priority: Some(3),
        identifier: "nginx".to_owned(),
        pid: Some(7),
        message: message.to_owned(),
        cursor: format!("c{number}"),
        ..JournalEntry::default()
    }
}

#[test]
fn a_unit_without_a_kind_is_a_service_and_a_list_without_one_is_of_services() {
    for (arguments, unit) in [
        (json!({ "what": "list" }), "*.service"),
        (json!({ "what": "list", "unit": "*" }), "*"),
        (json!({ "what": "list", "unit": "app-*" }), "app-*.service"),
        (json!({ "what": "status", "unit": "nginx" }), "nginx.service"),
        (json!({ "what": "status", "unit": "apt.timer" }), "apt.timer"),
    ] {
        assert_eq!(asked(arguments).unwrap().unit, unit);
    }
}

#[test]
fn what_means_nothing_is_refused_with_the_field_and_what_would_be_right() {
    for (arguments, field, words) in [
        (json!({}), "", "what"),
        (json!({ "what": "start", "unit": "nginx" }), "what", "unknown variant"),
        (json!({ "what": "status" }), "unit", "name one unit"),
        (json!({ "what": "journal", "unit": "" }), "unit", "name one unit"),
        (json!({ "what": "journal", "unit": "*.service" }), "unit", "is a glob"),
        (json!({ "what": "status", "unit": "a\0b" }), "unit", "NUL"),
        (json!({ "what": "status", "unit": "x".repeat(300) }), "unit", "at most 255"),
        (json!({ "what": "status", "unit": "nginx", "lines": 5 }), "lines", "`journal`"),
        (json!({ "what": "journal", "unit": "nginx", "lines": 0 }), "lines", "1 to 1000"),
        (json!({ "what": "journal", "unit": "nginx", "since": "today" }), "since", "RFC 3339"),
        (
            json!({ "what": "journal", "unit": "nginx", "since": "1969-01-01T00:00:00Z" }),
            "since",
            "before 1970",
        ),
        (json!({ "what": "journal", "unit": "nginx", "priority": "loud" }), "priority", "emerg"),
        (json!({ "what": "journal", "unit": "x", "after": "a", "before": "b" }), "before", "one"),
        (json!({ "what": "journal", "unit": "x", "grep": "a".repeat(2000) }), "grep", "1000"),
    ] {
        let wrong = asked(arguments.clone()).unwrap_err();
        assert_eq!(wrong.field, field, "{arguments}");
        assert!(wrong.message.contains(words), "{arguments}: {wrong}");
    }
}

#[test]
fn the_rules_see_what_is_read_of_which_unit() {
    let query = journal(&json!({ "priority": "warning", "since": "2026-01-31T08:00:00Z" }));
    let unit = "nginx.service".to_owned();
    assert_eq!(query.action(), Action::ReadService { what: Reading::Journal, unit });
    let entries = query.journal.clone().unwrap();
    assert_eq!((entries.priority, entries.lines), (Some(4), 100));
    // What says nothing is judged as what says most.
    let odd = ServiceQuery { what: ServiceReading::Unspecified.into(), ..query };
    assert!(matches!(odd.action(), Action::ReadService { what: Reading::Journal, .. }));
}

#[test]
fn a_journal_is_asked_for_no_more_than_an_answer_can_show() {
    let mut query = journal(&json!({}));
    ReadService::fit(&mut query, 50_000);
    assert_eq!(query.journal.as_ref().unwrap().bytes, 25_000);
    ReadService::fit(&mut query, 10 << 20);
    assert_eq!(query.journal.unwrap().bytes, 1 << 20);
}

#[test]
fn units_stand_in_one_line_each_and_what_failed_comes_first() {
    let unit = |name: &str, active: &str| UnitState {
        name: name.to_owned(),
        description: "A server\nof pages".to_owned(),
        load_state: "loaded".to_owned(),
        active_state: active.to_owned(),
        sub_state: "x".to_owned(),
    };
    let units = vec![
        unit("a.service", "inactive"),
        unit("b.service", "active"),
        unit("c.service", "failed"),
    ];
    let query = asked(json!({ "what": "list" })).unwrap();
    let output = Output::of_list(&query, UnitList { units, left_out: 0 }, 10_000);
    let text = text(&output);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("A server")).collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(lines[0], "c.service failed (x): A server of pages");
    assert!(lines[2].starts_with("a.service inactive"), "{text}");
    assert!(text.starts_with("units of *.service: 3\n"), "{text}");
}

#[test]
fn what_a_program_wrote_cannot_look_like_another_line_or_steer_a_terminal() {
    let hostile = "a\n2026-01-01T00:00:00Z err sshd[1]: opened\u{202e}\u{200b}\u{1b}[2J";
    let page = JournalPage { entries: vec![entry(1, hostile)], ..JournalPage::default() };
    let output = Output::of_journal(&journal(&json!({})), page, 10_000);
    let text = text(&output);
    assert!(text.contains("2023-11-14T22:13:21Z err nginx[7]: a\n    2026-01-01"), "{text}");
    assert!(text.contains("\\u{202e}\\u{200b}\\u{1b}[2J"), "{text}");
    assert!(!text.contains(['\u{202e}', '\u{1b}']));
    let structured = serde_json::to_string(&output).unwrap();
    assert!(!structured.contains(['\u{202e}', '\u{200b}', '\u{1b}']), "{structured}");
}

#[test]
fn a_journal_can_be_read_on_in_both_directions_whatever_did_not_fit() {
    let page = |next: &str| JournalPage {
        entries: (1..=3).map(|number| entry(number, &"x".repeat(100))).collect(),
        next: next.to_owned(),
        gaps: Vec::new(),
    };
    let places = |arguments: Value, next: &str, budget: usize| {
        let output =
            serde_json::to_value(Output::of_journal(&journal(&arguments), page(next), budget));
        let output = output.unwrap();
        let text = |key: &str| output[key].as_str().unwrap_or("-").to_owned();
        (output["entries"].as_array().unwrap().len(), text("older"), text("newer"))
    };
    let place = |older: &str, newer: &str| (older.to_owned(), newer.to_owned());
    let expect = |found: (usize, String, String), count, (older, newer): (String, String)| {
        assert_eq!(found, (count, older, newer));
    };
    expect(places(json!({}), "n", 10_000), 3, place("n", "c3"));
    expect(places(json!({}), "", 10_000), 3, place("-", "c3"));
    expect(places(json!({}), "n", 450), 2, place("c2", "c3"));
    expect(places(json!({ "after": "c0" }), "n", 10_000), 3, place("c1", "n"));
    expect(places(json!({ "after": "c0" }), "", 10_000), 3, place("c1", "c3"));
    expect(places(json!({ "after": "c0" }), "n", 450), 2, place("c1", "c2"));
    let none = JournalPage::default();
    let output = Output::of_journal(&journal(&json!({ "after": "c9" })), none, 10_000);
    assert_eq!(serde_json::to_value(output).unwrap()["newer"], "c9");
}

#[test]
fn a_status_says_the_main_thing_first() {
    let query = asked(json!({ "what": "status", "unit": "nginx" })).unwrap();
    let state = Some(UnitState {
        name: "nginx.service".to_owned(),
        active_state: "failed".to_owned(),
        sub_state: "failed".to_owned(),
        ..UnitState::default()
    });
    let failed = UnitStatus { state: state.clone(), loaded: true, ..UnitStatus::default() };
    let told = text(&Output::of_status(&query, failed));
    assert!(told.starts_with("nginx.service is failed (failed)\n"), "{told}");
    let file =
        UnitStatus { state, unit_file_state: "disabled".to_owned(), ..UnitStatus::default() };
    let told = text(&Output::of_status(&query, file));
    assert!(told.starts_with("nginx.service is not loaded; its file is disabled\n"), "{told}");
    let told = text(&Output::of_status(&query, UnitStatus::default()));
    assert!(told.starts_with("nginx.service is not there\n"), "{told}");
}
