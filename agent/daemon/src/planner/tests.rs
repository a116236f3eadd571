//! Plans, on paper.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_ceiling::Ceiling;
use cofferdam_plan::Leaf;
use cofferdam_plan::run::Loopback;
use cofferdam_plan::{Decode, Encode, RunId};
use cofferdam_profile::Profiles;
use cofferdam_programs::{Combined, ReadPlace};
use cofferdam_proto::intent::v1::{Grant, WorkspaceAccess};
use proptest::prelude::*;

use super::*;
use crate::cap::{Need, cap};
use crate::facts::Resolved;

const WORKER: &str = "/usr/lib/cofferdam/cofferdam-files";

fn ceiling() -> Ceiling {
    Ceiling::parse(include_str!("../../../../packaging/config/ceiling.toml")).unwrap()
}

fn capped(profile: &str, programs: &[&str]) -> Capped {
    try_capped(profile, programs).unwrap()
}

fn try_capped(profile: &str, programs: &[&str]) -> Result<Capped, crate::cap::CapError> {
    let profiles = Profiles::load(None).unwrap();
    cap(grant(profile, programs), Need::Whatever, &profiles, &ceiling())
}

fn grant(profile: &str, programs: &[&str]) -> Grant {
    Grant {
        profile: profile.to_owned(),
        workspace: "/srv/cofferdam/project".to_owned(),
        workspace_access: WorkspaceAccess::Write.into(),
        programs: programs.iter().map(|&program| program.to_owned()).collect(),
        limits: None,
        network: Vec::new(),
        required_layers: Vec::new(),
    }
}

fn resolved(real: &str, found: Found, links: &[(&str, &str)]) -> Resolved {
    let links = links.iter().map(|(at, to)| (PathBuf::from(at), PathBuf::from(to))).collect();
    Resolved { links, real: PathBuf::from(real), found }
}

/// A merged-/usr host; what is not listed is a directory where it is named.
fn facts(capped: &Capped, extra: &[(&str, Resolved)], offer: Option<Combined>) -> Facts {
    let mut all = BTreeMap::new();
    for tree in capped.show.iter().chain(&capped.read).chain(&capped.programs) {
        let real = tree.path.to_str().unwrap();
        let found = if tree.exact { Found::File } else { Found::Directory };
        all.insert(tree.path.clone(), resolved(real, found, &[]));
    }
    for (path, target) in [("/bin", "usr/bin"), ("/lib", "usr/lib"), ("/lib64", "usr/lib64")] {
        let real = format!("/{target}");
        all.insert(path.into(), resolved(&real, Found::Directory, &[(path, target)]));
    }
    all.insert(WORKER.into(), resolved(WORKER, Found::File, &[]));
    for (path, it) in extra {
        all.insert(PathBuf::from(path), it.clone());
    }
    Facts::given(all, offer)
}

/// What a resolver might say: paths to execute and to read; a directory ends in a
/// slash.
fn offer(execute: &[&str], read: &[&str]) -> Combined {
    let place = |text: &&str| ReadPlace {
        path: PathBuf::from(text.strip_suffix('/').unwrap_or(text)),
        directory: text.ends_with('/'),
    };
    Combined {
        resolutions: Vec::new(),
        execute: execute.iter().map(PathBuf::from).collect(),
        read: read.iter().map(place).collect(),
        list: BTreeSet::from([PathBuf::from("/usr/share/listed")]),
        links: BTreeMap::new(),
        left_out: BTreeMap::new(),
        notes: BTreeSet::new(),
    }
}

fn naming() -> Naming {
    let subject = "alice\n".to_owned();
    Naming { cell: CellId([1; 16]), subject, hostname: "web_1".to_owned() }
}

fn survey(capped: &Capped, extra: &[(&str, Resolved)], offer: Option<Combined>) -> Survey {
    Survey::of(capped, facts(capped, extra, offer), Purpose::Run).unwrap()
}

fn plan(capped: &Capped, survey: &Survey) -> CellPlan {
    plan_cell(capped, survey, Purpose::Run, naming()).unwrap()
}

