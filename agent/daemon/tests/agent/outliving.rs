//! Runs outlive their agent: nothing lost, nothing doubled, one intent and one outcome.

use std::time::{Duration, Instant};

use cofferdam_proto::exec::v1::outcome::Ending;
use cofferdam_proto::exec::v1::{
    AttachRunRequest, Command, KeepRunRequest, RunInput, Terminal, WriteRunRequest,
};
use cofferdam_trust::{receipt_matches, sha256, verify_receipt};
use rustix::process::Signal;

use crate::gateway::{Followed, Gateway, limits, sh};
use crate::keeper::Keeper;

/// Restarts are root's to arrange here: cells without cgroups or a user of their own are another
/// matter. Who skips is counted.
pub(crate) fn is_skipped(name: &str) -> bool {
    cofferdam_tests::skip_unless_root(name)
}

/// Follows a run over restarts of its agent.
pub(crate) struct Reader {
    pub(crate) run_id: String,
    signed: cofferdam_proto::intent::v1::SignedIntent,
    pub(crate) followed: Followed,
}

impl Reader {
    /// Starts a run and leaves it to itself.
    pub(crate) async fn start(gateway: &Gateway, command: Command) -> Self {
        Self::start_with(gateway, command, |_| {}).await
    }

    async fn start_with(
        gateway: &Gateway,
        command: Command,
        change: impl FnOnce(&mut cofferdam_proto::intent::v1::Intent),
    ) -> Self {
        let request = gateway.request(command, change);
        let signed = request.intent.clone().unwrap();
        let mut events = gateway.exec().start_run(request).await.unwrap().into_inner();
        let mut followed = Followed::default();
        followed.take(events.message().await.unwrap().unwrap().event.unwrap());
        let run_id = followed.started.clone().unwrap_or_else(|| panic!("{followed:?}")).run_id;
        let keep = KeepRunRequest { run_id: run_id.clone(), hold: false };
        gateway.exec().keep_run(keep).await.unwrap();
        Self { run_id, signed, followed }
    }

    /// Reads on at its offsets until the run or its agent ends, or for so long.
    pub(crate) async fn read(&mut self, gateway: &Gateway, most: Duration) {
        let request = AttachRunRequest {
            run_id: self.run_id.clone(),
            stdout_offset: self.followed.stdout.len() as u64,
            stderr_offset: self.followed.stderr.len() as u64,
            hold: false,
        };
        let reading = async {
            let Ok(events) = gateway.exec().attach_run(request).await else { return };
            let mut events = events.into_inner();
            while let Ok(Some(response)) = events.message().await {
                self.followed.take(response.event.unwrap());
            }
        };
        _ = tokio::time::timeout(most, reading).await;
    }

    pub(crate) async fn read_to_its_end(&mut self, gateway: &Gateway) {
        self.read(gateway, Duration::from_mins(1)).await;
        let finished = self.followed.finished.as_ref();
        let finished = finished.unwrap_or_else(|| panic!("no end: {:?}", self.followed));
        let receipt = verify_receipt(&gateway.receipts, finished.receipt.as_ref().unwrap());
        let receipt = receipt.unwrap();
        assert!(receipt_matches(&receipt, &self.signed));
        let Followed { stdout, stderr, gaps, .. } = &self.followed;
        if *gaps == 0 {
            let both = [sha256(stdout), sha256(stderr)].concat();
            assert_eq!(receipt.output_digest, sha256(&both), "the digest is of what was printed");
        }
    }
}

pub(crate) fn numbered(count: usize) -> String {
    (0..count).fold(String::new(), |lines, number| lines + &format!("line {number}\n"))
}

