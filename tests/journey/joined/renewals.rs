//! Renewal and revocation in accelerated time, while output streams from the host through
//! the gateway to a client.

use std::time::{Duration, Instant};

use cofferdam_tests::dev::until;
use cofferdam_tests::host::Setup;
use cofferdam_tests::machine::slowness;
use serde_json::{Value, json};

use super::{Joined, lives};
use crate::gateways::field;

/// The lines of a command. Each side has three certificates of five seconds in its time.
fn count() -> usize {
    160 * usize::try_from(slowness()).unwrap()
}

fn lines(count: usize) -> String {
    let lines: Vec<_> = (1..=count).map(|number| format!("line {number}")).collect();
    lines.join("\n") + "\n"
}

#[test]
fn certificates_of_both_sides_renew_while_output_is_read_and_no_byte_of_it_is_lost() {
    let mut joined = Joined::start(&lives(5));
    let host = joined.join(Setup::default());
    let ann = joined.gateway.token("ann");
    let line = format!("for i in $(seq {}); do echo line $i; sleep 0.1; done", count());
    let shop = |line: &str| json!({ "command": line, "project": "shop", "host": "test" });
    let started = joined.gateway.call(&ann, "start_process", &shop(&line));
    let process = field(&started, "process").as_str().unwrap_or_else(|| panic!("{started:#}"));
    let before = joined.steps("renewed");
    // One that is followed from its start to its end, and one that is read on and on.
    let (followed, read) = std::thread::scope(|scope| {
        let followed = scope.spawn(|| joined.gateway.call(&ann, "execute_command", &shop(&line)));
        let (mut text, mut offset) = (String::new(), 0);
        loop {
            let arguments =
                json!({ "process": process, "stdout_offset": offset, "until": "output" });
            let answer = joined.gateway.call(&ann, "read_process", &arguments);
            text += field(&answer, "stdout").as_str().unwrap_or_else(|| panic!("{answer:#}"));
            offset = field(&answer, "next_stdout_offset").as_u64().unwrap();
            if field(&answer, "state") == "ended" {
                break (followed.join().unwrap(), text);
            }
        }
    });
    assert_eq!(read, lines(count()));
    assert_eq!(
        field(&followed, "outcome"),
        &json!({ "kind": "exited", "code": 0 }),
        "{followed:#}"
    );
    assert_eq!(field(&followed, "stdout"), &Value::from(lines(count())));
    assert!(joined.steps("renewed") >= before + 2, "{}", joined.journal());
    let log = std::fs::read_to_string(joined.gateway.place.join("log")).unwrap();
    let own = log.matches("the gateway shows hosts a new certificate").count();
    assert!(own >= 2, "{own}: {log}");
    assert!(joined.works(&ann, host));
    assert_eq!(joined.steps("reattested"), 0, "all of them were in time");
}

#[test]
fn a_host_that_is_revoked_in_the_middle_of_a_stream_is_heard_no_more_and_asked_for_nothing() {
    let mut joined = Joined::start(super::PLAIN);
    let host = joined.join(Setup::default());
    let other = joined.join(Setup { name: "other".to_owned(), ..Setup::default() });
    let ann = joined.gateway.token("ann");
    let line = "while :; do echo tick; sleep 0.1; done";
    let (answer, took) = std::thread::scope(|scope| {
        let run = scope.spawn(|| (joined.run(&ann, host, line), Instant::now()));
        until("it runs", || joined.hosts[host].journal().contains("tick"));
        std::thread::sleep(Duration::from_millis(500));
        let revoked = Instant::now();
        let said = joined.gateway.cofferdam(&["host", "revoke", "test", "--reason", "stolen"]);
        assert!(said.status.success(), "{}", super::said(&said));
        let (answer, at) = run.join().unwrap();
        (answer, at - revoked)
    });
    assert!(took < Duration::from_secs(5), "{took:?}");
    let error = field(&answer, "error");
    assert_eq!(error["reason"], "HOST_REVOKED", "{answer:#}");
    let again = joined.run(&ann, host, "true");
    assert_eq!(field(&again, "error")["reason"], "UNKNOWN_HOST", "{again:#}");
    assert!(joined.works(&ann, other), "nobody else is touched");
    // The host is told by the authority, and tells whoever asks there.
    until("the host tells", || {
        let problem = joined.hosts[host].status()["certificate"]["problem"].clone();
        problem.as_str().is_some_and(|it| it.contains("revoked"))
    });
    until("its run has ended", || {
        let journal = joined.hosts[host].journal();
        journal.matches("\"kind\":\"outcome\"").count()
            >= journal.matches("\"kind\":\"intent\"").count()
    });
}

#[test]
fn a_gateway_that_is_revoked_in_the_middle_of_a_stream_is_refused_until_it_is_trusted_again() {
    let mut joined = Joined::start(super::PLAIN);
    let host = joined.join(Setup::default());
    let ann = joined.gateway.token("ann");
    let line = "while :; do echo tick; sleep 0.1; done";
    let (answer, took) = std::thread::scope(|scope| {
        let run = scope.spawn(|| (joined.run(&ann, host, line), Instant::now()));
        until("it runs", || joined.hosts[host].journal().contains("tick"));
        let revoked = Instant::now();
        let said = joined.gateway.cofferdam(&["gateway", "revoke", "main", "--reason", "lost"]);
        assert!(said.status.success(), "{}", super::said(&said));
        let (answer, at) = run.join().unwrap();
        (answer, at - revoked)
    });
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(field(&answer, "error")["reason"], "PEER_REVOKED", "{answer:#}");
    assert!(!joined.works(&ann, host));
    let trusted = joined.gateway.cofferdam(&["gateway", "trust", "main"]);
    assert!(trusted.status.success(), "{}", super::said(&trusted));
    until("it is served again", || joined.works(&ann, host));
}
