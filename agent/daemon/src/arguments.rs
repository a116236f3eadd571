//! The command line of `cofferdam-agent`: read by its `main`, and by what makes
//! its manual pages and completions.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::doctor::CONFIGURATION;
use crate::enrolment::join;
use crate::hand::{Here, OfCeiling};
use crate::programs::shown;
use crate::selftest::Request;

/// The host agent of Cofferdam: runs commands in cells for the gateways that
/// this host's ceiling names.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Arguments {
    /// What else than serving.
    #[command(subcommand)]
    pub command: Option<Other>,
    /// Serving.
    #[command(flatten)]
    pub serve: Option<Serve>,
}

/// What the program does besides serving.
#[derive(Debug, Subcommand)]
pub enum Other {
    /// Tell what this host can enforce and what the agent needs; exit code 1
    /// where cells cannot start, 3 where they can and something ends soon.
    Doctor {
        /// The configuration [default: /etc/cofferdam/agent.toml, if there].
        #[arg(long)]
        config: Option<PathBuf>,
        /// As one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Try in real cells of this host which lines of the checklist hold; exit
    /// code 1 where one does not.
    Selftest(Request),
    /// Show what programs bring along into a cell where a grant names them:
    /// loaders, libraries, interpreters, helpers, data.
    Programs(shown::Request),
    /// Make this host one of a gateway's, with a join token of `cofferdam host
    /// invite`; exit code 75 where its owner has to approve it first.
    Enroll(join::Request),
    /// Tell what this host's agent does: cells, runs, for whom, ceiling,
    /// certificate, journal.
    Status(Here),
    /// Print what this host's agent counts, as OpenMetrics text, for whatever collects
    /// files; where no agent answers, what files say of it.
    Metrics {
        /// The configuration.
        #[arg(long, default_value = CONFIGURATION)]
        config: PathBuf,
    },
    /// Let nothing new start on this host, also after a restart; reads go on, and so
    /// does what runs.
    Freeze(Here),
    /// Let things start again.
    Unfreeze(Here),
    /// Freeze this host and end every cell and run at once; works without network,
    /// gateway, journal's disk and agent. Exit code 1 where something is left.
    KillAll(Here),
    /// The host owner's ceiling file.
    #[command(subcommand)]
    Ceiling(OfCeiling),
    /// Show what of Cofferdam is on this host and what takes each away; removes
    /// nothing itself.
    Uninstall {
        /// Which agent.
        #[command(flatten)]
        here: Here,
        /// Only show it; there is no other way, so that nothing is removed by
        /// mistake.
        #[arg(long, required = true)]
        show: bool,
    },
    /// For `doctor`'s own use.
    #[command(hide = true)]
    Trial {
        /// Which, and on what.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// How to serve.
#[derive(Debug, Args)]
pub struct Serve {
    /// The configuration, agent.toml.
    #[arg(long)]
    pub config: PathBuf,
    /// A socket that is connected to the warden, instead of the configured path.
    #[arg(long)]
    pub warden_fd: Option<RawFd>,
    /// A socket that is connected to the network proxy, instead of the configured
    /// path.
    #[arg(long)]
    pub proxy_fd: Option<RawFd>,
    /// Where to write one line of JSON with the address once the agent serves.
    #[arg(long)]
    pub ready_fd: Option<RawFd>,
    /// Put what must outlive this process into the service manager's descriptor store,
    /// so that runs go on over a restart; its unit has `FileDescriptorStoreMax=`.
    #[arg(long)]
    pub descriptor_store: bool,
    /// A pipe; the agent ends when its other end is closed.
    #[arg(long)]
    pub lifeline_fd: Option<RawFd>,
}
