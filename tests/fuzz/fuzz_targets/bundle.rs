//! Whatever a bundle holds, reading it ends in bounded time without a panic; what
//! is read can be written, and is read again as the same.
#![no_main]

use cofferdam_policy::{Bundle, Seal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(bundle) = Bundle::parse(text) {
        assert_eq!(Bundle::parse(&bundle.to_text()), Ok(bundle), "written otherwise than read");
    }
    // The same bytes as the text of a file, whatever quotes and controls they have.
    let files = [("rules.toml".to_owned(), text.to_owned())];
    if let Ok(bundle) = Bundle::new(&files, Seal::default()) {
        assert_eq!(Bundle::parse(&bundle.to_text()), Ok(bundle), "written otherwise than given");
    }
});
