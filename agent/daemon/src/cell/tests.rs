use std::time::{Duration, Instant};

use cofferdam_plan::channel::ChannelError;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_that_takes_nothing_is_given_up_before_its_run_is_told_as_not_started() {
    let (cell, destroyed) = deaf::cell(false).await;
    let begun = Instant::now();
    // The first fills the socket, the second waits behind it.
    let (first, second) =
        tokio::join!(cell.start(deaf::run(1, 1 << 20), None), cell.start(deaf::run(2, 1), None));
    for refused in [first.unwrap_err(), second.unwrap_err()] {
        assert!(matches!(refused, StartError::Late | StartError::Channel(_)), "{refused:?}");
    }
    assert!(destroyed.try_recv().is_ok() && !cell.is_there());
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    // Nobody waits for what is only told.
    (0..1000).for_each(|_| cell.kill(RunId([1; 16])));
    let third = cell.start(deaf::run(3, 1), None).await.unwrap_err();
    assert!(matches!(third, StartError::Channel(ChannelError::Closed)), "{third:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_too_long_is_refused_and_its_cell_stays() {
    let (cell, _destroyed) = deaf::cell(true).await;
    let refused = cell.start(deaf::run(1, 3 << 20), None).await.unwrap_err();
    assert!(matches!(refused, StartError::Channel(ChannelError::TooLong(..))), "{refused:?}");
    assert!(cell.is_there());
    assert!(cell.start(deaf::run(2, 1), None).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_is_given_up_where_something_of_a_run_does_not_end_unless_it_may_stay() {
    let (cell, destroyed) = deaf::cell(false).await;
    let leaf = |number| Leaf { cell: cell.id(), number };
    cell.leave(leaf(1), true).await;
    assert!(cell.is_there());
    assert_eq!(*cell.lock_left(), [leaf(1)]);
    cell.leave(leaf(2), false).await;
    assert!(!cell.is_there() && destroyed.try_recv().is_ok());
}
