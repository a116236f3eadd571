//! Runs, sessions and their records outlive the warden: the agent connects again and
//! goes on with the cells that it had.

use std::time::{Duration, Instant};

use cofferdam_proto::exec::v1::outcome::Ending;
use rustix::process::Signal;

use crate::gateway::{Gateway, sh};
use crate::keeper::Keeper;
use crate::outliving::{Reader, counting, is_skipped, numbered};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_over_ten_wardens_and_its_reader_misses_nothing() {
    if is_skipped("a_run_goes_on_over_ten_wardens_and_its_reader_misses_nothing") {
        return;
    }
    let mut keeper = Keeper::start();
    let gateway = Gateway::of(&keeper.host);
    let mut reader = Reader::start(&gateway, sh(&counting(1000, "0.004"))).await;
    for round in 0..10_u64 {
        reader.read(&gateway, Duration::from_millis(37 * round % 200)).await;
        keeper.restart_warden(Duration::from_millis(61 * round % 150));
        // Another call in the middle of it, which needs the warden.
        assert_eq!(gateway.sh("echo beside").await.code(), 0);
    }
    reader.read_to_its_end(&gateway).await;
    assert_eq!(reader.followed.gaps, 0);
    assert_eq!(reader.followed.text(), numbered(1000));
    assert_eq!(reader.followed.code(), 7);
    keeper.host.expect_records("intent", 11);
    keeper.host.expect_records("outcome", 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn warden_and_agent_may_be_restarted_in_any_order() {
    if is_skipped("warden_and_agent_may_be_restarted_in_any_order") {
        return;
    }
    let mut keeper = Keeper::start();
    let gateway = Gateway::of(&keeper.host);
    let mut reader = Reader::start(&gateway, sh(&counting(600, "0.004"))).await;
    for signal in [Signal::KILL, Signal::TERM] {
        keeper.restart_warden(Duration::ZERO);
        keeper.restart(signal);
        let gateway = Gateway::of(&keeper.host);
        reader.read(&gateway, Duration::from_millis(50)).await;
        // The warden is away while the agent comes.
        keeper.end_agent(signal);
        keeper.restart_warden(Duration::from_millis(100));
        keeper.start_agent();
    }
    let gateway = Gateway::of(&keeper.host);
    reader.read_to_its_end(&gateway).await;
    assert_eq!((reader.followed.text(), reader.followed.code()), (numbered(600), 7));
    keeper.host.expect_records("outcome", 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_need_a_warden_wait_for_the_next_one() {
    if is_skipped("calls_that_need_a_warden_wait_for_the_next_one") {
        return;
    }
    let mut keeper = Keeper::start();
    let gateway = Gateway::of(&keeper.host);
    assert_eq!(gateway.sh("echo >/tmp/file").await.code(), 0);
    let calls = (0..20).map(|call| {
        let gateway = Gateway::of(&keeper.host);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(20 * call)).await;
            gateway.sh("echo it ran").await
        })
    });
    let calls: Vec<_> = calls.collect();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(70)).await;
        keeper.restart_warden(Duration::from_millis(150));
    }
    for call in calls {
        let call = call.await.unwrap();
        assert!(matches!(call.ending(), Ending::Exited(_)), "{call:?}");
        assert_eq!(call.text(), "it ran\n");
    }
    keeper.host.expect_records("intent", 21);
    keeper.host.expect_records("outcome", 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_cells_that_ended_while_there_was_no_warden() {
    if is_skipped("nothing_is_left_of_cells_that_ended_while_there_was_no_warden") {
        return;
    }
    let mut keeper = Keeper::start();
    let gateway = Gateway::of(&keeper.host);
    let reader = Reader::start(&gateway, sh("sleep 60")).await;
    assert!(!keeper.cgroups().is_empty());
    keeper.end_agent(Signal::KILL);
    // As when the agent's service is stopped: its cells end.
    keeper.let_all_go();
    keeper.restart_warden(Duration::from_millis(100));
    let deadline = Instant::now() + Duration::from_secs(10);
    while !keeper.cgroups().is_empty() {
        assert!(Instant::now() < deadline, "left: {:?}", keeper.cgroups());
        std::thread::sleep(Duration::from_millis(20));
    }
    keeper.start_agent();
    drop(reader);
    keeper.host.expect_records("outcome", 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_under_a_warden_that_hangs_has_its_outcome_and_the_owner_is_told() {
    if is_skipped("a_call_under_a_warden_that_hangs_has_its_outcome_and_the_owner_is_told") {
        return;
    }
    let keeper = Keeper::start();
    let gateway = Gateway::of(&keeper.host);
    let mut reader = Reader::start(&gateway, sh("echo one; sleep 1; exit 7")).await;
    let patience = Duration::from_secs(3);
    assert_eq!(keeper.ask("status", patience)["agent"]["warden"], true);
    keeper.signal_warden(Signal::STOP);
    for _ in 0..2 {
        let status = keeper.ask("status", patience);
        assert_eq!(status["agent"]["warden"], false, "{status}");
        assert!(!status["cells"].as_array().unwrap().is_empty(), "{status}");
        let metrics = keeper.ask("metrics", patience);
        assert!(metrics.as_str().unwrap().contains("cofferdam_warden_up 0.0\n"), "{metrics}");
        // First nobody answers, then the agent is about to connect anew.
        reader.read(&gateway, Duration::from_secs(15)).await;
    }
    reader.read_to_its_end(&gateway).await;
    assert_eq!((reader.followed.text().as_str(), reader.followed.code()), ("one\n", 7));
    keeper.host.expect_records("outcome", 1);
    keeper.signal_warden(Signal::CONT);
    assert_eq!(gateway.sh("true").await.code(), 0);
    assert_eq!(keeper.ask("status", patience)["agent"]["warden"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_all_is_answered_without_a_warden_and_the_next_one_ends_the_cells() {
    if is_skipped("kill_all_is_answered_without_a_warden_and_the_next_one_ends_the_cells") {
        return;
    }
    let mut keeper = Keeper::start();
    let gateway = Gateway::of(&keeper.host);
    let mut reader = Reader::start(&gateway, sh("echo begun; sleep 60")).await;
    keeper.end_warden();
    // An agent that takes longer is killed for one that hangs.
    let killed = keeper.ask("kill-all", Duration::from_secs(8));
    assert_eq!(killed["runs"], 1, "{killed}");
    assert!(killed["cells"].as_u64() >= Some(1) && killed["left"] == killed["cells"], "{killed}");
    keeper.start_warden();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !keeper.cgroups().is_empty() {
        assert!(Instant::now() < deadline, "left: {:?}", keeper.cgroups());
        std::thread::sleep(Duration::from_millis(20));
    }
    reader.read_to_its_end(&gateway).await;
    keeper.host.expect_records("outcome", 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_leaves_a_cell_of_a_warden_before_fails() {
    if is_skipped("a_test_that_leaves_a_cell_of_a_warden_before_fails") {
        return;
    }
    let keeper = Keeper::start();
    // What another warden's cell looks like to this one's tests: no child of it.
    let left = keeper.places().first().unwrap().join("left");
    std::fs::create_dir(&left).unwrap();
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(keeper)));
    std::fs::remove_dir(&left).unwrap();
    std::fs::remove_dir(left.parent().unwrap()).unwrap();
    assert!(failed.is_err());
}
