//! `cofferdam mcp`: for MCP clients that speak stdio only.

use std::process::ExitCode;

use clap::Args;
use cofferdam_gateway::client::{BridgeError, bridge};

use crate::connection::{Connection, ConnectionError, event_loop};

const EXAMPLES: &str = "\
In a client's configuration, with COFFERDAM_URL and COFFERDAM_TOKEN in `env`:
  { \"command\": \"cofferdam\", \"args\": [\"mcp\"] }

Or with a token file, which keeps the token out of the configuration:
  { \"command\": \"cofferdam\", \"args\": [\"mcp\", \"--token-file\", \"/home/me/.token\"] }";

/// Which gateway.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    connection: Connection,
}

/// Why the bridge ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum McpError {
    /// No gateway to ask.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The bridge itself.
    #[error(transparent)]
    Bridge(#[from] BridgeError),
    /// The event loop.
    #[error("cannot start: {0}")]
    EventLoop(#[from] std::io::Error),
}

pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, McpError> {
    let endpoint = arguments.connection.endpoint()?;
    let runtime = event_loop()?;
    let ended = runtime.block_on(bridge(&endpoint, tokio::io::stdin(), tokio::io::stdout()));
    // Standard input is read by a thread that nothing can interrupt.
    runtime.shutdown_background();
    ended?;
    Ok(ExitCode::SUCCESS)
}
