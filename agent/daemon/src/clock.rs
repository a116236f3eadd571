//! The wall clock, as the wire says it.

use std::time::{SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;

/// Now.
#[must_use]
pub fn now() -> Timestamp {
    timestamp(SystemTime::now())
}

/// A time; one before 1970 is 1970.
#[must_use]
pub fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since.subsec_nanos()).unwrap_or_default(),
    }
}
