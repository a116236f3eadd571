//! Lines 49 and 50, and profiles that ask for what cannot be had.

use cofferdam_proto::exec::v1::Command;
use cofferdam_proto::exec::v1::outcome::Ending;
use cofferdam_proto::intent::v1::Limits;
use cofferdam_tests::caller::{Ran, command, reason, sh};
use cofferdam_tests::host::{Host, Setup};
use cofferdam_tests::skip_unless_root;
use tonic::Code;

use crate::Bench;

/// The step at which a run failed to start, and why.
fn failed_to_start(ran: &Ran) -> (String, String) {
    match ran.ending() {
        Ending::FailedToStart(failed) => (failed.step, failed.detail),
        other => panic!("{other:?}: {}", ran.said()),
    }
}

#[test]
fn arguments_and_variables_arrive_byte_by_byte_or_are_refused_by_name() {
    let bench = Bench::new("bytes");
    let all: Vec<u8> = (1..=255).collect();
    let arguments = vec![b"%s".to_vec(), all.clone()];
    let printf = Command { arguments, ..command(&["printf"]) };
    assert_eq!(bench.caller.run(printf).unwrap().stdout, all);
    let named = |name: &str, value: &[u8]| cofferdam_proto::exec::v1::EnvironmentVariable {
        name: name.to_owned(),
        value: value.to_vec(),
    };
    let print = Command { environment: vec![named("ODD", &all)], ..sh("printf %s \"$ODD\"") };
    assert_eq!(bench.caller.run(print).unwrap().stdout, all);
    let long = vec![b'x'; 128 * 1024];
    for (what, bad) in [
        ("program", Command { program: b"tr\0ue".to_vec(), ..Command::default() }),
        ("program", Command { program: vec![b'x'; 5000], ..Command::default() }),
        ("arguments[0]", Command { arguments: vec![b"\0".to_vec()], ..command(&["true"]) }),
        ("arguments[0]", Command { arguments: vec![long.clone()], ..command(&["true"]) }),
        ("arguments", Command { arguments: vec![b"x".to_vec(); 100_000], ..command(&["true"]) }),
        ("arguments", Command { arguments: vec![vec![b'x'; 120_000]; 10], ..command(&["true"]) }),
        ("environment[0].value", Command { environment: vec![named("A", b"\0")], ..sh("true") }),
        ("environment[0].value", Command { environment: vec![named("A", &long)], ..sh("true") }),
        ("environment[0].name", Command { environment: vec![named("A=B", b"")], ..sh("true") }),
        ("environment[0].name", Command { environment: vec![named("", b"")], ..sh("true") }),
        ("working_directory", Command { working_directory: b"a\0".to_vec(), ..sh("true") }),
    ] {
        let refused = bench.caller.run(bad).expect_err(what);
        let told = (refused.code(), reason(&refused));
        assert_eq!(
            told,
            (Code::InvalidArgument, "INVALID_FIELD".to_owned()),
            "{what}: {refused:?}"
        );
        assert!(refused.message().contains(what), "{what}: {refused:?}");
    }
}

/// Where no cgroup can be made: whatever the host has, the warden sees none.
const NO_CGROUPS: &str = "mount -t tmpfs -o ro none /sys/fs/cgroup";

#[test]
fn a_protection_that_is_missing_is_a_refusal_that_names_it() {
    if skip_unless_root("a_protection_that_is_missing_is_a_refusal_that_names_it") {
        return;
    }
    let setup = Setup { mounts: NO_CGROUPS.to_owned(), ..Setup::default() };
    let bench = Bench::on(Host::start_with(setup), "no-cgroups");
    for (way, caller) in bench.ways() {
        let ran = caller.sh("touch made");
        let (step, detail) = failed_to_start(&ran);
        assert_eq!(step, "protection", "{way}: {detail}");
        assert!(detail.contains("cgroup"), "{way}: {detail}");
        assert!(!caller.workspace().join("made").exists(), "{way}");
    }
}

#[test]
fn a_host_gives_every_layer_or_refuses_by_the_name_of_what_it_cannot_give() {
    let setup = Setup { allow_degraded: false, ..Setup::default() };
    let bench = Bench::on(Host::start_with(setup), "all-or-nothing");
    for (way, caller) in bench.ways() {
        let ran = caller.sh("touch made");
        if cofferdam_tests::warden::is_root() {
            assert_eq!(ran.code(), 0, "{way}: {}", ran.said());
            assert!(ran.layer("cgroup").effective && ran.layer("user").effective, "{way}");
        } else {
            // Without root there are no cgroups, unless somebody delegates them, and no second
            // uid: never a weaker cell without a word.
            let (step, detail) = failed_to_start(&ran);
            let names = ["cgroup", "user", "degraded"];
            assert!(names.iter().any(|name| detail.contains(name)), "{way}: {step}: {detail}");
            assert!(!caller.workspace().join("made").exists(), "{way}");
        }
    }
}

