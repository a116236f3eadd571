//! Line 30: only what is granted is executed, by whatever way it is started.

use cofferdam_proto::exec::v1::{Command, EnvironmentVariable};
use cofferdam_tests::caller::{reason, sh};
use tonic::Code;

use crate::Bench;

/// Ways to start /usr/bin/id or a program that is none of the grant's, from a
/// shell that may start only what the grant names.
const TRICKS: &[&str] = &[
    "/usr/bin/id",
    "exec /usr/bin/id",
    "ln -s /usr/bin/id ./link && ./link",
    "cp /usr/bin/id ./copy && chmod +x copy && ./copy",
    "cp /usr/bin/cp ./copy && chmod +x copy && ./copy --version",
    "cp /usr/bin/cp /tmp/copy && chmod +x /tmp/copy && /tmp/copy --version",
    "cp /usr/bin/cp ~/copy && chmod +x ~/copy && ~/copy --version",
    "cp /usr/bin/cp /dev/shm/copy && chmod +x /dev/shm/copy && /dev/shm/copy --version",
    "/lib64/ld-linux-x86-64.so.2 /usr/bin/id",
    "cp /usr/bin/cp ./copy && /lib64/ld-linux-x86-64.so.2 ./copy --version",
    "printf '#!/usr/bin/id\\n' > script && chmod +x script && ./script",
    "printf '#!/bin/sh\\n/usr/bin/id\\n' > script && chmod +x script && ./script",
    "printf 'id\\n' > script && sh ./script",
    "sh -c 'sh -c /usr/bin/id'",
    "eval 'command id'",
];

#[test]
fn only_granted_programs_run_whatever_starts_them() {
    let bench = Bench::new("granted");
    let granted = ["/bin/sh", "/usr/bin/dash", "/usr/bin/cp", "/usr/bin/ln", "/usr/bin/chmod"];
    for caller in [bench.caller.clone(), bench.caller.clone().one_shot()] {
        let caller = caller.programs(&granted);
        assert_eq!(caller.sh("echo fine").out(), "fine");
        for trick in TRICKS {
            let ran = caller.sh(trick);
            let said = ran.said();
            let worked = said.contains("uid=") || said.contains("coreutils");
            assert!(ran.code() != 0 && !worked, "{trick}: {said}");
            let removed = bench.caller.sh("rm -f link copy script /tmp/copy ~/copy /dev/shm/copy");
            assert_eq!(removed.code(), 0);
        }
    }
}

#[test]
fn a_library_of_the_workspace_is_loaded_by_nobody() {
    let bench = Bench::new("preloaded");
    // Any real library does: what counts is whether it may be mapped from here.
    let script = r#"
import ctypes, glob, shutil, subprocess
library = glob.glob("/usr/lib/x86_64-linux-gnu/libz.so.1")[0]
for place in "./lib.so", "/tmp/lib.so":
    shutil.copy(library, place)
    try:
        ctypes.CDLL(place)
        print("dlopen", place)
    except OSError as error:
        assert "not permitted" in str(error) or "denied" in str(error) or "failed to map" in str(error), error
    ran = subprocess.run(["/bin/true"], env={"LD_PRELOAD": place}, capture_output=True)
    if b"failed to map" not in ran.stderr and b"cannot be preloaded" not in ran.stderr:
        print("LD_PRELOAD", place, ran)
"#;
    for caller in [bench.caller.clone(), bench.caller.clone().one_shot()] {
        let ran = caller.python(script);
        assert_eq!((ran.code(), ran.out()), (0, String::new()), "{}", ran.said());
    }
}

#[test]
fn code_cannot_be_mapped_executable_from_what_a_run_wrote() {
    let bench = Bench::new("mapped");
    let script = r#"
import mmap, os
for place in "./code", "/tmp/code", "/dev/shm/code", os.environ["HOME"] + "/code":
    open(place, "wb").write(b"\xc3" * 4096)
    fd = os.open(place, os.O_RDWR)
    for protection in mmap.PROT_READ | mmap.PROT_EXEC, mmap.PROT_EXEC:
        try:
            mmap.mmap(fd, 4096, mmap.MAP_PRIVATE, protection)
            print(place)
        except OSError:
            pass
"#;
    for caller in [bench.caller.clone(), bench.caller.clone().one_shot()] {
        let ran = caller.python(script);
        assert_eq!((ran.code(), ran.out()), (0, String::new()), "{}", ran.said());
    }
}

#[test]
fn variables_that_make_programs_start_others_are_refused_by_name() {
    let bench = Bench::new("variables");
    for name in [
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "LD_AUDIT",
        "GLIBC_TUNABLES",
        "BASH_ENV",
        "ENV",
        "PROMPT_COMMAND",
        "PS4",
        "IFS",
        "SHELLOPTS",
        "PATH",
        "HOME",
        "GIT_SSH_COMMAND",
        "GIT_EXTERNAL_DIFF",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_COUNT",
        "GIT_EXEC_PATH",
        "GIT_PAGER",
        "PAGER",
        "EDITOR",
        "VISUAL",
        "BROWSER",
        "PYTHONSTARTUP",
        "PYTHONPATH",
        "PERL5OPT",
        "PERL5LIB",
        "RUBYOPT",
        "NODE_OPTIONS",
        "LESSOPEN",
        "BASH_FUNC_ls%%",
        "GCONV_PATH",
    ] {
        let value = b"/tmp/evil".to_vec();
        let environment = vec![EnvironmentVariable { name: name.to_owned(), value }];
        let refused = bench.caller.run(Command { environment, ..sh("true") }).expect_err(name);
        let told = (refused.code(), reason(&refused));
        assert_eq!(told, (Code::InvalidArgument, "INVALID_FIELD".to_owned()), "{name}");
        assert!(refused.message().contains("environment"), "{refused:?}");
    }
}

#[test]
fn the_profile_that_builds_runs_what_it_built_and_no_other_does() {
    let bench = Bench::new("builder");
    let line = "cp /bin/true ./mine && chmod +x mine && ./mine";
    assert_eq!(bench.caller.clone().profile("build").sh(line).code(), 0);
    assert_eq!(bench.caller.sh(line).code(), 126);
}
