//! Whose a record is.

use super::*;
use crate::blocker::Blocker;
use crate::record::{Object, Stamp};

const MAKER: &[u8] = b"/usr/libexec/cofferdam-warden";
const ONE: RunKey = RunKey(1);
const TWO: RunKey = RunKey(2);

struct Fixture {
    attribution: Attribution,
    now: Instant,
}

impl Fixture {
    fn new() -> Self {
        Self { attribution: Attribution::new(MAKER.to_vec()), now: Instant::now() }
    }

    fn start(&mut self, key: RunKey, pid: u32, uid: u32) {
        let started = Started { key, pid: Some(pid), uid: Some(uid), since: self.now };
        self.attribution.run_started(started);
    }

    fn event(&mut self, event: Event, ancestor: Option<RunKey>) {
        let record = Record { stamp: Stamp::default(), event };
        self.attribution.record(record, self.now, |_| ancestor);
    }

    fn refuse(&mut self, domain: u64, port: u16) {
        let object = Object::Address { address: None, port: Some(port) };
        let access = Access { domain, blockers: vec![Blocker::ConnectTcp], object };
        self.event(Event::Access(access), None);
    }

    fn made(&mut self, domain: u64, pid: u32, uid: u32, exe: &[u8]) {
        let comm = b"init".to_vec();
        let made = Domain::Allocated { domain, pid, uid, exe: exe.to_vec(), comm };
        self.event(Event::Domain(made), None);
    }

    fn gone(&mut self, domain: u64, denials: u64) {
        self.event(Event::Domain(Domain::Deallocated { domain, denials }), None);
    }

    fn call(&mut self, pid: u32, uid: u32, ancestor: Option<RunKey>) {
        let call = Seccomp {
            pid,
            uid,
            comm: b"tool".to_vec(),
            exe: b"/usr/bin/tool".to_vec(),
            signal: 0,
            architecture: 0xc000_003e,
            syscall: 272,
            verdict: 0x5_0000,
        };
        self.event(Event::Seccomp(call), ancestor);
    }

    fn end(&mut self, key: RunKey) -> Found {
        self.attribution.run_ended(key)
    }
}

#[test]
fn a_refusal_before_its_domain_is_told_finds_its_run() {
    let mut it = Fixture::new();
    it.start(ONE, 100, 5000);
    it.start(TWO, 200, 5000);
    it.refuse(7, 22);
    it.made(7, 200, 5000, MAKER);
    it.refuse(7, 22);
    it.gone(7, 2);
    let found = it.end(TWO);
    assert_eq!(found.refusals.len(), 1);
    assert_eq!((found.refusals[0].count, found.loss), (2, Loss::default()));
    assert_eq!(it.end(ONE), Found::default());
    assert_eq!(it.attribution.unattributed(), 0);
}

#[test]
fn records_that_come_before_the_run_is_told_wait_for_it() {
    let mut it = Fixture::new();
    it.refuse(7, 22);
    it.made(7, 100, 5000, MAKER);
    it.gone(7, 3);
    it.call(100, 5000, None);
    it.start(ONE, 100, 5000);
    let found = it.end(ONE);
    assert_eq!(found.refusals.len(), 2);
    assert_eq!(found.loss, Loss { landlock: 2, unknown: false });
}

#[test]
fn a_process_of_another_user_with_the_same_number_is_not_the_run() {
    let mut it = Fixture::new();
    it.refuse(7, 22);
    it.made(7, 100, 1000, MAKER);
    it.call(100, 1000, None);
    it.start(ONE, 100, 5000);
    it.call(100, 1000, None);
    assert_eq!(it.end(ONE), Found::default());
}

#[test]
fn a_sandbox_that_a_program_made_for_itself_is_only_counted() {
    let mut it = Fixture::new();
    it.start(ONE, 100, 5000);
    it.refuse(7, 22);
    it.made(7, 100, 5000, b"/usr/bin/bwrap");
    it.refuse(7, 23);
    it.gone(7, 500);
    let expected = Found { own: 2, ..Found::default() };
    assert_eq!(it.end(ONE), expected);
}

#[test]
fn the_maker_is_known_without_the_mount_point_of_its_file_system() {
    let mut it = Fixture::new();
    it.start(ONE, 100, 5000);
    for (domain, exe) in [(7, &b"/libexec/cofferdam-warden"[..]), (8, b"warden"), (9, b"")] {
        it.refuse(domain, 22);
        it.made(domain, 100, 5000, exe);
    }
    let found = it.end(ONE);
    assert_eq!((found.refusals.len(), found.refusals[0].count, found.own), (1, 1, 2));
}

#[test]
fn a_domain_that_is_told_twice_keeps_its_count() {
    let mut it = Fixture::new();
    it.start(ONE, 100, 5000);
    for _ in 0..2 {
        it.refuse(7, 22);
        it.made(7, 100, 5000, MAKER);
    }
    it.gone(7, 2);
    assert_eq!(it.end(ONE).loss, Loss::default());
}

#[test]
fn a_call_is_of_the_first_process_a_looked_up_one_or_the_only_run_of_the_user() {
    let mut it = Fixture::new();
    it.start(ONE, 100, 5000);
    it.start(TWO, 200, 5000);
    it.call(200, 5000, None);
    it.call(201, 5000, Some(ONE));
    // Remembered: nothing to look up any more.
    it.call(201, 5000, None);
    // Two runs have this user, and the process is gone.
    it.call(202, 5000, None);
    let count = |found: Found| found.refusals.iter().map(|it| it.count).sum::<u64>();
    assert_eq!(count(it.end(TWO)), 1);
    it.call(203, 5000, None);
    assert_eq!(count(it.end(ONE)), 3);
    it.now += Duration::from_secs(6);
    it.gone(1, 1);
    assert_eq!(it.attribution.unattributed(), 1);
}