#[test]
fn a_protection_that_profile_and_ceiling_may_lack_is_told_in_the_outcome() {
    if skip_unless_root("a_protection_that_profile_and_ceiling_may_lack_is_told_in_the_outcome") {
        return;
    }
    let lacking = "version = 1\ndescription = \"Takes less.\"\ninherits = \"default\"\n\
                   [enforcement]\nmay_lack = [\"cgroup\"]\n";
    let profiles = vec![("lacking".to_owned(), lacking.to_owned())];
    let mounts = NO_CGROUPS.to_owned();
    // A profile that takes less than the one it inherits from is wider than it.
    let host = Host::prepare(Setup { profiles, mounts: mounts.clone(), ..Setup::default() });
    let refusal = host.refusal_to_start();
    assert!(refusal.contains("may_lack"), "{refusal}");
    drop(host);
    let own = include_str!("../../agent/profile/profiles/build-network.toml");
    let own = format!("{own}\n[enforcement]\nmay_lack = [\"cgroup\"]\n");
    let own = own.replacen("mode = \"proxy\"", "mode = \"none\"", 1);
    let start = own.find("allow = [\n    # Rust").unwrap();
    let end = start + own[start..].find("\n]\n").unwrap() + 3;
    let own = [&own[..start], &own[end..]].concat();
    let profiles = vec![("lacking".to_owned(), own)];
    for allow_degraded in [false, true] {
        let (profiles, mounts) = (profiles.clone(), mounts.clone());
        let setup = Setup { profiles, mounts, allow_degraded, ..Setup::default() };
        let bench = Bench::on(Host::start_with(setup), "lacking");
        let ran = bench.caller.clone().profile("lacking").sh("echo ran");
        if allow_degraded {
            assert_eq!(ran.out(), "ran", "{}", ran.said());
            let cgroup = ran.layer("cgroup");
            assert!(!cgroup.effective && cgroup.detail.contains("cgroup"), "{cgroup:?}");
            assert!(ran.layer("landlock").effective || kernel_is_older_than_its_landlock());
        } else {
            let (step, detail) = failed_to_start(&ran);
            assert!(detail.contains("cgroup"), "{step}: {detail}");
        }
    }
}

/// Before Linux 6.12 Landlock knows less than is asked for, and says so.
fn kernel_is_older_than_its_landlock() -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < (6, 12)
}

#[test]
fn every_layer_of_a_run_is_told_and_holds_as_far_as_this_host_can() {
    let bench = Bench::new("layers-told");
    for (way, caller) in bench.ways() {
        let ran = caller.sh("true");
        for name in ["namespaces", "view", "workspace", "network", "privileges", "seccomp"] {
            assert!(ran.layer(name).effective, "{way}: {:?}", ran.layer(name));
        }
        for layer in &ran.started.as_ref().unwrap().layers {
            assert!(!layer.detail.is_empty(), "{way}: {layer:?}");
        }
        if cofferdam_tests::warden::is_root() {
            assert!(ran.layer("cgroup").effective && ran.layer("user").effective, "{way}");
        }
    }
}

#[test]
fn profiles_that_contradict_themselves_are_refused_before_anything_runs() {
    for (key, text) in [
        ("memory", "[limits]\nmemory = \"0B\"\n"),
        ("processes", "[limits]\nprocesses = 0\n"),
        ("wall", "[limits]\nwall = \"0s\"\n"),
        ("memory", "[limits]\nmemory = \"1EiB\"\n"),
        ("size", "[[scratch]]\npath = \"/tmp\"\nsize = \"100TiB\"\n"),
        ("filter", "[syscalls]\nfilter = \"no-such-filter\"\n"),
        ("nonsense", "[nonsense]\n"),
    ] {
        let text = format!("version = 1\ndescription = \"No.\"\ninherits = \"default\"\n{text}");
        let profiles = vec![("impossible".to_owned(), text)];
        let refusal = Host::prepare(Setup { profiles, ..Setup::default() }).refusal_to_start();
        assert!(refusal.contains("impossible") && refusal.contains(key), "{key}: {refusal}");
    }
}

#[test]
fn limits_above_the_ceiling_are_cut_and_none_is_unlimited() {
    let bench = Bench::new("greedy");
    let greedy = Limits {
        memory_bytes: u64::MAX,
        processes: u32::MAX,
        cpu_millis: u32::MAX,
        wall_millis: u64::MAX,
        output_bytes: u64::MAX,
        file_size_bytes: u64::MAX,
        open_files: u32::MAX,
    };
    let ran = bench.caller.clone().limits(greedy).sh("ulimit -n; ulimit -f");
    // What the ceiling says: 4096 open files, 1 GiB in blocks of 512 bytes.
    assert_eq!(ran.out(), "4096\n2097152", "{}", ran.said());
}
