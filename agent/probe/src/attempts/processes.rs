//! PID 1, and what a process has by itself.

use std::fs;
use std::path::Path;

use super::{Attempt, done, refused};
use crate::sys::call;

pub(super) const ALL: &[Attempt] = &[
    ("kill-pid1", &[31], || {
        call(libc::SYS_kill, &[1, 9])?;
        std::thread::sleep(std::time::Duration::from_millis(50));
        if Path::new("/proc/1").exists() { refused("PID 1 ignores it") } else { Ok("gone".into()) }
    }),
    ("stop-pid1", &[31], || {
        call(libc::SYS_kill, &[1, libc::SIGSTOP as u64])?;
        let status = fs::read_to_string("/proc/1/status")?;
        if status.contains("(stopped)") {
            Ok("stopped".into())
        } else {
            refused("PID 1 ignores it")
        }
    }),
    ("ptrace-pid1", &[31], || done(call(libc::SYS_ptrace, &[16, 1, 0, 0]))),
    ("read-pid1-memory", &[31], || {
        let mut byte = 0_u8;
        let local = [(&raw mut byte) as u64, 1];
        let remote = [0x1000_u64, 1];
        let (local, remote) = (local.as_ptr() as u64, remote.as_ptr() as u64);
        match call(libc::SYS_process_vm_readv, &[1, local, 1, remote, 1, 0]) {
            // An unmapped address, but the access itself was granted.
            Err(error) if error.raw_os_error() == Some(libc::EFAULT) => Ok("access granted".into()),
            other => done(other),
        }
    }),
    ("pidfd-getfd-pid1", &[31], || {
        let pidfd = call(libc::SYS_pidfd_open, &[1, 0])?;
        done(call(libc::SYS_pidfd_getfd, &[pidfd.cast_unsigned(), 0, 0]))
    }),
    ("prlimit-pid1", &[31], || {
        let limit = [1_u64, 1];
        done(call(libc::SYS_prlimit64, &[1, 7, limit.as_ptr() as u64, 0]))
    }),
    ("priority-pid1", &[31], || done(call(libc::SYS_setpriority, &[0, 1, 19]))),
    ("priority-of-user", &[31], || done(call(libc::SYS_setpriority, &[2, 0, 19]))),
    ("affinity-pid1", &[31], || {
        let mask = [1_u64];
        done(call(libc::SYS_sched_setaffinity, &[1, 8, mask.as_ptr() as u64]))
    }),
    ("core-dump", &[40], || {
        let limits = fs::read_to_string("/proc/self/limits")?;
        let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap_or("");
        // 1, not 0: only that also keeps a core_pattern that is a pipe from being started.
        let one = line.split_whitespace().filter(|word| *word == "1").count() == 2;
        if one { refused("the limit is 1, soft and hard") } else { Ok(line.into()) }
    }),
    ("inherited-descriptor", &[4], || {
        let open: Vec<_> = fs::read_dir("/proc/self/fd")?
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.parse::<u32>().is_ok_and(|fd| fd > 3))
            .collect();
        // 3 is the directory that is being listed.
        if open.is_empty() { refused("0 to 2 only") } else { Ok(open.join(" ")) }
    }),
    ("capability", &[12], || {
        let status = fs::read_to_string("/proc/self/status")?;
        let held: Vec<_> = status
            .lines()
            .filter(|line| line.starts_with("Cap") && !line.ends_with("\t0000000000000000"))
            .collect();
        if held.is_empty() { refused("all sets are empty") } else { Ok(held.join(", ")) }
    }),
    ("supplementary-group", &[1], || {
        let status = fs::read_to_string("/proc/self/status")?;
        let groups = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap_or("");
        if groups.trim().is_empty() { refused("none") } else { Ok(groups.trim().into()) }
    }),
];
