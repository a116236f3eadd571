//! systemd's manager: the four methods that are called, and what they give.
//!
//! Source: org.freedesktop.systemd1(5). Called by `units.rs`.

use std::path::Path;
use std::time::Duration;

use super::bus::Connection;
use super::message::{Answer, Call};
use super::properties::{self, told};
use super::wire::{Reader, WireError, Writer};
use super::{LoadedUnit, UnitFilter, UnitState, UnitStatus, UnitsError};
use crate::{Unit, UnitPattern, UnitType};

const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// The most patterns or states that a list may be asked for with.
const MAX_FILTERS: usize = 200;

/// systemd's manager, for the time of one question.
pub(super) struct Manager {
    connection: Connection,
}

impl Manager {
    /// Connects, for one question.
    pub(super) fn connect(socket: &Path, time_limit: Duration) -> Result<Self, UnitsError> {
        Ok(Self { connection: Connection::greet(socket, time_limit)? })
    }

    /// `ListUnitsByPatterns`: of what is loaded only.
    pub(super) fn list(&mut self, filter: &UnitFilter) -> Result<Vec<UnitState>, UnitsError> {
        check(filter)?;
        self.connection.doing = "listing units";
        let mut arguments = Writer::default();
        arguments.texts(filter.states.iter().map(String::as_str));
        arguments.texts(filter.patterns.iter().map(UnitPattern::as_str));
        let answer = self.ask("ListUnitsByPatterns", "asas", arguments)?;
        let listed = answer.results("a(ssssssouso)").and_then(listed);
        listed.map_err(|error| self.connection.unusable(&error))
    }

    /// `GetUnit`, then the properties of what it gave; else `GetUnitFileState`.
    pub(super) fn status(&mut self, unit: &Unit) -> Result<UnitStatus, UnitsError> {
        self.connection.doing = "looking up the unit";
        let path = match self.named("GetUnit", unit) {
            Ok(answer) => {
                let path = answer.results("o").and_then(|mut results| results.text());
                path.map_err(|error| self.connection.unusable(&error))?.to_owned()
            }
            Err(UnitsError::Refused { name, .. }) if is_no_such(&name) => {
                return self.not_loaded(unit);
            }
            Err(error) => return Err(error),
        };
        self.connection.doing = "reading the unit's properties";
        // The object of a unit that went away meanwhile would be loaded again by asking it:
        // systemd does so for any path of a unit, and unloads what nothing needs.
        let mut loaded = properties::unknown(unit.clone());
        self.properties(&path, "org.freedesktop.systemd1.Unit", &mut loaded)?;
        let own = interface(loaded.state.name.kind());
        if let Some(own) = own {
            self.properties(&path, own, &mut loaded)?;
        }
        Ok(UnitStatus::Loaded(Box::new(loaded)))
    }

    fn not_loaded(&mut self, unit: &Unit) -> Result<UnitStatus, UnitsError> {
        self.connection.doing = "looking for the unit's file";
        let unit_file_state = match self.named("GetUnitFileState", unit) {
            Ok(answer) => {
                let state = answer.results("s").and_then(|mut results| results.text());
                Some(told(state.map_err(|error| self.connection.unusable(&error))?))
            }
            Err(UnitsError::Refused { name, .. }) if is_no_such(&name) => None,
            Err(error) => return Err(error),
        };
        Ok(UnitStatus::NotLoaded { name: unit.clone(), unit_file_state })
    }

    fn properties(
        &mut self,
        path: &str,
        interface: &str,
        into: &mut LoadedUnit,
    ) -> Result<(), UnitsError> {
        let mut arguments = Writer::default();
        arguments.text(interface);
        let call = Call {
            destination: SYSTEMD,
            path,
            interface: PROPERTIES,
            member: "GetAll",
            signature: "s",
        };
        let answer = self.connection.call(&call, arguments)?;
        let taken = answer.results("a{sv}").and_then(|results| properties::take(results, into));
        taken.map_err(|error| self.connection.unusable(&error))
    }

    fn named(&mut self, member: &str, unit: &Unit) -> Result<Answer, UnitsError> {
        let mut arguments = Writer::default();
        arguments.text(unit.as_str());
        self.ask(member, "s", arguments)
    }

    fn ask(
        &mut self,
        member: &str,
        signature: &str,
        arguments: Writer,
    ) -> Result<Answer, UnitsError> {
        let call = Call {
            destination: SYSTEMD,
            path: MANAGER_PATH,
            interface: MANAGER,
            member,
            signature,
        };
        self.connection.call(&call, arguments)
    }
}

/// The units of an answer to `ListUnitsByPatterns`.
fn listed(mut results: Reader<'_>) -> Result<Vec<UnitState>, WireError> {
    let mut units = Vec::new();
    let mut rows = results.array(8)?;
    while !rows.at_end() {
        rows.align(8)?;
        let (name, description) = (rows.text()?, rows.text()?);
        let (load_state, active_state, sub_state) = (rows.text()?, rows.text()?, rows.text()?);
        // What it follows, and its object; its job's number, type and object.
        let (_following, _object) = (rows.text()?, rows.text()?);
        let (_job, _kind, _of) = (rows.u32()?, rows.text()?, rows.text()?);
        units.push(UnitState {
            name: name.parse().map_err(|_| WireError::Type)?,
            description: told(description),
            load_state: told(load_state),
            active_state: told(active_state),
            sub_state: told(sub_state),
        });
    }
    Ok(units)
}

fn check(filter: &UnitFilter) -> Result<(), UnitsError> {
    if filter.patterns.len() > MAX_FILTERS || filter.states.len() > MAX_FILTERS {
        return Err(UnitsError::Filter(format!("it has more than {MAX_FILTERS} alternatives")));
    }
    let of_states = |c: char| c.is_ascii_lowercase() || c == '-' || c == '_';
    match filter.states.iter().find(|state| state.is_empty() || !state.chars().all(of_states)) {
        Some(state) => Err(UnitsError::Filter(format!(
            "`{}` is no state; states are words such as `active`, `failed`, `not-found`, `running`",
            told(state)
        ))),
        None => Ok(()),
    }
}

/// Not loaded, or without a file.
fn is_no_such(error: &str) -> bool {
    matches!(
        error,
        "org.freedesktop.systemd1.NoSuchUnit" | "org.freedesktop.DBus.Error.FileNotFound"
    )
}

/// The interface that units of a type have beside that of all units.
fn interface(kind: UnitType) -> Option<&'static str> {
    match kind {
        UnitType::Automount => Some("org.freedesktop.systemd1.Automount"),
        UnitType::Mount => Some("org.freedesktop.systemd1.Mount"),
        UnitType::Path => Some("org.freedesktop.systemd1.Path"),
        UnitType::Scope => Some("org.freedesktop.systemd1.Scope"),
        UnitType::Service => Some("org.freedesktop.systemd1.Service"),
        UnitType::Slice => Some("org.freedesktop.systemd1.Slice"),
        UnitType::Socket => Some("org.freedesktop.systemd1.Socket"),
        UnitType::Swap => Some("org.freedesktop.systemd1.Swap"),
        UnitType::Timer => Some("org.freedesktop.systemd1.Timer"),
        UnitType::Device | UnitType::Target => None,
    }
}
