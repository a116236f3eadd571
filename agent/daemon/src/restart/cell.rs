//! What the store has of one cell: its control socket, named `cell-<id>`, and its log,
//! `cell-<id>.log`.
//!
//! Only cells that commands run in are there. Those of the file worker, and prepared
//! ones, end with the agent: nothing goes on in them that could not be asked anew.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use cofferdam_plan::{CellEvent, CellId, CellPlan, Decode, Encode, LayerReport, WardenRequest};

use super::log::{Log, LogError};
use super::store::Store;

/// What a log says of a cell.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Words {
    /// [`super::VERSION`].
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// Its plan, as the warden got it.
    #[prost(bytes = "vec", tag = "2")]
    pub plan: Vec<u8>,
    /// Its layers, in PID 1's words.
    #[prost(bytes = "vec", tag = "3")]
    pub layers: Vec<u8>,
    /// Whose it is; none: a call's of its own.
    #[prost(message, optional, tag = "4")]
    pub session: Option<Session>,
    /// The user that it counts for.
    #[prost(message, optional, tag = "5")]
    pub user: Option<User>,
    /// It may change its workspace.
    #[prost(bool, tag = "6")]
    pub change: bool,
    /// How long it stays without a call, in milliseconds.
    #[prost(uint64, tag = "7")]
    pub idle_millis: u64,
    /// What its rules stand for.
    #[prost(message, repeated, tag = "8")]
    pub pins: Vec<Pin>,
    /// The directory that is its workspace: device numbers and inode; none: unknown.
    #[prost(uint64, repeated, tag = "9")]
    pub site: Vec<u64>,
    /// The protected paths of its workspace, as they stood.
    #[prost(message, repeated, tag = "10")]
    pub protected: Vec<Protected>,
    /// It relies on protected paths.
    #[prost(bool, tag = "11")]
    pub relies: bool,
    /// When it was built, in seconds since 1970.
    #[prost(uint64, tag = "12")]
    pub since: u64,
    /// How many agents had it before.
    #[prost(uint32, tag = "13")]
    pub generation: u32,
    /// Its socket may have half of a frame: 1; 2: it has not.
    #[prost(uint32, tag = "14")]
    pub sending: u32,
}

/// A user, as a gateway names them.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct User {
    /// The gateway.
    #[prost(string, tag = "1")]
    pub gateway: String,
    /// The tenant.
    #[prost(string, tag = "2")]
    pub tenant: String,
    /// The name.
    #[prost(string, tag = "3")]
    pub user: String,
}

/// A session of a user.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Session {
    /// The client.
    #[prost(string, tag = "1")]
    pub client: String,
    /// The project.
    #[prost(string, tag = "2")]
    pub project: String,
    /// The session.
    #[prost(string, tag = "3")]
    pub session: String,
}

/// The inode of a rule; without one, nothing was there.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Pin {
    /// Something was there.
    #[prost(bool, tag = "1")]
    pub there: bool,
    /// Its device.
    #[prost(uint64, tag = "2")]
    pub device: u64,
    /// Its number.
    #[prost(uint64, tag = "3")]
    pub inode: u64,
    /// Of a link, when it was made.
    #[prost(int64, optional, tag = "4")]
    pub seconds: Option<i64>,
    /// The rest of that.
    #[prost(int64, tag = "5")]
    pub nanos: i64,
}

/// A protected path.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Protected {
    /// Beneath the workspace.
    #[prost(string, tag = "1")]
    pub path: String,
    /// Whether it is covered: 0 unknown, 1 there, 2 without a home, 3 not.
    #[prost(uint32, tag = "2")]
    pub standing: u32,
    /// Why not.
    #[prost(string, tag = "3")]
    pub why: String,
    /// What the agent saw there: 0 not looked, 1 something, 2 nothing, 3 no home.
    #[prost(uint32, tag = "4")]
    pub look: u32,
    /// The device of something.
    #[prost(uint64, tag = "5")]
    pub device: u64,
    /// Its inode.
    #[prost(uint64, tag = "6")]
    pub inode: u64,
}

impl Words {
    /// The plan in there.
    ///
    /// # Errors
    /// Where there is none.
    pub fn plan(&self) -> Result<CellPlan, LogError> {
        match WardenRequest::from_frame(&self.plan) {
            Ok(WardenRequest::Build(plan)) => Ok(plan),
            Ok(_) | Err(_) => Err(LogError::Lacks("its plan")),
        }
    }

    /// The layers in there.
    ///
    /// # Errors
    /// Where there are none.
    pub fn layers(&self) -> Result<Vec<LayerReport>, LogError> {
        match CellEvent::from_frame(&self.layers) {
            Ok(CellEvent::Ready(layers)) => Ok(layers),
            Ok(_) | Err(_) => Err(LogError::Lacks("its layers")),
        }
    }

    /// A plan for a log.
    #[must_use]
    pub fn of_plan(plan: &CellPlan) -> Vec<u8> {
        WardenRequest::Build(plan.clone()).to_frame()
    }

    /// Layers for a log.
    #[must_use]
    pub fn of_layers(layers: &[LayerReport]) -> Vec<u8> {
        CellEvent::Ready(layers.to_vec()).to_frame()
    }
}

/// What the store has of a cell, from the side of who writes it. It goes with the cell.
#[derive(Debug)]
pub struct KeptCell {
    store: Store,
    id: CellId,
    log: Log,
}

impl KeptCell {
    /// Puts a cell there.
    ///
    /// # Errors
    /// Where memory or descriptors have run out, or the service manager takes nothing.
    pub fn begin(store: &Store, id: CellId, words: &Words, socket: &OwnedFd) -> io::Result<Self> {
        let log = Log::begin(words)?;
        let kept = Self { store: store.clone(), id, log };
        store.keep(&name(id, ".log"), kept.log.descriptor()?.as_fd())?;
        store.keep(&name(id, ""), socket.as_fd())?;
        Ok(kept)
    }

    /// One that an earlier process put there, and this one goes on with.
    #[must_use]
    pub fn again(store: &Store, id: CellId, log: Log, words: &Words) -> Self {
        let kept = Self { store: store.clone(), id, log };
        kept.note(&Words { generation: words.generation + 1, ..Words::default() });
        kept
    }

    /// A long frame is about to be sent, of which a killed process leaves half.
    pub fn sends(&self) {
        self.note(&Words { sending: 1, ..Words::default() });
    }

    /// All of it is sent.
    pub fn has_sent(&self) {
        self.note(&Words { sending: 2, ..Words::default() });
    }

    fn note(&self, words: &Words) {
        if let Err(error) = self.log.append(words) {
            tracing::error!(%error, "a cell's log takes no more: it may be lost at a restart");
        }
    }
}

impl Drop for KeptCell {
    fn drop(&mut self) {
        self.store.let_go(&name(self.id, ""));
        self.store.let_go(&name(self.id, ".log"));
    }
}

/// The name of a part in the store.
#[must_use]
pub fn name(id: CellId, suffix: &str) -> String {
    format!("cell-{id}{suffix}")
}
