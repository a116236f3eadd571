//! What is remembered is what would be found anew, for whatever is asked.

use std::fs;

use cofferdam_proto::intent::v1::{Destinations, Limits, WorkspaceAccess};
use proptest::prelude::*;

use super::*;
use crate::facts::{Facts, Found, Resolved};

const CEILING: &str = include_str!("../../../../packaging/config/ceiling.toml");
const WORKER: &str = "/usr/bin/cofferdam-files";

fn allowances() -> Allowances {
    let profiles = Arc::new(Profiles::load(None).unwrap());
    Allowances::new(profiles, WORKER.into(), "web-1".to_owned())
}

fn ceiling(text: &str) -> Current {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ceiling.toml");
    fs::write(&path, text).unwrap();
    Current::load(&path, rustix::process::geteuid().as_raw()).unwrap()
}

fn grant() -> Grant {
    Grant {
        profile: "default".to_owned(),
        workspace: "/srv/cofferdam/project".to_owned(),
        workspace_access: WorkspaceAccess::Write.into(),
        ..Grant::default()
    }
}

/// All that comes of it, in words.
fn of(
    allowances: &Allowances,
    grant: Grant,
    need: Need,
    current: &Current,
) -> Result<String, CapError> {
    let found = allowances.of(grant, need, current)?;
    Ok(format!("{:?} {}", found.capped(), found.recorded()))
}

/// A host on which only the worker is there.
fn survey(capped: &Capped, worker: &str) -> Arc<Survey> {
    let found = |real: &str| Resolved { links: Vec::new(), real: real.into(), found: Found::File };
    let facts = Facts::given([(WORKER.into(), found(worker))], None);
    Arc::new(Survey::of(capped, facts, Purpose::Files(Path::new(WORKER))).unwrap())
}

#[test]
fn the_same_grant_is_capped_once_and_any_other_by_itself() {
    let (allowances, current) = (allowances(), ceiling(CEILING));
    let of = |change: fn(&mut Grant), need| {
        let mut grant = grant();
        change(&mut grant);
        allowances.of(grant, need, &current).unwrap()
    };
    let first = of(|_| {}, Need::Read);
    assert!(Arc::ptr_eq(&first, &of(|_| {}, Need::Read)));
    let changes: [fn(&mut Grant); 7] = [
        |grant| grant.profile = "readonly".to_owned(),
        |grant| grant.workspace.push_str("/beneath"),
        |grant| grant.workspace_access = WorkspaceAccess::Read.into(),
        |grant| grant.programs = vec!["/usr/bin/git".to_owned()],
        |grant| grant.limits = Some(Limits { memory_bytes: 1 << 20, ..Limits::default() }),
        |grant| grant.network = vec![Destinations::default()],
        |grant| grant.required_layers = vec!["landlock".to_owned()],
    ];
    for change in changes {
        assert!(!Arc::ptr_eq(&first, &of(change, Need::Read)));
    }
    assert!(!Arc::ptr_eq(&first, &of(|_| {}, Need::Write)));
    assert!(!first.capped().write && of(|_| {}, Need::Write).capped().write);
}

#[test]
fn an_edited_ceiling_is_never_answered_with_what_the_one_before_allowed() {
    let allowances = allowances();
    let before = allowances.of(grant(), Need::Write, &ceiling(CEILING)).unwrap();
    let smaller = ceiling(&CEILING.replace("memory = \"4GiB\"", "memory = \"16MiB\""));
    let after = allowances.of(grant(), Need::Write, &smaller).unwrap();
    assert_eq!(after.capped().limits.memory_bytes, 16 << 20);
    assert!(before.capped().limits.memory_bytes > 16 << 20);
    let elsewhere = ceiling(&CEILING.replace("/srv/cofferdam", "/srv/other"));
    let refused = allowances.of(grant(), Need::Write, &elsewhere).unwrap_err();
    assert_eq!(refused.rule(), "ceiling.workspaces.roots");
    // What was refused is asked again, and what was allowed stays so.
    assert!(allowances.of(grant(), Need::Write, &elsewhere).is_err());
    let again = allowances.of(grant(), Need::Write, &ceiling(CEILING)).unwrap();
    assert!(Arc::ptr_eq(&before, &again), "the same text is the same ceiling");
}

