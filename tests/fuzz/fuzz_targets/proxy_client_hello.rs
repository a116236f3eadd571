//! Whatever a run sends as its TLS greeting, reading it ends without a panic,
//! finds the same however the bytes are cut, and a name that is found stands in
//! the bytes.
#![no_main]

use cofferdam_proxy::client_hello::{Hello, HelloError, HelloReader};
use libfuzzer_sys::fuzz_target;

fn in_parts(data: &[u8], size: usize) -> Result<Option<Hello>, HelloError> {
    let mut reader = HelloReader::default();
    for part in data.chunks(size) {
        let found = reader.feed(part);
        if !matches!(found, Ok(None)) {
            return found;
        }
    }
    assert_eq!(reader.into_bytes(), data, "every byte is kept");
    Ok(None)
}

fuzz_target!(|data: &[u8]| {
    let found = in_parts(data, data.len().max(1));
    for size in [1, 7] {
        assert_eq!(in_parts(data, size), found);
    }
    if let Ok(Some(Hello { server_name: Some(name) })) = found {
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()));
    }
});
