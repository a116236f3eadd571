//! What is remembered, and for how long.

use cofferdam_ceiling::Ceiling;
use cofferdam_profile::Profiles;
use cofferdam_proto::intent::v1::{Grant, WorkspaceAccess};

use super::*;
use crate::cap::{Need, cap};

fn capped(programs: &[&str]) -> Capped {
    let ceiling = include_str!("../../../../packaging/config/ceiling.toml");
    let grant = Grant {
        profile: "default".to_owned(),
        workspace: "/srv/cofferdam/project".to_owned(),
        workspace_access: WorkspaceAccess::Write.into(),
        programs: programs.iter().map(|&program| program.to_owned()).collect(),
        ..Grant::default()
    };
    let (profiles, ceiling) = (Profiles::load(None).unwrap(), Ceiling::parse(ceiling).unwrap());
    cap(grant, Need::Whatever, &profiles, &ceiling).unwrap()
}

#[tokio::test]
async fn a_call_waits_for_a_look_at_the_host_only_once_in_a_while() {
    let (programs, capped) = (Programs::new().unwrap(), capped(&["/usr/bin/env"]));
    let survey = || programs.survey(&capped, Purpose::Run).unwrap();
    let first = survey();
    assert!(Arc::ptr_eq(&first, &survey()));
    tokio::time::sleep(TRUST).await;
    assert!(Arc::ptr_eq(&first, &survey()), "it is taken, and made again meanwhile");
    for _ in 0..500 {
        if !Arc::ptr_eq(&first, &survey()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody looked again");
}

#[test]
fn another_grant_is_another_survey() {
    let programs = Programs::new().unwrap();
    let rules =
        |named: &[&str]| programs.survey(&capped(named), Purpose::Run).unwrap().rules().to_vec();
    assert_ne!(rules(&["/usr/bin/env"]), rules(&["/usr/bin/env", "/usr/bin/id"]));
    assert_ne!(rules(&["/usr/bin/env"]), rules(&[]));
}

#[test]
fn why_a_program_is_refused_is_said_by_path_and_by_name() {
    let programs = Programs::new().unwrap();
    let granted = capped(&["/usr/bin/env"]);
    let why_not = |program: &str| programs.why_not(&granted, Path::new(program));
    for program in ["id", "/usr/bin/id"] {
        let words = why_not(program).unwrap();
        assert!(words.contains("not among the granted programs (env)"), "{words}");
    }
    for program in ["env", "/usr/bin/env", "no-such-program", "./id", "/srv/cofferdam/project/id"] {
        assert_eq!(why_not(program), None, "{program}");
    }
    assert_eq!(programs.why_not(&capped(&["/usr/bin/"]), Path::new("/usr/sbin/chroot")), None);
}