#[test]
fn a_plan_is_made_anew_for_what_was_found_anew_on_the_host() {
    let (allowances, current) = (allowances(), ceiling(CEILING));
    let allowance = allowances.of(grant(), Need::Read, &current).unwrap();
    let plan = |survey: &Arc<Survey>| allowances.plan(&allowance, survey);
    let first = survey(allowance.capped(), WORKER);
    let planned = plan(&first).unwrap();
    assert!(Arc::ptr_eq(&planned, &plan(&first).unwrap()));
    let same = survey(allowance.capped(), WORKER);
    assert!(Arc::ptr_eq(&planned, &plan(&same).unwrap()), "looked at again, nothing changed");
    let moved = survey(allowance.capped(), "/usr/lib/cofferdam/cofferdam-files");
    let replanned = plan(&moved).unwrap();
    assert_ne!(planned, replanned);
    assert!(replanned.binds.iter().any(|it| it.path.as_path().starts_with("/usr/lib")));
    assert_eq!(plan(&first).unwrap(), planned);
    // Other calls' workspaces are in other plans.
    let other = Grant { workspace: "/srv/cofferdam/other".to_owned(), ..grant() };
    let other = allowances.of(other, Need::Read, &current).unwrap();
    let other = allowances.plan(&other, &survey(other.capped(), WORKER)).unwrap();
    assert_ne!(other.workspace.path, planned.workspace.path);
}

#[test]
fn however_many_grants_come_few_are_remembered_and_those_in_use_stay() {
    let (allowances, current) = (allowances(), ceiling(CEILING));
    let first = allowances.of(grant(), Need::Read, &current).unwrap();
    for number in 0..MOST * 3 {
        let workspace = format!("/srv/cofferdam/{number}");
        let other = Grant { workspace, ..grant() };
        drop(allowances.of(other, Need::Read, &current).unwrap());
        assert!(Arc::ptr_eq(&first, &allowances.of(grant(), Need::Read, &current).unwrap()));
    }
    assert_eq!(allowances.lock().allowances.len(), MOST);
}

fn any_grant() -> impl Strategy<Value = Grant> {
    let program = prop::sample::select(vec!["/usr/bin/git", "/usr/bin/", "/bin/sh", "git"]);
    let programs = prop::collection::vec(program.prop_map(str::to_owned), 0..3);
    let workspace = prop::sample::select(vec![
        "/srv/cofferdam/project",
        "/srv/cofferdam/other",
        "/etc",
        "/srv/cofferdam/a/../b",
    ]);
    let profile = prop::sample::select(vec!["default", "build", "readonly", "strict", "none"]);
    (profile, workspace, 0..4, programs, prop::option::of(0..1_u64 << 34)).prop_map(
        |(profile, workspace, access, programs, memory)| Grant {
            profile: profile.to_owned(),
            workspace: workspace.to_owned(),
            workspace_access: access,
            programs,
            limits: memory.map(|memory_bytes| Limits { memory_bytes, ..Limits::default() }),
            ..Grant::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_was_asked_before_an_answer_is_what_it_would_be_without(
        asked in prop::collection::vec(
            (any_grant(), prop::bool::ANY, prop::bool::ANY), 1..12,
        ),
    ) {
        let remembering = allowances();
        let ceilings = [
            ceiling(CEILING),
            ceiling(&CEILING.replace("/srv/cofferdam", "/srv/cofferdam/project")),
        ];
        for (grant, writes, other) in asked.iter().chain(&asked) {
            let need = if *writes { Need::Write } else { Need::Read };
            let current = &ceilings[usize::from(*other)];
            prop_assert_eq!(
                of(&remembering, grant.clone(), need, current),
                of(&allowances(), grant.clone(), need, current)
            );
        }
    }
}
