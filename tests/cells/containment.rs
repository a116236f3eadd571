//! What a command inside a cell tries, and what must happen. The attempts are
//! made by `cofferdam-probe`; each test's name says what it proves.

use std::os::unix::fs::PermissionsExt;

use cofferdam_tests::programs::program;
use cofferdam_tests::warden::Ran;

use crate::Bench;

/// Makes one attempt in a cell of its own.
fn attempt(name: &str) -> Ran {
    let mut bench = Bench::new();
    let probe = program("cofferdam-probe").canonicalize().unwrap();
    let cell = bench.cell();
    let ran = cell.run(bench.path(), &[probe.to_str().unwrap(), name]).expect("the probe runs");
    bench.warden.end(cell);
    ran
}

fn refused(name: &str) {
    let ran = attempt(name);
    assert_eq!(ran.code(), Some(1), "{name}: {}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.starts_with("refused:"), "{name}: {}", ran.stdout);
    // EPERM and ENOSYS: all that the filter answers with.
    let by_filter = ["(os error 1)", "(os error 38)"].iter().any(|said| ran.stdout.contains(said));
    assert!(by_filter || !BY_FILTER.contains(&name), "{name}: {}", ran.stdout);
}

/// Attempts with arguments that the kernel might refuse by itself: here the
/// answer must be the filter's, so that the test fails without the filter.
const BY_FILTER: &[&str] = &[
    "mount",
    "umount",
    "pivot-root",
    "chroot",
    "fsopen",
    "open-tree",
    "move-mount",
    "mount-setattr",
    "unshare-user",
    "clone-user",
    "clone3",
    "open-by-handle",
    "io-uring",
    "bpf",
    "perf",
    "userfaultfd",
    "kexec",
    "init-module",
    "personality",
    "seccomp-listener",
    "keyctl",
    "add-key",
    "tiocsti",
    "tiocsti-high-bits",
    "memfd",
    "vsock",
    "af-alg",
    "bluetooth",
    "packet",
    "raw",
    "netlink-audit",
    "mptcp",
    "prlimit-pid1",
    "priority-pid1",
    "priority-of-user",
    "affinity-pid1",
    "chmod-setuid",
    "fchmodat-setgid",
    "create-setuid",
    "mknod-setuid",
    "openat2-setuid",
];

fn killed(name: &str) {
    let ran = attempt(name);
    assert_eq!(libc::WTERMSIG(ran.ending.wait_status), libc::SIGSYS, "{name}: {}", ran.stdout);
}

macro_rules! refused {
    ($($test:ident: $($attempt:literal),+;)*) => {
        $(#[test] fn $test() { $(refused($attempt);)+ })*
        /// What the tests above cover.
        const REFUSED: &[&str] = &[$($($attempt),+),*];
    };
}

refused! {
    files_outside_the_view_cannot_be_read: "read-shadow", "read-root-home", "read-var";
    nothing_outside_the_workspace_can_be_written: "write-etc", "write-root", "write-usr";
    metadata_outside_the_workspace_cannot_be_changed:
        "chmod-outside", "chown-outside", "utime-outside", "setxattr-outside", "truncate-outside";
    a_symlink_does_not_lead_a_write_out: "write-through-symlink";
    a_file_outside_cannot_be_linked_in: "hard-link-outside-in";
    a_file_cannot_be_renamed_out_of_the_workspace: "rename-out";
    no_device_can_be_made: "make-device";
    no_setuid_or_setgid_bit_can_be_set:
        "chmod-setuid", "fchmodat-setgid", "fchmodat2-setuid", "create-setuid", "mknod-setuid",
        "openat2-setuid", "file-capability";
    kernel_settings_cannot_be_written: "core-pattern", "sysctl-vm", "sysrq";
    pid_1_cannot_be_looked_into: "pid1-environ", "pid1-root", "pid1-mem", "pid1-exe", "setns-pid1";
    foreign_processes_are_not_seen: "foreign-process";
    kernel_memory_and_symbols_are_masked: "kcore", "kallsyms", "keys", "timer-list";
    sysfs_and_device_files_are_absent: "sys", "dev-mem", "dev-kmsg", "dev-disk", "dev-fuse", "dev-kvm";
    mounts_cannot_be_changed:
        "mount", "umount", "pivot-root", "chroot", "fsopen", "open-tree", "move-mount", "mount-setattr";
    namespaces_cannot_be_made: "unshare-user", "clone-user", "clone3";
    dangerous_system_calls_are_refused:
        "open-by-handle", "io-uring", "bpf", "perf", "userfaultfd", "kexec", "init-module",
        "personality", "seccomp-listener";
    the_kernels_keys_are_out_of_reach: "keyctl", "add-key";
    nothing_can_be_typed_into_a_terminal: "tiocsti", "tiocsti-high-bits";
    no_program_can_be_made_and_executed: "memfd", "execute-dropped", "loader-on-dropped";
    setuid_programs_gain_nothing: "setuid-program", "capability";
    pid_1_cannot_be_signalled_traced_or_slowed:
        "kill-pid1", "stop-pid1", "ptrace-pid1", "read-pid1-memory", "pidfd-getfd-pid1",
        "prlimit-pid1", "priority-pid1", "priority-of-user", "affinity-pid1";
    there_is_no_core_dump: "core-dump";
    no_descriptor_is_inherited: "inherited-descriptor";
    odd_socket_families_are_refused:
        "vsock", "af-alg", "bluetooth", "packet", "raw", "netlink-audit", "mptcp";
    sockets_of_the_host_are_not_seen: "host-unix-socket";
    nothing_outside_can_be_reached: "reach-outside";
}

const KILLED: &[&str] = &["x32", "int80"];
/// Only as root: an ordinary user's own groups stay (setgroups is not his to call).
const ROOT_ONLY: &[&str] = &["supplementary-group"];

#[test]
fn foreign_abis_are_killed() {
    for name in KILLED {
        killed(name);
    }
}

#[test]
fn as_root_a_cell_has_no_supplementary_groups() {
    if cofferdam_tests::skip_unless_root("as_root_a_cell_has_no_supplementary_groups") {
        return;
    }
    for name in ROOT_ONLY {
        refused(name);
    }
}

#[test]
fn every_attempt_of_the_probe_is_in_a_test() {
    let listed =
        std::process::Command::new(program("cofferdam-probe")).arg("list").output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let covered: Vec<_> = [REFUSED, KILLED, ROOT_ONLY].concat();
    for name in listed.lines() {
        assert!(covered.contains(&name), "`{name}` is in no test");
    }
    assert_eq!(listed.lines().count(), covered.len());
}

#[test]
fn outside_a_cell_the_probe_can_do_what_a_cell_refuses() {
    // A probe that always said «refused» would prove nothing.
    let directory = tempfile::TempDir::new().unwrap();
    for name in ["memfd", "execute-dropped", "chmod-setuid", "kallsyms", "sys"] {
        let _ = std::fs::remove_file(directory.path().join("mine"));
        let ran = std::process::Command::new(program("cofferdam-probe"))
            .arg(name)
            .current_dir(directory.path())
            .output()
            .unwrap();
        assert!(ran.status.success(), "{name}: {}", String::from_utf8_lossy(&ran.stdout));
    }
}

#[test]
fn a_workspace_whose_path_has_a_symlink_is_refused() {
    let mut bench = Bench::new();
    let link = bench.path().with_file_name("link");
    std::os::unix::fs::symlink(bench.path(), &link).unwrap();
    let plan = cofferdam_tests::warden::cell_plan(&link);
    let refused = bench.warden.build(plan).err().unwrap();
    assert!(refused.contains("symlink"), "{refused}");
}

#[test]
fn a_workspace_that_is_a_file_or_missing_is_refused() {
    let mut bench = Bench::new();
    let file = bench.path().with_file_name("file");
    std::fs::write(&file, "x").unwrap();
    let refused = bench.warden.build(cofferdam_tests::warden::cell_plan(&file)).err().unwrap();
    assert!(refused.contains("not a directory"), "{refused}");
    let missing = bench.path().with_file_name("missing");
    let refused = bench.warden.build(cofferdam_tests::warden::cell_plan(&missing)).err().unwrap();
    assert!(refused.contains("does not exist"), "{refused}");
}

#[test]
fn a_fork_bomb_hits_the_process_limit_and_the_host_does_not_notice() {
    let mut bench = Bench::new();
    let cell = bench.cell();
    let mut plan = cofferdam_tests::warden::run_plan(
        bench.path(),
        &["bash", "-c", "b() { b | b & }; b; wait"],
    );
    plan.limits.wall_millis = 1500;
    plan.limits.grace_millis = 100;
    // Rootless cells have no cgroup here: the user's own limit must hold them.
    plan.limits.processes = 64;
    cell.run_plan(plan).expect("a run");
    let after = cell.run(bench.path(), &["true"]).unwrap();
    assert_eq!(after.code(), Some(0));
    bench.warden.end(cell);
}

#[test]
fn twice_the_memory_limit_ends_the_run() {
    if cofferdam_tests::skip_unless_root("twice_the_memory_limit_ends_the_run") {
        return;
    }
    let mut bench = Bench::new();
    let mut plan = cofferdam_tests::warden::cell_plan(bench.path());
    plan.limits.memory_bytes = 64 << 20;
    let cell = bench.warden.build(plan).unwrap();
    // A line without an end: tail keeps all of it.
    let ran = cell.run(bench.path(), &["tail", "/dev/zero"]).unwrap();
    assert_eq!(libc::WTERMSIG(ran.ending.wait_status), libc::SIGKILL, "{ran:?}");
    bench.warden.end(cell);
}

#[test]
fn a_full_scratch_place_is_full_and_nothing_else() {
    let mut bench = Bench::new();
    let (code, output) =
        bench.shell("dd if=/dev/zero of=/tmp/big bs=1M count=64 2>&1; ls -l /tmp/big");
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains("No space left"), "{output}");
}

#[test]
fn two_cells_do_not_see_each_other() {
    let mut bench = Bench::new();
    let (first, second) = (bench.cell(), bench.cell());
    let script = "echo secret > /tmp/left; echo secret > /dev/shm/left; echo secret > ~/left";
    assert_eq!(first.run(bench.path(), &["sh", "-c", script]).unwrap().code(), Some(0));
    let looked = second.run(bench.path(), &["sh", "-c", "ls /tmp /dev/shm ~ | grep left"]).unwrap();
    assert_eq!(looked.code(), Some(1), "{}", looked.stdout);
    bench.warden.end(first);
    bench.warden.end(second);
}

#[test]
fn the_ceiling_file_must_be_nobody_elses_to_write() {
    let mut bench = Bench::new();
    let ceiling = bench.warden.directory.path().join("ceiling.toml");
    std::fs::set_permissions(&ceiling, std::fs::Permissions::from_mode(0o666)).unwrap();
    let refused =
        bench.warden.build(cofferdam_tests::warden::cell_plan(bench.path())).err().unwrap();
    assert!(refused.contains("others can write"), "{refused}");
}
