//! What happens in the child: the layers as PID 1 of a cell takes them on, and
//! then what a program tries.

use std::os::unix::process::CommandExt;
use std::process::Command;

use landlock::{
    ABI, Access, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, Scope,
};

/// What the child does, by its arguments; never comes back.
pub(crate) fn run(arguments: &[String]) -> ! {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        // A run: two layers, then a program.
        ["run", flag, program, rest @ ..] => {
            layer(true);
            layer(*flag == "log");
            become_program(program, rest)
        }
        ["filtered", program, rest @ ..] => {
            refuse_unshare();
            become_program(program, rest)
        }
        // Programs.
        ["read", path] => drop(std::fs::read(path)),
        ["connect", port] => {
            let port: u16 = port.parse().unwrap();
            drop(std::net::TcpStream::connect(("127.0.0.1", port)));
        }
        ["flood", count] => {
            for _ in 0..count.parse().unwrap() {
                drop(std::fs::read("/etc/shadow"));
            }
        }
        ["unshare"] => {
            // SAFETY: takes no pointer; the process is single-threaded.
            _ = unsafe { libc::unshare(libc::CLONE_NEWUTS) };
        }
        ["own"] => {
            layer(false);
            drop(std::fs::read("/etc/shadow"));
        }
        other => panic!("no such child: {other:?}"),
    }
    std::process::exit(0)
}

fn become_program(program: &str, arguments: &[&str]) -> ! {
    let error = Command::new(program).arg("child").args(arguments).exec();
    // 13 is EACCES.
    std::process::exit(error.raw_os_error().unwrap_or(1))
}

/// A layer that has what this program needs to start, and no more.
fn layer(log_after_exec: bool) {
    let read = AccessFs::from_read(ABI::V5);
    let here = std::env::current_exe().unwrap();
    let folder = here.parent().unwrap();
    let mut ruleset: RulesetCreated = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(ABI::V5)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(ABI::V6)))
        .and_then(Ruleset::create)
        .unwrap();
    let libraries = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/proc"].map(std::path::Path::new);
    for path in libraries.into_iter().chain([folder]) {
        if let Ok(place) = PathFd::new(path) {
            ruleset = ruleset.add_rule(PathBeneath::new(place, read)).unwrap();
        }
    }
    if let Ok(cache) = PathFd::new("/etc/ld.so.cache") {
        ruleset = ruleset.add_rule(PathBeneath::new(cache, AccessFs::ReadFile)).unwrap();
    }
    ruleset.log_new_exec(log_after_exec).unwrap().restrict_self().unwrap();
}

/// unshare(2) gets `EPERM`, and the kernel logs it.
fn refuse_unshare() {
    let code = [
        (0x20, 0, 0, 0),                                         // load the number
        (0x15, 0, 1, u32::try_from(libc::SYS_unshare).unwrap()), // unshare?
        (0x06, 0, 0, libc::SECCOMP_RET_ERRNO | 1),               // EPERM
        (0x06, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let code = code.map(|(code, jt, jf, k)| libc::sock_filter { code, jt, jf, k });
    let program = libc::sock_fprog { len: 4, filter: code.as_ptr().cast_mut() };
    rustix::thread::set_no_new_privs(true).unwrap();
    // SAFETY: the program and its code outlive the call, which copies them.
    let done = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_LOG,
            &raw const program,
        )
    };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}
