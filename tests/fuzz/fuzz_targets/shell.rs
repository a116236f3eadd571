//! Whatever a command line holds, looking through it ends in bounded time and
//! memory without a panic, twice the same way, and a command on a line of its own
//! behind it is never hidden.
#![no_main]

use std::time::{Duration, Instant};

use cofferdam_policy::{MAX_OPAQUE, Script};
use libfuzzer_sys::fuzz_target;

/// With sanitizers, on a busy machine.
const LONGEST: Duration = Duration::from_secs(5);

fuzz_target!(|line: &[u8]| {
    let start = Instant::now();
    let script = Script::parse(line);
    assert!(start.elapsed() < LONGEST, "it took {:?}", start.elapsed());
    assert_eq!(script, Script::parse(line), "two readings of one line");
    assert!(script.opaque.len() <= MAX_OPAQUE);
    assert!(script.commands.len() + script.redirections.len() <= line.len());
    // A backslash joins lines, and a here-document may still be open.
    let joins = line.contains(&b'\\') || line.windows(2).any(|pair| pair == b"<<");
    if !script.is_opaque() && !joins {
        let longer = Script::parse(&[line, b"\ncanary"].concat());
        let seen = longer.commands.iter().any(|command| command.program == b"canary");
        assert!(longer.is_opaque() || seen, "the command behind it is hidden: {longer:?}");
    }
});
