//! Gives a process its input: every byte once, in order.
//!
//! Writing is not made twice: where the connection breaks before the answer, the
//! process itself is asked how much of its input it was given. Somebody else may write
//! to it at the same time; then it cannot be told whose bytes those were, and what was
//! being sent counts as taken.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::follower::Follower;
use super::link::{Again, Link, LinkError};

/// Bytes of one call.
pub(crate) const MOST: usize = 64 * 1024;
/// Between two tries to give something to a process that does not read.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(400),
];

/// The input of a process.
#[derive(Debug)]
pub(crate) struct Feed {
    process: String,
    /// How much it was given; none: not known yet.
    at: Option<u64>,
}

impl Feed {
    /// The input of `process`, which was given `at` bytes.
    pub(crate) fn new(process: &str, at: Option<u64>) -> Self {
        Self { process: process.to_owned(), at }
    }

    /// Gives all of `bytes`, and then with `end` the end of the input. Waits while the
    /// process does not read.
    pub(crate) async fn give(
        &mut self,
        link: &Link,
        mut bytes: &[u8],
        end: bool,
    ) -> Result<(), LinkError> {
        let mut pauses = PAUSES.iter().chain(std::iter::repeat(&PAUSES[PAUSES.len() - 1]));
        while !bytes.is_empty() || end {
            let now = &bytes[..bytes.len().min(MOST)];
            let is_last = now.len() == bytes.len();
            let taken = self.write(link, now, end && is_last).await?;
            bytes = &bytes[taken.min(now.len())..];
            if is_last && bytes.is_empty() {
                return Ok(());
            }
            if taken == 0
                && let Some(pause) = pauses.next()
            {
                sleep(*pause).await;
            }
        }
        Ok(())
    }

    /// Writes once, and says how many bytes were taken.
    async fn write(&mut self, link: &Link, bytes: &[u8], end: bool) -> Result<usize, LinkError> {
        let at = match self.at {
            Some(at) => at,
            None => self.ask(link).await?,
        };
        let arguments =
            json!({ "process": self.process, "base64": BASE64_STANDARD.encode(bytes), "end": end });
        let taken = match link.call("write_process", &arguments, Again::Unsafe).await {
            Ok(answer) => {
                self.at = answer["next_offset"].as_u64();
                answer["written"].as_u64().unwrap_or_default()
            }
            Err(LinkError::Unsure(_)) => {
                let now = self.ask(link).await?;
                now.saturating_sub(at)
            }
            Err(error) => return Err(error),
        };
        Ok(usize::try_from(taken).unwrap_or(usize::MAX))
    }

    /// How much the process was given.
    async fn ask(&mut self, link: &Link) -> Result<u64, LinkError> {
        let end = [u64::MAX / 2; 2];
        let read = Follower::new(&self.process, end, None).there(link).await?;
        self.at = Some(read.stdin_offset);
        Ok(read.stdin_offset)
    }
}

/// Whether a failure to write means that the process takes no more, rather than that
/// something is wrong.
pub(crate) fn takes_no_more(error: &LinkError) -> bool {
    matches!(error, LinkError::Refused { .. })
}

/// What is asked to have a signal sent.
pub(crate) fn signal(process: &str, name: &str) -> Value {
    json!({ "process": process, "signal": name })
}
