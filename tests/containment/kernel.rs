//! Lines 17 to 29 beyond the probe's attempts: what the kernel shows as files,
//! and calls that take more than one argument to try.

use std::collections::BTreeSet;

use crate::Bench;

#[test]
fn nothing_beneath_proc_can_be_opened_for_writing() {
    let bench = Bench::new("proc-writer");
    // The process's own files are beneath a number and not looked at here: they
    // lie on the same read-only mount, which the last line tries.
    let script = r#"
import os
for top, directories, files in os.walk("/proc"):
    directories[:] = [name for name in directories if not name.isdigit() and name not in ("self", "thread-self")]
    for name in files:
        path = os.path.join(top, name)
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            if os.path.exists(path) and not os.path.samefile(path, "/dev/null"):
                print(path)
        except OSError:
            pass
try:
    os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    print("its own score")
except OSError:
    pass
"#;
    for (way, caller) in bench.ways() {
        let ran = caller.python(script);
        assert_eq!((ran.code(), ran.out()), (0, String::new()), "{way}: {}", ran.said());
    }
}

#[test]
fn dev_holds_what_every_program_needs_and_no_other_device() {
    let bench = Bench::new("dev");
    let expected: BTreeSet<&str> =
        "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero"
            .split(' ')
            .collect();
    for (way, caller) in bench.ways() {
        let listed = caller.sh("ls /dev").out();
        assert_eq!(listed.lines().collect::<BTreeSet<_>>(), expected, "{way}");
        assert_eq!(caller.sh("ls /dev/pts").out(), "ptmx", "{way}: a terminal of others");
        let opened = caller.sh("echo x > /dev/tty; echo x > /dev/pts/0; echo x > /dev/tty1");
        assert_ne!(opened.code(), 0, "{way}");
    }
}

#[test]
fn the_cgroup_file_system_is_neither_there_nor_to_be_mounted() {
    let bench = Bench::new("hierarchies");
    let script = r#"
import ctypes, os, re
assert not os.path.exists("/sys/fs/cgroup")
assert "cgroup" not in open("/proc/self/mounts").read()
libc = ctypes.CDLL(None, use_errno=True)
os.mkdir("/tmp/cg")
for kind in b"cgroup", b"cgroup2":
    assert libc.mount(kind, b"/tmp/cg", kind, 0, b"memory") == -1 and ctypes.get_errno() == 1
os.rmdir("/tmp/cg")
for line in open("/proc/self/cgroup"):
    # The cell's own cgroup may show as a neighbour of PID 1's; on v2 beneath the
    # warden's, as a path of its own. Nothing above that shows.
    own = re.fullmatch("/cofferdam-[0-9]+/[0-9a-f]+/run-[0-9]+", line.split(":", 2)[2].strip())
    assert own or "cofferdam" not in line, line
"#;
    for (way, caller) in bench.ways() {
        assert_eq!(caller.python(script).code(), 0, "{way}: {}", caller.python(script).said());
    }
}

#[test]
fn a_program_cannot_be_overwritten_through_proc_self_exe() {
    let bench = Bench::new("self-exe");
    let script = r#"
import os
for path in "/proc/self/exe", "/proc/1/exe", os.readlink("/proc/self/exe"):
    for flags in os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC:
        try:
            os.open(path, flags)
            print(path)
        except OSError:
            pass
"#;
    for (way, caller) in bench.ways() {
        let ran = caller.python(script);
        assert_eq!((ran.code(), ran.out()), (0, String::new()), "{way}: {}", ran.said());
    }
}

#[test]
fn namespaces_are_refused_by_every_flag_while_threads_and_processes_work() {
    let bench = Bench::new("namespaces");
    let script = r#"
import ctypes, os, subprocess, threading
libc = ctypes.CDLL(None, use_errno=True)
NEW = {"time": 0x80, "mount": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000,
       "user": 0x10000000, "pid": 0x20000000, "network": 0x40000000}
for name, flag in NEW.items():
    if libc.unshare(flag) == 0 or ctypes.get_errno() not in (1, 38):
        print("unshare", name, ctypes.get_errno())
    # clone(2): SIGCHLD beside the flag, whose place time namespaces share.
    child = -1 if name == "time" else libc.syscall(56, flag | 17, 0, 0, 0, 0)
    if child == 0:
        print("clone", name, flush=True)
        os._exit(0)
    if child > 0:
        os.waitpid(child, 0)
    for kind in "mnt", "net", "pid", "user", "ipc", "uts", "cgroup":
        fd = os.open(f"/proc/self/ns/{kind}", os.O_RDONLY)
        if libc.setns(fd, 0) == 0:
            print("setns", kind)
        os.close(fd)
done = []
thread = threading.Thread(target=lambda: done.append(1))
thread.start(); thread.join()
assert done and subprocess.run(["/bin/true"]).returncode == 0
"#;
    for (way, caller) in bench.ways() {
        let ran = caller.python(script);
        assert_eq!((ran.code(), ran.out()), (0, String::new()), "{way}: {}", ran.said());
    }
}

#[test]
fn piled_up_landlock_layers_end_in_a_clean_error() {
    let bench = Bench::new("layers");
    let script = r#"
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
attributes = (ctypes.c_uint64 * 1)(1 << 13)
layers = 0
while layers < 40:
    rules = libc.syscall(444, attributes, 8, 0)
    if rules < 0 or libc.syscall(446, rules, 0) != 0:
        break
    os.close(rules)
    layers += 1
print(layers < 17, ctypes.get_errno() in (1, 7, 38), open("/etc/passwd").read() != "")
"#;
    for (way, caller) in bench.ways() {
        let ran = caller.python(script);
        assert_eq!(
            (ran.code(), ran.out().as_str()),
            (0, "True True True"),
            "{way}: {}",
            ran.said()
        );
    }
}

#[test]
fn no_terminal_takes_typed_or_pasted_input_of_a_run() {
    let bench = Bench::new("terminals");
    // TIOCSTI and TIOCLINUX, with each of the upper 32 bits set and with all.
    let script = r#"
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(b"\x02x")
for call in 0x5412, 0x541c:
    for high in [0] + [1 << bit for bit in range(32, 64)] + [0xffffffff00000000]:
        result = libc.syscall(16, 0, ctypes.c_uint64(call | high), buffer)
        if result != -1 or ctypes.get_errno() != 1:
            print(hex(call | high), result, ctypes.get_errno())
"#;
    for (way, caller) in bench.ways() {
        let ran = caller.python(script);
        assert_eq!((ran.code(), ran.out()), (0, String::new()), "{way}: {}", ran.said());
    }
}
