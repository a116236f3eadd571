//! What is told of refusals.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::blocker::Blocker;
use crate::record::Object;

fn context() -> Context {
    let place = |path: &str, execute| Place { path: path.into(), execute };
    Context {
        profile: "default".into(),
        workspace: "/srv/shop".into(),
        writable: true,
        profile_writes: true,
        executable: false,
        protected: vec!["/srv/shop/.git/hooks".into()],
        scratch: vec![place("/home/cell", false), place("/tmp", false)],
        network: Network::None,
        loopback: true,
        filter: "cell".into(),
        building: Some("build".into()),
        host_files: None,
    }
}

fn path(path: &str) -> Object {
    Object::Path { path: path.into(), device: None, inode: None, request: None }
}

fn access(blockers: &[Blocker], object: Object) -> Refused {
    Refused::Access { blockers: blockers.to_vec(), object }
}

fn call(syscall: u32, architecture: u32, signal: u32) -> Refused {
    Refused::Call { syscall, architecture, signal, comm: b"tool".to_vec() }
}

fn found(refused: Vec<Refused>) -> Found {
    let refusals = refused.into_iter().map(|what| Refusal { what, count: 1 }).collect();
    Found { refusals, ..Found::default() }
}

fn only(refused: Refused, context: &Context) -> Denial {
    let explained = explain(&found(vec![refused]), context);
    explained.denials.into_iter().next().expect("a denial")
}

#[test]
fn a_program_that_is_not_granted_names_the_grant_that_it_needs() {
    let refused = access(&[Blocker::Execute, Blocker::ReadFile], path("/usr/bin/curl"));
    assert_eq!(
        only(refused, &context()).to_string(),
        "execute the program `/usr/bin/curl`: refused by Landlock, governed by `programs.execute`. \
         What would allow it: a rule whose grant has `programs = [\"/usr/bin/curl\"]`, and a \
         profile whose `programs.execute` has it."
    );
}

#[test]
fn each_place_has_the_setting_that_governs_it() {
    let read_only = Context { writable: false, ..context() };
    let write = |at: &str| access(&[Blocker::MakeReg], path(at));
    for (refused, context, setting) in [
        (access(&[Blocker::Execute], path("/srv/shop/a.out")), context(), "workspace.execute"),
        (access(&[Blocker::Execute], path("/tmp/a.out")), context(), "scratch.execute"),
        (access(&[Blocker::ReadFile], path("/etc/shadow")), context(), "view.read"),
        (access(&[Blocker::ReadDir], path("/root")), context(), "view.read"),
        (write("/srv/shop/sub"), read_only, "workspace.access"),
        (write("/srv/shop/.git/hooks"), context(), "workspace.protect"),
        (write("/srv/shopshop"), context(), "workspace.access"),
        (access(&[Blocker::ConnectTcp], Object::None), context(), "network.mode"),
        (access(&[Blocker::Signal], Object::None), context(), "session"),
        (call(272, 0xc000_003e, 0), context(), "syscalls.filter"),
    ] {
        assert_eq!(only(refused.clone(), &context).setting, setting, "{refused:?}");
    }
}

#[test]
fn what_keeps_a_workspace_read_only_is_told_apart() {
    let write = || access(&[Blocker::WriteFile], path("/srv/shop/file"));
    let by_grant = Context { writable: false, ..context() };
    let by_profile =
        Context { profile_writes: false, profile: "readonly".into(), ..by_grant.clone() };
    let rule = "a rule whose grant has `workspace_access = \"write\"`";
    assert_eq!(only(write(), &by_grant).grant, rule);
    assert_eq!(
        only(write(), &by_profile).grant,
        format!(
            "{rule} and a profile with `workspace.access = \"write\"`, which `readonly` has not"
        )
    );
}

