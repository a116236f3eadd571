//! Whatever a gateway grants, a call gets no more than the ceiling.

use cofferdam_profile::trees::covers;
use proptest::prelude::*;

use super::*;

fn ceiling() -> Ceiling {
    Ceiling::parse(include_str!("../../../../packaging/config/ceiling.toml")).unwrap()
}

fn profiles() -> Profiles {
    Profiles::load(None).unwrap()
}

fn grant() -> Grant {
    Grant {
        profile: "build".to_owned(),
        workspace: "/srv/cofferdam/project".to_owned(),
        workspace_access: WorkspaceAccess::Write.into(),
        programs: Vec::new(),
        limits: None,
        network: Vec::new(),
        required_layers: Vec::new(),
    }
}

fn capped(change: impl FnOnce(&mut Grant)) -> Result<Capped, CapError> {
    let mut grant = grant();
    change(&mut grant);
    cap(grant, Need::Whatever, &profiles(), &ceiling())
}

#[test]
fn without_programs_and_limits_the_profile_says() {
    let it = capped(|_| {}).unwrap();
    assert!(it.write && it.execute);
    assert_eq!(it.programs, it.program_bound);
    assert_eq!(it.limits.wall_millis, 30 * 60 * 1000);
    assert_eq!(it.limits.memory_bytes, 4 << 30);
}

#[test]
fn huge_limits_come_down_to_the_ceiling_and_small_ones_stay() {
    let limits = |wall_millis, processes| {
        let limits = Limits { wall_millis, processes, ..Limits::default() };
        capped(|grant| grant.limits = Some(limits)).unwrap().limits
    };
    let huge = limits(u64::MAX, u32::MAX);
    assert_eq!((huge.wall_millis, huge.processes), (3_600_000, 512));
    let small = limits(5, 1);
    assert_eq!((small.wall_millis, small.processes), (5, 1));
}

#[test]
fn a_program_is_narrowed_to_what_the_host_allows() {
    let programs = |texts: &[&str]| {
        capped(|grant| grant.programs = texts.iter().map(|&t| t.to_owned()).collect())
    };
    let git = programs(&["/usr/bin/git", "/home/alice/evil"]).unwrap();
    assert_eq!(git.programs, [Tree::parse("/usr/bin/git").unwrap()]);
    assert_eq!(programs(&["/home/alice/evil"]).unwrap_err(), CapError::NoProgram);
    assert!(matches!(programs(&["git"]), Err(CapError::Program(_))));
}

#[test]
fn what_cannot_be_narrowed_is_denied_by_a_named_rule() {
    let denied = |change: fn(&mut Grant)| capped(change).unwrap_err();
    let workspace = denied(|g| g.workspace = "/etc".to_owned());
    assert_eq!(workspace.rule(), "ceiling.workspaces.roots");
    assert!(matches!(denied(|g| g.workspace = "../x".to_owned()), CapError::WorkspacePath { .. }));
    let unknown = denied(|g| g.profile = "root".to_owned());
    assert!(unknown.to_string().contains("build, build-network, default"), "{unknown}");
    assert_eq!(denied(|g| g.workspace_access = 0), CapError::Access);
    let mut narrow = ceiling();
    narrow.profiles.allow.clear();
    let refused = cap(grant(), Need::Whatever, &profiles(), &narrow).unwrap_err();
    assert_eq!(refused.rule(), "ceiling.profiles.allow");
}

#[test]
fn writing_needs_a_grant_and_a_profile_that_write() {
    let need = |profile: &str, access: WorkspaceAccess, need| {
        let grant =
            Grant { profile: profile.to_owned(), workspace_access: access.into(), ..grant() };
        cap(grant, need, &profiles(), &ceiling()).map(|capped| capped.write)
    };
    let (read, write) = (WorkspaceAccess::Read, WorkspaceAccess::Write);
    assert_eq!(need("default", write, Need::Write), Ok(true));
    assert_eq!(need("default", write, Need::Read), Ok(false));
    assert_eq!(need("default", read, Need::Write), Err(CapError::ReadOnly("the grant")));
    assert_eq!(need("readonly", write, Need::Write), Err(CapError::ReadOnly("the profile")));
    assert_eq!(need("readonly", write, Need::Whatever), Ok(false));
}

#[test]
fn a_ceiling_that_gives_nothing_is_a_denial() {
    let mut none = ceiling();
    none.limits.memory.0 = 0;
    let refused = cap(grant(), Need::Whatever, &profiles(), &none).unwrap_err();
    assert_eq!(refused.rule(), "ceiling.limits.memory");
    let mut tight = ceiling();
    tight.limits.scratch.0 = 1 << 20;
    let scratch = cap(grant(), Need::Whatever, &profiles(), &tight).unwrap().scratch;
    assert!(scratch.iter().map(|s| s.bytes).sum::<u64>() <= 1 << 20);
}

