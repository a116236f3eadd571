//! Whatever bytes the agent sends, decoding neither panics nor takes more
//! memory than the frame, and what decodes encodes to the same bytes.
#![no_main]

use cofferdam_plan::{CellEvent, CellRequest, Decode, Encode, WardenEvent, WardenRequest};
use libfuzzer_sys::fuzz_target;

fn round_trip<P: Decode + Encode>(body: &[u8]) {
    if let Ok(value) = P::from_frame(body) {
        assert_eq!(value.to_frame(), body, "two encodings of one value");
    }
}

fuzz_target!(|data: &[u8]| {
    round_trip::<WardenRequest>(data);
    round_trip::<WardenEvent>(data);
    round_trip::<CellRequest>(data);
    round_trip::<CellEvent>(data);
});
