//! Reads what a process prints: every byte once, in order, or a gap that is told.
//!
//! Invariant: an offset moves on only with an answer that was taken whole, so that a
//! connection may break at any point.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::link::{Again, Link, LinkError};

/// How long one question waits for output, in seconds: below what proxies on the way
/// take for dead.
const WAIT: u64 = 25;
/// Bytes of each stream in one answer.
const MOST: u64 = 256 * 1024;

/// An output stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output; of a process with a terminal all that it shows.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    /// Bytes, and where they begin.
    Output(Stream, u64, Vec<u8>),
    /// Bytes that its host does not keep any more: where they began, how many.
    Gap(Stream, u64, u64),
    /// It ended, and nothing more comes: the answer that says how.
    End(Value),
}

/// Reads one process.
#[derive(Debug)]
pub(crate) struct Follower {
    process: String,
    at: [u64; 2],
    stream: Option<Stream>,
}

/// What one answer holds.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) pieces: Vec<Piece>,
    /// Where the input of the process is.
    pub(crate) stdin_offset: u64,
}

impl Stream {
    /// Its name in answers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl Follower {
    /// Reads from these offsets of standard output and error on; `stream`: only that.
    pub(crate) fn new(process: &str, at: [u64; 2], stream: Option<Stream>) -> Self {
        Self { process: process.to_owned(), at, stream }
    }

    /// Where it goes on.
    pub(crate) fn at(&self) -> [u64; 2] {
        self.at
    }

    /// What comes next; it may be nothing yet.
    pub(crate) async fn next(&mut self, link: &Link) -> Result<Read, LinkError> {
        self.read(link, WAIT).await
    }

    /// What is there already; nothing: all of that was read.
    pub(crate) async fn there(&mut self, link: &Link) -> Result<Read, LinkError> {
        self.read(link, 0).await
    }

    async fn read(&mut self, link: &Link, wait: u64) -> Result<Read, LinkError> {
        let mut arguments = json!({
            "process": self.process,
            "stdout_offset": self.at[0],
            "stderr_offset": self.at[1],
            "base64": true,
            "max_bytes": MOST,
            "wait_seconds": wait,
        });
        if let Some(stream) = self.stream {
            arguments["stream"] = stream.name().into();
        }
        let answer = link.call("read_process", &arguments, Again::Safe).await?;
        self.take(answer)
    }

    fn take(&mut self, answer: Value) -> Result<Read, LinkError> {
        let mut pieces = Vec::new();
        let mut at = self.at;
        for (stream, at) in [Stream::Stdout, Stream::Stderr].into_iter().zip(&mut at) {
            let name = stream.name();
            let gaps = answer["gaps"].as_array().map_or(&[][..], Vec::as_slice);
            for gap in gaps.iter().filter(|gap| gap["stream"] == name) {
                let number = |key: &str| gap[key].as_u64().unwrap_or_default();
                let (offset, length) = (number("offset"), number("length"));
                pieces.push(Piece::Gap(stream, offset, length));
                *at = offset.saturating_add(length);
            }
            let encoded = answer[format!("{name}_base64")].as_str().unwrap_or_default();
            let bytes = BASE64_STANDARD
                .decode(encoded)
                .map_err(|error| std::io::Error::other(format!("{name} is no base64: {error}")))?;
            let start = *at;
            *at = start.saturating_add(bytes.len() as u64);
            if !bytes.is_empty() {
                pieces.push(Piece::Output(stream, start, bytes));
            }
        }
        self.at = at;
        let stdin_offset = answer["stdin_offset"].as_u64().unwrap_or_default();
        if answer["outcome"].is_object() {
            pieces.push(Piece::End(answer));
        }
        Ok(Read { pieces, stdin_offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_gaps_come_in_order_and_the_offsets_move_on() {
        let mut follower = Follower::new("h/r", [3, 0], None);
        let answer = json!({
            "stdout_base64": "YWI=", "stderr_base64": "", "stdin_offset": 4,
            "gaps": [{ "stream": "stdout", "offset": 3, "length": 7 }],
        });
        let read = follower.take(answer).unwrap();
        let expected =
            [Piece::Gap(Stream::Stdout, 3, 7), Piece::Output(Stream::Stdout, 10, b"ab".to_vec())];
        assert_eq!((read.pieces.as_slice(), read.stdin_offset), (&expected[..], 4));
        assert_eq!(follower.at(), [12, 0]);
        let end = json!({ "stdout_base64": "", "stderr_base64": "eA==",
                          "outcome": { "kind": "exited", "code": 0 } });
        let read = follower.take(end).unwrap();
        assert_eq!(read.pieces[0], Piece::Output(Stream::Stderr, 0, b"x".to_vec()));
        assert!(matches!(&read.pieces[1], Piece::End(answer) if answer["outcome"]["code"] == 0));
        assert_eq!(follower.at(), [12, 1]);
    }

    #[test]
    fn an_answer_that_is_not_whole_moves_nothing() {
        let mut follower = Follower::new("h/r", [0, 0], None);
        let answer = json!({ "stdout_base64": "YWI=", "stderr_base64": "%" });
        assert!(follower.take(answer).is_err());
        assert_eq!(follower.at(), [0, 0]);
    }
}
