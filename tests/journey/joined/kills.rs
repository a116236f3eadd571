//! kill -9 of the gateway, which is the authority, in the middle of what hosts ask of it,
//! and of commands that change it.

use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use cofferdam_tests::host::Setup;
use cofferdam_tests::machine::slowness;
use cofferdam_tests::programs::program;
use rustix::process::{Pid, Signal, kill_process};

use super::{Joined, PLAIN, lives, said, within};

/// So many moments in the course of what takes about a second are tried.
const MOMENTS: u64 = 7;

fn named(name: &str, number: u64) -> Setup {
    Setup { name: format!("{name}-{number}"), ..Setup::default() }
}

#[test]
fn whenever_the_authority_is_killed_while_a_host_joins_the_host_joins_once_when_it_is_back() {
    let mut joined = Joined::start(PLAIN);
    for number in 0..MOMENTS {
        let index = joined.add(named("host", number));
        let token = joined.invite(index);
        let (authority, address) = (joined.authority.address(), joined.wires[index].address());
        let mut command = joined.hosts[index].enroll(&authority, &token, &address);
        let asking = command.arg("--wait").stderr(Stdio::piped()).spawn().unwrap();
        sleep(Duration::from_millis(number * 45));
        joined.gateway.kill();
        sleep(Duration::from_millis(200));
        joined.start_gateway();
        let asked = asking.wait_with_output().unwrap();
        assert!(asked.status.success(), "{number}: {}", said(&asked));
        let known = joined.known(index);
        assert_eq!(known["standing"], "joined", "{number}: {known:#}");
        assert!(known["alarm"].is_null(), "{number}: {known:#}");
        let certified = joined.journal().matches("\"step\":\"certified\"").count() as u64;
        assert_eq!(certified, number + 1, "{number}: it joined once, and that is on record");
    }
    let last = joined.hosts.len() - 1;
    joined.hosts[last].start_again();
    let ann = joined.gateway.token("ann");
    within(20, "the last one serves", || joined.works(&ann, last));
}

#[test]
fn whenever_the_authority_is_killed_while_hosts_renew_nobody_is_lost_and_nobody_is_two() {
    let mut joined = Joined::start(&lives(4));
    let indices: Vec<_> = (0..2).map(|number| joined.join(named("host", number))).collect();
    let ann = joined.gateway.token("ann");
    for moment in 0..MOMENTS {
        sleep(Duration::from_millis((500 + moment * 370) * slowness()));
        joined.gateway.kill();
        sleep(Duration::from_millis(50));
        joined.start_gateway();
    }
    for index in indices {
        within(30, "it serves", || joined.works(&ann, index));
        let known = joined.known(index);
        assert!(known["alarm"].is_null(), "{known:#}");
    }
    assert!(joined.steps("renewed") >= 4, "{}", joined.journal());
}

#[test]
fn whenever_a_rotation_or_the_authority_in_it_is_killed_there_is_one_root_more_or_none() {
    let mut joined = Joined::start(&(lives(5) + "announce_seconds = 1\n"));
    let index = joined.join(Setup::default());
    let ann = joined.gateway.token("ann");
    for moment in 0..MOMENTS {
        let mut command = std::process::Command::new(program("cofferdam"));
        command.args(["authority", "rotate", "--config"]);
        command.arg(joined.gateway.place.join("gateway.toml"));
        let mut rotating = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_millis(moment * 6));
        _ = kill_process(Pid::from_raw(rotating.id().cast_signed()).unwrap(), Signal::KILL);
        rotating.wait().unwrap();
        if moment % 2 == 0 {
            joined.gateway.kill();
            joined.start_gateway();
        }
        let shown = joined.gateway.cofferdam(&["authority", "show"]);
        assert!(shown.status.success(), "{moment}: {}", said(&shown));
    }
    // Whatever the last one left, asking again comes to a new root, at the latest once the
    // one that may be following has followed.
    within(30, "another root follows", || {
        joined.gateway.cofferdam(&["authority", "rotate"]).status.success()
    });
    let renewed = joined.steps("renewed");
    within(40, "its hosts go along", || joined.steps("renewed") >= renewed + 4);
    assert!(joined.works(&ann, index));
    assert!(joined.known(index)["alarm"].is_null());
}

#[test]
fn a_host_whose_gateway_is_away_for_a_day_is_certified_again_so_often_and_no_more() {
    // Four seconds stand for an hour, and six for the rest of a day.
    let mut joined = Joined::start(&(lives(4) + "reattestations = 2\n"));
    let index = joined.join(Setup::default());
    let ann = joined.gateway.token("ann");
    for time in 1..=3 {
        joined.gateway.kill();
        sleep(Duration::from_secs(6 * slowness()));
        let left = &joined.hosts[index].status()["certificate"]["seconds_left"];
        assert!(left.as_i64().is_some_and(|left| left <= 0), "{left}");
        joined.start_gateway();
        if time == 3 {
            break;
        }
        // Away again before a renewal in time begins the count anew.
        within(20, "it is certified again", || joined.steps("reattested") == time);
    }
    within(30, "the host tells that it is too often", || {
        let problem = joined.hosts[index].status()["certificate"]["problem"].clone();
        problem.as_str().is_some_and(|it| it.contains("too often in a row"))
    });
    assert!(!joined.works(&ann, index), "nothing is open");
    assert_eq!(joined.steps("reattested"), 2);
    let trusted = joined.gateway.cofferdam(&["host", "trust", "test"]);
    assert!(trusted.status.success(), "{}", said(&trusted));
    within(40, "its owner lets it in again", || joined.works(&ann, index));
}
