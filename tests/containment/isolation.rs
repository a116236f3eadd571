//! Lines 41, 42, 47 and 48: neighbours, and what the agent holds.

use std::io::Read;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use cofferdam_tests::caller::{Caller, Live, python, sh};
use cofferdam_tests::host::{Host, Setup};
use cofferdam_tests::skip_unless_root;

use crate::Bench;

/// Two of everything that is not to meet: sessions of one caller, two callers,
/// two profiles of one session, and a call of its own.
fn strangers(bench: &Bench) -> Vec<(&'static str, Caller, Caller)> {
    let one = &bench.caller;
    vec![
        ("two sessions of a caller", one.clone().session("one"), one.clone().session("two")),
        ("two callers", one.clone().user("alice"), one.clone().user("bob")),
        ("two profiles", one.clone(), one.clone().profile("build")),
        ("a session and a call alone", one.clone().session("three"), one.clone().one_shot()),
    ]
}

/// Has what can be had beside files of the workspace, says so, and waits.
const HOLD: &str = r#"
import ctypes, fcntl, os, socket, time
for place in "/tmp", "/dev/shm", "/var/tmp", os.environ["HOME"]:
    open(place + "/left", "w").write("s3cret")
abstract = socket.socket(socket.AF_UNIX)
abstract.bind("\0cofferdam-tested"); abstract.listen()
path = socket.socket(socket.AF_UNIX)
path.bind("/tmp/socket"); path.listen()
tcp = socket.socket(); tcp.bind(("127.0.0.1", 4242)); tcp.listen()
libc = ctypes.CDLL(None)
assert libc.shmget(4242, 4096, 0o1666) >= 0
lock = open("/tmp/lock", "w"); fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"#;

/// Looks for all of it and prints what is there.
const LOOK: &str = r#"
import ctypes, fcntl, glob, os, socket
for place in "/tmp", "/dev/shm", "/var/tmp", os.environ["HOME"]:
    # The way to the workspace may lie there, too.
    for name in {"left", "socket", "lock"} & set(os.listdir(place)):
        print(place, name)
for address in "\0cofferdam-tested", "/tmp/socket":
    try:
        socket.socket(socket.AF_UNIX).connect(address)
        print("socket", repr(address))
    except OSError:
        pass
try:
    socket.create_connection(("127.0.0.1", 4242), 1)
    print("loopback")
except OSError:
    pass
if ctypes.CDLL(None).shmget(4242, 0, 0) >= 0:
    print("shared memory")
for line in glob.glob("/proc/[0-9]*/cmdline"):
    if b"cofferdam-tested" in open(line, "rb").read() and line != f"/proc/{os.getpid()}/cmdline":
        print(line)
# Locks and sockets of others would be named here.
for file in "/proc/locks", "/proc/net/unix", "/proc/net/tcp":
    told = open(file).read().splitlines()
    heading = 0 if file.endswith("locks") else 1
    if len(told) > heading:
        print(file, told)
"#;

fn holding(caller: &Caller) -> Live {
    let mut live = caller.start(python(HOLD)).unwrap();
    live.until_says("held");
    live
}

#[test]
fn sessions_and_callers_do_not_see_each_other() {
    let bench = Bench::new("strangers");
    for (who, one, other) in strangers(&bench) {
        let live = holding(&one);
        let ran = other.python(LOOK);
        assert_eq!((ran.code(), ran.out()), (0, String::new()), "{who}: {}", ran.said());
        live.cancel();
        live.finish().unwrap();
    }
}

#[test]
fn a_session_meets_what_its_own_runs_left_running() {
    // Without this the test above would pass with a broken script.
    if skip_unless_root("a_session_meets_what_its_own_runs_left_running") {
        return;
    }
    let bench = Bench::new("own-session");
    let live = holding(&bench.caller);
    let told = bench.caller.python(LOOK).out();
    for found in ["/tmp left", "/dev/shm left", "'/tmp/socket'", "loopback", "shared memory"] {
        assert!(told.contains(found), "no `{found}`: {told}");
    }
    live.cancel();
    live.finish().unwrap();
}

#[test]
fn strangers_cannot_signal_or_slow_each_other() {
    let bench = Bench::new("signals");
    let script = r#"
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
own = {0, 1, os.getpid(), os.getppid()}
for pid in list(range(2, 300)) + PIDS:
    if pid in own or os.path.exists(f"/proc/{pid}"):
        continue
    for name, call in {
        "kill": lambda: os.kill(pid, 0),
        "priority": lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
        "affinity": lambda: os.sched_setaffinity(pid, {0}),
        "pidfd": lambda: os.pidfd_open(pid),
    }.items():
        try:
            call()
            print(name, pid)
        except OSError:
            pass
"#;
    let pids = [bench.host.agent_pid(), bench.host.warden_pid(), std::process::id(), 1_000];
    let script = script.replace("PIDS", &format!("{pids:?}"));
    for (way, caller) in bench.ways() {
        let ran = caller.python(&script);
        assert_eq!((ran.code(), ran.out()), (0, String::new()), "{way}: {}", ran.said());
    }
    assert!(std::path::Path::new(&format!("/proc/{}", bench.host.agent_pid())).exists());
}

