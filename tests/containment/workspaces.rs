//! Line 6, and workspaces that are none.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use cofferdam_proto::exec::v1::outcome::Ending;
use cofferdam_tests::caller::{Caller, reason, sh};
use cofferdam_tests::warden::is_root;

use crate::Bench;

/// Step and reason of a run that does not start in `workspace`.
fn refused(caller: &Caller, workspace: &Path) -> (String, String) {
    match caller.clone().at(workspace).sh("echo ran > made").ending() {
        Ending::FailedToStart(failed) => (failed.step, failed.detail),
        other => panic!("{}: {other:?}", workspace.display()),
    }
}

#[test]
fn a_workspace_that_is_a_symlink_a_file_or_missing_is_refused_in_words() {
    let bench = Bench::new("odd-workspaces");
    let real = bench.caller.workspace();
    let beside = |name: &str| real.with_file_name(name);
    symlink(&real, beside("link")).unwrap();
    symlink("/etc", beside("etc")).unwrap();
    fs::write(beside("plain"), "x").unwrap();
    fs::create_dir(real.join("inner")).unwrap();
    for (workspace, word) in [
        (beside("link"), "symlink"),
        (beside("etc"), "symlink"),
        (beside("link").join("inner"), "symlink"),
        (beside("plain"), "directory"),
        (beside("missing"), "does not exist"),
    ] {
        for caller in [bench.caller.clone(), bench.caller.clone().one_shot()] {
            let (step, detail) = refused(&caller, &workspace);
            assert_eq!(step, "workspace", "{detail}");
            assert!(detail.contains(word), "{}: {detail}", workspace.display());
        }
    }
    assert!(!real.join("made").exists());
}

#[test]
fn a_workspace_outside_the_ceiling_is_denied() {
    let bench = Bench::new("outside");
    let inside = bench.caller.workspace();
    for outside in
        ["/etc", "/", "/root", "/proc/self/root", &inside.join("../..").to_string_lossy()]
    {
        let caller = bench.caller.clone().at(outside.as_ref());
        let refused = caller.run(sh("true")).expect_err(outside);
        let known = ["ABOVE_CEILING", "GRANT_MALFORMED"];
        assert!(known.contains(&reason(&refused).as_str()), "{outside}: {refused:?}");
    }
}

#[test]
fn a_workspace_of_another_owner_is_refused_or_stays_the_owners() {
    let bench = Bench::new("owners");
    let other = bench.host.workspace("of-another");
    if is_root() {
        // Root's: only where the ceiling says so.
        std::os::unix::fs::chown(&other, Some(0), Some(0)).unwrap();
        let (step, detail) = refused(&bench.caller, &other);
        assert!(step == "workspace" && detail.contains("root"), "{step}: {detail}");
        // Somebody's, and closed to all others: the cell is his there.
        std::os::unix::fs::chown(&other, Some(61_234), Some(61_234)).unwrap();
        fs::set_permissions(&other, PermissionsExt::from_mode(0o700)).unwrap();
        let ran = bench.caller.clone().at(&other).sh("echo x > made && stat -c %u made");
        assert_eq!(ran.code(), 0, "{}", ran.said());
        assert_eq!(fs::metadata(other.join("made")).unwrap().uid(), 61_234);
    } else {
        fs::set_permissions(&other, PermissionsExt::from_mode(0o000)).unwrap();
        let ran = bench.caller.clone().at(&other).sh("echo x > made");
        assert!(!matches!(ran.ending(), Ending::Exited(it) if it.code == 0), "{:?}", ran.ending());
        fs::set_permissions(&other, PermissionsExt::from_mode(0o755)).unwrap();
    }
}
