//! What this agent does now, for the host's owner: cells, runs, for whom, under
//! which ceiling, with which certificate, into which journal.
//!
//! The agent that serves collects it ([`About`]) and gives it over the local socket
//! ([`crate::control`]); where none answers, `cofferdam-agent status` tells what
//! files and cgroups say.

mod collect;
mod print;

use serde::{Deserialize, Serialize};

pub use collect::{About, at_rest};

/// All of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// This host's name.
    pub host: String,
    /// The agent that serves; none: it does not, or does not answer.
    pub agent: Option<Process>,
    /// Why there is no answer of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<String>,
    /// Why nothing starts, where the owner froze the host.
    pub frozen: Option<String>,
    /// By what gateways know this host.
    pub certificate: Certificate,
    /// The ceiling.
    pub ceiling: CeilingFile,
    /// Where it records what it does.
    pub journal: JournalPlace,
    /// Cells that are there.
    pub cells: Vec<CellLine>,
    /// Runs that are under way.
    pub runs: Vec<RunLine>,
    /// Whom those runs are for.
    pub callers: Vec<CallerLine>,
}

/// The agent that serves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Process {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Since when it serves.
    pub since: String,
    /// Whether the warden answers it.
    pub warden: bool,
}

/// By what gateways know this host.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Certificate {
    /// The name in it; empty: there is none that can be used.
    pub name: String,
    /// When it ends.
    pub ends: String,
    /// Seconds until then; negative: since then.
    pub seconds_left: i64,
    /// When the newest root ends that is believed here; empty: there is none.
    #[serde(default)]
    pub root_ends: String,
    /// Whether it is renewed by itself, by which authority, and the newest trust list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolled: Option<Enrolled>,
    /// What is wrong with it, or soon will be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// With whom this host enrolled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Enrolled {
    /// The authority's name.
    pub authority: String,
    /// Where it is.
    pub address: String,
    /// When the certificate came that is shown now.
    #[serde(default)]
    pub renewed: String,
    /// The version of the newest trust list.
    pub trust_version: u64,
    /// Until when that list says something.
    pub trust_ends: String,
}

/// The ceiling.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CeilingFile {
    /// Its file.
    pub path: String,
    /// SHA-256 of it, in hex; empty: it cannot be used.
    pub digest: String,
    /// Gateways that it names, and `enrolled` where those of the authority may call.
    pub peers: Vec<String>,
    /// Why it cannot be used; nothing is allowed then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Where the agent records what it does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JournalPlace {
    /// Its directory.
    pub directory: String,
    /// Mebibytes that are free there.
    pub free_mib: Option<u64>,
    /// Why it cannot be written; nothing starts then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A cell.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CellLine {
    /// Its id, or its cgroup where no agent answers.
    pub cell: String,
    /// Its profile.
    pub profile: String,
    /// Who asked for it, as the gateway says; empty: it is prepared for somebody.
    pub subject: String,
    /// Its workspace.
    pub workspace: String,
    /// Since when.
    pub since: String,
    /// Its processes, where no agent answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<usize>,
}

/// A run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunLine {
    /// Its id.
    pub run_id: String,
    /// The gateway that asked.
    pub gateway: String,
    /// For whom, as the gateway says.
    pub user: String,
    /// In which project.
    pub project: String,
    /// Under which profile.
    pub profile: String,
    /// What it runs, in words.
    pub command: String,
    /// Since when; empty: it is being started.
    pub since: String,
}

/// Somebody who has runs here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CallerLine {
    /// The gateway that speaks for them.
    pub gateway: String,
    /// Who, as it says.
    pub user: String,
    /// How many of their runs are under way.
    pub runs: usize,
}
