//! Narrowing never widens, in whatever order.

use cofferdam_ceiling::{Bytes, Millis};
use proptest::prelude::*;

use super::*;

fn order() -> ProfileOrder {
    ProfileOrder::new(["readonly", "default", "build"].map(str::to_owned).into())
}

fn programs() -> impl Strategy<Value = Programs> {
    let names = ["/usr/bin/git", "/usr/bin/", "/usr/", "/opt/x/y", "/opt/x/", "/bin/ls", "/"];
    proptest::sample::subsequence(names.to_vec(), 0..=4)
        .prop_map(|texts| Programs::parse(&texts).expect("these are paths"))
}

fn limits() -> impl Strategy<Value = Limits> {
    (proptest::option::of(1..9u64), proptest::option::of(1..9u32), proptest::option::of(1..9u64))
        .prop_map(|(memory, processes, wall)| Limits {
            memory: memory.map(Bytes),
            processes,
            wall: wall.map(Millis),
            ..Limits::default()
        })
}

/// What meets is tried in `network/tests.rs`; here only that grants do it.
fn networks() -> impl Strategy<Value = Network> {
    let list = proptest::sample::subsequence(vec!["a.org:443", "*.org:443", "b.org:22"], 0..=3);
    proptest::option::of(list).prop_map(|texts| match texts {
        None => Network::profile(),
        Some(texts) => Network::only(texts.iter().map(|text| text.parse().unwrap()).collect()),
    })
}

fn grants() -> impl Strategy<Value = Grant> {
    let profile = proptest::sample::select(vec!["readonly", "default", "build", "odd"]);
    (profile, any::<bool>(), programs(), limits(), networks()).prop_map(
        |(profile, write, programs, limits, network)| Grant {
            profile: profile.to_owned(),
            workspace: "/srv/shop".into(),
            workspace_access: if write { WorkspaceAccess::Write } else { WorkspaceAccess::Read },
            programs,
            limits,
            network,
            layers: BTreeSet::new(),
        },
    )
}

/// A path that stands for each way in which the sample lists can name programs.
const PROBES: [&str; 6] =
    ["/usr/bin/git", "/usr/bin/ls", "/usr/sbin/x", "/opt/x/y", "/opt/x/z", "/bin/ls"];

fn names(programs: &Programs, probe: &str) -> bool {
    let probe = ProgramPath::try_from(probe.to_owned()).unwrap();
    match programs {
        Programs::Profile => true,
        Programs::Only(paths) => paths.iter().any(|path| path.covers(&probe)),
    }
}

fn within<T: Ord>(narrow: Option<T>, wide: Option<T>) -> bool {
    match (narrow, wide) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(narrow), Some(wide)) => narrow <= wide,
    }
}

proptest! {
    #[test]
    fn a_meet_gives_nothing_that_either_does_not_give(one in grants(), other in grants()) {
        let Ok(met) = one.meet(&other, &order()) else { return Ok(()) };
        for wide in [&one, &other] {
            prop_assert!(met.workspace_access <= wide.workspace_access);
            prop_assert_eq!(order().narrower(&met.profile, &wide.profile), Some(met.profile.as_str()));
            prop_assert!(within(met.limits.memory, wide.limits.memory));
            prop_assert!(within(met.limits.processes, wide.limits.processes));
            prop_assert!(within(met.limits.wall, wide.limits.wall));
            for probe in PROBES {
                prop_assert!(!names(&met.programs, probe) || names(&wide.programs, probe));
            }
            prop_assert_eq!(met.network.meet(&wide.network), Some(met.network.clone()));
        }
    }

    #[test]
    fn a_meet_keeps_every_program_that_both_name(one in programs(), other in programs()) {
        let met = one.meet(&other);
        for probe in PROBES.iter().filter(|probe| names(&one, probe) && names(&other, probe)) {
            prop_assert!(met.as_ref().is_some_and(|met| names(met, probe)));
        }
    }

    #[test]
    fn a_meet_is_the_same_in_either_order(one in grants(), other in grants()) {
        prop_assert_eq!(one.meet(&other, &order()).ok(), other.meet(&one, &order()).ok());
    }

    #[test]
    fn a_grant_meets_itself(one in grants()) {
        let met = one.meet(&one, &order()).unwrap();
        prop_assert_eq!(met, one);
    }
}

#[test]
fn an_empty_intersection_is_refused_and_does_not_become_the_profiles_programs() {
    let git = Programs::parse(&["/usr/bin/git"]).unwrap();
    let ls = Programs::parse(&["/usr/bin/ls"]).unwrap();
    assert_eq!(git.meet(&ls), None);
}

#[test]
fn profiles_that_nobody_ordered_do_not_meet() {
    assert_eq!(order().narrower("build", "readonly"), Some("readonly"));
    assert_eq!(order().narrower("odd", "odd"), Some("odd"));
    assert_eq!(order().narrower("odd", "readonly"), None);
}

#[test]
fn program_paths_are_absolute_and_normal() {
    for good in ["/", "/usr/bin/git", "/usr/bin/"] {
        assert!(Programs::parse(&[good]).is_ok(), "{good}");
    }
    for bad in ["", "git", "./git", "/usr/../git", "//", "/usr//git", "/a\0b", "/usr/bin//"] {
        assert!(Programs::parse(&[bad]).is_err(), "{bad:?}");
    }
}
