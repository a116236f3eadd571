//! The spool under slow, absent and late readers.

use std::time::Duration;

use cofferdam_trust::sha256;
use proptest::prelude::*;

use super::*;

fn spool(capacity: usize, limit: u64) -> Arc<Spool> {
    Arc::new(Spool::new(capacity, limit))
}

async fn all(mut reader: Reader) -> Vec<Piece> {
    let mut pieces = Vec::new();
    while let Some(piece) = reader.next().await {
        pieces.push(piece);
    }
    pieces
}

fn output(offset: u64, data: &[u8]) -> Piece {
    Piece::Output { stream: Stream::Stdout, offset, data: data.to_vec() }
}

#[tokio::test]
async fn a_reader_gets_both_streams_in_order_and_then_the_end() {
    let spool = spool(100, 1000);
    let reader = spool.reader([0, 0]);
    spool.push(Stream::Stdout, b"one ").await.unwrap();
    spool.push(Stream::Stderr, b"err").await.unwrap();
    spool.push(Stream::Stdout, b"two").await.unwrap();
    spool.close();
    let error = Piece::Output { stream: Stream::Stderr, offset: 0, data: b"err".to_vec() };
    assert_eq!(all(reader).await, [output(0, b"one two"), error]);
    assert_eq!(spool.lengths(), [7, 3]);
}

#[tokio::test]
async fn a_full_spool_waits_for_its_slowest_reader() {
    let spool = spool(4, 1000);
    let mut reader = spool.reader([0, 0]);
    spool.push(Stream::Stdout, b"abcd").await.unwrap();
    let mut more = std::pin::pin!(spool.push(Stream::Stdout, b"efgh"));
    let soon = Duration::from_millis(20);
    assert!(tokio::time::timeout(soon, &mut more).await.is_err(), "nothing was waited for");
    assert_eq!(reader.next().await, Some(output(0, b"abcd")));
    more.await.unwrap();
    assert_eq!(reader.next().await, Some(output(4, b"efgh")));
}

#[tokio::test]
async fn without_readers_the_oldest_bytes_go_and_the_gap_is_told() {
    let spool = spool(4, 1000);
    spool.push(Stream::Stdout, b"abcdefghij").await.unwrap();
    spool.close();
    let gap = Piece::Gap { stream: Stream::Stdout, offset: 1, length: 5 };
    assert_eq!(all(spool.reader([1, 0])).await, [gap, output(6, b"ghij")]);
    assert_eq!(all(spool.reader([8, 0])).await, [output(8, b"ij")]);
}

#[tokio::test]
async fn a_reader_that_leaves_lets_the_writer_go_on() {
    let spool = spool(4, 1000);
    let reader = spool.reader([0, 0]);
    spool.push(Stream::Stdout, b"abcd").await.unwrap();
    let writer = Arc::clone(&spool);
    let more = tokio::spawn(async move { writer.push(Stream::Stdout, b"efgh").await });
    tokio::time::sleep(Duration::from_millis(10)).await;
    drop(reader);
    more.await.unwrap().unwrap();
    spool.abandoned().await;
}

#[tokio::test]
async fn the_limit_counts_both_streams_and_takes_what_fits() {
    let spool = spool(100, 6);
    spool.push(Stream::Stdout, b"abcd").await.unwrap();
    let hit = spool.push(Stream::Stderr, b"efgh").await;
    assert_eq!(hit, Err(LimitHit { limit: 6 }));
    assert!(spool.has_hit_limit());
    assert_eq!(spool.lengths(), [4, 2]);
}

#[tokio::test]
async fn the_digest_covers_what_is_no_longer_held() {
    let spool = spool(2, 1000);
    spool.push(Stream::Stdout, b"hello").await.unwrap();
    spool.push(Stream::Stderr, b"x").await.unwrap();
    let both = [sha256(b"hello"), sha256(b"x")].concat();
    assert_eq!(spool.digest(), sha256(&both));
}

#[tokio::test]
async fn exactly_the_limit_is_no_hit() {
    let spool = spool(100, 4);
    assert_eq!(spool.push(Stream::Stdout, b"abcd").await, Ok(()));
    assert!(!spool.has_hit_limit());
    assert!(spool.push(Stream::Stdout, b"e").await.is_err());
}

proptest! {
    #[test]
    fn a_tail_is_the_end_of_all_that_was_pushed(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..20),
        capacity in 1..30_usize,
        offset in 0..200_u64,
        most in 0..30_usize,
    ) {
        let mut tail = Tail::new();
        for chunk in &chunks {
            tail.push(chunk, capacity);
        }
        let all = chunks.concat();
        let start = all.len().saturating_sub(capacity);
        prop_assert_eq!((tail.start(), tail.end()), (start as u64, all.len() as u64));
        let from = usize::try_from(offset).unwrap().clamp(start, all.len());
        let to = (from + most).min(all.len());
        let copy = tail.copy_from(offset, most);
        prop_assert_eq!(copy, &all[from..to]);
        let digest = tail.digest();
        prop_assert_eq!(digest.as_ref(), sha256(&all));
    }
}
