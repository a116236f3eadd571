//! What is tried. Each entry is one thing that a cell must refuse.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::sys::{address, call, call_through_int80};

/// Says what was possible, or how it was refused.
type Attempt = fn() -> io::Result<String>;

fn done(result: io::Result<i64>) -> io::Result<String> {
    result.map(|value| format!("the kernel said {value}"))
}

fn refused(why: &str) -> io::Result<String> {
    Err(io::Error::other(why.to_owned()))
}

fn read(path: &str) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut start = [0; 64];
    match file.read(&mut start)? {
        0 => refused("it is empty"),
        count => Ok(format!("read {count} bytes")),
    }
}

fn write(path: &str) -> io::Result<String> {
    OpenOptions::new().write(true).open(path)?.write_all(b"x")?;
    Ok(format!("wrote {path}"))
}

fn create(path: &str) -> io::Result<String> {
    fs::write(path, b"x").map(|()| format!("made {path}"))
}

fn socket(family: u64, kind: u64, protocol: u64) -> io::Result<String> {
    done(call(libc::SYS_socket, &[family, kind, protocol]))
}

fn mode_of(path: &str) -> io::Result<String> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o6000 == 0 { refused("the bits were stripped") } else { Ok(format!("{mode:o}")) }
}

const CREATE_WRITE: u64 = (libc::O_CREAT | libc::O_WRONLY) as u64;
const AT_FDCWD: u64 = (libc::AT_FDCWD as i64).cast_unsigned();
/// `KEY_SPEC_SESSION_KEYRING`.
const SESSION_KEYRING: u64 = (-3_i64).cast_unsigned();

