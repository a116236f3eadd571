//! `cofferdam-proxy`: the one way from a cell to the network, for named
//! destinations only.
#![forbid(unsafe_code)]

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Parser;
use cofferdam_proxy::confine::{self, Confinement};
use cofferdam_proxy::{Arguments, CeilingFile, Dialer, Endpoint, Names};

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
            // Each message of this program holds its cause.
            eprintln!("cofferdam-proxy: {error}");
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
        .map_err(|error| anyhow!("cannot start the runtime: {error}"))?
        .block_on(endpoint.serve(dialer, ceiling, confined.connections))
        .map_err(|error| anyhow!("the agent's connection ended: {error}"))
}
