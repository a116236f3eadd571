use proptest::prelude::*;

use super::*;

fn transcript(wanted: Wanted, budget: usize) -> Transcript {
    Transcript::new(0, wanted, None, budget, false)
}

fn shown(wanted: Wanted, text: &str) -> Shown {
    let mut transcript = transcript(wanted, 10_000);
    transcript.push(0, text.as_bytes());
    transcript.finish()
}

#[test]
fn a_page_ends_with_a_whole_line_and_says_where_to_go_on() {
    let text = "one\ntwo\nthree\n";
    let mut page = transcript(Wanted::Page(usize::MAX), 30);
    page.push(0, text.as_bytes());
    assert!(page.is_full());
    let first = page.finish();
    assert_eq!((first.text.as_str(), first.next, first.left_out), ("one\ntwo\n", 8, 0));
    let lines = shown(Wanted::Page(1), text);
    assert_eq!((lines.text.as_str(), lines.next), ("one\n", 4));
}

#[test]
fn a_line_that_has_not_ended_is_shown_and_goes_on_where_it_was() {
    let first = shown(Wanted::Page(usize::MAX), "ready\n>>> ");
    assert_eq!((first.text.as_str(), first.next), ("ready\n>>> ", 10));
    let cut = shown(Wanted::Page(usize::MAX), "a\u{1b}[3");
    assert_eq!((cut.text.as_str(), cut.next), ("a", 1));
}

#[test]
fn the_last_lines_are_shown_and_the_rest_is_counted() {
    let last = shown(Wanted::Tail(2), "one\ntwo\nthree\nfour\n");
    assert_eq!((last.text.as_str(), last.next, last.left_out), ("three\nfour\n", 19, 8));
}

#[test]
fn matching_lines_are_shown_with_those_around_them() {
    let pattern = Regex::new("^e").unwrap();
    let text = "a\nb\nerror 1\nc\nd\nf\ng\nerror 2\n";
    let found = shown(Wanted::Matching(pattern, 1), text);
    let expected = "b\nerror 1\nc\n[… 4 bytes left out …]\ng\nerror 2\n";
    assert_eq!(found.text, expected);
    assert_eq!((found.next, found.left_out), (text.len() as u64, 6));
}

#[test]
fn what_is_awaited_is_found_in_a_prompt_too() {
    let awaited = Some(Regex::new(r">>> $").unwrap());
    let mut waiting = Transcript::new(0, Wanted::Ends, awaited, 1000, false);
    waiting.push(0, b"Python 3\r\n");
    assert!(!waiting.has_matched());
    waiting.push(10, b"\x1b[?2004h>>> ");
    assert!(waiting.has_matched());
    let shown = waiting.finish();
    assert_eq!((shown.text.as_str(), shown.matched.as_deref()), ("Python 3\n>>> ", Some(">>> ")));
}

#[test]
fn bytes_that_are_gone_are_a_gap_and_known_ones_count_once() {
    let mut page = transcript(Wanted::Page(usize::MAX), 1000);
    page.push(0, b"ab\nc");
    page.push(2, b"\ncd\n");
    page.gap(20);
    page.push(20, b"z\n");
    let shown = page.finish();
    assert_eq!(shown.gaps, [Gap { offset: 6, length: 14 }]);
    assert_eq!((shown.next, shown.left_out), (22, 0));
    assert!(shown.text.starts_with("ab\ncd\n") && shown.text.ends_with("z\n"), "{shown:?}");
}

#[test]
fn however_much_is_printed_memory_and_text_stay_small() {
    let mut ends = transcript(Wanted::Ends, 1000);
    let mut offset = 0;
    for number in 0..20_000 {
        let line = format!("line {number}\n");
        ends.push(offset, line.as_bytes());
        offset += line.len() as u64;
    }
    assert!(ends.selection.tail.len() < 200 && ends.selection.head.len() < 200);
    let shown = ends.finish();
    assert!(shown.text.starts_with("line 0\n") && shown.text.ends_with("line 19999\n"));
    assert!(shown.text.len() < 1100 && shown.text.contains("bytes left out"));
    assert_eq!(shown.next, offset);
}

proptest! {
    #[test]
    fn pages_one_after_the_other_show_every_byte_once(
        parts in proptest::collection::vec("[a-zé\n\r\u{8}\u{1b}\\[0-9;m]{0,40}", 0..12),
        cuts in proptest::collection::vec(1..30_usize, 1..20),
        budget in 20..200_usize,
    ) {
        let all = parts.concat().into_bytes();
        let mut offset = 0;
        let mut bytes = 0;
        // Each page gets the rest in pieces of other sizes.
        for page in 0.. {
            let mut transcript =
                Transcript::new(offset, Wanted::Page(usize::MAX), None, budget, true);
            let mut at = usize::try_from(offset).unwrap();
            let mut cut = cuts.iter().cycle().skip(page);
            while at < all.len() && !transcript.is_full() {
                let end = (at + cut.next().unwrap()).min(all.len());
                transcript.push(at as u64, &all[at..end]);
                at = end;
            }
            let shown = transcript.finish();
            let end = usize::try_from(shown.next).unwrap();
            let expected = String::from_utf8_lossy(&all[usize::try_from(offset).unwrap()..end]);
            prop_assert_eq!(&shown.text, &*expected);
            prop_assert_eq!(shown.left_out, 0);
            bytes += shown.next - offset;
            if shown.next == offset {
                break;
            }
            offset = shown.next;
        }
        prop_assert_eq!(bytes, all.len() as u64);
    }
}