fn executable(plan: &CellPlan) -> Vec<&Path> {
    let rules = plan.landlock.iter().filter(|rule| rule.rights.execute);
    rules.map(|rule| rule.path.as_path()).collect()
}

fn rights(plan: &CellPlan, path: &str) -> Option<Rights> {
    plan.landlock.iter().find(|rule| rule.path.as_bytes() == path.as_bytes()).map(|r| r.rights)
}

#[test]
fn the_default_profile_shows_usr_once_and_links_the_root() {
    let capped = capped("default", &[]);
    let plan = plan(&capped, &survey(&capped, &[], None));
    let usr: Vec<_> = plan.binds.iter().filter(|b| b.path.is_beneath(Path::new("/usr"))).collect();
    assert_eq!(usr.len(), 1);
    assert!(usr[0].execute);
    assert!(plan.binds.iter().all(|b| !b.execute || b.path.as_bytes() == b"/usr"));
    let bin = plan.links.iter().find(|link| link.path.as_bytes() == b"/bin").unwrap();
    assert_eq!(bin.target, b"usr/bin");
    assert_eq!(rights(&plan, "/srv/cofferdam/project"), Some(Rights::WRITE));
    assert_eq!(rights(&plan, "/usr/bin"), Some(Rights::EXECUTE));
    assert_eq!((plan.subject.as_str(), plan.hostname.as_str()), ("alice", "web-1"));
}

#[test]
fn a_named_program_brings_what_it_needs_and_no_directory_of_libraries() {
    let capped = capped("default", &["/usr/bin/python3"]);
    let real = resolved("/usr/bin/python3.11", Found::File, &[("/usr/bin/python3", "python3.11")]);
    let offer = offer(
        &["/usr/bin/python3.11", "/usr/lib/ld.so", "/home/alice/helper", "/tmp/helper"],
        &["/usr/lib/libc.so.6", "/usr/lib/python3/", "/etc/ld.so.cache", "/home/alice/.x/"],
    );
    let plan = plan(&capped, &survey(&capped, &[("/usr/bin/python3", real)], Some(offer)));
    assert_eq!(executable(&plan), [Path::new("/usr/bin/python3.11"), Path::new("/usr/lib/ld.so")]);
    for path in ["/usr/lib/libc.so.6", "/usr/lib/python3", "/usr/include", "/etc"] {
        assert_eq!(rights(&plan, path), Some(Rights::READ), "{path}");
    }
    assert_eq!(rights(&plan, "/usr/share/listed"), Some(Rights::LIST));
    for path in ["/usr/bin", "/usr/lib", "/usr/libexec", "/usr/share", "/home/alice/.x"] {
        assert_eq!(rights(&plan, path), None, "{path}");
    }
}

#[test]
fn a_directory_of_programs_brings_all_libraries_and_a_grant_of_both_has_both() {
    let capped = capped("default", &["/usr/local/bin/", "/usr/bin/git"]);
    let offer = offer(&["/usr/bin/git", "/usr/lib/git-core/git-remote"], &["/usr/share/git-core/"]);
    let survey = survey(&capped, &[], Some(offer));
    let plan = plan(&capped, &survey);
    for path in ["/usr/local/bin", "/usr/bin/git", "/usr/lib", "/usr/libexec", "/usr/share"] {
        assert_eq!(rights(&plan, path), Some(Rights::EXECUTE), "{path}");
    }
    assert_eq!(rights(&plan, "/usr/bin"), None);
    assert!(survey.executes(Path::new("/usr/local/bin/tool")));
    assert!(!survey.executes(Path::new("/usr/bin/curl")));
    assert_eq!(survey.why_not(Path::new("/usr/bin/curl")), None);
}

