//! Two real agents behind one gateway: what goes to both is done and recorded by each,
//! what is one host's stays that host's, and no host passes for another.

use std::process::Command;

use cofferdam_tests::dev::until;
use cofferdam_tests::host::{Host, Setup};
use cofferdam_tests::programs::program;
use serde_json::{Value, json};

use crate::gateways::{Gateway, field};

/// Two hosts, `test` and `twin`, and their gateway.
fn two() -> ([Host; 2], Gateway) {
    let first = Host::start();
    let twin = first.beside(Setup { name: "twin".to_owned(), ..Setup::default() });
    let gateway = Gateway::of_all(&[&first, &twin], "both");
    ([first, twin], gateway)
}

fn results(answer: &Value) -> &[Value] {
    field(answer, "results").as_array().unwrap_or_else(|| panic!("{answer:#}"))
}

fn started(gateway: &Gateway, token: &str, arguments: &Value) -> String {
    let answer = gateway.call(token, "start_process", arguments);
    field(&answer, "process").as_str().unwrap_or_else(|| panic!("{answer:#}")).to_owned()
}

/// Whether a program with this argument runs on this machine, in whatever cell.
fn runs(argument: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|it| std::fs::read(it.path().join("cmdline")).ok());
    lines.into_iter().any(|line| line.split(|byte| *byte == 0).any(|it| it == argument.as_bytes()))
}

#[test]
fn one_call_is_carried_out_and_recorded_by_each_host_that_it_names() {
    let (hosts, gateway) = two();
    let ann = gateway.token("ann");
    let mut arguments = json!({ "command": "uname -n", "project": "shop" });
    for (key, value, named) in [
        ("hosts", json!(["twin", "test", "twin"]), vec!["twin", "test"]),
        ("host_labels", json!({ "kind": "real" }), vec!["test", "twin"]),
        ("host_labels", json!({ "kind": "real", "named": "twin" }), vec!["twin"]),
    ] {
        arguments[key] = value;
        let answer = gateway.call(&ann, "execute_command", &arguments);
        let said: Vec<_> = results(&answer).iter().map(|it| &it["result"]["stdout"]).collect();
        let expected: Vec<_> = named.iter().map(|name| json!(format!("{name}\n"))).collect();
        assert_eq!(said, expected.iter().collect::<Vec<_>>(), "{answer:#}");
        arguments.as_object_mut().unwrap().remove(key);
    }
    arguments["host_labels"] = json!({ "kind": "imagined" });
    let none = gateway.call(&ann, "execute_command", &arguments);
    assert_eq!(field(&none, "error")["reason"], "INVALID_ARGUMENT", "{none:#}");

    let journal = gateway.place.join("journal");
    for host in &hosts {
        assert!(host.journal().contains("uname -n"), "{}", host.name());
        until("the journals agree", || {
            let reconciled = Command::new(program("cofferdam"))
                .args(["audit", "reconcile", "--gateway"])
                .arg(&journal)
                .arg("--agent")
                .arg(host.place().join("agent/journal"))
                .output()
                .unwrap();
            reconciled.status.success()
        });
    }
}

#[test]
fn a_host_that_ends_fails_for_itself_and_the_other_goes_on() {
    let ([_first, mut twin], gateway) = two();
    let ann = gateway.token("ann");
    let both = json!({ "command": "uname -n", "project": "shop", "hosts": ["test", "twin"] });
    let answer = gateway.call(&ann, "execute_command", &both);
    assert_eq!(field(&answer, "failed"), 0, "{answer:#}");
    twin.stop();
    let answer = gateway.call(&ann, "execute_command", &both);
    assert_eq!(field(&answer, "failed"), 1, "{answer:#}");
    assert_eq!(results(&answer)[0]["result"]["stdout"], "test\n", "{answer:#}");
    let error = &results(&answer)[1]["result"]["error"];
    assert_eq!((&error["reason"], &error["host"]), (&json!("HOST_UNREACHABLE"), &json!("twin")));
}

#[test]
fn a_process_is_its_hosts_and_another_host_knows_nothing_of_it() {
    let (_hosts, gateway) = two();
    let ann = gateway.token("ann");
    let on = |host: &str| json!({ "command": "cat; uname -n", "stdin_open": true, "project": "shop", "host": host });
    let handles = ["test", "twin"].map(|host| started(&gateway, &ann, &on(host)));
    for (host, handle) in ["test", "twin"].iter().zip(&handles) {
        let listed = json!({ "project": "shop", "host": host, "state": "running" });
        let listed = gateway.call(&ann, "list_processes", &listed);
        let own = field(&listed, "processes").as_array().unwrap();
        assert_eq!((own.len(), &own[0]["process"]), (1, &json!(handle)), "{listed:#}");
    }
    let (_, run) = handles[0].split_once('/').unwrap();
    let strange = json!({ "process": format!("twin/{run}") });
    let strange = gateway.call(&ann, "read_process", &strange);
    assert_eq!(field(&strange, "error")["reason"], "UNKNOWN_PROCESS", "{strange:#}");
    for (host, handle) in ["test", "twin"].iter().zip(&handles) {
        gateway.call(&ann, "write_process", &json!({ "process": handle, "end": true }));
        let read = json!({ "process": handle, "until": "end" });
        let read = gateway.call(&ann, "read_process", &read);
        assert_eq!(field(&read, "stdout"), &json!(format!("{host}\n")), "{read:#}");
    }
}

#[test]
fn closing_a_session_ends_what_runs_in_it_on_both_hosts() {
    let (_hosts, gateway) = two();
    let ann = gateway.token("ann");
    let opened = gateway.call(&ann, "open_session", &json!({ "project": "shop" }));
    let session = field(&opened, "session").as_str().unwrap().to_owned();
    let marks = [500_000, 600_000].map(|base| (base + std::process::id()).to_string());
    for (host, mark) in ["test", "twin"].iter().zip(&marks) {
        let long =
            json!({ "program": "sleep", "arguments": [mark], "session": session, "host": host });
        started(&gateway, &ann, &long);
        until("it runs", || runs(mark));
    }
    let closed = gateway.call(&ann, "close_session", &json!({ "session": session }));
    assert_eq!(field(&closed, "state"), "closed", "{closed:#}");
    let ended = field(&closed, "hosts").as_array().unwrap();
    assert!(ended.len() == 2 && ended.iter().all(|host| host["runs"] == 1), "{closed:#}");
    until("they are gone", || !marks.iter().any(|mark| runs(mark)));
}

#[test]
fn a_host_that_answers_in_anothers_place_is_asked_nothing() {
    let (hosts, mut gateway) = two();
    let ann = gateway.token("ann");
    let path = gateway.place.join("gateway.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let [one, other] = hosts.each_ref().map(Host::address);
    let swapped = text.replace(one, "ONE").replace(other, one).replace("ONE", other);
    gateway.kill();
    std::fs::write(&path, swapped).unwrap();
    gateway.start();
    let both = json!({ "command": "uname -n", "project": "shop", "hosts": ["test", "twin"] });
    let answer = gateway.call(&ann, "execute_command", &both);
    for result in results(&answer) {
        assert_eq!(result["result"]["error"]["reason"], "HOST_UNREACHABLE", "{answer:#}");
    }
    assert!(!hosts.iter().any(|host| host.journal().contains("uname -n")));
}
