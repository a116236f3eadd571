//! What the store has of one run.
//!
//! Its log, named `run-<id>`; beside it its streams, with a suffix each: the pipes
//! (`.out`, `.err`, `.in`), their strips, a terminal and what leads there. They are there before PID 1
//! hears of the run, and the log comes last, so that a run without one has not begun.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use cofferdam_plan::run::LoopbackHold;
use cofferdam_plan::{CellEvent, CellId, Encode, Leaf, RunEnding, RunId, TerminalSize};
use cofferdam_proto::exec::v1::{Finished, Sandbox, Started};
use cofferdam_proto::intent::v1::SignedIntent;

use super::log::Log;
use super::store::Store;
use crate::cap::CappedLimits;
use crate::input::Kind;

/// What a descriptor of a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The reading end of standard output, or the terminal.
    Stdout,
    /// The reading end of standard error.
    Stderr,
    /// The writing end of standard input.
    Stdin,
    /// What standard output gave.
    StdoutStrip,
    /// What standard error gave.
    StderrStrip,
    /// What standard input takes.
    StdinStrip,
    /// What a terminal shows, on its way to the strip: the reading end of a pipe.
    ShownOut,
    /// The writing end of that.
    ShownIn,
    /// What is typed into a terminal, on its way from the strip: the reading end.
    TypedOut,
    /// The writing end of that.
    TypedIn,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Stdout,
        Self::Stderr,
        Self::Stdin,
        Self::StdoutStrip,
        Self::StderrStrip,
        Self::StdinStrip,
        Self::ShownOut,
        Self::ShownIn,
        Self::TypedOut,
        Self::TypedIn,
    ];

    /// Those that end with the run; the strips are read for longer.
    const STREAMS: [Self; 8] = [
        Self::Stdout,
        Self::Stderr,
        Self::Stdin,
        Self::StdinStrip,
        Self::ShownOut,
        Self::ShownIn,
        Self::TypedOut,
        Self::TypedIn,
    ];

    /// How its name ends.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Stdout => ".out",
            Self::Stderr => ".err",
            Self::Stdin => ".in",
            Self::StdoutStrip => ".out-strip",
            Self::StderrStrip => ".err-strip",
            Self::StdinStrip => ".in-strip",
            Self::ShownOut => ".shown-out",
            Self::ShownIn => ".shown-in",
            Self::TypedOut => ".typed-out",
            Self::TypedIn => ".typed-in",
        }
    }
}

/// What a log says of a run. What its intent says is in the journal and not here.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Words {
    /// [`super::VERSION`].
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// The hash of the intent's record in this host's journal.
    #[prost(bytes = "vec", tag = "2")]
    pub intent_hash: Vec<u8>,
    /// Its cell.
    #[prost(bytes = "vec", tag = "3")]
    pub cell: Vec<u8>,
    /// The number of its cgroup leaf; 0: none.
    #[prost(uint32, tag = "4")]
    pub leaf: u32,
    /// It may leave something running.
    #[prost(bool, tag = "5")]
    pub background: bool,
    /// Its profile.
    #[prost(string, tag = "6")]
    pub profile: String,
    /// What it runs, in words.
    #[prost(string, tag = "7")]
    pub command: String,
    /// How its input is open: 0 closed, 1 open, 2 a terminal.
    #[prost(uint32, tag = "8")]
    pub input: u32,
    /// Rows and columns of its terminal; 0: none.
    #[prost(uint32, tag = "9")]
    pub rows: u32,
    /// See `rows`.
    #[prost(uint32, tag = "10")]
    pub columns: u32,
    /// Bytes that are held of each stream.
    #[prost(uint64, tag = "11")]
    pub capacity: u64,
    /// Its limits.
    #[prost(message, optional, tag = "12")]
    pub limits: Option<CappedLimits>,
    /// What holds it.
    #[prost(message, optional, tag = "13")]
    pub sandbox: Option<Sandbox>,
    /// Its way out of the cell, which ended with the agent.
    #[prost(bool, tag = "14")]
    pub had_way_out: bool,
    /// PID 1 said that it started, in these words.
    #[prost(bytes = "vec", tag = "15")]
    pub begun: Vec<u8>,
    /// What its callers were told of that.
    #[prost(message, optional, tag = "16")]
    pub started: Option<Started>,
    /// PID 1 said how it ended, in these words.
    #[prost(bytes = "vec", tag = "17")]
    pub ended: Vec<u8>,
    /// It goes on while nobody follows it.
    #[prost(bool, tag = "18")]
    pub kept: bool,
    /// Who asked for its end.
    #[prost(string, tag = "19")]
    pub cancelled: String,
    /// Signals that its caller had it sent.
    #[prost(int32, repeated, tag = "20")]
    pub signals: Vec<i32>,
    /// The agent ended it: 1 for its output, 2 for its silence, 3 for want of memory.
    #[prost(uint32, tag = "21")]
    pub ended_for: u32,
    /// What it came to; the receipt comes later.
    #[prost(message, optional, tag = "22")]
    pub finished: Option<Finished>,
    /// The end of its input was asked for.
    #[prost(bool, tag = "23")]
    pub input_ended: bool,
    /// The gateway's word for it, which was verified when it was recorded,
    #[prost(message, optional, tag = "24")]
    pub signed: Option<SignedIntent>,
    /// and the name in that gateway's certificate.
    #[prost(string, tag = "25")]
    pub gateway: String,
}

