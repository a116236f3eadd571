//! The command line of `cofferdam-gateway`: read by its `main`, and by what makes
//! its manual page and completions.

use std::os::fd::RawFd;
use std::path::PathBuf;

use clap::Parser;

/// The MCP front service of Cofferdam.
#[derive(Debug, Parser)]
#[command(name = "cofferdam-gateway", version, about)]
pub struct Arguments {
    /// The configuration file.
    #[arg(long, default_value = "/etc/cofferdam/gateway.toml")]
    pub config: PathBuf,
    /// Check the configuration file and exit.
    #[arg(long)]
    pub check: bool,
    /// Write one JSON line to this descriptor once the gateway serves.
    #[arg(long, value_name = "NUMBER")]
    pub ready_fd: Option<RawFd>,
    /// Stop when this descriptor reaches its end.
    #[arg(long, value_name = "NUMBER")]
    pub lifeline_fd: Option<RawFd>,
}
