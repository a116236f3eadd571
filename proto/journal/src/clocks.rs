//! How the clocks of hosts go, as a gateway's journal shows it: a host's receipt says
//! when it was signed, and the gateway's record of it when it came.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use cofferdam_proto::intent::v1::Receipt;
use jiff::Timestamp;
use prost::Message;

use crate::broken::Broken;
use crate::entry::Body;
use crate::read::read_newest;
use crate::record::Record;

/// So many of a host's newest receipts count: a clock that is set since, or goes wrong, is
/// seen after so many calls at the latest.
const NEWEST: usize = 16;

/// Of each host that gave receipts of late, by how many seconds its clock was ahead of
/// the gateway's; negative: behind. Reads the newest segment.
///
/// # Errors
/// Where the journal cannot be read.
pub fn clock_offsets(directory: &Path) -> Result<BTreeMap<String, i64>, Broken> {
    Ok(offsets(read_newest(directory)?.filter_map(Result::ok)))
}

/// A receipt may have been on its way for long, and never came before it was signed: so
/// the largest difference is the nearest.
fn offsets(records: impl Iterator<Item = Record>) -> BTreeMap<String, i64> {
    let mut newest: BTreeMap<String, VecDeque<i64>> = BTreeMap::new();
    for Record { time, body, .. } in records {
        let Body::Outcome(outcome) = body else { continue };
        let signed = outcome.receipt.and_then(|it| Receipt::decode(&*it.receipt).ok());
        let (Some(receipt), Ok(came)) = (signed, time.parse::<Timestamp>()) else { continue };
        let Some(signed) = receipt.issued_at else { continue };
        let host = receipt.host.rsplit('/').next().unwrap_or_default().to_owned();
        let of_host = newest.entry(host).or_default();
        if of_host.len() == NEWEST {
            of_host.pop_front();
        }
        // What a host says may be any number.
        of_host.push_back(signed.seconds.saturating_sub(came.as_second()));
    }
    newest.into_iter().filter_map(|(host, all)| Some((host, all.into_iter().max()?))).collect()
}

#[cfg(test)]
mod tests {
    use cofferdam_proto::intent::v1::SignedReceipt;
    use prost_types::Timestamp as Wire;

    use super::*;
    use crate::digest::Digest;
    use crate::ending::Ending;
    use crate::entry::Outcome;

    fn record(host: &str, signed: i64) -> Record {
        let receipt = Receipt {
            host: format!("spiffe://cofferdam/agent/{host}"),
            issued_at: Some(Wire { seconds: signed, nanos: 0 }),
            ..Receipt::default()
        };
        let receipt =
            SignedReceipt { receipt: receipt.encode_to_vec(), ..SignedReceipt::default() };
        let outcome =
            Outcome { receipt: Some(receipt), ..Outcome::new("a run", [0; 32], Ending::Completed) };
        let (time, body) = ("1970-01-01T00:16:40.000000Z".to_owned(), Body::Outcome(outcome));
        Record { sequence: 1, time, body, previous: Digest([0; 32]), hash: Digest([0; 32]) }
    }

    #[test]
    fn the_receipt_that_came_soonest_tells_a_hosts_clock() {
        let records = [record("a", 400), record("a", 998), record("b", 1300), record("b", 1200)];
        let found = offsets(records.into_iter());
        assert_eq!((found["a"], found["b"]), (-2, 300));
    }
    #[test]
    fn a_clock_that_was_set_right_or_went_wrong_since_is_told_as_it_is_now() {
        let then = |host, signed| std::iter::repeat_with(move || record(host, signed)).take(100);
        let now = |host, signed| std::iter::repeat_with(move || record(host, signed)).take(NEWEST);
        let all = then("late", 1000).chain(now("late", 700));
        let all = all.chain(then("mended", 1300)).chain(now("mended", 1000));
        let found = offsets(all.chain(then("sudden", 1000)).chain([record("sudden", 1300)]));
        assert_eq!((found["late"], found["mended"], found["sudden"]), (-300, 0, 300));
    }

    #[test]
    fn a_host_may_say_any_time() {
        let found = offsets([record("a", i64::MIN), record("b", i64::MAX)].into_iter());
        assert_eq!((found["a"], found["b"]), (i64::MIN, i64::MAX - 1000));
    }
}
