//! Which signal is whose.

use cofferdam_proto::exec::v1::Exited;

use super::*;

fn seen() -> Evidence {
    Evidence { own_user: true, memory_counted: true, ..Evidence::default() }
}

fn of(signal: Signal, evidence: &Evidence) -> Ending {
    let signalled = Signalled { signal: signal.as_raw().unsigned_abs(), ..Signalled::default() };
    let outcome = Outcome { ending: Some(Ending::Signalled(signalled)) };
    attributed(outcome, evidence).ending.unwrap()
}

fn sender(signal: Signal, evidence: &Evidence) -> (Sender, String) {
    match of(signal, evidence) {
        Ending::Signalled(told) => (told.sender(), told.evidence),
        other => panic!("{other:?}"),
    }
}

fn call(foreign: bool) -> KillingCall {
    KillingCall { call: "`getpid` of somewhere".to_owned(), foreign, signal: 31 }
}

#[test]
fn what_a_program_can_bring_upon_itself_is_the_kernels_or_a_processs() {
    for signal in [Signal::ILL, Signal::TRAP, Signal::BUS, Signal::FPE, Signal::SEGV, Signal::PIPE]
    {
        let (sender, why) = sender(signal, &seen());
        assert_eq!(sender, Sender::KernelOrProcess, "{signal:?}");
        assert!(why.starts_with("the kernel raises it for"), "{why}");
    }
}

#[test]
fn what_somebody_has_to_send_came_from_the_cell_or_from_root() {
    for signal in [Signal::KILL, Signal::TERM, Signal::INT, Signal::USR1, Signal::ABORT] {
        let (sender, why) = sender(signal, &seen());
        assert_eq!(sender, Sender::Process, "{signal:?}");
        assert!(why.contains("root on the host"), "{why}");
    }
}

#[test]
fn a_cell_that_shares_its_user_can_be_signalled_by_anybody_of_it() {
    let shared = Evidence { own_user: false, ..seen() };
    assert_eq!(sender(Signal::TERM, &shared).0, Sender::Unknown);
    // The program's own fault stays what it was.
    assert_eq!(sender(Signal::SEGV, &shared).0, Sender::KernelOrProcess);
}

#[test]
fn a_kill_where_nobody_counts_may_be_the_out_of_memory_killers() {
    let uncounted = Evidence { memory_counted: false, ..seen() };
    let (sender, why) = sender(Signal::KILL, &uncounted);
    assert_eq!(sender, Sender::KernelOrProcess);
    assert!(why.contains("out-of-memory"), "{why}");
}

#[test]
fn seccomp_did_it_where_the_kernel_says_so() {
    let Ending::DeniedBySandbox(denied) =
        of(Signal::SYS, &Evidence { killing: Some(call(true)), ..seen() })
    else {
        panic!("not the sandbox")
    };
    assert!(denied.detail.contains("`getpid` of somewhere"), "{}", denied.detail);
    assert!(denied.detail.contains("audit record"), "{}", denied.detail);
    let own = Evidence { killing: Some(call(false)), ..seen() };
    let (by, why) = sender(Signal::SYS, &own);
    assert_eq!(by, Sender::Kernel);
    assert!(why.contains("set for itself"), "{why}");
}

#[test]
fn without_a_record_sigsys_is_a_processs_and_where_none_can_be_seen_the_sandboxs() {
    assert_eq!(sender(Signal::SYS, &seen()).0, Sender::Process);
    let unseen = Evidence { unseen: "audit is off".to_owned(), ..seen() };
    let Ending::DeniedBySandbox(denied) = of(Signal::SYS, &unseen) else { panic!("a process") };
    assert!(denied.detail.contains("cannot be told: audit is off"), "{}", denied.detail);
}

#[test]
fn a_record_of_another_process_of_the_run_changes_no_other_ending() {
    let evidence = Evidence { killing: Some(call(true)), ..seen() };
    assert_eq!(sender(Signal::TERM, &evidence).0, Sender::Process);
    let exited = Outcome { ending: Some(Ending::Exited(Exited { code: 3 })) };
    assert_eq!(attributed(exited.clone(), &evidence), exited);
}
