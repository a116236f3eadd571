//! One conversation with systemd over the system bus.
//!
//! A client of exactly four methods, instead of zbus, which other code of the agent
//! links: zbus takes messages of up to 128 MiB, starts threads of its own for its
//! executor and its reactor within a process that confines itself, and its handshake
//! has no time limit. Here everything is read by the caller's thread, within one
//! deadline and within [`MAX_ANSWER`], and nothing else on the bus is listened to.
//!
//! Source: D-Bus Specification, «Authentication Protocol» and «Message Bus»;
//! org.freedesktop.systemd1(5). Called by `units.rs`.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::message::{Answer, Call, HEAD, Kind, MAX_ANSWER, whole_length};
use super::properties::{self, told};
use super::wire::{Reader, WireError, Writer};
use super::{LoadedUnit, UnitFilter, UnitState, UnitStatus, UnitsError};
use crate::plain::hexadecimal;
use crate::{Unit, UnitType};

const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// The longest line of the authentication that is read.
const MAX_LINE: usize = 4 << 10;
/// The most messages that nobody asked for, before the answer.
const MAX_UNASKED: usize = 100;
/// The most patterns or states that a list may be asked for with.
const MAX_FILTERS: usize = 200;

/// systemd's manager, for the time of one question.
pub(super) struct Manager {
    connection: Connection,
}

/// A connection to the bus that ends at its deadline.
struct Connection {
    stream: UnixStream,
    socket: PathBuf,
    deadline: Instant,
    time_limit: Duration,
    serial: u32,
    /// What is being done, for errors.
    doing: &'static str,
}

impl Manager {
    /// Connects and makes itself known, in the name of the user that this process is.
    pub(super) fn connect(socket: &Path, time_limit: Duration) -> Result<Self, UnitsError> {
        let mut connection = Connection::open(socket, time_limit)?;
        connection.authenticate()?;
        connection.doing = "greeting it";
        let bus = "org.freedesktop.DBus";
        let path = "/org/freedesktop/DBus";
        let hello = Call { destination: bus, path, interface: bus, member: "Hello", signature: "" };
        connection.call(&hello, Writer::default())?;
        Ok(Self { connection })
    }

    /// `ListUnitsByPatterns`: of what is loaded only.
    pub(super) fn list(&mut self, filter: &UnitFilter) -> Result<Vec<UnitState>, UnitsError> {
        check(filter)?;
        self.connection.doing = "listing units";
        let mut arguments = Writer::default();
        arguments.texts(filter.states.iter().map(String::as_str));
        arguments.texts(filter.patterns.iter().map(crate::UnitPattern::as_str));
        let answer = self.ask("ListUnitsByPatterns", "asas", arguments)?;
        let listed = answer.results("a(ssssssouso)").and_then(listed);
        listed.map_err(|error| self.connection.unusable(&error))
    }

    /// `GetUnit`, then the properties of what it gave; else `GetUnitFileState`.
    pub(super) fn status(&mut self, unit: &Unit) -> Result<UnitStatus, UnitsError> {
        self.connection.doing = "looking up the unit";
        let path = match self.named("GetUnit", unit) {
            Ok(answer) => {
                let path = answer.results("o").and_then(|mut results| results.text());
                path.map_err(|error| self.connection.unusable(&error))?.to_owned()
            }
            Err(UnitsError::Refused { name, .. }) if is_no_such(&name) => {
                return self.not_loaded(unit);
            }
            Err(error) => return Err(error),
        };
        self.connection.doing = "reading the unit's properties";
        // The object of a unit that went away meanwhile would be loaded again by asking it:
        // systemd does so for any path of a unit, and unloads what nothing needs.
        let mut loaded = properties::unknown(unit.clone());
        self.properties(&path, "org.freedesktop.systemd1.Unit", &mut loaded)?;
        let own = interface(loaded.state.name.kind());
        if let Some(own) = own {
            self.properties(&path, own, &mut loaded)?;
        }
        Ok(UnitStatus::Loaded(Box::new(loaded)))
    }

    fn not_loaded(&mut self, unit: &Unit) -> Result<UnitStatus, UnitsError> {
        self.connection.doing = "looking for the unit's file";
        let unit_file_state = match self.named("GetUnitFileState", unit) {
            Ok(answer) => {
                let state = answer.results("s").and_then(|mut results| results.text());
                Some(told(state.map_err(|error| self.connection.unusable(&error))?))
            }
            Err(UnitsError::Refused { name, .. }) if is_no_such(&name) => None,
            Err(error) => return Err(error),
        };
        Ok(UnitStatus::NotLoaded { name: unit.clone(), unit_file_state })
    }

