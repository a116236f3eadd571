//! The command line of `cofferdam-proxy`: read by its `main`, and by what makes
//! its manual page and completions.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Parser};

/// The network proxy of Cofferdam: serves the listeners that the agent hands
/// over, each for one run and its destinations. Needs no privilege and refuses
/// to run as root.
#[derive(Debug, Parser)]
#[command(version)]
#[command(group(ArgGroup::new("endpoint").required(true).args(["socket", "connected"])))]
pub struct Arguments {
    /// Listen for the agent at this path.
    #[arg(long, value_name = "PATH", requires = "agent_uid")]
    pub socket: Option<PathBuf>,
    /// The agent's user; nobody else is served.
    #[arg(long, value_name = "UID", conflicts_with = "connected")]
    pub agent_uid: Option<u32>,
    /// Standard input is a Unix socket that is connected to the agent; end when
    /// the agent closes it.
    #[arg(long)]
    pub connected: bool,
    /// The host's ceiling: no run reaches what its `network.proxy` does not
    /// name, whatever the agent says. Without it, the agent's word holds.
    #[arg(long, value_name = "PATH")]
    pub ceiling: Option<PathBuf>,
    /// Resolve names at this server instead of those of /etc/resolv.conf and
    /// /etc/hosts. May be given several times.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub name_server: Vec<SocketAddr>,
    /// Start on a kernel without Landlock, too.
    #[arg(long)]
    pub allow_degraded: bool,
}
