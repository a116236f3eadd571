//! Whatever bytes come over the agent's local socket, either way: nothing is a request
//! but the words that there are, and no answer steers the owner's terminal.
#![no_main]

use cofferdam_agent::control::{Killed, Request};
use cofferdam_agent::doctor::Page;
use cofferdam_agent::status::Status;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(request) = Request::parse(data) {
        assert_eq!(request.word().as_bytes(), data);
    }
    drop(serde_json::from_slice::<Killed>(data));
    if let Ok(status) = serde_json::from_slice::<Status>(data) {
        let text = status.print(Page::of(80));
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
});
