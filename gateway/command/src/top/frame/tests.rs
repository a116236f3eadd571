//! Screens as they are seen, and what keys do to them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::process::listing::tests::run;

const SIZE: Size = Size { rows: 6, columns: 70 };

fn view(id: u8, cpu_ms: u64, command: &str) -> Value {
    json!({
        "process": format!("web-1/{id:08}-0000-4000-8000-000000000000"), "state": "running",
        "command": command, "started_at": "2026-01-01T00:00:00Z", "tasks": 2,
        "usage": { "cpu_user_ms": cpu_ms, "cpu_system_ms": 0 }, "memory_bytes": 1024,
    })
}

fn look(cpu_ms: u64) -> Listing {
    let hostile = "sh -c \u{1b}[2J\u{1b}]0;x\u{7}\nfake line";
    let ended = json!({
        "process": "web-1/00000003-0000-4000-8000-000000000000", "state": "ended",
        "command": "true", "started_at": "2026-01-01T00:00:00Z",
        "ended_at": "2026-01-01T00:00:01Z", "outcome": { "kind": "exited", "code": 0 },
    });
    Listing {
        runs: vec![run(view(1, 0, "sleep 9")), run(view(2, cpu_ms, hostile)), run(ended)],
        failures: vec![("db".into(), "gone\u{1b}[2J".into())],
    }
}

fn samples() -> Samples {
    let (mut samples, begun) = (Samples::default(), Instant::now());
    samples.take(&look(0).runs, begun);
    samples.take(&look(1500).runs, begun + Duration::from_secs(2));
    samples
}

fn screen(page: &mut Page, is_colored: bool) -> Vec<String> {
    let (listing, samples) = (look(1500), samples());
    page.fit(&listing, &samples, SIZE);
    let now = "2026-01-01T00:01:00Z".parse().unwrap();
    Frame { listing: &listing, samples: &samples, page, now, is_colored }.screen(SIZE)
}

fn press(page: &mut Page, key: Key) -> Wish {
    page.press(key, &look(1500), &samples())
}

#[test]
fn the_busiest_run_is_first_and_nothing_that_is_shown_acts() {
    let mut page = Page::default();
    let lines = screen(&mut page, false);
    assert_eq!(
        lines,
        [
            "2 running, 75% of a processor, 2.0K of memory",
            "RUN             STATE     AGE  %CPU  TIME   MEMORY  TASKS  COMMAND",
            "\u{1b}[7mweb-1/00000002  running   60s  75.0  1.50s  1.0K    2      sh -c \\u{1…\u{1b}[0m",
            "web-1/00000001  running   60s  0.0   0.00s  1.0K    2      sleep 9",
            "db does not tell its runs: gone\\u{1b}[2J",
            "arrows: choose  k: end  a: ended ones  r: look now  q: quit",
        ]
    );
    assert!(
        lines
            .iter()
            .all(|line| width(&line.replace("\u{1b}[7m", "").replace("\u{1b}[0m", "")) <= 70)
    );
}

#[test]
fn arrows_choose_and_scroll() {
    let mut page = Page::default();
    screen(&mut page, false);
    assert_eq!(press(&mut page, Key::End), Wish::Nothing);
    let lines = screen(&mut page, true);
    assert!(lines[2].starts_with("web-1/00000001") && lines[3].contains("\u{1b}[7mweb-1/00000003"));
    press(&mut page, Key::Up);
    press(&mut page, Key::Up);
    press(&mut page, Key::Up);
    assert!(screen(&mut page, false)[2].contains("00000002"));
}

#[test]
fn a_run_is_ended_only_once_that_was_confirmed() {
    let mut page = Page::default();
    screen(&mut page, false);
    assert_eq!(press(&mut page, Key::Letter('k')), Wish::Nothing);
    let asked = screen(&mut page, false).pop().unwrap();
    assert!(asked.starts_with("end web-1/00000002-"), "{asked}");
    assert_eq!(press(&mut page, Key::Letter('n')), Wish::Nothing);
    assert_eq!(press(&mut page, Key::Letter('t')), Wish::Nothing, "nothing is asked any more");
    press(&mut page, Key::Letter('k'));
    let Wish::Signal(process, "KILL") = press(&mut page, Key::Letter('K')) else {
        panic!("no signal")
    };
    assert!(process.contains("00000002"));
    press(&mut page, Key::End);
    assert_eq!(press(&mut page, Key::Letter('k')), Wish::Nothing);
    assert!(screen(&mut page, false).pop().unwrap().contains("no run that goes on"));
}
