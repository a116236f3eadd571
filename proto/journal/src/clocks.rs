//! How the clocks of hosts go, as a gateway's journal shows it: a host's receipt says
//! when it was signed, and the gateway's record of it when it came.

use std::collections::BTreeMap;
use std::path::Path;

use cofferdam_proto::intent::v1::Receipt;
use jiff::Timestamp;
use prost::Message;

use crate::broken::Broken;
use crate::entry::Body;
use crate::read::read_newest;
use crate::record::Record;

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
    let mut all: BTreeMap<String, i64> = BTreeMap::new();
    for Record { time, body, .. } in records {
        let Body::Outcome(outcome) = body else { continue };
        let signed = outcome.receipt.and_then(|it| Receipt::decode(&*it.receipt).ok());
        let (Some(receipt), Ok(came)) = (signed, time.parse::<Timestamp>()) else { continue };
        let Some(signed) = receipt.issued_at else { continue };
        let host = receipt.host.rsplit('/').next().unwrap_or_default().to_owned();
        let ahead = signed.seconds.saturating_sub(came.as_second());
        let offset = all.entry(host).or_insert(ahead);
        *offset = ahead.max(*offset);
    }
    all
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
}
