//! `cofferdam-agent`: the unprivileged network daemon of a host.

use std::io::IsTerminal;
use std::os::fd::{OwnedFd, RawFd};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use cofferdam_agent::ceiling::Ceilings;
use cofferdam_agent::config::Config;
use cofferdam_agent::confine::{self, Confinement};
use cofferdam_agent::serve::{self, Inherited};
use cofferdam_agent::sys;

/// The host agent of Cofferdam: runs commands in cells for the gateways that
/// this host's ceiling names.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The configuration, agent.toml.
    #[arg(long)]
    config: PathBuf,
    /// A socket that is connected to the warden, instead of the configured path.
    #[arg(long)]
    warden_fd: Option<RawFd>,
    /// Where to write one line of JSON with the address once the agent serves.
    #[arg(long)]
    ready_fd: Option<RawFd>,
    /// A pipe; the agent ends when its other end is closed.
    #[arg(long)]
    lifeline_fd: Option<RawFd>,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("COFFERDAM_LOG")
                .unwrap_or_else(|_| "info".into()),
        )
        .init();
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cofferdam-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let inherited = adopt(arguments)?;
    let config = Config::load(&arguments.config)?;
    let owner = rustix::process::geteuid().as_raw();
    let ceilings = Arc::new(Ceilings::new(config.ceiling.clone(), owner));
    match confine::confine(&config, &ceilings)? {
        Confinement::Full => {}
        Confinement::OlderLandlock => {
            tracing::info!("this kernel's Landlock knows less than the agent asks for");
        }
        Confinement::NoLandlock => {
            tracing::warn!("this kernel has no Landlock: the agent runs without");
        }
    }
    let loaded = serve::load(config, ceilings)?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(serve::serve(loaded, inherited))
}

/// Takes over the descriptors that the command line names.
fn adopt(arguments: &Arguments) -> anyhow::Result<Inherited> {
    let take = |name: &str, number: Option<RawFd>| -> anyhow::Result<Option<OwnedFd>> {
        number
            .map(|number| {
                sys::adopt(number).with_context(|| format!("`--{name} {number}` is no descriptor"))
            })
            .transpose()
    };
    Ok(Inherited {
        warden: take("warden-fd", arguments.warden_fd)?,
        ready: take("ready-fd", arguments.ready_fd)?,
        lifeline: take("lifeline-fd", arguments.lifeline_fd)?,
    })
}