prop_compose! {
    fn any_limits()(
        memory_bytes: u64, processes: u32, cpu_millis: u32, wall_millis: u64,
        output_bytes: u64, file_size_bytes: u64, open_files: u32,
    ) -> Limits {
        Limits {
            memory_bytes, processes, cpu_millis, wall_millis, output_bytes, file_size_bytes,
            open_files,
        }
    }
}

prop_compose! {
    fn any_grant()(
        profile in "readonly|default|build|other",
        workspace in "/srv/cofferdam|/srv/cofferdam/a|/srv|/|/etc|/srv/cofferdam/../x|x",
        workspace_access in 0..4_i32,
        programs in proptest::collection::vec("/|/usr/|/usr/bin/git|/opt/|/etc/|/home/x|bin", 0..4),
        limits in proptest::option::of(any_limits()),
    ) -> Grant {
        let (network, required_layers) = (Vec::new(), Vec::new());
        Grant { profile, workspace, workspace_access, programs, limits, network, required_layers }
    }
}

proptest! {
    #[test]
    fn no_grant_gets_above_the_ceiling(grant in any_grant()) {
        let ceiling = ceiling();
        let Ok(it) = cap(grant, Need::Whatever, &profiles(), &ceiling) else { return Ok(()) };
        let most = &ceiling.limits;
        prop_assert!(cofferdam_ceiling::covers(&ceiling.workspaces.roots, it.workspace.as_path()));
        prop_assert!((1..=most.memory.0).contains(&it.limits.memory_bytes));
        prop_assert!(it.limits.swap_bytes <= most.swap.0);
        prop_assert!((1..=most.processes).contains(&it.limits.processes));
        prop_assert!((1..=most.cpu_millis).contains(&it.limits.cpu_millis));
        prop_assert!((1..=most.wall.0).contains(&it.limits.wall_millis));
        prop_assert!((1..=most.output.0).contains(&it.limits.output_bytes));
        prop_assert!((1..=most.file_size.0).contains(&it.limits.file_size_bytes));
        prop_assert!((1..=most.open_files).contains(&it.limits.open_files));
        prop_assert!(it.scratch.iter().map(|s| s.bytes).sum::<u64>() <= most.scratch.0);
        for tree in it.show.iter().chain(&it.read) {
            prop_assert!(cofferdam_ceiling::covers(&ceiling.view.read, &tree.path));
        }
        for tree in &it.programs {
            prop_assert!(cofferdam_ceiling::covers(&ceiling.programs.execute, &tree.path));
            prop_assert!(covers(&it.program_bound, &tree.path));
        }
        prop_assert!(it.network != CappedNetwork::Host && it.may_lack == LayerSet::NONE);
    }
}

#[test]
fn a_profile_lets_no_more_be_missing_than_it_names_and_a_grant_takes_it_back() {
    let Err(error) = capped(|grant| grant.required_layers = vec!["steel".to_owned()]) else {
        panic!("no such layer")
    };
    assert!(error.to_string().contains("`steel`"), "{error}");
    let required = capped(|grant| grant.required_layers = vec!["cgroup".to_owned()]).unwrap();
    assert_eq!(required.grant().required_layers, ["cgroup"]);
    let directory = tempfile::tempdir().unwrap();
    let text = include_str!("../../../profile/profiles/build-network.toml");
    let text = format!("{text}\n[enforcement]\nmay_lack = [\"cgroup\", \"user\"]\n");
    std::fs::write(directory.path().join("loose.toml"), text).unwrap();
    let profiles = Profiles::load(Some(directory.path())).unwrap();
    let mut ceiling = ceiling();
    ceiling.profiles.allow.push("loose".to_owned());
    let may_lack = |ceiling: &Ceiling, layers: &[&str]| {
        let required_layers = layers.iter().map(|&it| it.to_owned()).collect();
        let grant = Grant { profile: "loose".to_owned(), required_layers, ..grant() };
        cap(grant, Need::Whatever, &profiles, ceiling).unwrap().may_lack
    };
    assert_eq!(may_lack(&ceiling, &[]), LayerSet::NONE);
    ceiling.enforcement.allow_degraded = true;
    let of = |layers: &[&str]| may_lack(&ceiling, layers);
    assert_eq!(of(&[]), LayerSet::NONE.with(Layer::Cgroup).with(Layer::User));
    assert_eq!(of(&["cgroup"]), LayerSet::NONE.with(Layer::User));
    assert_eq!(of(&["cgroup", "user", "seccomp"]), LayerSet::NONE);
}
