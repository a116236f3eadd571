//! Whatever bytes stand in a file of the journal, reading it ends, neither panics nor
//! grows past its bounds, and pages join without an entry twice.
#![no_main]

use std::cell::OnceCell;
use std::path::PathBuf;
use std::time::Duration;

use cofferdam_services::{Bounds, Grep, Journal, MAX_BYTES, MachineId, Priority, Query, Start};
use libfuzzer_sys::fuzz_target;

const MACHINE: &str = "0123456789abcdef0123456789abcdef";

thread_local! {
    /// The one file, and the journal that it is, in memory.
    static PLACE: OnceCell<(PathBuf, Journal)> = const { OnceCell::new() };
}

fn place() -> (PathBuf, Journal) {
    let root = PathBuf::from(format!("/dev/shm/cofferdam-fuzz-{}", std::process::id()));
    let directory = root.join(MACHINE);
    std::fs::create_dir_all(&directory).expect("a directory in memory");
    let machine = MachineId::parse(MACHINE).expect("an id");
    let bounds = Bounds { bytes: 4 << 20, time: Duration::from_secs(2), ..Bounds::default() };
    (directory.join("one.journal"), Journal::new(vec![root], machine).with_bounds(bounds))
}

fn queries() -> Vec<Query> {
    let all = Query { lines: 50, ..Query::new("web.service".parse().expect("a unit")) };
    let cursor = "s=1;i=7;b=b0;m=700000;t=640b5eece0000;x=0".parse().expect("a cursor");
    vec![
        Query { priority: Some(Priority::Err), ..all.clone() },
        Query { start: Start::After(cursor), grep: Grep::new("took").ok(), ..all.clone() },
        Query { unit: "web.slice".parse().expect("a unit"), ..all.clone() },
        all,
    ]
}

fuzz_target!(|data: &[u8]| {
    PLACE.with(|kept| {
        let (file, journal) = kept.get_or_init(place);
        std::fs::write(file, data).expect("the file is written");
        for query in queries() {
            let Ok(page) = journal.read(&query) else { continue };
            assert!(page.entries.len() <= 50);
            let length: usize = page.entries.iter().map(|entry| entry.message.len()).sum();
            assert!(length <= MAX_BYTES);
            for entry in &page.entries {
                assert!(!entry.message.chars().any(|c| c.is_control() && !"\n\t".contains(c)));
                assert_eq!(entry.cursor.to_string().parse().as_ref(), Ok(&entry.cursor));
            }
            for gap in &page.gaps {
                assert!(gap.to_string().len() < 4096);
            }
        }
    });
});
