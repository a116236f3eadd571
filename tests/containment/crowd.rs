//! More sessions at once than a host has room for: who is refused is told so, and
//! nothing is left of anybody.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_proto::exec::v1::CancelRunRequest;
use cofferdam_proto::exec::v1::outcome::Ending;
use cofferdam_tests::caller::{Caller, Live, Ran, sh, wait};
use cofferdam_tests::host::{Host, Setup};
use cofferdam_tests::machine::slowness;
use cofferdam_tests::warden::is_root;
use tokio::sync::Barrier;

use crate::damage::{cells_with_cgroups, cgroups};
use crate::{Bench, lives, marker};

/// Sessions at once, and cells that the ceiling allows; a tenth of both where
/// each instruction of this machine is emulated.
fn crowd() -> (usize, usize) {
    if slowness() == 1 { (300, 200) } else { (30, 20) }
}

#[test]
fn of_more_sessions_than_the_ceiling_allows_the_rest_are_refused_in_words_and_nothing_leaks() {
    let (sessions, cells) = crowd();
    let leases = format!("1900010000-{}", 1_900_010_000 + cells - 1);
    let setup = Setup { cells, runs: sessions, stock: 0, leases, ..Setup::default() };
    let mut bench = Bench::on(Host::start_with(setup), "crowd");
    let (warden, place) = (bench.host.warden_pid(), bench.host.place());
    // There is no more than a uid for each cell: the second crowd has those of the first.
    for round in ["first", "second"] {
        let mark = marker();
        let ran = all_at_once(&bench.caller, sessions, round, &format!("exec sleep {mark}"));
        for ran in &ran {
            match (&ran.started, ran.ending()) {
                (Some(_), Ending::Cancelled(_)) => {}
                (None, Ending::FailedToStart(failed)) => {
                    assert_eq!(failed.step, "resources", "{failed:?}");
                    let words = format!(
                        "all {cells} cells (ceiling: `limits.cells`) are in use; try again"
                    );
                    assert!(failed.detail.contains(&words), "{failed:?}");
                }
                (_, other) => panic!("{round}: {other:?}"),
            }
        }
        let started = ran.iter().filter(|ran| ran.started.is_some()).count();
        assert_eq!(started, cells, "{round}");
        assert!(!lives(&mark), "{round}");
        assert!(bench.host.cells().len() <= cells, "{round}");
    }
    // Idle cells make room, so that nobody is refused for good.
    for session in 0..5 {
        let caller = bench.caller.clone().session(&format!("later-{session}"));
        assert_eq!(caller.sh("echo fine").out(), "fine", "{session}");
    }
    if is_root() {
        assert!(cells_with_cgroups(warden) > 0);
    }
    Arc::get_mut(&mut bench.host).unwrap().stop();
    assert_eq!(cgroups(warden), Vec::<std::path::PathBuf>::new());
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(place.to_str().unwrap()), "{mounts}");
}

/// Starts the line in as many sessions at once. Those that got a cell hold it until
/// everybody has had an answer.
fn all_at_once(caller: &Caller, sessions: usize, round: &str, line: &str) -> Vec<Ran> {
    let all_told = Arc::new(Barrier::new(sessions));
    let hold = |number| {
        let caller = caller.clone().session(&format!("{round}-{number}"));
        let (line, all_told) = (sh(line), Arc::clone(&all_told));
        async move {
            let mut held: Live = caller.begin(line).await.unwrap();
            while held.ran.started.is_none() && held.next().await.unwrap() {}
            all_told.wait().await;
            if let Some(started) = &held.ran.started {
                let run_id = started.run_id.clone();
                caller.exec().cancel_run(CancelRunRequest { run_id }).await.unwrap();
            }
            held.follow().await.unwrap()
        }
    };
    wait(async {
        let tasks: Vec<_> = (0..sessions).map(|number| tokio::spawn(hold(number))).collect();
        let mut ran = Vec::new();
        for task in tasks {
            let one = tokio::time::timeout(Duration::from_mins(5), task).await;
            ran.push(one.expect("an answer within five minutes").unwrap());
        }
        ran
    })
}
