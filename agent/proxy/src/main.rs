//! `cofferdam-proxy`: the one way from a cell to the network, for named
//! destinations only.
#![forbid(unsafe_code)]

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{ArgGroup, Parser};
use cofferdam_proxy::confine::{self, Confinement};
use cofferdam_proxy::{CeilingFile, Dialer, Endpoint, Names};

/// The network proxy of Cofferdam: serves the listeners that the agent hands
/// over, each for one run and its destinations. Needs no privilege and refuses
/// to run as root.
#[derive(Debug, Parser)]
#[command(version)]
#[command(group(ArgGroup::new("endpoint").required(true).args(["socket", "connected"])))]
struct Arguments {
    /// Listen for the agent at this path.
    #[arg(long, value_name = "PATH", requires = "agent_uid")]
    socket: Option<PathBuf>,
    /// The agent's user; nobody else is served.
    #[arg(long, value_name = "UID", conflicts_with = "connected")]
    agent_uid: Option<u32>,
    /// Standard input is a Unix socket that is connected to the agent; end when
    /// the agent closes it.
    #[arg(long)]
    connected: bool,
    /// The host's ceiling: no run reaches what its `network.proxy` does not
    /// name, whatever the agent says. Without it, the agent's word holds.
    #[arg(long, value_name = "PATH")]
    ceiling: Option<PathBuf>,
    /// Resolve names at this server instead of those of /etc/resolv.conf and
    /// /etc/hosts. May be given several times.
    #[arg(long, value_name = "ADDRESS:PORT")]
    name_server: Vec<SocketAddr>,
    /// Start on a kernel without Landlock, too.
    #[arg(long)]
    allow_degraded: bool,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("COFFERDAM_LOG")
                .unwrap_or_else(|_| "info,hickory_resolver=error,hickory_net=error".into()),
        )
        .init();
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cofferdam-proxy: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { socket, agent_uid, connected: _, ceiling, name_server, allow_degraded } =
        arguments;
    let endpoint = match (socket, agent_uid) {
        (Some(path), Some(agent)) => Endpoint::listen(&path, agent)?,
        _ => Endpoint::standard_input()?,
    };
    let ceiling = ceiling.map(CeilingFile::new);
    let confined = confine::confine(ceiling.as_ref(), allow_degraded)?;
    match confined.confinement {
        Confinement::Full => {}
        Confinement::OlderLandlock => {
            tracing::info!("this kernel's Landlock knows less than the proxy asks for");
        }
        Confinement::NoLandlock => {
            tracing::warn!("this kernel has no Landlock: the proxy runs without");
        }
    }
    let dialer = Dialer::new(Names::from_servers(name_server));
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .context("cannot start the runtime")?
        .block_on(endpoint.serve(dialer, ceiling, confined.connections))
        .context("the agent's connection ended")
}
