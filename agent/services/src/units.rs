//! Asks systemd for the states of units, over the system bus.
//!
//! Four methods of `org.freedesktop.systemd1.Manager` and
//! `org.freedesktop.DBus.Properties` are ever called, and none changes anything
//! (org.freedesktop.systemd1(5)): `ListUnitsByPatterns`, `GetUnit`, `GetUnitFileState`,
//! `GetAll`. `LoadUnit`, which systemctl(1) calls, is not among them: it makes systemd
//! load the unit. So a unit that systemd holds not in memory is told as not loaded, with
//! whether its file is enabled.
//!
//! A connection is made for each question and closed after it, so that no state is kept
//! and nothing is ever answered to the bus. Blocks; the time limit holds for the whole
//! question. Called by the agent's read-only tool.

use std::path::PathBuf;
use std::time::Duration;

mod bus;
mod error;
mod manager;
mod message;
mod properties;
mod state;
mod wire;

pub use error::UnitsError;
pub use state::{ExecMain, ExecMainCode, LoadedUnit, UnitList, UnitState, UnitStatus};

use crate::{Unit, UnitPattern};

/// The most units that a list has.
pub const MAX_UNITS: usize = 1_000;

/// Where the system bus listens (dbus-daemon(1)).
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";
/// How long a question may take, unless told otherwise.
const TIME_LIMIT: Duration = Duration::from_secs(2);

/// The way to systemd.
#[derive(Debug, Clone)]
pub struct Units {
    socket: PathBuf,
    time_limit: Duration,
}

/// Which units a list shall have. The default is all that systemd has loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitFilter {
    /// One of these matches the name; empty: every name does.
    pub patterns: Vec<UnitPattern>,
    /// The load, active or sub state is one of these (`failed`, `running`); empty: any.
    pub states: Vec<String>,
}

impl Units {
    /// Asks over the system bus of this host.
    #[must_use]
    pub fn of_this_host() -> Self {
        Self::on(PathBuf::from(SYSTEM_BUS))
    }

    /// Asks over the bus that listens on this socket.
    #[must_use]
    pub fn on(socket: PathBuf) -> Self {
        Self { socket, time_limit: TIME_LIMIT }
    }

    /// With another time limit than 2 seconds.
    #[must_use]
    pub fn with_time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit, ..self }
    }

    /// The loaded units that the filter lets through, by name; the first
    /// [`MAX_UNITS`] of them.
    pub fn list(&self, filter: &UnitFilter) -> Result<UnitList, UnitsError> {
        self.list_shown(filter, |_| true)
    }

    /// As [`Units::list`], but only of units that may be shown: others neither take a
    /// place in the list nor count as left out.
    pub fn list_shown(
        &self,
        filter: &UnitFilter,
        shown: impl Fn(&Unit) -> bool,
    ) -> Result<UnitList, UnitsError> {
        let mut manager = manager::Manager::connect(&self.socket, self.time_limit)?;
        let mut units = manager.list(filter)?;
        units.retain(|unit| shown(&unit.name));
        units.sort_by(|one, other| one.name.cmp(&other.name));
        let left_out = units.len().saturating_sub(MAX_UNITS);
        units.truncate(MAX_UNITS);
        Ok(UnitList { units, left_out })
    }

    /// What state the unit is in.
    pub fn status(&self, unit: &Unit) -> Result<UnitStatus, UnitsError> {
        let mut manager = manager::Manager::connect(&self.socket, self.time_limit)?;
        manager.status(unit)
    }
}