/// Every attempt there is.
pub(crate) const ALL: &[(&str, Attempt)] = &[
    // Files outside the view.
    ("read-shadow", || read("/etc/shadow")),
    ("read-root-home", || fs::read_dir("/root").map(|d| format!("{} entries", d.count()))),
    ("read-var", || fs::read_dir("/var").map(|d| format!("{} entries", d.count()))),
    ("write-etc", || create("/etc/cofferdam-was-here")),
    ("write-root", || create("/cofferdam-was-here")),
    ("write-usr", || create("/usr/cofferdam-was-here")),
    ("chmod-outside", || {
        fs::set_permissions("/usr/bin/env", fs::Permissions::from_mode(0o777))
            .map(|()| "chmod".into())
    }),
    ("chown-outside", || done(call(libc::SYS_chown, &[address(c"/usr/bin/env"), 0, 0]))),
    ("utime-outside", || {
        done(call(libc::SYS_utimensat, &[AT_FDCWD, address(c"/usr/bin/env"), 0, 0]))
    }),
    ("setxattr-outside", || {
        let (path, name) = (address(c"/usr/bin/env"), address(c"user.cofferdam"));
        done(call(libc::SYS_setxattr, &[path, name, address(c"x"), 1, 0]))
    }),
    ("truncate-outside", || done(call(libc::SYS_truncate, &[address(c"/usr/bin/env"), 0]))),
    ("write-through-symlink", || symlink("/etc/passwd", "link").and_then(|()| write("link"))),
    ("hard-link-outside-in", || fs::hard_link("/usr/bin/env", "linked").map(|()| "linked".into())),
    ("rename-out", || {
        fs::write("mine", b"x")
            .and_then(|()| fs::rename("mine", "/tmp/mine"))
            .map(|()| "moved".into())
    }),
    // Device nodes and mode bits.
    ("make-device", || {
        done(call(libc::SYS_mknodat, &[AT_FDCWD, address(c"disk"), 0o060_600, 0xfe00]))
    }),
    ("chmod-setuid", || {
        create("mine")?;
        fs::set_permissions("mine", fs::Permissions::from_mode(0o4755))?;
        mode_of("mine")
    }),
    ("fchmodat-setgid", || {
        create("mine")?;
        call(libc::SYS_fchmodat, &[AT_FDCWD, address(c"mine"), 0o2755])?;
        mode_of("mine")
    }),
    ("fchmodat2-setuid", || {
        create("mine")?;
        call(452, &[AT_FDCWD, address(c"mine"), 0o4755, 0])?;
        mode_of("mine")
    }),
    ("create-setuid", || {
        call(libc::SYS_openat, &[AT_FDCWD, address(c"mine"), CREATE_WRITE, 0o6755])?;
        mode_of("mine")
    }),
    ("mknod-setuid", || {
        call(libc::SYS_mknodat, &[AT_FDCWD, address(c"mine"), 0o106_755, 0])?;
        mode_of("mine")
    }),
    ("openat2-setuid", || {
        let how = [CREATE_WRITE, 0o6755, 0];
        call(libc::SYS_openat2, &[AT_FDCWD, address(c"mine"), how.as_ptr() as u64, 24])?;
        mode_of("mine")
    }),
    ("file-capability", || {
        create("mine")?;
        let (path, name) = (address(c"mine"), address(c"security.capability"));
        done(call(libc::SYS_setxattr, &[path, name, address(c"xxxxxxxxxxxxxxxxxxxx"), 20, 0]))
    }),
    // Kernel surfaces.
    ("core-pattern", || write("/proc/sys/kernel/core_pattern")),
    ("sysctl-vm", || write("/proc/sys/vm/swappiness")),
    ("sysrq", || write("/proc/sysrq-trigger")),
    ("pid1-environ", || read("/proc/1/environ")),
    ("pid1-root", || fs::read_dir("/proc/1/root/").map(|d| format!("{} entries", d.count()))),
    ("pid1-mem", || write("/proc/1/mem")),
    ("pid1-exe", || fs::read_link("/proc/1/exe").map(|path| path.display().to_string())),
    ("foreign-process", || {
        let count = fs::read_dir("/proc")?
            .flatten()
            .filter(|e| e.file_name().to_string_lossy().parse::<u32>().is_ok())
            .count();
        if count <= 2 {
            refused("only PID 1 and the probe are there")
        } else {
            Ok(format!("{count}"))
        }
    }),
    ("kcore", || read("/proc/kcore")),
    ("kallsyms", || read("/proc/kallsyms")),
    ("keys", || read("/proc/keys")),
    ("timer-list", || read("/proc/timer_list")),
    ("sys", || fs::read_dir("/sys").map(|d| format!("{} entries", d.count()))),
    ("dev-mem", || read("/dev/mem")),
    ("dev-kmsg", || read("/dev/kmsg")),
    ("dev-disk", || read("/dev/vda")),
    ("dev-fuse", || read("/dev/fuse")),
    ("dev-kvm", || fs::File::open("/dev/kvm").map(|_| "opened".into())),
    ("mount", || done(call(libc::SYS_mount, &[0, address(c"/tmp"), address(c"tmpfs"), 0, 0]))),
    ("umount", || done(call(libc::SYS_umount2, &[address(c"/etc"), 2]))),
    ("pivot-root", || done(call(libc::SYS_pivot_root, &[address(c"."), address(c".")]))),
    ("chroot", || done(call(libc::SYS_chroot, &[address(c".")]))),
    ("fsopen", || done(call(libc::SYS_fsopen, &[address(c"tmpfs"), 0]))),
    ("open-tree", || done(call(libc::SYS_open_tree, &[AT_FDCWD, address(c"/"), 1]))),
    ("move-mount", || {
        done(call(libc::SYS_move_mount, &[AT_FDCWD, address(c"/tmp"), AT_FDCWD, address(c"/home")]))
    }),
    ("mount-setattr", || done(call(libc::SYS_mount_setattr, &[AT_FDCWD, address(c"/"), 0, 0, 0]))),
    ("unshare-user", || done(call(libc::SYS_unshare, &[libc::CLONE_NEWUSER as u64]))),
    ("clone-user", || {
        match call(libc::SYS_clone, &[(libc::CLONE_NEWUSER | libc::SIGCHLD) as u64]) {
            Ok(0) => std::process::exit(0),
            other => done(other),
        }
    }),
    ("clone3", || done(call(libc::SYS_clone3, &[0, 0]))),
    ("setns-pid1", || {
        fs::File::open("/proc/1/ns/mnt").map(|_| "opened the namespace of PID 1".into())
    }),
    ("open-by-handle", || done(call(libc::SYS_open_by_handle_at, &[0, 0, 0]))),
    ("io-uring", || done(call(libc::SYS_io_uring_setup, &[1, 0]))),
    ("bpf", || done(call(libc::SYS_bpf, &[0, 0, 0]))),
    ("perf", || done(call(libc::SYS_perf_event_open, &[0, 0, 0, 0, 0]))),
    ("userfaultfd", || done(call(libc::SYS_userfaultfd, &[1]))),
    ("kexec", || done(call(libc::SYS_kexec_load, &[0, 0, 0, 0]))),
    ("init-module", || done(call(libc::SYS_init_module, &[0, 0, 0]))),
    ("personality", || done(call(libc::SYS_personality, &[0x0004_0000]))),
    ("keyctl", || done(call(libc::SYS_keyctl, &[0, SESSION_KEYRING, 1]))),
    ("add-key", || {
        let (kind, name) = (address(c"user"), address(c"name"));
        done(call(libc::SYS_add_key, &[kind, name, address(c"x"), 1, SESSION_KEYRING]))
    }),
    ("x32", || done(call(0x4000_0000 | libc::SYS_getpid, &[]))),
    ("int80", || Ok(format!("getpid through int 0x80 gave {}", call_through_int80()))),
    ("seccomp-listener", || done(call(libc::SYS_seccomp, &[1, 8, 0]))),
    ("tiocsti", || done(call(libc::SYS_ioctl, &[0, 0x5412, address(c"x")]))),
    ("tiocsti-high-bits", || done(call(libc::SYS_ioctl, &[0, 0xdead_0000_5412, address(c"x")]))),
    ("memfd", || done(call(libc::SYS_memfd_create, &[address(c"x"), 0]))),
    ("execute-dropped", || {
        fs::copy("/usr/bin/env", "env")?;
        std::process::Command::new("./env").output().map(|_| "executed".into())
    }),
    ("loader-on-dropped", || {
        fs::copy("/usr/bin/env", "env")?;
        let ran =
            std::process::Command::new("/lib64/ld-linux-x86-64.so.2").arg("./env").output()?;
        if ran.status.success() {
            Ok("executed".into())
        } else {
            refused("the loader could not map it")
        }
    }),
    ("setuid-program", || {
        // su and passwd are setuid on every Debian; the mount is nosuid.
        let status = fs::read_to_string("/proc/self/status")?;
        let privileges = status.lines().find(|line| line.starts_with("NoNewPrivs:")).unwrap_or("");
        if privileges.ends_with('1') {
            refused("no_new_privs is set")
        } else {
            Ok(privileges.into())
        }
    }),
    // Processes.
    ("kill-pid1", || {
        call(libc::SYS_kill, &[1, 9])?;
        std::thread::sleep(std::time::Duration::from_millis(50));
        if Path::new("/proc/1").exists() { refused("PID 1 ignores it") } else { Ok("gone".into()) }
    }),
    ("stop-pid1", || {
        call(libc::SYS_kill, &[1, libc::SIGSTOP as u64])?;
        let status = fs::read_to_string("/proc/1/status")?;
        if status.contains("(stopped)") {
            Ok("stopped".into())
        } else {
            refused("PID 1 ignores it")
        }
    }),
    ("ptrace-pid1", || done(call(libc::SYS_ptrace, &[16, 1, 0, 0]))),
    ("read-pid1-memory", || {
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
    ("pidfd-getfd-pid1", || {
        let pidfd = call(libc::SYS_pidfd_open, &[1, 0])?;
        done(call(libc::SYS_pidfd_getfd, &[pidfd.cast_unsigned(), 0, 0]))
    }),
    ("prlimit-pid1", || {
        let limit = [1_u64, 1];
        done(call(libc::SYS_prlimit64, &[1, 7, limit.as_ptr() as u64, 0]))
    }),
    ("priority-pid1", || done(call(libc::SYS_setpriority, &[0, 1, 19]))),
    ("priority-of-user", || done(call(libc::SYS_setpriority, &[2, 0, 19]))),
    ("affinity-pid1", || {
        let mask = [1_u64];
        done(call(libc::SYS_sched_setaffinity, &[1, 8, mask.as_ptr() as u64]))
    }),
    ("core-dump", || {
        let limits = fs::read_to_string("/proc/self/limits")?;
        let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap_or("");
        let zero = line.split_whitespace().filter(|word| *word == "0").count() == 2;
        if zero { refused("the limit is 0, soft and hard") } else { Ok(line.into()) }
    }),
    ("inherited-descriptor", || {
        let open: Vec<_> = fs::read_dir("/proc/self/fd")?
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.parse::<u32>().is_ok_and(|fd| fd > 3))
            .collect();
        // 3 is the directory that is being listed.
        if open.is_empty() { refused("0 to 2 only") } else { Ok(open.join(" ")) }
    }),
    ("capability", || {
        let status = fs::read_to_string("/proc/self/status")?;
        let held: Vec<_> = status
            .lines()
            .filter(|line| line.starts_with("Cap") && !line.ends_with("\t0000000000000000"))
            .collect();
        if held.is_empty() { refused("all sets are empty") } else { Ok(held.join(", ")) }
    }),
    ("supplementary-group", || {
        let status = fs::read_to_string("/proc/self/status")?;
        let groups = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap_or("");
        if groups.trim().is_empty() { refused("none") } else { Ok(groups.trim().into()) }
    }),
    // Sockets.
    ("vsock", || socket(40, 1, 0)),
    ("af-alg", || socket(38, 5, 0)),
    ("bluetooth", || socket(31, 3, 0)),
    ("packet", || socket(17, 3, 0)),
    ("raw", || socket(2, 3, 1)),
    ("netlink-audit", || socket(16, 3, 9)),
    ("mptcp", || socket(2, 1, 262)),
    ("host-unix-socket", || {
        for place in ["/run/docker.sock", "/var/run/docker.sock", "/run/dbus/system_bus_socket"] {
            if std::os::unix::net::UnixStream::connect(place).is_ok() {
                return Ok(place.into());
            }
        }
        refused("none is in the view")
    }),
    ("reach-outside", || {
        // An address of TEST-NET-1 (RFC 5737): without a route nothing is sent.
        let wait = std::time::Duration::from_millis(300);
        std::net::TcpStream::connect_timeout(&([192, 0, 2, 1], 9).into(), wait)
            .map(|_| "connected".into())
    }),
];