    fn properties(
        &mut self,
        path: &str,
        interface: &str,
        into: &mut LoadedUnit,
    ) -> Result<(), UnitsError> {
        let mut arguments = Writer::default();
        arguments.text(interface);
        let call = Call {
            destination: SYSTEMD,
            path,
            interface: PROPERTIES,
            member: "GetAll",
            signature: "s",
        };
        let answer = self.connection.call(&call, arguments)?;
        let taken = answer.results("a{sv}").and_then(|results| properties::take(results, into));
        taken.map_err(|error| self.connection.unusable(&error))
    }

    fn named(&mut self, member: &str, unit: &Unit) -> Result<Answer, UnitsError> {
        let mut arguments = Writer::default();
        arguments.text(unit.as_str());
        self.ask(member, "s", arguments)
    }

    fn ask(
        &mut self,
        member: &str,
        signature: &str,
        arguments: Writer,
    ) -> Result<Answer, UnitsError> {
        let call = Call {
            destination: SYSTEMD,
            path: MANAGER_PATH,
            interface: MANAGER,
            member,
            signature,
        };
        self.connection.call(&call, arguments)
    }
}

impl Connection {
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
    fn call(&mut self, call: &Call<'_>, arguments: Writer) -> Result<Answer, UnitsError> {
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
        debug_assert!(length <= MAX_ANSWER);
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

    fn unusable(&self, reason: &dyn std::fmt::Display) -> UnitsError {
        UnitsError::Answer {
            socket: self.socket.clone(),
            doing: self.doing,
            reason: reason.to_string(),
        }
    }
}

/// The units of an answer to `ListUnitsByPatterns`.
fn listed(mut results: Reader<'_>) -> Result<Vec<UnitState>, WireError> {
    let mut units = Vec::new();
    let mut rows = results.array(8)?;
    while !rows.at_end() {
        rows.align(8)?;
        let (name, description) = (rows.text()?, rows.text()?);
        let (load_state, active_state, sub_state) = (rows.text()?, rows.text()?, rows.text()?);
        // What it follows, and its object; its job's number, type and object.
        let (_following, _object) = (rows.text()?, rows.text()?);
        let (_job, _kind, _of) = (rows.u32()?, rows.text()?, rows.text()?);
        units.push(UnitState {
            name: name.parse().map_err(|_| WireError::Type)?,
            description: told(description),
            load_state: told(load_state),
            active_state: told(active_state),
            sub_state: told(sub_state),
        });
    }
    Ok(units)
}

fn check(filter: &UnitFilter) -> Result<(), UnitsError> {
    if filter.patterns.len() > MAX_FILTERS || filter.states.len() > MAX_FILTERS {
        return Err(UnitsError::Filter(format!("it has more than {MAX_FILTERS} alternatives")));
    }
    let of_states = |c: char| c.is_ascii_lowercase() || c == '-' || c == '_';
    match filter.states.iter().find(|state| state.is_empty() || !state.chars().all(of_states)) {
        Some(state) => Err(UnitsError::Filter(format!(
            "`{}` is no state; states are words such as `active`, `failed`, `not-found`, `running`",
            told(state)
        ))),
        None => Ok(()),
    }
}

/// Not loaded, or without a file.
fn is_no_such(error: &str) -> bool {
    matches!(
        error,
        "org.freedesktop.systemd1.NoSuchUnit" | "org.freedesktop.DBus.Error.FileNotFound"
    )
}

/// The interface that units of a type have beside that of all units.
fn interface(kind: UnitType) -> Option<&'static str> {
    match kind {
        UnitType::Automount => Some("org.freedesktop.systemd1.Automount"),
        UnitType::Mount => Some("org.freedesktop.systemd1.Mount"),
        UnitType::Path => Some("org.freedesktop.systemd1.Path"),
        UnitType::Scope => Some("org.freedesktop.systemd1.Scope"),
        UnitType::Service => Some("org.freedesktop.systemd1.Service"),
        UnitType::Slice => Some("org.freedesktop.systemd1.Slice"),
        UnitType::Socket => Some("org.freedesktop.systemd1.Socket"),
        UnitType::Swap => Some("org.freedesktop.systemd1.Swap"),
        UnitType::Timer => Some("org.freedesktop.systemd1.Timer"),
        UnitType::Device | UnitType::Target => None,
    }
}
