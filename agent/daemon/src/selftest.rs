//! `cofferdam-agent selftest`: tries the checklist in real cells of this host,
//! through its warden, and tells which lines hold.
//!
//! Words used here:
//!
//! - An **attempt** is something that the probe, a program of its own
//!   (`cofferdam-probe`), tries inside a cell and that must be refused.
//! - A **trial** is something that takes more than one program's word, such as
//!   the end of a whole tree: `trials` makes it.
//! - A **verdict** is what attempts and trials say together about one line of
//!   the checklist (`verdict`).
//!
//! Called by `main` in a process of its own, never by the agent that serves.
//! Cells are planned as the agent plans them, and the warden admits them by the
//! host's ceiling. Started as root this becomes the service user first;
//! with a warden of its own (`spawn`) only the part that starts it stays root.

mod bench;
mod ground;
mod print;
mod probing;
mod spawn;
mod trials;
mod verdict;

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;

use cofferdam_abilities::checklist;

use crate::doctor::{CONFIGURATION, ServiceUser, UserError};
use crate::warden::{Endpoint, Warden};

use bench::Bench;
use ground::{Ground, GroundError};

pub use spawn::{SpawnError, with_own_warden};
pub use verdict::{LineVerdict, Report, Verdict};

/// What to test, as the command line says it.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Request {
    /// The configuration of the agent whose warden builds the cells
    /// [default: /etc/cofferdam/agent.toml].
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// A directory for the cells to work in, as the ceiling allows; what is in
    /// it stays [default: one is made beneath the ceiling's first root].
    #[arg(long)]
    pub workspace: Option<PathBuf>,
    /// The profile of the cells [default: `default`, or the first that the
    /// ceiling allows].
    #[arg(long)]
    pub profile: Option<String>,
    /// The probe [default: cofferdam-probe beside this program].
    #[arg(long)]
    pub probe: Option<PathBuf>,
    /// Start a warden for the test, with a ceiling and a workspace of its own,
    /// instead of asking the configured one [default: cofferdam-warden beside
    /// this program].
    #[arg(
        long, value_name = "PROGRAM", num_args = 0..=1,
        conflicts_with_all = ["config", "workspace"],
    )]
    pub spawn_warden: Option<Option<PathBuf>>,
    /// As one JSON object.
    #[arg(long)]
    pub json: bool,
    /// The warden is at standard input, and this is its ceiling.
    #[arg(long, hide = true)]
    pub connected_ceiling: Option<PathBuf>,
}

/// Why nothing was tested.
#[derive(Debug, thiserror::Error)]
pub enum SelftestError {
    /// Root was not given up.
    #[error(transparent)]
    User(#[from] UserError),
    /// A file or directory cannot be used.
    #[error(transparent)]
    Ground(#[from] GroundError),
    /// No warden of its own.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The runtime or the socket does not start.
    #[error("cannot start: {0}")]
    Start(#[from] std::io::Error),
    /// The first cell could not be had, so that nothing could be tried.
    #[error(
        "no cell can be had: {0}; where the agent holds the warden, stop it first, or use --spawn-warden"
    )]
    NoCell(String),
}

/// Tests, and says how it ended. Must run in the only thread.
///
/// # Errors
/// Where nothing could be tested.
pub fn selftest(request: &Request) -> Result<Report, SelftestError> {
    let connected = request.connected_ceiling.is_some();
    let ground = if let Some(ceiling) = &request.connected_ceiling {
        Ground::with_ceiling(request, ceiling)?
    } else {
        let config = request.config.clone().unwrap_or_else(|| CONFIGURATION.into());
        if let Some(user) = ServiceUser::of(&config) {
            user.become_it()?;
        }
        Ground::configured(request, &config)?
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(test(ground, connected))
}

/// The exit code of a report: 1 where a line does not hold.
#[must_use]
pub fn exit_code(report: &Report) -> ExitCode {
    if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn test(ground: Ground, connected: bool) -> Result<Report, SelftestError> {
    let endpoint = match &ground.warden {
        Some(path) if !connected => Endpoint::Path(path.clone()),
        _ => Endpoint::Inherited(standard_input()?),
    };
    let bench = Bench::new(Warden::new(endpoint)?, ground)?;
    let attempts = bench.prepare().await.map_err(SelftestError::NoCell)?;
    let mut evidence = probing::probe(&bench, &attempts).await;
    evidence.extend(trials::all(&bench).await);
    let layers = bench.layers();
    bench.clean().await;
    let control = probing::outside(&bench);
    let table = cofferdam_abilities::probe().table();
    Ok(Report::new(checklist(), &evidence, &table, &layers, control))
}

fn standard_input() -> std::io::Result<OwnedFd> {
    std::io::stdin().as_fd().try_clone_to_owned()
}
