//! Whatever agent and proxy send each other, decoding neither panics nor takes
//! two encodings for one value; whatever a file says as a destination is read
//! in one way or refused, and what it covers it allows.
#![no_main]

use cofferdam_plan::{Decode, Encode};
use cofferdam_proxy_protocol::{Destination, ProxyEvent, ProxyRequest, Target};
use libfuzzer_sys::fuzz_target;

fn round_trip<M: Decode + Encode>(body: &[u8]) {
    if let Ok(value) = M::from_frame(body) {
        assert_eq!(value.to_frame(), body, "two encodings of one value");
    }
}

fuzz_target!(|data: &[u8]| {
    round_trip::<ProxyRequest>(data);
    round_trip::<ProxyEvent>(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.lines();
    let mut destination = || lines.next().and_then(|line| line.parse::<Destination>().ok());
    let (Some(one), Some(other)) = (destination(), destination()) else { return };
    assert_eq!(one.to_string().parse().as_ref(), Ok(&one), "two spellings");
    assert!(one.covers(&one));
    let Some(target) = lines.next().and_then(|line| line.parse::<Target>().ok()) else { return };
    if one.covers(&other) && other.allows(&target) {
        assert!(one.allows(&target), "{one} covers {other}, but not {target}");
        assert!(one.speech(target.port) <= other.speech(target.port));
    }
});