/// How input is open, as a number of a log.
#[must_use]
pub fn number_of(kind: Kind) -> u32 {
    match kind {
        Kind::Closed => 0,
        Kind::Open => 1,
        Kind::Terminal => 2,
    }
}

/// The other way round; what is unknown is closed.
#[must_use]
pub fn kind_of(number: u32) -> Kind {
    match number {
        1 => Kind::Open,
        2 => Kind::Terminal,
        _ => Kind::Closed,
    }
}

impl Words {
    /// The size of its terminal.
    #[must_use]
    pub fn terminal(&self) -> Option<TerminalSize> {
        let number = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
        let size = TerminalSize { rows: number(self.rows), columns: number(self.columns) };
        (self.input == number_of(Kind::Terminal)).then_some(size)
    }

    /// Its cell, and the cgroup leaf there.
    #[must_use]
    pub fn place(&self) -> Option<(CellId, Option<Leaf>)> {
        let cell = CellId(self.cell.as_slice().try_into().ok()?);
        Some((cell, (self.leaf > 0).then_some(Leaf { cell, number: self.leaf })))
    }
}

/// What the store has of a run, from the side of who writes it.
#[derive(Debug)]
pub struct KeptRun {
    store: Store,
    id: RunId,
    log: Log,
}

impl KeptRun {
    /// Puts a run's streams there, and then its log.
    ///
    /// # Errors
    /// Where memory or descriptors have run out, or the service manager takes nothing.
    pub fn begin(
        store: &Store,
        id: RunId,
        words: &Words,
        parts: &[(Part, OwnedFd)],
    ) -> io::Result<Arc<Self>> {
        let log = Log::begin(words)?;
        for (part, descriptor) in parts {
            store.keep(&name(id, part.suffix()), descriptor.as_fd())?;
        }
        store.keep(&name(id, ""), log.descriptor()?.as_fd())?;
        Ok(Arc::new(Self { store: store.clone(), id, log }))
    }

    /// One that an earlier process put there.
    #[must_use]
    pub fn again(store: &Store, id: RunId, log: Log) -> Arc<Self> {
        Arc::new(Self { store: store.clone(), id, log })
    }

    /// Notes something more.
    pub fn note(&self, words: &Words) {
        if let Err(error) = self.log.append(words) {
            tracing::error!(%error, "a run's log takes no more: it may be lost at a restart");
        }
    }

    /// PID 1 says that it started, and gives the other end of its terminal.
    pub fn has_begun(&self, loopback: LoopbackHold, terminal: Option<&OwnedFd>) {
        if let Some(terminal) = terminal {
            self.add(Part::Stdout, terminal);
        }
        let begun = CellEvent::Started { run: self.id, loopback }.to_frame();
        self.note(&Words { begun, ..Words::default() });
    }

    /// PID 1 says how it ended.
    pub fn has_ended(&self, ending: RunEnding) {
        let ended = CellEvent::Ended { run: self.id, ending }.to_frame();
        self.note(&Words { ended, ..Words::default() });
    }

    /// One more descriptor of it.
    pub fn add(&self, part: Part, descriptor: &OwnedFd) {
        if let Err(error) = self.store.keep(&name(self.id, part.suffix()), descriptor.as_fd()) {
            tracing::error!(%error, "the service manager does not keep a run's stream");
        }
    }

    /// All of its input was given: whoever reads it is to see the end.
    pub fn input_is_over(&self) {
        self.store.let_go(&name(self.id, Part::Stdin.suffix()));
    }

    /// It ended, and only its output is of use.
    pub fn streams_are_over(&self) {
        self.let_go_of(&Part::STREAMS);
    }

    /// Nothing of it is of use any more.
    pub fn let_go(&self) {
        self.store.let_go(&name(self.id, ""));
        self.let_go_of(&Part::ALL);
    }

    fn let_go_of(&self, parts: &[Part]) {
        for part in parts {
            self.store.let_go(&name(self.id, part.suffix()));
        }
    }
}

/// The name of a part in the store.
#[must_use]
pub fn name(id: RunId, suffix: &str) -> String {
    format!("run-{}{suffix}", uuid::Uuid::from_bytes(id.0).simple())
}
