//! Pages joined together are the whole, in either direction, whatever their size.

use cofferdam_services::{Bounds, Gap, Page, Query, Start};

use crate::fixtures::{Machine, Shown, all_of, shown};
use crate::journal::as_shown;

fn entries(page: &Page) -> Vec<Shown> {
    page.entries.iter().map(as_shown).collect()
}

/// All pages from the newest to the oldest, joined.
fn backward(machine: &Machine, query: &Query) -> Vec<Shown> {
    let mut query = query.clone();
    let mut joined = Vec::new();
    for _ in 0..1_000 {
        let page = machine.journal().read(&query).expect("a page");
        let mut together = entries(&page);
        together.append(&mut joined);
        joined = together;
        match page.next {
            Some(cursor) => query.start = Start::Before(cursor),
            None => return joined,
        }
    }
    panic!("paging has no end");
}

/// All pages after the first entry, joined, with that entry before them.
fn forward(machine: &Machine, query: &Query, first: &Shown) -> Vec<Shown> {
    let mut joined = vec![first.clone()];
    let mut query = query.clone();
    query.start = Start::After(first.cursor.parse().expect("a cursor"));
    for _ in 0..1_000 {
        let page = machine.journal().read(&query).expect("a page");
        joined.extend(entries(&page));
        match page.next {
            Some(cursor) => query.start = Start::After(cursor),
            None => return joined,
        }
    }
    panic!("paging has no end");
}

#[test]
fn pages_backward_from_the_newest_join_to_the_whole() {
    let machine = Machine::with(&["first", "second", "third"]);
    for lines in [1, 7, 100, 322, 1_000] {
        let query = Query { lines, ..all_of("web.service") };
        assert_eq!(backward(&machine, &query), shown("merged"), "{lines} lines a page");
    }
}

#[test]
fn pages_forward_from_the_oldest_join_to_the_whole() {
    let machine = Machine::with(&["first", "second", "third"]);
    let all = shown("merged");
    for lines in [1, 7, 100, 321] {
        let query = Query { lines, ..all_of("web.service") };
        assert_eq!(forward(&machine, &query, &all[0]), all, "{lines} lines a page");
    }
}

#[test]
fn pages_bounded_by_bytes_join_to_the_whole() {
    let machine = Machine::with(&["regular"]);
    let query = Query { bytes: 5_000, ..all_of("web.service") };
    assert_eq!(backward(&machine, &query), shown("regular"));
}

#[test]
fn after_the_newest_there_is_nothing_and_a_cursor_of_journalctl_is_one_of_ours() {
    let machine = Machine::with(&["regular"]);
    let all = shown("regular");
    let newest = all.last().expect("entries").cursor.parse().expect("a cursor");
    let query = Query { start: Start::After(newest), ..all_of("web.service") };
    let page = machine.journal().read(&query).expect("a page");
    assert_eq!((entries(&page), page.next), (Vec::new(), None));
    let middle = all[80].cursor.parse().expect("a cursor");
    let query = Query { start: Start::Before(middle), lines: 3, ..all_of("web.service") };
    let page = machine.journal().read(&query).expect("a page");
    assert_eq!(entries(&page), all[77..80]);
}

#[test]
fn a_page_that_met_its_bound_says_so_and_reading_goes_on_behind_it() {
    let machine = Machine::with(&["regular"]);
    let all = shown("regular");
    let bounds = Bounds { bytes: 100 << 10, ..Bounds::default() };
    let mut query = all_of("web.service");
    let mut joined: Vec<Shown> = Vec::new();
    let mut pages = 0;
    loop {
        let page = machine.journal().with_bounds(bounds).read(&query).expect("a page");
        pages += 1;
        let mut together = entries(&page);
        together.append(&mut joined);
        joined = together;
        let stopped = matches!(page.gaps.as_slice(), [Gap::Stopped { bound: "bytes read" }]);
        assert_eq!(stopped, page.next.is_some());
        match page.next {
            Some(cursor) => query.start = Start::Before(cursor),
            None => break,
        }
    }
    assert!(pages > 1);
    assert_eq!(joined, all);
}

#[test]
fn files_beyond_the_bound_are_counted() {
    let machine = Machine::with(&["first", "second", "third"]);
    let bounds = Bounds { files: 1, ..Bounds::default() };
    let page = machine.journal().with_bounds(bounds).read(&all_of("web.service")).expect("a page");
    assert_eq!(page.gaps, [Gap::FilesNotLooked { count: 2 }]);
    assert!(!page.entries.is_empty());
}

#[test]
fn where_time_is_up_before_a_file_is_open_that_is_told() {
    let machine = Machine::with(&["first", "second"]);
    let bounds = Bounds { time: std::time::Duration::ZERO, ..Bounds::default() };
    let page = machine.journal().with_bounds(bounds).read(&all_of("web.service")).expect("a page");
    assert_eq!(page.gaps, [Gap::FilesNotLooked { count: 2 }, Gap::Stopped { bound: "time" }]);
    assert_eq!((page.entries.len(), page.next), (0, None));
}
