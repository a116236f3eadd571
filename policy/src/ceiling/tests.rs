//! What comes out is within the ceiling.

use super::*;
use crate::grant::WorkspaceAccess;

fn ceiling() -> Ceiling {
    Ceiling::parse(include_str!("../../../packaging/config/ceiling.toml")).unwrap()
}

fn grant(programs: &[&str]) -> Grant {
    Grant {
        profile: "default".to_owned(),
        workspace: "/srv/cofferdam/web".into(),
        workspace_access: WorkspaceAccess::Write,
        programs: Programs::parse(programs).unwrap(),
        limits: Limits { memory: Some(Bytes(64 << 30)), processes: Some(4), ..Limits::default() },
    }
}

#[test]
fn limits_come_down_to_the_ceiling_and_are_reported() {
    let capped = cap(&grant(&[]), &ceiling()).unwrap();
    let limits = capped.grant().limits;
    assert_eq!(limits.memory, Some(Bytes(4 << 30)));
    assert_eq!(limits.processes, Some(4));
    assert_eq!(limits.wall, Some(ceiling().limits.wall));
    assert_eq!(capped.narrowed(), ["limit memory"]);
}

#[test]
fn programs_above_the_ceiling_are_taken_out_or_refuse() {
    let capped = cap(&grant(&["/usr/bin/git", "/home/ann/x"]), &ceiling()).unwrap();
    assert_eq!(capped.grant().programs, Programs::parse(&["/usr/bin/git"]).unwrap());
    assert!(capped.narrowed().contains(&"program /home/ann/x".to_owned()));
    let all = cap(&grant(&["/"]), &ceiling()).unwrap();
    assert!(all.grant().programs.to_texts().contains(&"/usr/".to_owned()));
    let none = cap(&grant(&["/home/ann/x"]), &ceiling()).unwrap_err();
    assert_eq!(none, [CeilingExcess::Programs("/home/ann/x".to_owned())]);
}

#[test]
fn a_workspace_or_profile_above_the_ceiling_refuses() {
    for workspace in ["/srv", "/srv/cofferdamned", "/srv/cofferdam/../x", "srv/cofferdam"] {
        let grant = Grant { workspace: workspace.into(), ..grant(&[]) };
        let excesses = cap(&grant, &ceiling()).unwrap_err();
        assert_eq!(excesses, [CeilingExcess::Workspace(workspace.to_owned())]);
    }
    let odd = Grant { profile: "odd".to_owned(), ..grant(&[]) };
    assert_eq!(cap(&odd, &ceiling()).unwrap_err(), [CeilingExcess::Profile("odd".to_owned())]);
}