pub(crate) fn counting(count: usize, pause: &str) -> String {
    format!(
        "i=0; while [ $i -lt {count} ]; do echo line $i; i=$((i+1)); sleep {pause}; done; exit 7"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_over_twenty_restarts_and_its_reader_misses_nothing() {
    if is_skipped("a_run_goes_on_over_twenty_restarts_and_its_reader_misses_nothing") {
        return;
    }
    let mut keeper = Keeper::start();
    let gateway = Gateway::of(&keeper.host);
    let mut reader = Reader::start(&gateway, sh(&counting(2500, "0.004"))).await;
    let mut seed = u64::from(std::process::id());
    let mut longest = Duration::ZERO;
    for round in 0..20_u64 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round | 1);
        let gateway = Gateway::of(&keeper.host);
        reader.read(&gateway, Duration::from_millis(seed >> 33 & 0xff)).await;
        let signal = if round % 2 == 0 { Signal::KILL } else { Signal::TERM };
        longest = longest.max(keeper.restart(signal));
    }
    let gateway = Gateway::of(&keeper.host);
    reader.read_to_its_end(&gateway).await;
    println!("the longest of 20 restarts took {longest:?}");
    assert_eq!(reader.followed.gaps, 0);
    assert_eq!(reader.followed.text(), numbered(2500));
    assert_eq!(reader.followed.code(), 7);
    keeper.host.expect_records("intent", 1);
    keeper.host.expect_records("outcome", 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_ends_while_its_agent_is_away_has_its_outcome_from_the_next() {
    if is_skipped("a_run_that_ends_while_its_agent_is_away_has_its_outcome_from_the_next") {
        return;
    }
    let mut keeper = Keeper::start();
    let gateway = Gateway::of(&keeper.host);
    let mut reader = Reader::start(&gateway, sh("echo one; sleep 0.5; echo two; exit 3")).await;
    keeper.end_agent(Signal::KILL);
    std::thread::sleep(Duration::from_secs(1));
    keeper.start_agent();
    reader.read_to_its_end(&Gateway::of(&keeper.host)).await;
    assert_eq!((reader.followed.text().as_str(), reader.followed.code()), ("one\ntwo\n", 3));
    keeper.host.expect_records("intent", 1);
    keeper.host.expect_records("outcome", 1);
    // And once more: what ended is there for whoever comes later.
    keeper.restart(Signal::KILL);
    let mut late = Reader { followed: Followed::default(), ..reader };
    late.read_to_its_end(&Gateway::of(&keeper.host)).await;
    assert_eq!((late.followed.text().as_str(), late.followed.code()), ("one\ntwo\n", 3));
    keeper.host.expect_records("outcome", 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_left_to_itself_is_so_after_a_restart_too() {
    if is_skipped("a_run_that_was_left_to_itself_is_so_after_a_restart_too") {
        return;
    }
    let mut keeper = Keeper::start();
    let gateway = Gateway::of(&keeper.host);
    let mut reader = Reader::start(&gateway, sh("echo one; sleep 6; echo two")).await;
    keeper.restart(Signal::TERM);
    let gateway = Gateway::of(&keeper.host);
    reader.read(&gateway, Duration::from_millis(300)).await;
    // Twice as long as one goes on that is its reader's alone.
    tokio::time::sleep(Duration::from_secs(4)).await;
    reader.read_to_its_end(&gateway).await;
    assert_eq!((reader.followed.text().as_str(), reader.followed.code()), ("one\ntwo\n", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runs_wall_time_goes_on_while_its_agent_is_away() {
    if is_skipped("a_runs_wall_time_goes_on_while_its_agent_is_away") {
        return;
    }
    let mut keeper = Keeper::start();
    let gateway = Gateway::of(&keeper.host);
    let short = cofferdam_proto::intent::v1::Limits { wall_millis: 2000, ..Default::default() };
    let began = Instant::now();
    let mut reader =
        Reader::start_with(&gateway, sh("echo begun; sleep 60"), |it| limits(it, short)).await;
    keeper.end_agent(Signal::TERM);
    std::thread::sleep(Duration::from_secs(3));
    keeper.start_agent();
    reader.read_to_its_end(&Gateway::of(&keeper.host)).await;
    assert!(matches!(reader.followed.ending(), Ending::TimedOut(_)), "{:?}", reader.followed);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_comes_back_to_its_cell_and_what_it_left_in_the_background() {
    if is_skipped("a_session_comes_back_to_its_cell_and_what_it_left_in_the_background") {
        return;
    }
    let mut keeper = Keeper::start();
    let gateway = Gateway::of(&keeper.host);
    let background = Command {
        background: true,
        ..sh(
            "(while :; do date +%N > /tmp/t; mv /tmp/t /tmp/tick; sleep 0.02; done) >/dev/null 2>&1 & echo left",
        )
    };
    let left = gateway.run(gateway.request(background, |_| {})).await.unwrap();
    assert_eq!((left.text().as_str(), left.code()), ("left\n", 0));
    for signal in [Signal::KILL, Signal::TERM] {
        keeper.restart(signal);
        let gateway = Gateway::of(&keeper.host);
        let ticks = gateway.sh("cat /tmp/tick; sleep 0.2; cat /tmp/tick").await;
        let text = ticks.text();
        let ticks: Vec<_> = text.lines().collect();
        assert!(ticks.len() == 2 && ticks[0] != ticks[1], "{ticks:?}");
    }
    assert_eq!(keeper.host.journal().matches("\"kind\":\"lost\"").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_and_what_is_typed_into_it_go_on() {
    if is_skipped("a_terminal_and_what_is_typed_into_it_go_on") {
        return;
    }
    let mut keeper = Keeper::start();
    let gateway = Gateway::of(&keeper.host);
    let command = Command {
        terminal: Some(Terminal { rows: 10, columns: 40 }),
        ..sh("stty -echo; echo ready; while read line; do echo got $line; done")
    };
    let mut reader = Reader::start(&gateway, command).await;
    reader.read(&gateway, Duration::from_millis(500)).await;
    let mut offset = 0;
    for (round, signal) in [Signal::KILL, Signal::TERM, Signal::KILL].into_iter().enumerate() {
        let gateway = Gateway::of(&keeper.host);
        let data = format!("word {round}\n").into_bytes();
        let input = RunInput {
            run_id: reader.run_id.clone(),
            offset: Some(offset),
            data: data.clone(),
            end: round == 2,
        };
        let intent = Some(gateway.signed(&input, |_| {}));
        let request = WriteRunRequest { intent, input: Some(input) };
        let taken = gateway.exec().write_run(request).await.unwrap().into_inner().taken.unwrap();
        offset = taken.offset;
        keeper.restart(signal);
        reader.read(&Gateway::of(&keeper.host), Duration::from_millis(400)).await;
    }
    reader.read_to_its_end(&Gateway::of(&keeper.host)).await;
    let text = reader.followed.text().replace('\r', "");
    assert_eq!(text, "ready\ngot word 0\ngot word 1\ngot word 2\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_service_leaves_no_cell_and_says_what_was_lost() {
    if is_skipped("a_stopped_service_leaves_no_cell_and_says_what_was_lost") {
        return;
    }
    let mut keeper = Keeper::start();
    let gateway = Gateway::of(&keeper.host);
    Reader::start(&gateway, sh("echo begun; sleep 60")).await;
    keeper.end_agent(Signal::TERM);
    assert!(keeper.cells() > 0, "they wait for the next agent");
    keeper.let_all_go();
    let deadline = Instant::now() + Duration::from_secs(5);
    while keeper.cells() > 0 {
        assert!(Instant::now() < deadline, "cells outlive a service that was stopped");
        std::thread::sleep(Duration::from_millis(10));
    }
    keeper.start_agent();
    assert!(keeper.host.journal().contains("\"kind\":\"lost\""), "{}", keeper.host.journal());
    assert_eq!(Gateway::of(&keeper.host).sh("true").await.code(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_again_ends_as_lost_and_the_agent_serves() {
    if is_skipped("what_cannot_be_read_again_ends_as_lost_and_the_agent_serves") {
        return;
    }
    let mut keeper = Keeper::start();
    let gateway = Gateway::of(&keeper.host);
    Reader::start(&gateway, sh("echo begun; sleep 60")).await;
    keeper.end_agent(Signal::KILL);
    let null = || std::fs::File::open("/dev/null").unwrap().into();
    let log = keeper.names().into_iter().find(|name| name.starts_with("run-") && name.len() == 36);
    keeper.put(&log.unwrap(), null());
    keeper.put("run-nothing", null());
    keeper.put("cell-00000000000000000000000000000000", null());
    keeper.start_agent();
    assert!(keeper.host.journal().contains("\"kind\":\"lost\""), "{}", keeper.host.journal());
    assert_eq!(Gateway::of(&keeper.host).sh("echo well").await.text(), "well\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_stays_kept_of_what_nobody_needs() {
    if is_skipped("nothing_stays_kept_of_what_nobody_needs") {
        return;
    }
    let keeper = Keeper::start();
    let gateway = Gateway::of(&keeper.host);
    for _ in 0..3 {
        assert_eq!(gateway.sh("echo well").await.code(), 0);
    }
    // A log and two strips for each of the runs, a socket and a log for their cell.
    keeper.expect_kept(3 * 3 + 2);
}
