//! `cofferdam host drain`, `undrain`, `freeze`, `unfreeze`: the gateway's owner holds a
//! host back, whatever the rules permit.
//!
//! Done on the gateway's machine, in a file beside its state; the running gateway
//! notices it within a second and records it in its journal, and one that is started
//! later does so then.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use cofferdam_authority::{OwnerError, State, StateError};
use cofferdam_gateway::holds::{Hold, Holds, HoldsError, Since};
use cofferdam_gateway::{Config, ConfigError};
use serde::Serialize;

use crate::office::person;
use crate::report::{Format, Report};

pub(super) const DRAIN_EXAMPLES: &str = "\
Before an upgrade: what runs there goes on, and nothing else begins.
  cofferdam host drain web-1 --reason 'new kernel tonight'

Afterwards:
  cofferdam host undrain web-1";

pub(super) const FREEZE_EXAMPLES: &str = "\
Something is wrong there: no call goes to this host from now on.
  cofferdam host freeze web-1 --reason 'being looked at'

Afterwards:
  cofferdam host unfreeze web-1";

/// The longest reason, in bytes.
const MAX_REASON: usize = 200;

/// Which host, and why.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The host.
    name: String,
    /// Why: shown to whoever is refused, and recorded.
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    /// The gateway's configuration.
    #[arg(long, value_name = "FILE", default_value = "/etc/cofferdam/gateway.toml")]
    config: PathBuf,
}

/// Why a host stays as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HoldError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What is held back cannot be read or written.
    #[error(transparent)]
    Holds(#[from] HoldsError),
    /// The hosts that joined cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The same.
    #[error(transparent)]
    Owner(#[from] OwnerError),
    /// There is no such host.
    #[error("this gateway has no host named `{0}`; `cofferdam host list` shows those it has")]
    Unknown(String),
    /// The reason cannot stand in one line.
    #[error("the reason must be one line of at most {MAX_REASON} bytes")]
    Reason,
}

/// What was done.
#[derive(Debug, Serialize)]
struct Held {
    host: String,
    /// `drained`, `undrained`, `frozen`, `unfrozen`.
    now: &'static str,
    /// It was so already.
    unchanged: bool,
}

/// Holds the host back, or lets it go.
pub(crate) fn run(
    arguments: Arguments,
    hold: Hold,
    holds: bool,
    format: Format,
) -> Result<ExitCode, HoldError> {
    let Arguments { name, reason, config } = arguments;
    if reason.len() > MAX_REASON || reason.contains(char::is_control) {
        return Err(HoldError::Reason);
    }
    let config = Config::load(&config)?;
    let store = Holds::open(&Holds::beside(&config.state))?;
    // A host that left may still be let go.
    let known = || -> Result<bool, HoldError> {
        Ok(config.roster.hosts.contains_key(&name)
            || has_joined(&config, &name)?
            || store.now()?.contains_key(&name))
    };
    if !known()? {
        return Err(HoldError::Unknown(name));
    }
    let since = Since { at: unix_now(), by: person(), reason };
    let changed = store.set(&name, hold, holds, &since)?;
    let now = match (hold, holds) {
        (Hold::Drain, true) => "drained",
        (Hold::Drain, false) => "undrained",
        (Hold::Freeze, true) => "frozen",
        (Hold::Freeze, false) => "unfrozen",
    };
    Ok(format.show(&Held { host: name, now, unchanged: !changed }))
}

/// Whether the gateway's authority knows this host; asked only where its state is
/// there, because looking must not make one.
fn has_joined(config: &Config, name: &str) -> Result<bool, HoldError> {
    let Some(authority) = &config.authority else { return Ok(false) };
    let path = &authority.settings.state;
    if !path.exists() {
        return Ok(false);
    }
    let state = State::open(path)?;
    let hosts = cofferdam_authority::Owner::new(&state, "").hosts()?;
    Ok(hosts.iter().any(|host| host.name == name))
}

fn unix_now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs())
}

impl Report for Held {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { host, now, unchanged } = self;
        let already = if *unchanged { " already" } else { "" };
        writeln!(out, "{host} is {now}{already}")
    }
}