#[test]
fn what_may_not_be_executed_may_not_be_read_either() {
    // A ceiling whose programs are fewer than what it shows.
    let mut capped = capped("default", &["/usr/bin/tool"]);
    capped.executable = vec![Tree::beneath("/usr/bin")];
    let offer = offer(
        &["/usr/bin/tool", "/usr/lib/tool/helper"],
        &["/usr/lib/tool/", "/usr/lib/tool/helper", "/usr/lib/other/"],
    );
    let plan = plan(&capped, &survey(&capped, &[], Some(offer)));
    assert_eq!(executable(&plan), [Path::new("/usr/bin/tool")]);
    assert_eq!(rights(&plan, "/usr/lib/tool"), None);
    assert_eq!(rights(&plan, "/usr/lib/tool/helper"), None);
    assert_eq!(rights(&plan, "/usr/lib/other"), Some(Rights::READ));
}

#[test]
fn data_that_lies_about_a_program_is_not_read_unless_the_program_is_granted() {
    let trees =
        |texts: &[&str]| texts.iter().map(|text| Tree::parse(text).unwrap()).collect::<Vec<_>>();
    // A profile that names its programs one by one.
    let rights_of = |programs: &[&str], path: &str| {
        let mut capped = capped("default", &["/usr/bin/git"]);
        capped.profile.programs = trees(&["/usr/bin/git", "/etc/tools/run"]);
        capped.program_bound = capped.profile.executable();
        capped.read = capped.profile.readable();
        capped.programs = trees(programs);
        capped.show = trees(&["/usr/bin/git", "/usr/lib/"]);
        let offer = offer(&["/usr/bin/git", "/usr/lib/ld.so"], &[]);
        let plan = plan(&capped, &survey(&capped, &[], Some(offer)));
        let shown: Vec<_> =
            plan.binds.iter().map(|bind| (bind.path.as_bytes(), bind.execute)).collect();
        assert_eq!(shown, [(&b"/usr/bin/git"[..], true), (b"/usr/lib", true)]);
        assert_eq!(rights(&plan, "/usr/lib/ld.so"), Some(Rights::EXECUTE));
        assert_eq!(rights(&plan, "/usr/lib"), None);
        rights(&plan, path)
    };
    assert_eq!(rights_of(&["/usr/bin/git"], "/etc"), None);
    assert_eq!(rights_of(&["/usr/bin/git"], "/usr/include"), Some(Rights::READ));
    assert_eq!(rights_of(&["/usr/bin/git", "/etc/tools/run"], "/etc"), Some(Rights::READ));
}

#[test]
fn a_link_that_leaves_the_ceiling_is_not_followed() {
    let capped = capped("default", &["/usr/bin/tool"]);
    let away = resolved("/home/alice/tool", Found::File, &[("/usr/bin/tool", "/home/alice/tool")]);
    let shown = resolved("/home/alice/tz", Found::File, &[("/etc/localtime", "/home/alice/tz")]);
    let extra = [("/usr/bin/tool", away), ("/etc/localtime", shown)];
    let offer = offer(&["/home/alice/tool"], &[]);
    let plan = plan(&capped, &survey(&capped, &extra, Some(offer)));
    assert!(executable(&plan).is_empty());
    assert!(plan.binds.iter().all(|bind| !bind.path.is_beneath(Path::new("/home"))));
}

#[test]
fn a_directory_named_as_a_program_grants_nothing_beneath() {
    let capped = capped("default", &["/usr/bin"]);
    let directory = resolved("/usr/bin", Found::Directory, &[]);
    let plan = plan(&capped, &survey(&capped, &[("/usr/bin", directory)], None));
    assert!(executable(&plan).is_empty());
}

#[test]
fn what_the_agent_may_not_look_at_is_taken_as_it_was_named() {
    let capped = capped("default", &["/usr/local/bin/", "/usr/bin/tool"]);
    let hidden = |path: &str| resolved(path, Found::Hidden, &[]);
    let (directory, tool) = (hidden("/usr/local/bin"), hidden("/usr/bin/tool"));
    let extra = [("/usr/local/bin", directory), ("/usr/bin/tool", tool)];
    let plan = plan(&capped, &survey(&capped, &extra, None));
    assert_eq!(rights(&plan, "/usr/local/bin"), Some(Rights::EXECUTE));
    // It could be a directory, and then all beneath it would be granted.
    assert_eq!(rights(&plan, "/usr/bin/tool"), None);
}

