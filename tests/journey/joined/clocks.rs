//! Clocks that are a day off, or five minutes: of a host while it joins, while it serves
//! and while it renews, and of the gateway. Each is told, nothing half is left, and
//! setting the clock is all that it takes.

use cofferdam_tests::clock::Clock;
use cofferdam_tests::dev::until;
use cofferdam_tests::host::{Host, Setup};
use serde_json::Value;

use super::{Joined, said, within};
use crate::gateways::field;

const DAY: i64 = 24 * 60 * 60;
/// A little less than what clocks may differ by, either way.
const SKEW: i64 = 285;
/// An hour, as it is by default: a day is long after it.
const HOUR: &str = "approval = \"none\"\ncertificate_seconds = 3600\n";

fn problem(host: &Host) -> String {
    host.status()["certificate"]["problem"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_host_whose_clock_is_a_day_off_is_told_so_joins_nothing_and_joins_once_it_is_set() {
    let Some(clock) = Clock::start("a host whose clock is a day off joins nothing") else { return };
    let mut joined = Joined::start(HOUR);
    let index = joined.add(Setup { variable: clock.variable(), ..Setup::default() });
    let token = joined.invite(index);
    let (name, value) = clock.variable();
    let ask = |joined: &Joined| {
        let (authority, address) = (joined.authority.address(), joined.wires[index].address());
        let mut command = joined.hosts[index].enroll(&authority, &token, &address);
        command.env(&name, &value).output().unwrap()
    };
    for off in [DAY, -DAY] {
        clock.set(off);
        let refused = ask(&joined);
        let told = said(&refused);
        assert!(!refused.status.success() && told.contains("set the clock"), "{off}: {told}");
        assert!(!joined.hosts[index].identity().exists(), "{off}");
        assert_eq!(joined.known(index)["standing"], "invited", "{off}: the token is not used up");
    }
    clock.set(0);
    let enrolled = ask(&joined);
    assert!(enrolled.status.success(), "{}", said(&enrolled));
    joined.hosts[index].start_again();
    let ann = joined.gateway.token("ann");
    assert!(joined.works(&ann, index));
}

#[test]
fn clocks_that_are_five_minutes_apart_either_way_join_and_serve() {
    let Some(clock) = Clock::start("clocks that are five minutes apart") else { return };
    let mut joined = Joined::start(HOUR);
    let ann = joined.gateway.token("ann");
    for (name, off) in [("early", -SKEW), ("late", SKEW)] {
        clock.set(off);
        let setup = Setup { name: name.to_owned(), variable: clock.variable(), ..Setup::default() };
        let index = joined.add(setup);
        let token = joined.invite(index);
        let (authority, address) = (joined.authority.address(), joined.wires[index].address());
        let mut command = joined.hosts[index].enroll(&authority, &token, &address);
        let (variable, value) = clock.variable();
        let enrolled = command.env(variable, value).output().unwrap();
        assert!(enrolled.status.success(), "{off}: {}", said(&enrolled));
        joined.hosts[index].start_again();
        assert!(joined.works(&ann, index), "{off}");
        assert!(problem(&joined.hosts[index]).is_empty(), "{off}");
    }
}

#[test]
fn a_serving_host_whose_clock_jumps_a_day_tells_why_nothing_goes_and_goes_on_once_it_is_set() {
    let Some(clock) = Clock::start("a serving host whose clock jumps a day") else { return };
    let mut joined = Joined::start(HOUR);
    let setup = Setup { variable: clock.variable(), ..Setup::default() };
    let index = joined.join(setup);
    let ann = joined.gateway.token("ann");
    for off in [DAY, -DAY] {
        clock.set(off);
        until("no call gets through", || !joined.works(&ann, index));
        let refused = joined.run(&ann, index, "true");
        let reason = field(&refused, "error")["reason"].as_str().unwrap_or_default().to_owned();
        let known = ["CERTIFICATE_EXPIRED", "INTENT_TIME", "HOST_UNREACHABLE", "CONNECTION_BROKEN"];
        assert!(known.contains(&reason.as_str()), "{off}: {refused:#}");
        // What it has is what it had: nothing is renewed by a clock that is wrong.
        within(60, "the host tells", || problem(&joined.hosts[index]).contains("clock"));
        let identity = std::fs::read(joined.hosts[index].identity()).unwrap();
        assert!(serde_json::from_slice::<Value>(&identity).is_ok());
        clock.set(0);
        until("it serves again", || joined.works(&ann, index));
        within(60, "nothing is wrong any more", || problem(&joined.hosts[index]).is_empty());
    }
    assert!(joined.known(index)["alarm"].is_null(), "{:#}", joined.known(index));
}

#[test]
fn a_gateway_whose_clock_was_a_day_ahead_serves_its_hosts_as_soon_as_it_is_set() {
    let Some(clock) = Clock::start("a gateway whose clock was a day ahead") else { return };
    let mut joined = Joined::start(HOUR);
    let index = joined.join(Setup::default());
    let ann = joined.gateway.token("ann");
    assert!(joined.works(&ann, index));
    for off in [DAY, -DAY] {
        joined.gateway.kill();
        clock.set(off);
        joined.gateway.start_with(&clock.variable());
        let refused = joined.run(&ann, index, "true");
        assert!(!field(&refused, "error").is_null(), "{off}: {refused:#}");
        // Nobody starts anything anew: its certificates are made again by themselves.
        clock.set(0);
        until("the host serves it again", || joined.works(&ann, index));
    }
}
