//! What happens to a run, one JSON document on a line each, for scripts.

use std::io;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::follower::{Piece, Stream};

/// What is told in the help of each command that shows them.
pub(crate) const SHAPES: &str = "\
With --json each line is one of
  {\"event\":\"started\",\"process\":HANDLE}
  {\"event\":\"output\",\"stream\":\"stdout\",\"offset\":0,\"text\":…} (or \"base64\" where it is no UTF-8)
  {\"event\":\"gap\",\"stream\":\"stdout\",\"offset\":0,\"length\":9}
  {\"event\":\"ended\",\"process\":HANDLE,\"outcome\":{…},\"usage\":{…},\"denials\":[…]}
  {\"event\":\"left\",\"process\":HANDLE,\"next_stdout_offset\":0,\"next_stderr_offset\":0}";

/// A run was started.
pub(crate) fn started(process: &str) -> Value {
    json!({ "event": "started", "process": process })
}

/// This command ends and the run does not.
pub(crate) fn left(process: &str, [stdout, stderr]: [u64; 2]) -> Value {
    json!({
        "event": "left", "process": process,
        "next_stdout_offset": stdout, "next_stderr_offset": stderr,
    })
}

/// A piece of its output, or its end.
pub(crate) fn piece(piece: &Piece) -> Value {
    match piece {
        Piece::Output(stream, offset, bytes) => {
            let mut event = json!({ "event": "output", "stream": stream.name(), "offset": offset });
            match std::str::from_utf8(bytes) {
                Ok(text) => event["text"] = text.into(),
                Err(_) => event["base64"] = BASE64_STANDARD.encode(bytes).into(),
            }
            event
        }
        Piece::Gap(stream, offset, length) => {
            json!({ "event": "gap", "stream": stream.name(), "offset": offset, "length": length })
        }
        Piece::End(answer) => {
            let mut event = json!({ "event": "ended" });
            let told = ["process", "outcome", "usage", "denials", "denials_note", "network"];
            for key in told.into_iter().filter(|key| !answer[*key].is_null()) {
                event[key] = answer[key].clone();
            }
            event
        }
    }
}

/// Writes one.
pub(crate) async fn write(out: &mut (impl AsyncWrite + Unpin), event: &Value) -> io::Result<()> {
    out.write_all(format!("{event}\n").as_bytes()).await?;
    out.flush().await
}

/// What a person is told of a gap.
pub(crate) fn gap_in_words(stream: Stream, length: u64) -> String {
    let name = stream.name();
    format!("{length} bytes of {name} are missing here: its host does not keep them any more")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_told_whole() {
        let text = Piece::Output(Stream::Stdout, 3, b"a\n".to_vec());
        let expected = json!({ "event": "output", "stream": "stdout", "offset": 3, "text": "a\n" });
        assert_eq!(piece(&text), expected);
        let bytes = Piece::Output(Stream::Stderr, 0, vec![0xff]);
        assert_eq!(piece(&bytes)["base64"], "/w==");
        assert_eq!(piece(&Piece::Gap(Stream::Stdout, 1, 2))["length"], 2);
        let end = json!({ "process": "h/r", "outcome": { "kind": "exited", "code": 0 }, "state": "ended" });
        let expected = json!({ "event": "ended", "process": "h/r", "outcome": { "kind": "exited", "code": 0 } });
        assert_eq!(piece(&Piece::End(end)), expected);
        assert_eq!(left("h/r", [4, 5])["next_stderr_offset"], 5);
    }
}