#[test]
fn who_knows_what_a_run_was_given_has_the_word_on_the_hosts_files_alone() {
    #[derive(Debug)]
    struct Known;
    impl HostFiles for Known {
        fn refusal(&self, tried: Tried, path: &Path) -> Option<Remedy> {
            let known = path == Path::new("/usr/bin/curl") && tried == Tried::Execute;
            known.then(|| Remedy { setting: "programs.execute", grant: "a rule".into() })
        }
    }
    let context = Context { host_files: Some(Arc::new(Known)), ..context() };
    let execute = |at: &str| only(access(&[Blocker::Execute], path(at)), &context).grant;
    assert_eq!(execute("/usr/bin/curl"), "a rule");
    assert!(execute("/usr/bin/wget").contains("/usr/bin/wget"));
    assert!(execute("/srv/shop/curl").contains("profile `build`"));
}

#[test]
fn what_was_refused_on_the_cells_own_loopback_names_the_setting_for_it() {
    let closed = Context { profile: "strict".into(), loopback: false, ..context() };
    let proxied = Context { network: Network::Proxy, ..closed.clone() };
    let at = |address: Option<&str>, port| Object::Address {
        address: address.map(|it| it.parse().unwrap()),
        port,
    };
    let bind = || access(&[Blocker::BindTcp], at(Some("127.0.0.1"), Some(8080)));
    assert_eq!(
        only(bind(), &closed).to_string(),
        "listen on TCP `127.0.0.1:8080`: refused by Landlock, governed by `network.loopback`. \
         What would allow it: a profile with `network.loopback = true`, which `strict` has not."
    );
    for (blocker, object) in [
        (Blocker::BindTcp, at(None, Some(80))),
        (Blocker::BindTcp, at(Some("10.0.0.1"), None)),
        (Blocker::ConnectTcp, at(Some("::1"), Some(80))),
        (Blocker::ConnectTcp, at(Some("::ffff:127.0.0.1"), Some(80))),
        (Blocker::ConnectTcp, at(Some("127.9.9.9"), Some(80))),
        (Blocker::ConnectTcp, at(None, Some(80))),
    ] {
        let denial = only(access(&[blocker], object.clone()), &proxied);
        assert_eq!(denial.setting, "network.loopback", "{object:?}");
        assert!(denial.grant.contains("`HTTPS_PROXY` can be reached"), "{denial}");
    }
    // Beyond the cell it is not loopback that is missing.
    let beyond = || access(&[Blocker::ConnectTcp], at(Some("192.0.2.1"), Some(443)));
    assert_eq!(only(beyond(), &closed).setting, "network.mode");
    assert_eq!(only(beyond(), &proxied).setting, "network.allow");
}

#[test]
fn a_move_is_told_as_one_although_every_right_is_missing() {
    let denial = only(access(&Blocker::KNOWN[..16], path("/srv/outside")), &context());
    assert_eq!(denial.operation, "move or link a file from or to the directory");
    assert!(denial.grant.contains("`/srv/shop`, `/home/cell`, `/tmp`"), "{}", denial.grant);
}

#[test]
fn every_blocker_has_words() {
    for blocker in Blocker::KNOWN {
        let denial = only(access(std::slice::from_ref(blocker), path("/x")), &context());
        assert!(!denial.operation.contains("no word"), "{blocker}");
        assert!(!denial.grant.is_empty() && !denial.setting.is_empty(), "{blocker}");
    }
    let denial = only(access(&[Blocker::Other("fs.new".into())], path("/x")), &context());
    assert!(denial.grant.contains("fs.new"), "{denial}");
}

#[test]
fn a_call_is_named_and_a_foreign_one_is_not_mistaken_for_it() {
    let denial = only(call(272, 0xc000_003e, 0), &context());
    assert_eq!(denial.object.as_deref(), Some("unshare"));
    assert!(denial.grant.starts_with("none, every filter"), "{denial}");
    assert!(denial.grant.contains("makes or joins namespaces"), "{denial}");
    let strict = Context { filter: "strict".into(), ..context() };
    for call in [56, 58] {
        let denial = only(self::call(call, 0xc000_003e, 0), &strict);
        assert!(denial.grant.contains("`syscalls.filter = \"cell\"`"), "{denial}");
        assert!(denial.grant.contains("starts a process"), "{denial}");
    }
    for (number, architecture) in [(11, 0x4000_0003), (0x4000_003b, 0xc000_003e)] {
        let denial = only(call(number, architecture, 31), &context());
        assert_eq!(denial.object, Some(format!("number {number}")));
        assert!(denial.operation.contains("signal 31"), "{denial}");
        assert!(denial.grant.starts_with("none"), "{denial}");
    }
}

