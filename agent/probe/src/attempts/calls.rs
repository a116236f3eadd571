//! System calls that a cell has no use for.

use std::fs;

use super::{AT_FDCWD, Attempt, done, refused};
use crate::sys::{address, call, call_through_int80};

/// `KEY_SPEC_SESSION_KEYRING`.
const SESSION_KEYRING: u64 = (-3_i64).cast_unsigned();

pub(super) const ALL: &[Attempt] = &[
    ("mount", &[21, 23], || {
        done(call(libc::SYS_mount, &[0, address(c"/tmp"), address(c"tmpfs"), 0, 0]))
    }),
    ("umount", &[23], || done(call(libc::SYS_umount2, &[address(c"/etc"), 2]))),
    ("pivot-root", &[23], || done(call(libc::SYS_pivot_root, &[address(c"."), address(c".")]))),
    ("chroot", &[23], || done(call(libc::SYS_chroot, &[address(c".")]))),
    ("fsopen", &[23], || done(call(libc::SYS_fsopen, &[address(c"tmpfs"), 0]))),
    ("open-tree", &[23], || done(call(libc::SYS_open_tree, &[AT_FDCWD, address(c"/"), 1]))),
    ("move-mount", &[23], || {
        done(call(libc::SYS_move_mount, &[AT_FDCWD, address(c"/tmp"), AT_FDCWD, address(c"/home")]))
    }),
    ("mount-setattr", &[23], || {
        done(call(libc::SYS_mount_setattr, &[AT_FDCWD, address(c"/"), 0, 0, 0]))
    }),
    ("unshare-user", &[24], || done(call(libc::SYS_unshare, &[libc::CLONE_NEWUSER as u64]))),
    ("clone-user", &[24], || {
        match call(libc::SYS_clone, &[(libc::CLONE_NEWUSER | libc::SIGCHLD) as u64]) {
            Ok(0) => std::process::exit(0),
            other => done(other),
        }
    }),
    ("clone3", &[24], || done(call(libc::SYS_clone3, &[0, 0]))),
    ("setns-pid1", &[24], || {
        fs::File::open("/proc/1/ns/mnt").map(|_| "opened the namespace of PID 1".into())
    }),
    ("open-by-handle", &[25], || done(call(libc::SYS_open_by_handle_at, &[0, 0, 0]))),
    ("io-uring", &[25], || done(call(libc::SYS_io_uring_setup, &[1, 0]))),
    ("bpf", &[25], || done(call(libc::SYS_bpf, &[0, 0, 0]))),
    ("perf", &[25], || done(call(libc::SYS_perf_event_open, &[0, 0, 0, 0, 0]))),
    ("userfaultfd", &[25], || done(call(libc::SYS_userfaultfd, &[1]))),
    ("kexec", &[25], || done(call(libc::SYS_kexec_load, &[0, 0, 0, 0]))),
    ("init-module", &[25], || done(call(libc::SYS_init_module, &[0, 0, 0]))),
    ("personality", &[25], || done(call(libc::SYS_personality, &[0x0004_0000]))),
    ("keyctl", &[26], || done(call(libc::SYS_keyctl, &[0, SESSION_KEYRING, 1]))),
    ("add-key", &[26], || {
        let (kind, name) = (address(c"user"), address(c"name"));
        done(call(libc::SYS_add_key, &[kind, name, address(c"x"), 1, SESSION_KEYRING]))
    }),
    ("x32", &[27], || done(call(0x4000_0000 | libc::SYS_getpid, &[]))),
    ("int80", &[27], || Ok(format!("getpid through int 0x80 gave {}", call_through_int80()))),
    ("seccomp-listener", &[28], || done(call(libc::SYS_seccomp, &[1, 8, 0]))),
    ("tiocsti", &[29], || done(call(libc::SYS_ioctl, &[0, 0x5412, address(c"x")]))),
    ("tiocsti-high-bits", &[29], || {
        done(call(libc::SYS_ioctl, &[0, 0xdead_0000_5412, address(c"x")]))
    }),
    ("memfd", &[30], || done(call(libc::SYS_memfd_create, &[address(c"x"), 0]))),
    ("execute-dropped", &[30], || {
        fs::copy("/usr/bin/env", "env")?;
        std::process::Command::new("./env").output().map(|_| "executed".into())
    }),
    ("loader-on-dropped", &[30], || {
        fs::copy("/usr/bin/env", "env")?;
        let ran =
            std::process::Command::new("/lib64/ld-linux-x86-64.so.2").arg("./env").output()?;
        if ran.status.success() {
            Ok("executed".into())
        } else {
            refused("the loader could not map it")
        }
    }),
    ("setuid-program", &[12], || {
        // su and passwd are setuid on every Debian; the mount is nosuid.
        let status = fs::read_to_string("/proc/self/status")?;
        let privileges = status.lines().find(|line| line.starts_with("NoNewPrivs:")).unwrap_or("");
        if privileges.ends_with('1') {
            refused("no_new_privs is set")
        } else {
            Ok(privileges.into())
        }
    }),
];
