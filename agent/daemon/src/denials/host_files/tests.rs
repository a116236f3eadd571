//! What is said of files of this host, with the built-in profiles and the
//! ceiling that is installed.

use cofferdam_ceiling::Ceiling;
use cofferdam_profile::Profiles;
use cofferdam_proto::intent::v1::{Grant, WorkspaceAccess};

use super::*;
use crate::cap::{Need, cap};
use crate::planner::Purpose;
use crate::programs::Programs;

/// A run in `default` with these programs.
fn files(programs: &[&str]) -> FilesOfRun {
    let ceiling = include_str!("../../../../../packaging/config/ceiling.toml");
    let grant = Grant {
        profile: "default".to_owned(),
        workspace: "/srv/cofferdam/project".to_owned(),
        workspace_access: WorkspaceAccess::Write.into(),
        programs: programs.iter().map(|&program| program.to_owned()).collect(),
        ..Grant::default()
    };
    let (profiles, ceiling) = (Profiles::load(None).unwrap(), Ceiling::parse(ceiling).unwrap());
    let capped = cap(grant, Need::Whatever, &profiles, &ceiling).unwrap();
    let survey = Programs::new().unwrap().survey(&capped, Purpose::Run).unwrap();
    FilesOfRun::new(capped, survey)
}

fn told(files: &FilesOfRun, tried: Tried, path: &str) -> Option<(&'static str, String)> {
    files.refusal(tried, path.as_ref()).map(|it| (it.setting, it.grant))
}

#[test]
fn a_program_that_only_the_grant_lacks_is_asked_of_a_rule_alone() {
    let files = files(&["/usr/bin/env"]);
    for tried in [Tried::Execute, Tried::Read] {
        let (setting, grant) = told(&files, tried, "/usr/bin/id").unwrap();
        assert_eq!(setting, "programs.execute");
        assert_eq!(
            grant,
            "a rule whose grant has `/usr/bin/id` in `programs`, beside those it has (env)"
        );
    }
    assert_eq!(told(&files, Tried::Execute, "/usr/bin/env"), None);
}

#[test]
fn a_program_that_all_three_lack_is_asked_of_all_three() {
    let (setting, grant) = told(&files(&["/usr/bin/env"]), Tried::Execute, "/srv/x/tool").unwrap();
    assert_eq!(setting, "programs.execute");
    assert_eq!(
        grant,
        "a rule whose grant has `/srv/x/tool` in `programs`, beside those it has (env), and a \
         profile whose `programs.execute` has it, which `default` lacks, and a ceiling of this \
         host whose `programs.execute` has it"
    );
}

#[test]
fn a_grant_that_leaves_programs_to_the_profile_lacks_none() {
    let files = files(&[]);
    assert_eq!(told(&files, Tried::Execute, "/usr/bin/id"), None);
    let (_, grant) = told(&files, Tried::Execute, "/srv/x/tool").unwrap();
    assert!(grant.starts_with("a profile whose `programs.execute` has it"), "{grant}");
}

#[test]
fn a_library_is_asked_of_the_program_that_needs_it() {
    let (setting, grant) =
        told(&files(&["/usr/bin/env"]), Tried::Read, "/usr/lib/x/libodd.so.1").unwrap();
    assert_eq!(setting, "programs.execute");
    assert!(grant.contains("the program that needs it") && grant.contains("(env)"), "{grant}");
}

#[test]
fn data_is_asked_of_profile_and_ceiling() {
    let (setting, grant) = told(&files(&["/usr/bin/env"]), Tried::Read, "/srv/x/data").unwrap();
    assert_eq!(setting, "view.read");
    assert_eq!(
        grant,
        "a profile whose `view.show` and `view.read` have it, which `default` lacks, and a \
         ceiling of this host whose `view.read` has it"
    );
}
