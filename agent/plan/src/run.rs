//! The plan of a run, and what the agent says to PID 1 of a cell.

use crate::cell::LandlockPlan;
use crate::codec::{Decode, DecodeError, Encode, Frame, Reader, Writer};
use crate::path::AbsolutePath;

mod loopback;

pub use loopback::{Loopback, LoopbackHold};

/// Names a run: the caller's UUID.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub [u8; 16]);

/// Limits that PID 1 itself sets or keeps. Zero means: not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunLimits {
    /// Milliseconds of wall time; then SIGTERM, and SIGKILL after `grace_millis`.
    pub wall_millis: u64,
    /// Milliseconds between SIGTERM and SIGKILL.
    pub grace_millis: u64,
    /// `RLIMIT_FSIZE`, bytes.
    pub file_size_bytes: u64,
    /// `RLIMIT_NOFILE`.
    pub open_files: u32,
    /// `RLIMIT_NPROC`; a second net below the cell's own limit.
    pub processes: u32,
    /// `RLIMIT_AS`, bytes: only where no memory controller is at hand.
    pub address_space_bytes: u64,
}

/// One command in a cell. Its three standard streams travel beside it as
/// descriptors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPlan {
    /// Its name.
    pub run: RunId,
    /// With a slash: a path, taken as it is. Without: looked up in
    /// `search_path`.
    pub program: Vec<u8>,
    /// Where a name is looked up, in order.
    pub search_path: Vec<AbsolutePath>,
    /// argv, with the program's own name at index 0.
    pub arguments: Vec<Vec<u8>>,
    /// `NAME=value` each.
    pub environment: Vec<Vec<u8>>,
    /// Where it starts.
    pub working_directory: AbsolutePath,
    /// Limits.
    pub limits: RunLimits,
    /// The cgroup leaf that it starts in, as the warden gave it to PID 1; 0:
    /// none. Without one, the run is alone in its cell, and its end ends
    /// everything in it.
    pub leaf: u32,
    /// Landlock's rules for this run, on top of the cell's; empty: the cell's
    /// once more.
    pub landlock: Vec<LandlockPlan>,
    /// What it reaches by TCP in the cell's network namespace.
    pub loopback: Loopback,
    /// What it forked lives on when its first process ends, until the cell
    /// ends. Needs a leaf.
    pub background: bool,
    /// A terminal instead of three streams.
    pub terminal: Option<TerminalSize>,
}

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Characters of a line.
    pub columns: u16,
}

/// What the agent asks of PID 1, over the cell's control socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CellRequest {
    /// Start a run; descriptors: stdin, stdout, stderr, unless it has a terminal,
    /// and then those of its leaf, if it has one.
    Start(RunPlan),
    /// End a run with its whole tree: SIGTERM, then SIGKILL after its grace.
    Cancel(RunId),
    /// End a run with its whole tree, now.
    Kill(RunId),
    /// Make a listening TCP socket on 127.0.0.1 in the cell's network
    /// namespace, on a free port, and hand it over.
    Listen,
    /// Send a signal to a run: to the foreground process group of its terminal,
    /// or, without one, to the process group of its first process.
    Signal(RunId, RunSignal),
    /// Say that all requests before this one were heard.
    Check,
}

/// A signal that a run may be sent, by its number on Linux (signal(7)).
/// `SIGKILL` is none of them: [`CellRequest::Kill`] ends the whole tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say all that there is")]
pub enum RunSignal {
    Hangup = 1,
    Interrupt = 2,
    Quit = 3,
    User1 = 10,
    User2 = 12,
    Terminate = 15,
    Continue = 18,
    Stop = 19,
    TerminalStop = 20,
    WindowChange = 28,
}

/// Which step of starting a run failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStep {
    /// The plan itself: no streams, no arguments, a run id in use.
    Plan,
    /// fork(2).
    Fork,
    /// setrlimit(2).
    Limits,
    /// chdir(2) to the working directory.
    WorkingDirectory,
    /// Standard streams, or the terminal.
    Streams,
    /// The program is nowhere in the search path.
    FindProgram,
    /// execve(2).
    Execute,
    /// Joining the run's cgroup.
    Cgroup,
    /// The run's own Landlock layer and filter.
    Confine,
}

/// How a run's first process ended; by then the whole tree is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunEnding {
    /// As wait4(2) gives it.
    pub wait_status: i32,
    /// The wall time was over and PID 1 ended it.
    pub timed_out: bool,
    /// It was cancelled.
    pub cancelled: bool,
    /// Microseconds from start to end.
    pub wall_micros: u64,
    /// Microseconds of user time, of all waited-for processes of the run.
    pub user_micros: u64,
    /// Microseconds of system time.
    pub system_micros: u64,
    /// Bytes of the largest resident set of one process.
    pub peak_resident_bytes: u64,
}

/// Bounds of the fields.
pub mod bounds {
    /// Bytes of one argument or environment entry: the kernel's
    /// `MAX_ARG_STRLEN`, execve(2).
    pub const STRING: usize = 128 * 1024;
    /// Arguments.
    pub const ARGUMENTS: usize = 16 * 1024;
    /// Environment entries.
    pub const ENVIRONMENT: usize = 1024;
    /// Directories in the search path.
    pub const SEARCH_PATH: usize = 64;
}

impl RunStep {
    const ALL: [Self; 9] = [
        Self::Plan,
        Self::Fork,
        Self::Limits,
        Self::WorkingDirectory,
        Self::Streams,
        Self::FindProgram,
        Self::Execute,
        Self::Cgroup,
        Self::Confine,
    ];