#[test]
fn only_the_build_profile_executes_what_it_made() {
    for (profile, executes) in [("default", false), ("build", true), ("readonly", false)] {
        let capped = capped(profile, &[]);
        let plan = plan(&capped, &survey(&capped, &[], None));
        assert_eq!(plan.workspace.execute, executes, "{profile}");
        assert_eq!(plan.scratch.iter().any(|s| s.execute), executes, "{profile}");
        let workspace = rights(&plan, "/srv/cofferdam/project").unwrap();
        assert_eq!(workspace.execute, executes);
        assert_eq!(workspace.write, profile != "readonly");
    }
}

#[test]
fn a_cell_for_files_executes_the_worker_and_what_it_needs() {
    let capped = capped("build", &["/usr/bin/git"]);
    let purpose = Purpose::Files(Path::new(WORKER));
    let offer = || Some(offer(&[WORKER, "/usr/lib/ld.so", "/home/alice/ld.so"], &[]));
    let survey = Survey::of(&capped, facts(&capped, &[], offer()), purpose).unwrap();
    let plan = plan_cell(&capped, &survey, purpose, naming()).unwrap();
    assert_eq!(executable(&plan), [Path::new(WORKER), Path::new("/usr/lib/ld.so")]);
    assert!(!plan.workspace.execute && plan.scratch.iter().all(|s| !s.execute));
    let elsewhere = Purpose::Files(Path::new("/home/alice/worker"));
    let refused = Survey::of(&capped, facts(&capped, &[], offer()), elsewhere);
    assert!(matches!(refused, Err(PlanError::Worker(_))));
}

/// `git status`.
fn git_status(capped: &Capped) -> Command {
    Command {
        program: b"git".to_vec(),
        arguments: vec![b"status".to_vec()],
        working_directory: capped.workspace.clone(),
        environment: vec![("LANG".to_owned(), b"C".to_vec())],
        stdin: Vec::new(),
        background: false,
        one_shot: false,
        stdin_open: false,
        terminal: None,
    }
}

#[test]
fn a_run_reaches_of_loopback_what_its_profile_leaves_and_its_own_listener() {
    let own = std::num::NonZeroU16::new(3128);
    for (profile, proxy, expected) in [
        ("default", None, Loopback::Open),
        ("default", own, Loopback::Open),
        ("readonly", None, Loopback::Closed),
        ("strict", None, Loopback::Closed),
        ("strict", own, Loopback::Only(own.unwrap())),
    ] {
        let capped = capped(profile, &[]);
        let berth = Berth { proxy, ..Berth::default() };
        let run = plan_run(RunId([2; 16]), &git_status(&capped), &capped, berth);
        assert_eq!(run.loopback, expected, "{profile}");
        let led = b"HTTPS_PROXY=http://127.0.0.1:3128".to_vec();
        assert_eq!(run.environment.contains(&led), proxy.is_some(), "{profile}");
    }
}

#[test]
fn a_run_gets_its_variables_and_the_requests_last() {
    let capped = capped("default", &[]);
    let command = git_status(&capped);
    let leaf = Some(Leaf { cell: CellId([1; 16]), number: 7 });
    let berth = Berth { leaf, ..Berth::default() };
    let run = plan_run(RunId([2; 16]), &command, &capped, berth);
    assert_eq!(run.leaf, 7);
    assert_eq!(run.arguments, [b"git".to_vec(), b"status".to_vec()]);
    assert!(run.environment.contains(&b"LANG=C".to_vec()));
    assert!(run.environment.contains(&b"HOME=/home/cell".to_vec()));
    assert!(run.environment.iter().filter(|v| v.starts_with(b"LANG=")).count() == 1);
    assert_eq!(run.limits.address_space_bytes, 0);
    let uncounted = plan_run(RunId([2; 16]), &command, &capped, Berth::default());
    assert!(uncounted.limits.address_space_bytes > 0);
}

