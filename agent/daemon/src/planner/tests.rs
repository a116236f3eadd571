//! Plans, on paper.

use std::collections::BTreeMap;

use cofferdam_ceiling::Ceiling;
use cofferdam_plan::Leaf;
use cofferdam_plan::{Decode, Encode, RunId};
use cofferdam_profile::Profiles;
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
    let grant = Grant {
        profile: profile.to_owned(),
        workspace: "/srv/cofferdam/project".to_owned(),
        workspace_access: WorkspaceAccess::Write.into(),
        programs: programs.iter().map(|&program| program.to_owned()).collect(),
        limits: None,
        network: Vec::new(),
    };
    cap(grant, Need::Whatever, &Profiles::load(None).unwrap(), &ceiling())
}

fn resolved(real: &str, found: Found, links: &[(&str, &str)]) -> Resolved {
    let links = links.iter().map(|(at, to)| (PathBuf::from(at), PathBuf::from(to))).collect();
    Resolved { links, real: PathBuf::from(real), found }
}

/// A merged-/usr host; what is not listed is a directory where it is named.
fn facts(capped: &Capped, extra: &[(&str, Resolved)]) -> Facts {
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
    Facts::given(all)
}

fn naming() -> Naming {
    let subject = "alice\n".to_owned();
    Naming { cell: CellId([1; 16]), subject, hostname: "web_1".to_owned() }
}

fn plan(capped: &Capped, facts: &Facts) -> CellPlan {
    plan_cell(capped, facts, Purpose::Run, naming()).unwrap()
}

fn rights(plan: &CellPlan, path: &str) -> Option<Rights> {
    plan.landlock.iter().find(|rule| rule.path.as_bytes() == path.as_bytes()).map(|r| r.rights)
}

#[test]
fn the_default_profile_shows_usr_once_and_links_the_root() {
    let capped = capped("default", &[]);
    let plan = plan(&capped, &facts(&capped, &[]));
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
fn a_named_program_is_the_only_one_under_its_real_name() {
    let capped = capped("default", &["/usr/bin/python3"]);
    let real = resolved("/usr/bin/python3.11", Found::File, &[("/usr/bin/python3", "python3.11")]);
    let plan = plan(&capped, &facts(&capped, &[("/usr/bin/python3", real)]));
    let executable: Vec<_> =
        plan.landlock.iter().filter(|rule| rule.rights.execute).map(|r| &r.path).collect();
    assert_eq!(executable, [&AbsolutePath::new("/usr/bin/python3.11").unwrap()]);
    assert_eq!(rights(&plan, "/usr/bin"), None);
}

#[test]
fn a_link_that_leaves_the_ceiling_is_not_followed() {
    let capped = capped("default", &["/usr/bin/tool"]);
    let away = resolved("/home/alice/tool", Found::File, &[("/usr/bin/tool", "/home/alice/tool")]);
    let shown = resolved("/home/alice/tz", Found::File, &[("/etc/localtime", "/home/alice/tz")]);
    let facts = facts(&capped, &[("/usr/bin/tool", away), ("/etc/localtime", shown)]);
    let plan = plan(&capped, &facts);
    assert!(plan.landlock.iter().all(|rule| !rule.rights.execute));
    assert!(plan.binds.iter().all(|bind| !bind.path.is_beneath(Path::new("/home"))));
}

#[test]
fn a_directory_named_as_a_program_grants_nothing_beneath() {
    let capped = capped("default", &["/usr/bin"]);
    let directory = resolved("/usr/bin", Found::Directory, &[]);
    let plan = plan(&capped, &facts(&capped, &[("/usr/bin", directory)]));
    assert!(plan.landlock.iter().all(|rule| !rule.rights.execute));
}

#[test]
fn what_the_agent_may_not_look_at_is_taken_as_it_was_named() {
    let capped = capped("default", &["/usr/local/bin/", "/usr/bin/tool"]);
    let hidden = |path: &str| resolved(path, Found::Hidden, &[]);
    let (directory, tool) = (hidden("/usr/local/bin"), hidden("/usr/bin/tool"));
    let facts = facts(&capped, &[("/usr/local/bin", directory), ("/usr/bin/tool", tool)]);
    let plan = plan(&capped, &facts);
    assert_eq!(rights(&plan, "/usr/local/bin"), Some(Rights::EXECUTE));
    // It could be a directory, and then all beneath it would be granted.
    assert_eq!(rights(&plan, "/usr/bin/tool"), None);
}

#[test]
fn only_the_build_profile_executes_what_it_made() {
    for (profile, executes) in [("default", false), ("build", true), ("readonly", false)] {
        let capped = capped(profile, &[]);
        let plan = plan(&capped, &facts(&capped, &[]));
        assert_eq!(plan.workspace.execute, executes, "{profile}");
        assert_eq!(plan.scratch.iter().any(|s| s.execute), executes, "{profile}");
        let workspace = rights(&plan, "/srv/cofferdam/project").unwrap();
        assert_eq!(workspace.execute, executes);
        assert_eq!(workspace.write, profile != "readonly");
    }
}

#[test]
fn a_cell_for_files_executes_the_worker_and_nothing_else() {
    let capped = capped("build", &[]);
    let facts = facts(&capped, &[]);
    let plan = plan_cell(&capped, &facts, Purpose::Files(Path::new(WORKER)), naming()).unwrap();
    let executable: Vec<_> =
        plan.landlock.iter().filter(|rule| rule.rights.execute).map(|r| &r.path).collect();
    assert_eq!(executable, [&AbsolutePath::new(WORKER).unwrap()]);
    assert!(!plan.workspace.execute && plan.scratch.iter().all(|s| !s.execute));
    let elsewhere = Purpose::Files(Path::new("/home/alice/worker"));
    let refused = plan_cell(&capped, &facts, elsewhere, naming());
    assert!(matches!(refused, Err(PlanError::Worker(_))));
}

#[test]
fn a_run_gets_its_variables_and_the_requests_last() {
    let capped = capped("default", &[]);
    let command = Command {
        program: b"git".to_vec(),
        arguments: vec![b"status".to_vec()],
        working_directory: capped.workspace.clone(),
        environment: vec![("LANG".to_owned(), b"C".to_vec())],
        stdin: Vec::new(),
        background: false,
        one_shot: false,
    };
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

proptest! {
    /// What the warden checks again.
    #[test]
    fn no_plan_is_above_the_ceiling(
        profile in "readonly|default|build",
        programs in proptest::collection::vec("/|/usr/|/usr/bin/git|/opt/|/usr/bin", 0..4),
        reals in proptest::collection::vec("/usr/bin/x|/home/x|/|/etc/shadow|/opt/a/b", 4),
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
        let Ok(plan) = plan_cell(&capped, &facts(&capped, &hostile), Purpose::Run, naming())
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
        prop_assert_eq!(CellPlan::from_frame(&plan.to_frame()), Ok(plan));
    }
}