#[test]
fn sockets_of_the_host_cannot_be_reached_by_path_or_name() {
    let bench = Bench::new("host-sockets");
    let abstract_name = format!("cofferdam-tested-{}", std::process::id());
    let abstract_address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
    let mut listeners = vec![UnixListener::bind_addr(&abstract_address).unwrap()];
    let mut places = vec![bench.host.place().join("docker.sock")];
    if cofferdam_tests::warden::is_root() {
        // Where daemons of the host have theirs.
        places.push(format!("/run/cofferdam-tested-{}.sock", std::process::id()).into());
    }
    for place in &places {
        listeners.push(UnixListener::bind(place).unwrap());
        std::fs::set_permissions(place, PermissionsExt::from_mode(0o777)).unwrap();
    }
    for listener in &listeners {
        listener.set_nonblocking(true).unwrap();
    }
    let names: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    let script = format!(
        "import socket\nfor name in ['\\0{abstract_name}'] + {names:?} + ['/run/docker.sock', \
         '/var/run/docker.sock', '/run/dbus/system_bus_socket', '/run/systemd/private', \
         '/run/containerd/containerd.sock', '/run/snapd.socket', '/run/user/0/bus']:\n \
         for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET:\n  \
         try:\n   socket.socket(socket.AF_UNIX, kind).connect(name); print(repr(name))\n  \
         except OSError: pass\n",
    );
    for (way, caller) in bench.ways() {
        let ran = caller.python(&script);
        assert_eq!((ran.code(), ran.out()), (0, String::new()), "{way}: {}", ran.said());
    }
    for listener in &listeners {
        assert!(listener.accept().is_err(), "somebody connected");
    }
    for place in places {
        std::fs::remove_file(place).unwrap();
    }
}

#[test]
fn the_agents_port_and_socket_are_out_of_reach() {
    let bench = Bench::new("agents-port");
    let port = bench.host.address().rsplit_once(':').unwrap().1.to_owned();
    for (way, caller) in bench.ways() {
        let ran = caller.python(&format!(
            "import socket\nfor host in '127.0.0.1', '127.0.0.2', '0.0.0.0', 'localhost':\n \
             try:\n  socket.create_connection((host, {port}), 1); print(host)\n except OSError: pass"
        ));
        assert_eq!((ran.code(), ran.out()), (0, String::new()), "{way}: {}", ran.said());
    }
}

#[test]
fn secrets_of_agent_and_warden_are_in_no_runs_environment() {
    let secret = "s3cret-of-the-agent";
    let variable = ("COFFERDAM_TESTED_SECRET".to_owned(), secret.to_owned());
    let setup = Setup { variable, ..Setup::default() };
    let bench = Bench::on(Host::start_with(setup), "secrets");
    let mut environ = String::new();
    if let Ok(mut file) = std::fs::File::open(format!("/proc/{}/environ", bench.host.warden_pid()))
    {
        file.read_to_string(&mut environ).unwrap();
        assert!(environ.contains(secret), "the test's own secret did not arrive");
    }
    for (way, caller) in bench.ways() {
        let ran = caller.sh("env; cat /proc/[0-9]*/environ /proc/1/task/1/environ");
        assert!(!ran.said().contains(secret), "{way}");
        assert!(!ran.said().contains("COFFERDAM"), "{way}: {}", ran.said());
        let names = caller.sh("env | cut -d= -f1 | sort | tr '\\n' ' '").out();
        assert_eq!(names, "HOME LANG LOGNAME PATH PWD SHELL TERM USER", "{way}");
    }
}

#[test]
fn a_socket_that_a_run_leaves_in_the_workspace_serves_nobody_when_it_has_ended() {
    let bench = Bench::new("left-socket");
    let made = bench.caller.python(
        "import socket; s = socket.socket(socket.AF_UNIX); s.bind('left'); s.listen(); print('made')",
    );
    assert_eq!(made.out(), "made", "{}", made.said());
    let connected = std::os::unix::net::UnixStream::connect(bench.path("left"));
    assert!(connected.is_err());
    let ran = bench.caller.run(sh("test -S left")).unwrap();
    assert_eq!(ran.code(), 0);
}
