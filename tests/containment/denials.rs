//! What the caller is told of refusals: what was refused, and which grant would
//! allow it. Where the kernel tells nobody, the outcome says that.

use cofferdam_proto::exec::v1::Denial;
use cofferdam_tests::caller::{Caller, Ran};

use crate::Bench;

/// What a run was refused of `object`; `None` where denials cannot be seen here,
/// which the outcome must say.
fn denial(ran: &Ran, object: &str) -> Option<Denial> {
    let sandbox = ran.finished.as_ref().unwrap().sandbox.as_ref().unwrap();
    if !sandbox.denials_unseen.is_empty() {
        assert!(sandbox.denials_unseen.contains("audit"), "{}", sandbox.denials_unseen);
        return None;
    }
    let found = sandbox.denials.iter().find(|it| it.object == object);
    Some(found.unwrap_or_else(|| panic!("{object}: {:?}", sandbox.denials)).clone())
}

fn with_programs(bench: &Bench) -> Caller {
    bench.caller.clone().programs(&["/usr/bin/sh", "/usr/bin/cat"])
}

#[test]
fn a_refused_program_is_asked_of_the_rule_that_does_not_name_it() {
    let bench = Bench::new("refused-program");
    // By the name of a file, not of a link: that is what the kernel tells.
    for line in ["env", "cat /usr/bin/env"] {
        let ran = with_programs(&bench).sh(&format!("{line}; exit 1"));
        assert!(ran.said().contains("ermission denied"), "{line}: {}", ran.said());
        let Some(told) = denial(&ran, "/usr/bin/env") else { return };
        assert_eq!(told.setting, "programs.execute", "{told:?}");
        let grant =
            "a rule whose grant has `/usr/bin/env` in `programs`, beside those it has (cat, sh)";
        assert_eq!(told.remedy, grant, "{line}");
    }
}

#[test]
fn a_write_outside_the_workspace_is_asked_of_nobody() {
    let bench = Bench::new("refused-write");
    let ran = bench.caller.sh("echo x >/dev/shm/../pts/made; exit 1");
    let Some(told) = denial(&ran, "/dev/pts") else { return };
    assert_eq!(told.setting, "workspace.access", "{told:?}");
    assert!(
        told.remedy.starts_with("none outside of the places that can be changed: "),
        "{told:?}"
    );
}

#[test]
fn a_refused_call_is_told_with_the_filters_reason() {
    let bench = Bench::new("refused-call");
    let ran = bench.caller.sh("unshare -U true; exit 1");
    let Some(told) = denial(&ran, "unshare") else { return };
    assert_eq!((told.layer.as_str(), told.setting.as_str()), ("seccomp", "syscalls.filter"));
    assert!(told.remedy.starts_with("none, every filter refuses it so"), "{told:?}");
    assert!(told.remedy.contains("namespaces"), "{told:?}");
}
