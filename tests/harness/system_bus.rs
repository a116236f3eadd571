//! A system bus that plays back what a real systemd once said, for tests that
//! start the whole of Cofferdam.
//!
//! The recordings are those of `agent/services/tests`: for each call its answer, as
//! the bus sent it. Which one is played is said by what is asked: a list, or the
//! status of a unit.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A bus that listens for as long as the process runs.
#[derive(Debug)]
pub struct SystemBus {
    /// Where it listens.
    pub socket: PathBuf,
}

impl SystemBus {
    /// Listens at `socket`, for everybody, and plays the recordings of a directory.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn start(socket: &Path, recordings: PathBuf) -> Self {
        let listener = UnixListener::bind(socket).expect("it listens");
        std::fs::set_permissions(socket, PermissionsExt::from_mode(0o777)).expect("its mode");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let recordings = recordings.clone();
                // A conversation that breaks off is its client's to notice.
                std::thread::spawn(move || _ = converse(stream, &recordings));
            }
        });
        Self { socket: socket.to_owned() }
    }
}

fn converse(mut to: UnixStream, recordings: &Path) -> std::io::Result<()> {
    to.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut from = BufReader::new(to.try_clone()?);
    let mut line = String::new();
    from.read_line(&mut line)?;
    to.write_all(b"OK 0123456789abcdef0123456789abcdef\r\n")?;
    from.read_line(&mut line)?;
    // Every recording begins with the same answer to `Hello`.
    call(&mut from)?;
    to.write_all(&recorded(recordings, "list")?[0])?;
    let asked = call(&mut from)?;
    let is_list = asked.windows(9).any(|window| window == b"ListUnits");
    let answers = recorded(recordings, if is_list { "list" } else { "running" })?;
    let mut answers = answers.into_iter().skip(1);
    while let Some(answer) = answers.next() {
        to.write_all(&answer)?;
        if answers.len() > 0 {
            call(&mut from)?;
        }
    }
    Ok(())
}

/// Waits for a call (D-Bus specification, «Message Protocol»).
fn call(from: &mut BufReader<UnixStream>) -> std::io::Result<Vec<u8>> {
    let mut message = vec![0; 16];
    from.read_exact(&mut message)?;
    let number = |at: usize| {
        let four: [u8; 4] = message[at..at + 4].try_into().expect("four bytes");
        usize::try_from(u32::from_le_bytes(four)).expect("in range")
    };
    let length = (16 + number(12)).next_multiple_of(8) + number(4);
    message.resize(length, 0);
    from.read_exact(&mut message[16..])?;
    Ok(message)
}

/// The answers of a recording, without that to the authentication: each behind
/// its length.
fn recorded(recordings: &Path, name: &str) -> std::io::Result<Vec<Vec<u8>>> {
    let bytes = std::fs::read(recordings.join(format!("{name}.bus")))?;
    let (mut rest, mut answers) = (bytes.as_slice(), Vec::new());
    while let Some((length, others)) = rest.split_first_chunk() {
        let length = usize::try_from(u32::from_le_bytes(*length)).expect("in range");
        answers.push(others[..length].to_vec());
        rest = &others[length..];
    }
    answers.remove(0);
    Ok(answers)
}
