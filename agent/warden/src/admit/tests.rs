//! Whatever a captured agent asks for, it gets no more than the ceiling.

use cofferdam_plan::{
    BindPlan, CellId, FilterDigest, LandlockPlan, Layer, Limits, LinkPlan, Rights, ScratchPlan,
    WorkspacePlan,
};

use super::*;

fn ceiling() -> Ceiling {
    Ceiling::parse(include_str!("../../../../packaging/config/ceiling.toml")).unwrap()
}

fn path(text: &str) -> AbsolutePath {
    AbsolutePath::new(text).unwrap()
}

fn plan() -> CellPlan {
    CellPlan {
        cell: CellId([1; 16]),
        subject: "alice".to_owned(),
        profile: "default".to_owned(),
        hostname: "cell".to_owned(),
        workspace: WorkspacePlan {
            path: path("/srv/cofferdam/project"),
            access: Access::Write,
            execute: true,
            sockets: Vec::new(),
            protected: Vec::new(),
        },
        binds: vec![BindPlan { path: path("/usr"), execute: true }],
        links: vec![LinkPlan { path: path("/bin"), target: b"usr/bin".to_vec() }],
        scratch: vec![ScratchPlan { path: path("/tmp"), bytes: 1 << 20, execute: false }],
        home: path("/tmp"),
        landlock: vec![LandlockPlan { path: path("/usr/bin"), rights: Rights::EXECUTE }],
        network: Network::None,
        filter: FilterDigest(cofferdam_filter::by_name("cell").unwrap().digest),
        limits: Limits {
            memory_bytes: 1 << 30,
            swap_bytes: 0,
            processes: 64,
            cpu_millis: 1000,
            ..Limits::default()
        },
        may_lack: LayerSet::NONE,
    }
}

/// Admits the plan after `change`, or says why not.
fn tried(change: impl FnOnce(&mut CellPlan)) -> Option<AboveCeiling> {
    let mut plan = plan();
    change(&mut plan);
    admit(plan, &ceiling(), 0).err()
}

#[test]
fn a_plan_below_the_ceiling_is_admitted() {
    assert_eq!(tried(|_| {}), None);
}

#[test]
fn a_workspace_outside_the_roots_is_refused() {
    for outside in ["/", "/etc", "/srv", "/srv/cofferdam-other", "/home/alice"] {
        let refused = tried(|plan| plan.workspace.path = path(outside));
        assert!(matches!(refused, Some(AboveCeiling::Workspace(_))), "{outside}: {refused:?}");
    }
}

#[test]
fn nothing_outside_the_view_is_shown() {
    for outside in ["/", "/root", "/var/lib", "/home", "/proc", "/sys", "/dev"] {
        let refused =
            tried(|plan| plan.binds.push(BindPlan { path: path(outside), execute: false }));
        assert_eq!(refused, Some(AboveCeiling::Bind(path(outside))));
    }
}

#[test]
fn only_the_workspace_and_scratch_places_are_written() {
    for outside in ["/", "/usr", "/etc/passwd", "/srv", "/srv/cofferdam"] {
        let refused = tried(|plan| {
            plan.landlock.push(LandlockPlan { path: path(outside), rights: Rights::WRITE });
        });
        assert_eq!(refused, Some(AboveCeiling::Write(path(outside))));
    }
    let read_only = tried(|plan| {
        plan.workspace.access = Access::Read;
        plan.landlock
            .push(LandlockPlan { path: plan.workspace.path.clone(), rights: Rights::WRITE });
    });
    assert!(matches!(read_only, Some(AboveCeiling::Write(_))));
    let beneath_scratch = tried(|plan| {
        plan.workspace.access = Access::Read;
        let above = ScratchPlan { path: path("/srv"), bytes: 4096, execute: false };
        plan.scratch.push(above);
        plan.landlock
            .push(LandlockPlan { path: plan.workspace.path.clone(), rights: Rights::WRITE });
    });
    assert!(matches!(beneath_scratch, Some(AboveCeiling::Write(_))));
}

#[test]
fn names_of_sockets_outside_the_workspace_are_refused() {
    let refused = tried(|plan| plan.workspace.sockets.push(path("/srv/cofferdam/other/s")));
    assert_eq!(refused, Some(AboveCeiling::Protected(path("/srv/cofferdam/other/s"))));
    let sockets = |plan: &mut CellPlan| {
        plan.workspace.sockets.push(path("/srv/cofferdam/project/s"));
    };
    assert_eq!(tried(sockets), None);
}

#[test]
fn only_the_ceilings_programs_are_executed() {
    for outside in ["/", "/etc", "/tmp", "/srv/cofferdam"] {
        let refused = tried(|plan| {
            plan.landlock.push(LandlockPlan { path: path(outside), rights: Rights::EXECUTE });
        });
        assert_eq!(refused, Some(AboveCeiling::Execute(path(outside))), "{outside}");
    }
}

#[test]
fn limits_above_the_ceiling_or_unlimited_are_refused() {
    let changes: [fn(&mut CellPlan); 9] = [
        |plan| plan.limits.memory_bytes = u64::MAX,
        |plan| plan.limits.memory_bytes = 0,
        |plan| plan.limits.processes = 0,
        |plan| plan.limits.processes = 100_000,
        |plan| plan.limits.cpu_millis = 0,
        |plan| plan.limits.swap_bytes = 1,
        |plan| plan.scratch[0].bytes = u64::MAX,
        |plan| plan.scratch[0].bytes = 0,
        |plan| plan.scratch[0].bytes = 4095,
    ];
    for change in changes {
        assert!(matches!(tried(change), Some(AboveCeiling::Limit { .. })));
    }
}

#[test]
fn the_rest_of_the_ceiling_holds_too() {
    assert!(matches!(tried(|p| p.profile = "root".to_owned()), Some(AboveCeiling::Profile(_))));
    assert_eq!(tried(|p| p.network = Network::Host), Some(AboveCeiling::Network));
    assert_eq!(tried(|p| p.filter = FilterDigest([0; 32])), Some(AboveCeiling::Filter));
    assert_eq!(
        tried(|p| p.may_lack = LayerSet::NONE.with(Layer::Cgroup)),
        Some(AboveCeiling::Degraded)
    );
    assert_eq!(tried(|p| p.hostname = "a b".to_owned()), Some(AboveCeiling::Hostname));
    assert!(matches!(tried(|p| p.home = path("/usr")), Some(AboveCeiling::Home(_))));
    let link = |p: &mut CellPlan| p.links[0].path = path("/srv/cofferdam/project/bin");
    assert!(matches!(tried(link), Some(AboveCeiling::OverWorkspace(_))));
    assert_eq!(admit(plan(), &ceiling(), 64).err(), Some(AboveCeiling::Cells(64)));
}
