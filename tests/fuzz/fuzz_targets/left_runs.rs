//! Whatever names and bytes are handed over as what an earlier agent left, sorting them
//! ends in bounded time without a panic; what is gone on with has all that is decided
//! by, and its plan is the one that is written there.
#![no_main]

use std::io::Write;
use std::os::fd::OwnedFd;

use cofferdam_agent::restart::log::memory;
use cofferdam_agent::restart::{Left, Store, VERSION, cell};
use libfuzzer_sys::fuzz_target;

const ID: &str = "00112233445566778899aabbccddeeff";

/// A file in memory that holds `bytes`.
fn file(bytes: &[u8]) -> OwnedFd {
    let mut file = memory("fuzzed").expect("a file in memory");
    file.write_all(bytes).expect("a file that is written");
    file.into()
}

// The first line is a name; the rest is a log by that name, of a run and of a cell.
fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (name, log) = data.split_at(end);
    let log = log.strip_prefix(b"\n").unwrap_or_default();
    let handed_over = [
        String::from_utf8_lossy(name).into_owned(),
        format!("run-{ID}"),
        format!("run-{ID}.out"),
        format!("cell-{ID}"),
        format!("cell-{ID}.log"),
    ];
    let handed_over = handed_over.into_iter().map(|name| (name, file(log))).collect();
    let left = Left::sort(&Store::default(), handed_over);
    for run in left.runs.values() {
        assert_eq!(run.words.version, VERSION);
        assert_eq!(run.words.limits, Some(run.limits));
        drop((run.words.place(), run.words.terminal()));
    }
    for cell in left.cells.values() {
        assert_eq!(cell.words.version, VERSION);
        assert_eq!(cell::Words::of_plan(&cell.plan), cell.words.plan);
        assert!(!cell.user.gateway.is_empty() && !cell.user.user.is_empty());
        drop(cell.words.layers());
    }
});
