//! What `cofferdam-probe` tries, in every way in which a command gets a cell.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use cofferdam_proto::exec::v1::outcome::Ending;
use cofferdam_tests::caller::{Caller, Ran, command};
use cofferdam_tests::programs::program;

use crate::Bench;

/// In the profile `build` a program of the workspace may be executed.
const MAY_BUILD: &[&str] = &["execute-dropped", "loader-on-dropped"];

fn attempt(bench: &Bench, caller: &Caller, name: &str) -> Ran {
    empty(&caller.workspace());
    let probe = bench.host.probe();
    let ran = caller.run(command(&[probe.to_str().unwrap(), name]));
    ran.unwrap_or_else(|status| panic!("{name}: {status:?}"))
}

/// Attempts make files of the same names; what holds the place of protected
/// files stays.
fn empty(workspace: &Path) {
    for entry in std::fs::read_dir(workspace).unwrap().flatten() {
        if ["env", "mine", "link", "linked", "disk"].iter().any(|it| entry.file_name() == **it) {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
}

fn refused(test: &str, names: &[&str]) {
    let bench = Bench::new(test);
    for (way, caller) in bench.ways() {
        for &name in names {
            let ran = attempt(&bench, &caller, name);
            if caller.grant.profile == "build" && MAY_BUILD.contains(&name) {
                assert_eq!(ran.code(), 0, "{name} {way}: {}", ran.said());
                continue;
            }
            assert_eq!(ran.code(), 1, "{name} {way}: {}", ran.said());
            assert!(ran.out().starts_with("refused:"), "{name} {way}: {}", ran.said());
            no_mode_bits_are_left(&caller.workspace());
        }
    }
}

/// Whatever was said inside: on disk there is no setuid or setgid file.
fn no_mode_bits_are_left(workspace: &Path) {
    for entry in std::fs::read_dir(workspace).unwrap().flatten() {
        // What held a protected place goes with its cell.
        let Ok(metadata) = entry.metadata() else { continue };
        let mode = metadata.permissions().mode();
        assert_eq!(mode & 0o6000, 0, "{}: {mode:o}", entry.path().display());
    }
}

macro_rules! refused {
    ($($test:ident: $($attempt:literal),+;)*) => {
        $(#[test] fn $test() { refused(stringify!($test), &[$($attempt),+]); })*
        /// What the tests above try.
        const REFUSED: &[&str] = &[$($($attempt),+),*];
    };
}

refused! {
    files_outside_the_view_cannot_be_read: "read-shadow", "read-root-home", "read-var";
    nothing_outside_the_workspace_can_be_written: "write-etc", "write-root", "write-usr";
    metadata_outside_the_workspace_cannot_be_changed:
        "chmod-outside", "chown-outside", "utime-outside", "setxattr-outside", "truncate-outside";
    no_descriptor_is_inherited: "inherited-descriptor";
    a_symlink_does_not_lead_a_write_out: "write-through-symlink";
    a_file_outside_cannot_be_linked_in: "hard-link-outside-in";
    a_file_cannot_be_renamed_out_of_the_workspace: "rename-out";
    no_device_can_be_made: "make-device";
    no_setuid_or_setgid_bit_can_be_set:
        "chmod-setuid", "fchmodat-setgid", "fchmodat2-setuid", "create-setuid", "mknod-setuid",
        "openat2-setuid", "file-capability";
    no_privilege_can_be_gained: "setuid-program", "capability";
    kernel_settings_cannot_be_written: "core-pattern", "sysctl-vm", "sysrq";
    pid_1_cannot_be_looked_into: "pid1-environ", "pid1-root", "pid1-mem", "pid1-exe", "setns-pid1";
    foreign_processes_are_not_seen: "foreign-process";
    kernel_memory_and_symbols_are_masked: "kcore", "kallsyms", "keys", "timer-list";
    sysfs_and_device_files_are_absent: "sys", "dev-mem", "dev-kmsg", "dev-disk", "dev-fuse", "dev-kvm";
    mounts_cannot_be_changed:
        "mount", "umount", "pivot-root", "chroot", "fsopen", "open-tree", "move-mount", "mount-setattr";
    namespaces_cannot_be_made: "unshare-user", "clone-user", "clone3";
    dangerous_system_calls_are_refused:
        "open-by-handle", "io-uring", "bpf", "perf", "userfaultfd", "kexec", "init-module", "personality";
    nobody_listens_to_seccomp: "seccomp-listener";
    the_kernels_keys_are_out_of_reach: "keyctl", "add-key";
    nothing_can_be_typed_into_a_terminal: "tiocsti", "tiocsti-high-bits";
    no_program_can_be_made_and_executed: "memfd", "execute-dropped", "loader-on-dropped";
    pid_1_cannot_be_signalled_traced_or_slowed:
        "kill-pid1", "stop-pid1", "ptrace-pid1", "read-pid1-memory", "pidfd-getfd-pid1",
        "prlimit-pid1", "priority-pid1", "priority-of-user", "affinity-pid1";
    core_dumps_are_switched_off: "core-dump";
    odd_socket_families_are_refused:
        "vsock", "af-alg", "bluetooth", "packet", "raw", "netlink-audit", "mptcp";
    sockets_of_the_host_are_not_seen: "host-unix-socket";
    nothing_outside_can_be_reached: "reach-outside";
}

const KILLED: &[&str] = &["x32", "int80"];
/// Only as root: an ordinary user's own groups stay (setgroups is not his to call).
const ROOT_ONLY: &[&str] = &["supplementary-group"];

#[test]
fn foreign_abis_are_killed_and_the_outcome_says_why() {
    let bench = Bench::new("foreign-abis");
    for (way, caller) in bench.ways() {
        for name in KILLED {
            let ran = attempt(&bench, &caller, name);
            let Ending::DeniedBySandbox(denied) = ran.ending() else {
                panic!("{name} {way}: {:?}", ran.ending());
            };
            assert!(denied.detail.contains("seccomp"), "{denied:?}");
        }
    }
}

#[test]
fn as_root_a_cell_has_no_supplementary_groups() {
    if cofferdam_tests::skip_unless_root("as_root_a_cell_has_no_supplementary_groups") {
        return;
    }
    refused("groups", ROOT_ONLY);
}

#[test]
fn every_attempt_of_the_probe_is_made() {
    let listed = Command::new(program("cofferdam-probe")).args(["list", "--numbers"]).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let listed: BTreeMap<&str, &str> =
        listed.lines().map(|line| line.split_once(' ').unwrap()).collect();
    let tried: BTreeSet<&str> = [REFUSED, KILLED, ROOT_ONLY].concat().into_iter().collect();
    assert_eq!(tried, listed.keys().copied().collect());
}