#[test]
fn a_run_that_was_over_before_anybody_looked_has_what_its_user_did_meanwhile() {
    let mut it = Fixture::new();
    // Of the run before: it came too late.
    it.refuse(6, 1);
    it.made(6, 90, 5000, MAKER);
    it.now += Duration::from_millis(1);
    let since = it.now;
    // Before the agent knows of the run, and after.
    it.call(100, 5000, None);
    it.refuse(7, 22);
    it.attribution.run_started(Started { key: ONE, pid: None, uid: Some(5000), since });
    it.made(7, 100, 5000, MAKER);
    it.refuse(8, 23);
    it.made(8, 300, 6000, MAKER);
    let found = it.end(ONE);
    assert_eq!(found.refusals.len(), 2, "{found:?}");
    assert_eq!(found.loss, Loss::default());
}

#[test]
fn a_call_of_a_child_that_came_before_its_run_was_told_is_the_runs() {
    let mut it = Fixture::new();
    it.call(101, 5000, None);
    it.start(ONE, 100, 5000);
    assert_eq!(it.end(ONE).refusals.len(), 1);
    // Where another run of the user could have made it, both are told to be unsure.
    it.start(ONE, 100, 5000);
    it.start(TWO, 200, 5000);
    it.call(102, 5000, None);
    assert!(it.end(ONE).loss.unknown && it.end(TWO).loss.unknown);
}

#[test]
fn whose_it_was_is_not_guessed_where_the_user_has_two_runs() {
    let mut it = Fixture::new();
    it.start(TWO, 200, 5000);
    let since = it.now;
    it.attribution.run_started(Started { key: ONE, pid: None, uid: Some(5000), since });
    it.refuse(7, 22);
    it.made(7, 100, 5000, MAKER);
    let found = it.end(ONE);
    assert_eq!(found.refusals, []);
    assert!(found.loss.unknown, "but it is told that something may be missing");
}

#[test]
fn a_person_s_own_programs_are_not_taken_for_a_run() {
    let mut it = Fixture::new();
    let started = Started { key: ONE, pid: Some(100), uid: None, since: it.now };
    it.attribution.run_started(started);
    it.call(999, 1000, None);
    assert_eq!(it.end(ONE), Found::default());
}

#[test]
fn an_overrun_taints_the_runs_of_its_time_only() {
    let mut it = Fixture::new();
    it.start(ONE, 100, 5000);
    it.now += Duration::from_secs(1);
    it.attribution.overrun(it.now);
    it.now += Duration::from_secs(1);
    it.start(TWO, 200, 5000);
    assert!(it.end(ONE).loss.unknown);
    assert!(!it.end(TWO).loss.unknown);
}

#[test]
fn what_the_kernel_counts_as_lost_taints_when_it_grows() {
    let mut it = Fixture::new();
    it.start(ONE, 100, 5000);
    it.attribution.kernel_lost(40, it.now);
    it.attribution.kernel_lost(40, it.now);
    assert!(!it.end(ONE).loss.unknown);
    it.start(TWO, 200, 5000);
    it.attribution.kernel_lost(41, it.now);
    assert!(it.end(TWO).loss.unknown);
}

#[test]
fn a_flood_whose_end_is_not_told_yet_may_have_lost() {
    let mut it = Fixture::new();
    it.start(ONE, 100, 5000);
    it.made(7, 100, 5000, MAKER);
    for _ in 0..QUEUE {
        assert!(!it.attribution.may_have_lost(ONE));
        it.refuse(7, 22);
    }
    assert!(it.attribution.may_have_lost(ONE));
    it.gone(7, QUEUE);
    assert!(!it.attribution.may_have_lost(ONE));
    assert_eq!(it.end(ONE).loss, Loss::default());
}

#[test]
fn a_flood_of_different_refusals_is_bounded_and_counted() {
    let mut it = Fixture::new();
    it.start(ONE, 100, 5000);
    it.made(7, 100, 5000, MAKER);
    for port in 0..1000 {
        it.refuse(7, port);
    }
    it.gone(7, 1000);
    let found = it.end(ONE);
    assert_eq!((found.refusals.len(), found.more), (MAX_REFUSALS, 1000 - 64));
}

#[test]
fn what_nobody_claims_is_bounded_and_counted() {
    let mut it = Fixture::new();
    for domain in 0..1000 {
        it.refuse(domain, 1);
        it.made(domain, 9, 9, MAKER);
    }
    for pid in 0..1000 {
        it.call(pid, 9, None);
    }
    assert_eq!(it.attribution.unattributed(), 2 * (1000 - MAX_WAITING as u64));
    it.now += Duration::from_secs(6);
    it.gone(1, 1);
    assert_eq!(it.attribution.unattributed(), 2000);
}

#[test]
fn a_run_with_too_many_domains_keeps_its_first() {
    let mut it = Fixture::new();
    it.start(ONE, 100, 5000);
    for domain in 0..500 {
        it.made(domain, 100, 5000, b"/usr/bin/tool");
        it.refuse(domain, 1);
    }
    let found = it.end(ONE);
    assert_eq!(found.own, MAX_DOMAINS as u64);
    assert!(it.attribution.domains.is_empty());
}

#[test]
fn a_process_number_that_is_used_again_is_the_later_run_s() {
    let mut it = Fixture::new();
    it.start(ONE, 100, 5000);
    it.start(TWO, 100, 5001);
    it.end(ONE);
    it.refuse(7, 22);
    it.made(7, 100, 5001, MAKER);
    assert_eq!(it.end(TWO).refusals.len(), 1);
}
