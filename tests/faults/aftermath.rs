//! What must hold whatever was killed.

use std::collections::BTreeSet;
use std::io::Read;
use std::time::{Duration, Instant};

use cofferdam_tests::dev::{children_of, until};
use serde_json::{Value, json};

use crate::household::{Household, cgroups, exists, with_argument};
use crate::step::{Reached, SOURCE};

/// After the end of one of the three daemons: everything ends, the next start
/// cleans, and each intent has an end.
pub(crate) fn of_an_end(mut household: Household, reached: Reached) {
    let Reached { call, silent, all, warden, .. } = reached;
    household.dev.wait();
    // A builder that waits for a file system ends with it at the latest.
    drop(silent);
    until("every process has ended", || !all.iter().any(|pid| exists(*pid)));
    assert_eq!(with_argument(&household.mark), None, "the run lives on");
    drop(call);
    let mut household = household.start_again();
    assert_eq!(cgroups(warden), Vec::<std::path::PathBuf>::new(), "cgroups are left");
    works(&household);
    every_intent_has_an_end(&household);
    ends_cleanly(&mut household);
}

/// After the end of something in a cell: the call has an answer, and all else
/// goes on.
pub(crate) fn of_a_loss(mut household: Household, reached: Reached) {
    let Reached { call, silent, warden, .. } = reached;
    let lost_its_workspace = silent.is_some();
    if let Some(mut call) = call {
        let began = Instant::now();
        drop(silent);
        let mut answer = Vec::new();
        call.read_to_end(&mut answer).unwrap();
        assert!(!answer.is_empty(), "no answer");
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
    until("the run is gone", || with_argument(&household.mark).is_none());
    // A file system that went away stays away until everything starts again.
    if !lost_its_workspace {
        works_soon(&household);
    }
    every_intent_has_an_end(&household);
    // No cell is left but those that are held: as many cgroups as cells.
    until("cgroups of ended cells are gone", || {
        let cells = children_of(warden).len();
        cgroups(warden).iter().all(|path| directories(path) <= cells)
    });
    if lost_its_workspace {
        // What cannot be put away now is when the workspace is there again.
        household.dev.end(libc::SIGTERM);
        household = household.start_again();
        works(&household);
    }
    ends_cleanly(&mut household);
}

fn directories(path: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().is_dir()).count()
}

fn works(household: &Household) {
    let ran = household.dev.tool("execute_command", &json!({ "command": "echo works" }));
    let log = |name| std::fs::read_to_string(household.dev.state().join("log").join(name));
    let logs = ["warden.log", "agent.log"].map(|name| log(name).unwrap_or_default());
    let told = &ran["result"]["structuredContent"]["stdout"];
    assert_eq!(told, "works\n", "{ran:#} {}", logs.join("\n"));
}

/// A call that is given a cell right when it dies is told so; the next one has
/// another.
fn works_soon(household: &Household) {
    let ran = household.dev.tool("execute_command", &json!({ "program": "true" }));
    let outcome = &ran["result"]["structuredContent"]["outcome"];
    let said = outcome["detail"].as_str().unwrap_or_default();
    let dead = ["the cell ended", "the cell does not take it", "every cell with it"];
    let dead = dead.iter().any(|word| said.contains(word));
    assert!(outcome["code"] == 0 || dead, "{ran:#}");
    works(household);
}

/// Both journals are whole, and end each intent with an outcome or as lost.
fn every_intent_has_an_end(household: &Household) {
    for side in ["gateway", "agent"] {
        let journal = household.dev.state().join(side).join("journal");
        let verified = household.dev.cofferdam(&["audit", "verify", journal.to_str().unwrap()]);
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
        until("every intent has an end", || open_intents(&household.journal(side)).is_empty());
    }
    let told = household.journal("agent");
    assert!(!told.is_empty());
}

/// Run ids of intents that nothing ended.
fn open_intents(journal: &str) -> BTreeSet<String> {
    let mut open = BTreeSet::new();
    for line in journal.lines() {
        let Ok(record) = serde_json::from_str::<Value>(line) else { continue };
        let Some(run) = find(&record, "run_id") else { continue };
        match record["kind"].as_str() {
            Some("intent") => _ = open.insert(run),
            Some("outcome" | "lost") => _ = open.remove(&run),
            _ => {}
        }
    }
    open
}

/// The first string under this key, at any depth.
fn find(value: &Value, key: &str) -> Option<String> {
    match value {
        Value::Object(map) => {
            let own = map.get(key).and_then(Value::as_str).map(str::to_owned);
            own.or_else(|| map.values().find_map(|inner| find(inner, key)))
        }
        Value::Array(items) => items.iter().find_map(|inner| find(inner, key)),
        _ => None,
    }
}

/// Ends it, and nothing is left of it: no process, cgroup or placeholder.
fn ends_cleanly(household: &mut Household) {
    let warden = household.program("cofferdam-warden");
    let mut all: Vec<u32> = household.dev.children().into_iter().map(|(pid, _)| pid).collect();
    all.extend(household.cells());
    household.dev.end(libc::SIGTERM);
    until("every process has ended", || !all.iter().any(|pid| exists(*pid)));
    assert_eq!(cgroups(warden), Vec::<std::path::PathBuf>::new(), "cgroups are left");
    let left = std::fs::read_dir(&household.dev.workspace).unwrap().flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    // A file that half came is none of them.
    let ours = ["ending", "many", SOURCE];
    assert!(left.iter().all(|name| ours.iter().any(|own| name == *own)), "{left:?}");
}
