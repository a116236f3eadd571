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
async fn a_full_spool_waits_for_its_only_reader() {
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
async fn a_slow_reader_holds_up_nobody_who_reads_faster() {
    let spool = spool(4, 1000);
    let slow = spool.reader([0, 0]);
    let mut fast = spool.reader([0, 0]);
    for (offset, part) in [(0, b"abcd"), (4, b"efgh"), (8, b"ijkl")] {
        spool.push(Stream::Stdout, part).await.unwrap();
        assert_eq!(fast.next().await, Some(output(offset, part)));
    }
    spool.close();
    let gap = Piece::Gap { stream: Stream::Stdout, offset: 0, length: 8 };
    assert_eq!(all(slow).await, [gap, output(8, b"ijkl")]);
}

#[tokio::test]
async fn who_waits_for_the_end_only_holds_up_nobody() {
    let spool = spool(4, 1000);
    let end = spool.reader([SKIP, SKIP]);
    spool.push(Stream::Stdout, b"abcdefgh").await.unwrap();
    assert!(!spool.is_held_up());
    spool.close();
    assert_eq!(all(end).await, []);
}

#[tokio::test]
async fn without_room_each_spool_holds_an_equal_share_and_gives_it_back() {
    const SHARE: usize = 64 * 1024;
    let room = Room::new(8 * SHARE);
    let one = Spool::within(&room, 4 * SHARE, u64::MAX);
    one.push(Stream::Stdout, &vec![b'a'; 4 * SHARE]).await.unwrap();
    let other = Spool::within(&room, 4 * SHARE, u64::MAX);
    for _ in 0..100 {
        other.push(Stream::Stdout, &vec![b'b'; SHARE]).await.unwrap();
        one.push(Stream::Stdout, &vec![b'a'; 1000]).await.unwrap();
    }
    // One had its capacity before the room was full; the other has its share.
    assert!(room.held() < 6 * SHARE, "{}", room.held());
    drop((one, other));
    assert_eq!(room.held(), 0);
}

#[tokio::test]
async fn what_is_forgotten_is_a_gap() {
    let spool = spool(100, 1000);
    spool.push(Stream::Stdout, b"abcd").await.unwrap();
    spool.close();
    spool.forget();
    let gap = Piece::Gap { stream: Stream::Stdout, offset: 0, length: 4 };
    assert_eq!(all(spool.reader([0, 0])).await, [gap]);
    assert_eq!(spool.held(), 0);
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

/// What happens to a spool.
#[derive(Debug, Clone)]
enum Step {
    Push(Stream, usize),
    Begin([u64; 2]),
    Read(prop::sample::Index),
    Leave(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    let stream = prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)];
    prop_oneof![
        4 => (stream, 0..60_usize).prop_map(|(stream, bytes)| Step::Push(stream, bytes)),
        1 => [0..200_u64, 0..200_u64].prop_map(Step::Begin),
        4 => any::<prop::sample::Index>().prop_map(Step::Read),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
    ]
}

/// The byte that a stream has at an offset.
fn byte(stream: Stream, offset: u64) -> u8 {
    (offset % 251).to_le_bytes()[0] ^ (stream as u8 * 0x55)
}

/// A reader, and how far it has seen each stream without a hole.
struct Seeing {
    reader: Reader,
    at: [u64; 2],
}

impl Seeing {
    /// Takes what there is now, and checks that it goes on where it was.
    fn take(&mut self) -> Result<bool, TestCaseError> {
        let Ok(piece) = self.reader.take() else { return Ok(false) };
        match piece {
            Piece::Output { stream, offset, data } => {
                prop_assert_eq!(offset, self.at[stream as usize]);
                for (index, seen) in (offset..).zip(data) {
                    prop_assert_eq!(seen, byte(stream, index));
                    self.at[stream as usize] += 1;
                }
            }
            Piece::Gap { stream, offset, length } => {
                prop_assert_eq!(offset, self.at[stream as usize]);
                prop_assert!(length > 0);
                self.at[stream as usize] += length;
            }
        }
        Ok(true)
    }
}

proptest! {
    #[test]
    fn any_mix_of_readers_sees_every_byte_once_or_in_a_gap(
        steps in proptest::collection::vec(step(), 0..120),
        capacity in 1..100_usize,
    ) {
        let spool = Arc::new(Spool::new(capacity, u64::MAX));
        let mut lengths = [0_u64; 2];
        let mut readers: Vec<Seeing> = Vec::new();
        for step in steps {
            match step {
                Step::Push(stream, bytes) => {
                    let start = lengths[stream as usize];
                    let data: Vec<u8> =
                        (start..start + bytes as u64).map(|offset| byte(stream, offset)).collect();
                    let taken = spool.push_some(stream, &data).unwrap();
                    lengths[stream as usize] += taken as u64;
                }
                Step::Begin(at) => readers.push(Seeing { reader: spool.reader(at), at }),
                Step::Read(index) if !readers.is_empty() => {
                    let index = index.index(readers.len());
                    readers[index].take()?;
                }
                Step::Leave(index) if !readers.is_empty() => {
                    drop(readers.swap_remove(index.index(readers.len())));
                }
                Step::Read(_) | Step::Leave(_) => {}
            }
        }
        spool.close();
        for mut seeing in readers {
            let begun = seeing.at;
            while seeing.take()? {}
            // Who began beyond the end has seen nothing.
            let end = [0, 1].map(|stream| lengths[stream].max(begun[stream]));
            prop_assert_eq!(seeing.at, end);
        }
    }

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
