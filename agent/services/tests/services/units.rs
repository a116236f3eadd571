//! States of units, as a real systemd told them and as no bus should.

use std::time::{Duration, Instant, SystemTime};

use cofferdam_services::{
    ExecMain, ExecMainCode, LoadedUnit, Unit, UnitFilter, UnitPattern, UnitStatus, Units,
    UnitsError,
};
use proptest::prelude::*;

use crate::bus::{Bus, answer, recorded, text};

fn unit(name: &str) -> Unit {
    name.parse().expect("a name")
}

fn loaded(recording: &str, name: &str) -> LoadedUnit {
    let bus = Bus::answering(recorded(recording));
    match bus.units().status(&unit(name)).expect("an answer") {
        UnitStatus::Loaded(loaded) => *loaded,
        other @ UnitStatus::NotLoaded { .. } => panic!("{other:?}"),
    }
}

/// A bus that greets, answers `Hello`, and then this.
fn after_hello(then: Vec<u8>) -> Bus {
    Bus::answering(vec![answer(1, None, "s", &text(":1.7")), then])
}

#[test]
fn a_service_that_runs_is_told_as_systemd_tells_it() {
    let status = loaded("running", "web.service");
    assert_eq!(status.state.name, unit("web.service"));
    assert_eq!(status.state.description, "A web server for tests");
    assert_eq!(status.state.load_state, "loaded");
    assert_eq!(status.state.active_state, "active");
    assert_eq!(status.state.sub_state, "running");
    assert_eq!(status.unit_file_state.as_deref(), Some("static"));
    assert_eq!(status.result.as_deref(), Some("success"));
    assert_eq!(status.status_text.as_deref(), Some("Serving"));
    assert_eq!(status.n_restarts, Some(0));
    assert!(status.main_pid.is_some() && status.exec_main.is_none());
    let since = status.active_since.expect("it is active");
    assert!(since > SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    assert_eq!(status.inactive_since, None);
    assert_eq!(status.invocation_id.map(|id| id.len()), Some(32));
    // No accounting in the recording's cgroups: systemd said the largest number.
    assert_eq!((status.memory_current, status.tasks_current), (None, None));
    assert!(!status.need_daemon_reload && status.load_error.is_none());
}

#[test]
fn secrets_in_a_units_environment_are_not_told() {
    let said = recorded("running").concat();
    let secret = b"SECRET=hunter2";
    assert!(said.windows(secret.len()).any(|window| window == secret));
    let told = format!("{:?}", loaded("running", "web.service"));
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn a_service_that_a_signal_ended_says_which() {
    let status = loaded("killed", "killed.service");
    assert_eq!(status.state.active_state, "failed");
    assert_eq!(status.main_pid, None);
    let Some(ExecMain { code, status: signal, at: Some(_) }) = status.exec_main else {
        panic!("{:?}", status.exec_main)
    };
    assert!(matches!(code, ExecMainCode::Killed | ExecMainCode::Dumped));
    assert_eq!(signal, 11);
    assert!(matches!(status.result.as_deref(), Some("signal" | "core-dump")));
}

#[test]
fn a_timer_names_what_it_triggers_and_when() {
    let status = loaded("timer", "tick.timer");
    assert_eq!(status.triggers, [unit("tick.service")]);
    assert!(status.next_elapse.is_some() && status.main_pid.is_none());
}

#[test]
fn a_unit_that_is_not_loaded_is_not_loaded_by_asking() {
    for (recording, name, state) in
        [("not-loaded", "never.service", Some("disabled")), ("unknown", "nonesuch.service", None)]
    {
        let bus = Bus::answering(recorded(recording));
        let status = bus.units().status(&unit(name)).expect("an answer");
        let expected =
            UnitStatus::NotLoaded { name: unit(name), unit_file_state: state.map(str::to_owned) };
        assert_eq!(status, expected);
    }
}

#[test]
fn a_list_has_what_the_patterns_match() {
    let bus = Bus::answering(recorded("list"));
    let patterns = ["web*", "broken*", "tick*"].map(|pattern| pattern.parse().expect("a pattern"));
    let filter = UnitFilter { patterns: patterns.to_vec(), states: Vec::new() };
    let list = bus.units().list(&filter).expect("an answer");
    assert_eq!(list.left_out, 0);
    let names: Vec<_> = list.units.iter().map(|unit| unit.name.as_str()).collect();
    assert_eq!(names, ["broken.service", "tick.service", "tick.timer", "web.service"]);
    let states: Vec<_> = list.units.iter().map(|unit| unit.sub_state.as_str()).collect();
    assert_eq!(states, ["failed", "dead", "waiting", "running"]);
}

#[test]
fn units_that_may_not_be_shown_take_no_place_and_are_not_counted() {
    let mut results = Vec::new();
    for number in 0..1_100 {
        for hidden in [true, false] {
            results.resize(results.len().next_multiple_of(8), 0);
            let name = if hidden { "aa" } else { "b" };
            let fields = [
                &format!("{name}{number:04}.service"),
                "",
                "loaded",
                "active",
                "running",
                "",
                "/a",
            ];
            for field in fields {
                results.resize(results.len().next_multiple_of(4), 0);
                results.extend(text(field));
            }
            results.resize(results.len().next_multiple_of(4), 0);
            results.extend([0; 4]);
            results.extend(text(""));
            results.resize(results.len().next_multiple_of(4), 0);
            results.extend(text("/"));
        }
    }
    let mut array = u32::try_from(results.len()).expect("in range").to_le_bytes().to_vec();
    array.extend([0; 4]);
    array.extend(results);
    let bus = after_hello(answer(2, None, "a(ssssssouso)", &array));
    let shown = |unit: &Unit| unit.as_str().starts_with('b');
    let list = bus.units().list_shown(&UnitFilter::default(), shown).expect("an answer");
    assert_eq!((list.units.len(), list.left_out), (1_000, 100));
    assert_eq!(list.units[0].name, unit("b0000.service"));
}

#[test]
fn only_methods_that_change_nothing_are_called() {
    let (calls, called) = std::sync::mpsc::channel();
    let bus = Bus::that(move |client| {
        client.greet()?;
        for answer in recorded("running") {
            calls.send(client.call()?).map_err(std::io::Error::other)?;
            client.say(&answer)?;
        }
        Ok(())
    });
    bus.units().status(&unit("web.service")).expect("an answer");
    let calls: Vec<Vec<u8>> = called.iter().collect();
    let has =
        |call: &[u8], name: &str| call.windows(name.len()).any(|part| part == name.as_bytes());
    assert_eq!(calls.len(), 4);
    for (call, member) in calls.iter().zip(["Hello", "GetUnit", "GetAll", "GetAll"]) {
        assert!(has(call, member), "{member}");
        assert!(!has(call, "LoadUnit"));
        // No program is started to answer it, and nobody is asked for a password.
        assert_eq!(call[2], 2);
    }
}

#[test]
fn without_a_bus_the_error_names_the_socket_and_what_to_do() {
    let units = Units::on("/nonexistent/bus".into());
    let error = units.list(&UnitFilter::default()).expect_err("nobody listens");
    let said = error.to_string();
    assert!(said.contains("/nonexistent/bus") && said.contains("systemctl status dbus.socket"));
}

#[test]
fn a_bus_that_says_nothing_or_trickles_is_left_at_the_time_limit() {
    let silent = Bus::that(|client| client.call().map(drop));
    let greeting_only = Bus::that(|client| {
        client.greet()?;
        client.call()?;
        client.call().map(drop)
    });
    let trickling = Bus::that(|client| {
        client.greet()?;
        client.call()?;
        for byte in answer(1, None, "s", &text(":1.7")) {
            std::thread::sleep(Duration::from_millis(30));
            client.say(&[byte])?;
        }
        Ok(())
    });
    for bus in [silent, greeting_only, trickling] {
        let started = Instant::now();
        let units = bus.units().with_time_limit(Duration::from_millis(200));
        let error = units.status(&unit("a.service")).expect_err("it is too late");
        assert!(matches!(error, UnitsError::TooLate { .. }), "{error}");
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}

#[test]
fn a_bus_that_does_not_let_us_in_is_told_as_that() {
    let refusing = Bus::that(|client| {
        client.heard_who_it_is()?;
        client.say(b"REJECTED EXTERNAL\r\n")
    });
    let error = refusing.units().status(&unit("a.service")).expect_err("it refuses");
    assert!(error.to_string().contains("it answered REJECTED EXTERNAL"), "{error}");
    let endless = Bus::that(|client| {
        loop {
            client.say(&[b'x'; 1024])?;
        }
    });
    let error = endless.units().status(&unit("a.service")).expect_err("it has no end");
    assert!(error.to_string().contains("a line without an end"), "{error}");
}

#[test]
fn answers_that_are_none_are_errors() {
    let mut huge = answer(2, None, "o", &text("/a"));
    huge[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    for (bytes, reason) in [
        (b"HTTP/1.1 400 Bad Request\r\n".to_vec(), "no message of D-Bus"),
        (huge, "larger than"),
        (answer(2, None, "s", &text("/a")), "another type"),
        (answer(2, None, "o", b"\xff\xff\xff\xff/a\0"), "ends within a value"),
        (answer(2, None, "o", b"\x01\0\0\0\xff\0"), "a text in it is not valid"),
        (answer(7, None, "o", &text("/a")).repeat(200), "nobody asked for"),
    ] {
        let error = after_hello(bytes).units().status(&unit("a.service")).expect_err(reason);
        assert!(matches!(error, UnitsError::Answer { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn a_bus_that_hangs_up_is_told_with_what_was_being_done() {
    let bus = Bus::that(|client| {
        client.greet()?;
        client.call()?;
        client.say(&answer(1, None, "s", &text(":1.7"))[..20])
    });
    let error = bus.units().status(&unit("a.service")).expect_err("it hung up");
    assert!(matches!(error, UnitsError::Broken { doing: "greeting it", .. }), "{error}");
}

#[test]
fn a_refusal_is_told_with_its_name_and_reason() {
    let denied = "org.freedesktop.DBus.Error.AccessDenied";
    let bus = after_hello(answer(2, Some(denied), "s", &text("Rejected\x1b[31m")));
    let error = bus.units().list(&UnitFilter::default()).expect_err("it is refused");
    let expected = format!("systemd refused listing units: {denied}: Rejected\u{fffd}[31m");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_filter_that_cannot_be_meant_is_refused_before_the_bus_sees_it() {
    let bus = Bus::answering(vec![answer(1, None, "s", &text(":1.7"))]);
    let states = vec!["active; drop".to_owned()];
    let filter = UnitFilter { patterns: Vec::new(), states };
    let error = bus.units().list(&filter).expect_err("it is no state");
    assert!(matches!(error, UnitsError::Filter(_)), "{error}");
    let pattern: UnitPattern = "a*".parse().expect("a pattern");
    let filter = UnitFilter { patterns: vec![pattern; 300], states: Vec::new() };
    let bus = Bus::answering(vec![answer(1, None, "s", &text(":1.7"))]);
    assert!(matches!(bus.units().list(&filter), Err(UnitsError::Filter(_))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever bytes of systemd's answers are changed, there is an answer or an error.
    #[test]
    fn answers_changed_anywhere_do_no_harm(
        name in prop::sample::select(vec!["running", "timer", "not-loaded", "list"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let mut answers = recorded(name);
        let last = answers.len() - 1;
        for (at, value) in changes {
            let answer = &mut answers[1 + at.index(last)];
            let at = at.index(answer.len());
            answer[at] = value;
        }
        let bus = Bus::answering(answers);
        let units = bus.units().with_time_limit(Duration::from_millis(50));
        let started = Instant::now();
        if name == "list" {
            drop(units.list(&UnitFilter::default()));
        } else {
            drop(units.status(&unit("web.service")));
        }
        prop_assert!(started.elapsed() < Duration::from_secs(2));
    }
}