/// What a run may do beyond its cell: the kernel would refuse it, and the plan is
/// wrong.
fn beyond<'a>(run: &'a [LandlockPlan], cell: &[LandlockPlan]) -> Option<&'a LandlockPlan> {
    let covered = |rule: &LandlockPlan, right: fn(Rights) -> bool| {
        let above = |it: &&LandlockPlan| rule.path.is_beneath(it.path.as_path());
        !right(rule.rights) || cell.iter().filter(above).any(|it| right(it.rights))
    };
    let within = |rule: &&LandlockPlan| {
        covered(rule, |it| it.read)
            && covered(rule, |it| it.write)
            && covered(rule, |it| it.execute)
    };
    run.iter().find(|rule| !within(rule))
}

const ANYWHERE: &str = "/|/usr|/usr/bin/x|/usr/lib|/usr/lib/a.so|/usr/share/y|/home/x|/etc/shadow|\
                        /opt/a/b|/srv/cofferdam/project/x|/tmp/x";

proptest! {
    /// What the warden checks again.
    #[test]
    fn no_plan_is_above_the_ceiling_and_no_run_above_its_cell(
        profile in "readonly|default|build",
        programs in proptest::collection::vec("/|/usr/|/usr/bin/git|/opt/|/usr/bin", 0..4),
        reals in proptest::collection::vec("/usr/bin/x|/home/x|/|/etc/shadow|/opt/a/b", 4),
        execute in proptest::collection::vec(ANYWHERE, 0..6),
        read in proptest::collection::vec((ANYWHERE, "/?"), 0..6),
    ) {
        let programs: Vec<&str> = programs.iter().map(String::as_str).collect();
        // Nothing in common is a denial, and no plan.
        let Ok(capped) = try_capped(&profile, &programs) else { return Ok(()) };
        let paths = capped.show.iter().chain(&capped.programs).map(|tree| tree.path.clone());
        let hostile: Vec<_> = paths
            .zip(reals.iter().cycle())
            .map(|(path, real)| (path.display().to_string(), resolved(real, Found::File, &[])))
            .collect();
        let hostile: Vec<_> = hostile.iter().map(|(path, it)| (path.as_str(), it.clone())).collect();
        let ceiling = ceiling();
        let read: Vec<String> = read.iter().map(|(path, slash)| format!("{path}{slash}")).collect();
        let texts = |all: &[String]| all.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
        let (execute, read) = (texts(&execute), texts(&read));
        let offered = || offer(
            &execute.lines().collect::<Vec<_>>(),
            &read.lines().collect::<Vec<_>>(),
        );
        let survey = survey(&capped, &hostile, Some(offered()));
        let Ok(plan) = plan_cell(&capped, &survey, Purpose::Run, naming())
        else { return Ok(()) };
        for bind in &plan.binds {
            prop_assert!(cofferdam_ceiling::covers(&ceiling.view.read, bind.path.as_path()));
        }
        let mine = |path: &AbsolutePath| {
            path.is_beneath(capped.workspace.as_path())
                || plan.scratch.iter().any(|s| path.is_beneath(s.path.as_path()))
        };
        for rule in &plan.landlock {
            let program = cofferdam_ceiling::covers(&ceiling.programs.execute, rule.path.as_path());
            prop_assert!(!rule.rights.execute || program || mine(&rule.path));
            prop_assert!(!rule.rights.write || mine(&rule.path));
        }
        // Links may lead a place out of its parent; the host is the same for both.
        let whole = try_capped(&profile, &[]).unwrap();
        let same: Vec<_> = hostile.iter().filter(|(path, _)| {
            !whole.read.iter().chain(&whole.programs).any(|tree| tree.path == Path::new(path))
        }).cloned().collect();
        let cell = self::survey(&whole, &same, None);
        let run = self::survey(&capped, &same, Some(offered()));
        prop_assert_eq!(beyond(run.rules(), cell.rules()), None);
        prop_assert_eq!(CellPlan::from_frame(&plan.to_frame()), Ok(plan));
    }
}