    /// In words, for an outcome.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Fork => "fork",
            Self::Limits => "limits",
            Self::WorkingDirectory => "working directory",
            Self::Streams => "streams",
            Self::FindProgram => "find program",
            Self::Execute => "execute",
            Self::Cgroup => "cgroup",
            Self::Confine => "sandbox",
        }
    }

    pub(crate) fn encode(self, w: &mut Writer) {
        w.u8(self as u8);
    }

    /// From its number.
    pub fn decode_number(number: u8) -> Result<Self, DecodeError> {
        let unknown = DecodeError::Unknown("run step", number.into());
        Self::ALL.get(usize::from(number)).copied().ok_or(unknown)
    }
}

impl RunSignal {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Hangup,
        Self::Interrupt,
        Self::Quit,
        Self::User1,
        Self::User2,
        Self::Terminate,
        Self::Continue,
        Self::Stop,
        Self::TerminalStop,
        Self::WindowChange,
    ];

    fn decode(number: u8) -> Result<Self, DecodeError> {
        let known = Self::ALL.into_iter().find(|signal| *signal as u8 == number);
        known.ok_or(DecodeError::Unknown("signal", number.into()))
    }
}

impl Frame for CellRequest {
    const MAX_FRAME: usize = 2 * 1024 * 1024;
}

impl Encode for CellRequest {
    fn encode(&self, w: &mut Writer) {
        match self {
            Self::Start(plan) => {
                w.u8(1);
                plan.encode(w);
            }
            Self::Cancel(run) => {
                w.u8(2);
                w.array(&run.0);
            }
            Self::Kill(run) => {
                w.u8(3);
                w.array(&run.0);
            }
            Self::Listen => w.u8(4),
            Self::Signal(run, signal) => {
                w.u8(5);
                w.array(&run.0);
                w.u8(*signal as u8);
            }
            Self::Check => w.u8(6),
        }
    }
}

impl Decode for CellRequest {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match r.u8("cell request")? {
            1 => Ok(Self::Start(RunPlan::decode(r)?)),
            2 => Ok(Self::Cancel(RunId(r.array("run")?))),
            3 => Ok(Self::Kill(RunId(r.array("run")?))),
            4 => Ok(Self::Listen),
            5 => Ok(Self::Signal(RunId(r.array("run")?), RunSignal::decode(r.u8("signal")?)?)),
            6 => Ok(Self::Check),
            other => Err(DecodeError::Unknown("cell request", other.into())),
        }
    }
}

impl RunPlan {
    fn encode(&self, w: &mut Writer) {
        w.array(&self.run.0);
        w.bytes(&self.program);
        w.list(&self.search_path, |w, path| w.bytes(path.as_bytes()));
        w.list(&self.arguments, |w, argument| w.bytes(argument));
        w.list(&self.environment, |w, entry| w.bytes(entry));
        w.bytes(self.working_directory.as_bytes());
        let l = &self.limits;
        w.u64(l.wall_millis);
        w.u64(l.grace_millis);
        w.u64(l.file_size_bytes);
        w.u32(l.open_files);
        w.u32(l.processes);
        w.u64(l.address_space_bytes);
        w.u32(self.leaf);
        w.list(&self.landlock, |w, rule| rule.encode(w));
        self.loopback.encode(w);
        w.bool(self.background);
        w.bool(self.terminal.is_some());
        if let Some(TerminalSize { rows, columns }) = self.terminal {
            w.array(&rows.to_le_bytes());
            w.array(&columns.to_le_bytes());
        }
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            run: RunId(r.array("run")?),
            program: r.c_bytes("program", crate::path::MAX_PATH)?,
            search_path: r.list("search_path", bounds::SEARCH_PATH, |r| r.path("search_path"))?,
            arguments: r
                .list("arguments", bounds::ARGUMENTS, |r| r.c_bytes("argument", bounds::STRING))?,
            environment: r.list("environment", bounds::ENVIRONMENT, |r| {
                r.c_bytes("environment", bounds::STRING)
            })?,
            working_directory: r.path("working_directory")?,
            limits: RunLimits {
                wall_millis: r.u64("limits.wall_millis")?,
                grace_millis: r.u64("limits.grace_millis")?,
                file_size_bytes: r.u64("limits.file_size_bytes")?,
                open_files: r.u32("limits.open_files")?,
                processes: r.u32("limits.processes")?,
                address_space_bytes: r.u64("limits.address_space_bytes")?,
            },
            leaf: r.u32("leaf")?,
            landlock: r.list("landlock", crate::cell::bounds::LANDLOCK, LandlockPlan::decode)?,
            loopback: Loopback::decode(r)?,
            background: r.bool("background")?,
            terminal: if r.bool("terminal")? { Some(TerminalSize::decode(r)?) } else { None },
        })
    }
}

impl TerminalSize {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut number = |field| r.array(field).map(u16::from_le_bytes);
        Ok(Self { rows: number("terminal.rows")?, columns: number("terminal.columns")? })
    }
}

impl RunEnding {
    pub(crate) fn encode(&self, w: &mut Writer) {
        w.u32(self.wait_status.cast_unsigned());
        w.bool(self.timed_out);
        w.bool(self.cancelled);
        w.u64(self.wall_micros);
        w.u64(self.user_micros);
        w.u64(self.system_micros);
        w.u64(self.peak_resident_bytes);
    }

    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            wait_status: r.u32("wait_status")?.cast_signed(),
            timed_out: r.bool("timed_out")?,
            cancelled: r.bool("cancelled")?,
            wall_micros: r.u64("wall_micros")?,
            user_micros: r.u64("user_micros")?,
            system_micros: r.u64("system_micros")?,
            peak_resident_bytes: r.u64("peak_resident_bytes")?,
        })
    }
}
