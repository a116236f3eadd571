//! One conversation over a D-Bus bus: in, authenticated, and a call at a time.
//!
//! Own code instead of zbus, which other code of the agent links: zbus takes messages of
//! up to 128 MiB, starts threads of its own for its executor and its reactor within a
//! process that confines itself, and its handshake has no time limit. Here everything is
//! read by the caller's thread, within one deadline and within
//! [`MAX_ANSWER`](super::message::MAX_ANSWER), and nothing else on the bus is listened to.
//!
//! Source: D-Bus Specification, «Authentication Protocol» and «Message Bus». Used by
//! `manager.rs`.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::UnitsError;
use super::message::{Answer, Call, HEAD, Kind, whole_length};
use super::properties::told;
use super::wire::Writer;
use crate::plain::hexadecimal;

const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";

/// The longest line of the authentication that is read.
const MAX_LINE: usize = 4 << 10;
/// The most messages that nobody asked for, before the answer.
const MAX_UNASKED: usize = 100;

/// A connection to the bus that ends at its deadline.
pub(super) struct Connection {
    stream: UnixStream,
    socket: PathBuf,
    deadline: Instant,
    time_limit: Duration,
    serial: u32,
    /// What is being done, for errors.
    pub(super) doing: &'static str,
}

impl Connection {
    /// Connects and makes itself known, in the name of the user that this process is.
    pub(super) fn greet(socket: &Path, time_limit: Duration) -> Result<Self, UnitsError> {
        let mut connection = Self::open(socket, time_limit)?;
        connection.authenticate()?;
        connection.doing = "greeting it";
        let hello = Call {
            destination: BUS,
            path: BUS_PATH,
            interface: BUS,
            member: "Hello",
            signature: "",
        };
        connection.call(&hello, Writer::default())?;
        Ok(connection)
    }

    fn open(socket: &Path, time_limit: Duration) -> Result<Self, UnitsError> {
        // The standard library's connect would wait for as long as the queue of the bus is
        // full; the kernel heeds a time limit that is set before.
        let connected = || -> io::Result<UnixStream> {
            let flags = SocketFlags::CLOEXEC;
            let made = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
            set_socket_timeout(&made, Timeout::Send, Some(time_limit))?;
            connect(&made, &SocketAddrUnix::new(socket)?)?;
            Ok(UnixStream::from(made))
        };
        let deadline = Instant::now() + time_limit;
        match connected() {
            Ok(stream) => Ok(Self {
                stream,
                socket: socket.to_owned(),
                deadline,
                time_limit,
                serial: 0,
                doing: "authenticating",
            }),
            Err(source) => Err(UnitsError::Connect { socket: socket.to_owned(), source }),
        }
    }

    /// `EXTERNAL`: the bus takes the user from the socket, we name the same.
    fn authenticate(&mut self) -> Result<(), UnitsError> {
        let user = rustix::process::geteuid().as_raw().to_string();
        let name = hexadecimal(user.as_bytes());
        self.send(format!("\0AUTH EXTERNAL {name}\r\n").as_bytes())?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.receive(&mut byte)?;
            line.extend(byte);
            if line.len() > MAX_LINE {
                return Err(self.unusable(&"a line without an end"));
            }
        }
        if !line.starts_with(b"OK ") {
            let answer = told(String::from_utf8_lossy(&line).trim_end());
            return Err(UnitsError::NotAuthenticated { socket: self.socket.clone(), answer });
        }
        self.send(b"BEGIN\r\n")
    }

    /// Calls and waits for the answer; an answer that is an error is an error.
    pub(super) fn call(
        &mut self,
        call: &Call<'_>,
        arguments: Writer,
    ) -> Result<Answer, UnitsError> {
        self.serial += 1;
        self.send(&call.encode(self.serial, arguments.into_bytes()))?;
        for _ in 0..MAX_UNASKED {
            let answer = self.message()?;
            match &answer.kind {
                _ if answer.to != self.serial => {}
                Kind::Return => return Ok(answer),
                Kind::Error(name) => {
                    return Err(UnitsError::Refused {
                        doing: self.doing,
                        name: told(name),
                        message: told(answer.message()),
                    });
                }
                Kind::Unasked => {}
            }
        }
        Err(self.unusable(&format!("{MAX_UNASKED} messages that nobody asked for")))
    }

    fn message(&mut self) -> Result<Answer, UnitsError> {
        let mut head = [0; HEAD];
        self.receive(&mut head)?;
        let length = whole_length(&head).map_err(|reason| self.unusable(&reason))?;
        let mut message = vec![0; length];
        message[..HEAD].copy_from_slice(&head);
        self.receive(&mut message[HEAD..])?;
        Answer::decode(&message).map_err(|reason| self.unusable(&reason))
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), UnitsError> {
        let mut sent = 0;
        while sent < bytes.len() {
            let left = self.time_left()?;
            let tried = self
                .stream
                .set_write_timeout(Some(left))
                .and_then(|()| self.stream.write(&bytes[sent..]));
            sent += self.moved(tried)?;
        }
        Ok(())
    }

    fn receive(&mut self, into: &mut [u8]) -> Result<(), UnitsError> {
        let mut received = 0;
        while received < into.len() {
            let left = self.time_left()?;
            let tried = self
                .stream
                .set_read_timeout(Some(left))
                .and_then(|()| self.stream.read(&mut into[received..]));
            received += self.moved(tried)?;
        }
        Ok(())
    }

    fn time_left(&self) -> Result<Duration, UnitsError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(self.too_late()) } else { Ok(left) }
    }

    /// How many bytes were sent or received by one try.
    fn moved(&self, tried: io::Result<usize>) -> Result<usize, UnitsError> {
        let broken =
            |source| UnitsError::Broken { socket: self.socket.clone(), doing: self.doing, source };
        match tried {
            Ok(0) => Err(broken(io::ErrorKind::UnexpectedEof.into())),
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                Err(self.too_late())
            }
            Err(error) => Err(broken(error)),
        }
    }

    fn too_late(&self) -> UnitsError {
        UnitsError::TooLate {
            socket: self.socket.clone(),
            doing: self.doing,
            seconds: self.time_limit.as_secs_f64(),
        }
    }

    /// What came cannot be used, for this reason.
    pub(super) fn unusable(&self, reason: &dyn std::fmt::Display) -> UnitsError {
        UnitsError::Answer {
            socket: self.socket.clone(),
            doing: self.doing,
            reason: reason.to_string(),
        }
    }
}
