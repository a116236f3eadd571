//! `cofferdam-gateway`: reads its configuration, opens what it names, and serves
//! MCP until it is told to stop.

mod inherited;
mod service_manager;

use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::net::TcpListener;
use std::os::fd::RawFd;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Parser;
use cofferdam_gateway::{Arguments, Config, Service};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Each message of this program holds its cause.
            eprintln!("cofferdam-gateway: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let take = |name: &str, number: Option<RawFd>| -> anyhow::Result<Option<File>> {
        let taken = number.map(inherited::take).transpose();
        taken.map_err(|error| anyhow!("cannot use the descriptor of `--{name}`: {error}"))
    };
    let ready = take("ready-fd", arguments.ready_fd)?;
    let lifeline = take("lifeline-fd", arguments.lifeline_fd)?;
    let socket = inherited::socket()
        .map_err(|error| anyhow!("cannot use the socket of the service manager: {error}"))?;
    log_to_stderr();
    hide_memory()?;
    let config = Config::load(&arguments.config)?;
    if arguments.check {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(socket, config, ready, lifeline))
}

/// Before any key is read: no core dump has this process's memory, and nobody else of
/// its user looks into it (`PR_SET_DUMPABLE`, prctl(2)).
fn hide_memory() -> anyhow::Result<()> {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(|error| anyhow!("cannot make the process not dumpable: {error}"))
}

async fn serve(
    socket: Option<TcpListener>,
    config: Config,
    ready: Option<File>,
    lifeline: Option<File>,
) -> anyhow::Result<()> {
    let service = Service::start_on(socket, config).await?;
    tracing::info!(url = service.mcp_url(), "serving");
    let stop = stop_requested(lifeline)?;
    if let Some(ready) = ready {
        announce(ready, &service)
            .map_err(|error| anyhow!("cannot tell the parent that the gateway serves: {error}"))?;
    }
    service_manager::serving(&service.mcp_url());
    tokio::spawn(service_manager::stay_alive());
    let told = async {
        stop.await;
        service_manager::stopping();
    };
    service.run(told).await?;
    Ok(())
}

/// One line for the parent, which then reaches the end of the pipe.
fn announce(mut ready: File, service: &Service) -> std::io::Result<()> {
    let line = serde_json::json!({
        "address": service.address().to_string(),
        "mcp_url": service.mcp_url(),
        "metrics_address": service.metrics_address().map(|address| address.to_string()),
        "hosts_address": service.hosts_address().map(|address| address.to_string()),
    });
    ready.write_all(format!("{line}\n").as_bytes())
}

/// Resolves at SIGTERM, SIGINT, or the end of the lifeline.
fn stop_requested(lifeline: Option<File>) -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (cut, lifeline_cut) = oneshot::channel();
    let watcher = std::thread::Builder::new().name("lifeline".to_owned());
    let unheld = match lifeline {
        Some(lifeline) => {
            watcher.spawn(move || {
                wait_for_end(lifeline);
                cut.send(())
            })?;
            None
        }
        // Held, so that it never resolves.
        None => Some(cut),
    };
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = lifeline_cut => {}
        }
        drop(unheld);
    })
}

fn wait_for_end(mut lifeline: File) {
    let mut ignored = [0; 64];
    while lifeline.read(&mut ignored).is_ok_and(|count| count > 0) {}
}

fn log_to_stderr() {
    // The SDK logs whole messages, and with them arguments, at `info` and below.
    const DEFAULT: &str = "info,rmcp=error";
    let filter = EnvFilter::try_from_env("COFFERDAM_LOG").unwrap_or_else(|_| DEFAULT.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}