#[test]
fn names_cannot_end_the_sentence_or_speak_for_themselves() {
    let name = "/srv/x`: allowed.\n- grant: all\u{202e}\u{1b}[2J";
    let told = only(access(&[Blocker::WriteFile], path(name)), &context()).to_string();
    assert!(!told.contains(['\n', '\u{1b}', '\u{202e}']), "{told}");
    assert!(told.contains("`/srv/x': allowed."), "{told}");
}

#[test]
fn what_programs_do_not_try_in_vain_comes_first() {
    let looked = access(&[Blocker::ReadFile], path("/etc/gshadow"));
    let wrote = access(&[Blocker::MakeReg], path("/etc"));
    let explained = explain(&found(vec![looked, wrote]), &context());
    let text = explained.text(false);
    let (first, then) = (text.find("make a file in"), text.find("Refused too"));
    assert!(first.is_some() && first < then, "{text}");
    assert!(then < text.find("/etc/gshadow"), "{text}");
}

#[test]
fn a_run_that_succeeded_tells_briefly() {
    let looked = (0..9).map(|n| access(&[Blocker::ReadFile], path(&format!("/etc/secret{n}"))));
    let explained = explain(&found(looked.collect()), &context());
    assert_eq!(
        explained.text(true),
        "The sandbox refused 9 on the way: read the file `/etc/secret0`, read the file \
         `/etc/secret1`, read the file `/etc/secret2`, ….\n"
    );
    assert_eq!(Explained::default().text(true), "");
    assert_eq!(Explained::default().text(false), "");
}

#[test]
fn refusals_that_mean_the_same_are_one_denial() {
    let both = vec![
        access(&[Blocker::WriteFile], path("/etc/passwd")),
        access(&[Blocker::ReadFile, Blocker::WriteFile], path("/etc/passwd")),
    ];
    let explained = explain(&found(both), &context());
    assert_eq!(explained.denials.len(), 1);
    assert_eq!(explained.denials[0].count, 2);
}

#[test]
fn a_long_list_is_cut_and_counted() {
    let wrote = (0..64).map(|n| access(&[Blocker::MakeReg], path(&format!("/etc/{n}"))));
    let loss = Loss { landlock: 7, unknown: true };
    let found = Found { more: 10, own: 2, loss, ..found(wrote.collect()) };
    let text = explain(&found, &context()).text(false);
    assert!(text.lines().count() <= 20, "{text}");
    assert!(text.contains("and 62 refusals more"), "{text}");
    assert!(text.contains("7 more refusals were counted"), "{text}");
    assert!(text.contains("more may have been refused"), "{text}");
}

#[test]
fn the_call_for_which_seccomp_ended_a_process_is_named_with_its_abi() {
    let killing = |syscall, architecture, signal| {
        explain(&found(vec![call(syscall, architecture, signal)]), &context()).killing
    };
    for (syscall, architecture, words, foreign) in [
        (20, 0x4000_0003, "number 20 of the 32-bit ABI (i386, int 0x80)", true),
        (0x4000_0027, 0xc000_003e, "`getpid` of the x32 ABI", true),
        (39, 0xc000_003e, "`getpid` of x86-64", false),
        (7, 0xc000_00b7, "number 7 of the architecture 0xc00000b7", true),
    ] {
        let call = words.to_owned();
        let expected = KillingCall { call, foreign, signal: 31 };
        assert_eq!(killing(syscall, architecture, 31), Some(expected));
    }
    // One that got an error lived on.
    assert_eq!(killing(272, 0xc000_003e, 0), None);
}
