//! Buses of the tests' own: one that plays back what a real systemd said, and ones that
//! do harm.
//!
//! The recordings in `fixtures/bus` were made with systemd 252 and dbus-daemon 1.14 by
//! `examples/record.rs`: for each call its answer, as the bus sent it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use cofferdam_services::Units;
use tempfile::TempDir;

/// Where a bus listens, for as long as this is kept.
pub(crate) struct Bus {
    directory: TempDir,
}

/// The bus's end of one conversation.
pub(crate) struct Client {
    from: BufReader<UnixStream>,
    to: UnixStream,
}

impl Bus {
    /// A bus that does this with the first who connects. What it does ends with an error
    /// when the other side is gone.
    pub(crate) fn that(
        does: impl FnOnce(&mut Client) -> std::io::Result<()> + Send + 'static,
    ) -> Self {
        let directory = TempDir::new().expect("a directory");
        let listener = UnixListener::bind(directory.path().join("socket")).expect("it listens");
        thread::spawn(move || {
            let (stream, _) = listener.accept()?;
            // Whatever goes wrong, no test leaves a thread waiting.
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            let from = BufReader::new(stream.try_clone()?);
            does(&mut Client { from, to: stream })
        });
        Self { directory }
    }

    /// A bus that greets, and then answers each call with the next of these.
    pub(crate) fn answering(answers: Vec<Vec<u8>>) -> Self {
        Self::that(move |client| {
            client.greet()?;
            for answer in answers {
                client.call()?;
                client.say(&answer)?;
            }
            client.call().map(drop)
        })
    }

    pub(crate) fn units(&self) -> Units {
        Units::on(self.directory.path().join("socket"))
    }
}

impl Client {
    /// Lets whoever it is in.
    pub(crate) fn greet(&mut self) -> std::io::Result<()> {
        self.heard_who_it_is()?;
        self.say(b"OK 0123456789abcdef0123456789abcdef\r\n")?;
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        assert_eq!(line, "BEGIN\r\n");
        Ok(())
    }

    /// Waits for the beginning of a greeting.
    pub(crate) fn heard_who_it_is(&mut self) -> std::io::Result<()> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        assert!(line.starts_with("\0AUTH EXTERNAL "), "{line:?}");
        Ok(())
    }

    /// Waits for a call.
    pub(crate) fn call(&mut self) -> std::io::Result<Vec<u8>> {
        let mut message = vec![0; 16];
        self.from.read_exact(&mut message)?;
        let number = |at: usize| {
            let four = message[at..at + 4].try_into().expect("four bytes");
            usize::try_from(u32::from_le_bytes(four)).expect("in range")
        };
        let length = (16 + number(12)).next_multiple_of(8) + number(4);
        message.resize(length, 0);
        self.from.read_exact(&mut message[16..])?;
        Ok(message)
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.to.write_all(bytes)
    }
}

/// The answers of a recording, without that to the authentication.
pub(crate) fn recorded(name: &str) -> Vec<Vec<u8>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services/fixtures/bus");
    let bytes = std::fs::read(fixtures.join(format!("{name}.bus"))).expect("the recording");
    let (mut rest, mut answers) = (bytes.as_slice(), Vec::new());
    while let Some((length, others)) = rest.split_first_chunk() {
        let length = usize::try_from(u32::from_le_bytes(*length)).expect("in range");
        answers.push(others[..length].to_vec());
        rest = &others[length..];
    }
    assert!(answers.remove(0).starts_with(b"OK "));
    answers
}

/// An answer to the call with this serial, with these results: a return, or an error of
/// this name.
pub(crate) fn answer(to: u8, error: Option<&str>, signature: &str, results: &[u8]) -> Vec<u8> {
    let length = u32::try_from(results.len()).expect("in range").to_le_bytes();
    let mut message = vec![b'l', if error.is_some() { 3 } else { 2 }, 1, 1];
    message.extend(length);
    message.extend([9, 0, 0, 0]);
    let mut fields = vec![5, 1, b'u', 0, to, 0, 0, 0];
    if let Some(name) = error {
        fields.extend([4, 1, b's', 0]);
        fields.extend(u32::try_from(name.len()).expect("in range").to_le_bytes());
        fields.extend(name.as_bytes());
        fields.push(0);
        fields.resize(fields.len().next_multiple_of(8), 0);
    }
    fields.extend([8, 1, b'g', 0, u8::try_from(signature.len()).expect("in range")]);
    fields.extend(signature.as_bytes());
    fields.push(0);
    message.extend(u32::try_from(fields.len()).expect("in range").to_le_bytes());
    message.extend(fields);
    message.resize(message.len().next_multiple_of(8), 0);
    message.extend(results);
    message
}

/// A text as a result.
pub(crate) fn text(text: &str) -> Vec<u8> {
    let mut bytes = u32::try_from(text.len()).expect("in range").to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes.push(0);
    bytes
}
