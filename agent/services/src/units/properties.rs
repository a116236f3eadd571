//! From the properties that systemd gives to what is told of a unit.
//!
//! Source: org.freedesktop.systemd1(5), «Unit Objects» and «Service Unit Objects». Only
//! the named properties are taken; all others, `Environment` among them, are skipped
//! within the answer and never copied. What is missing or of another type is as if
//! systemd did not know it, since its versions differ. Used by `manager.rs`.

use std::time::{Duration, SystemTime};

use super::state::{ExecMain, ExecMainCode, LoadedUnit, UnitState};
use super::wire::{Reader, Value, WireError};
use crate::Unit;
use crate::plain::{hexadecimal, plain};

/// The longest text that is told, in bytes.
const MAX_TEXT: usize = 4 << 10;
/// The most other units that are told.
const MAX_OTHERS: usize = 100;

/// Text of a state or a description.
pub(super) fn told(text: &str) -> String {
    plain(text.as_bytes(), MAX_TEXT).text
}

/// Fills in what one `GetAll` gave: `a{sv}`.
pub(super) fn take(mut results: Reader<'_>, into: &mut LoadedUnit) -> Result<(), WireError> {
    let mut ended = Ended::default();
    let mut entries = results.array(8)?;
    while !entries.at_end() {
        entries.align(8)?;
        let name = entries.text()?;
        let value = entries.variant()?;
        of_units(name, &value, into);
        of_types(name, &value, into);
        ended.take(name, &value);
    }
    if let Some(exec_main) = ended.exec_main() {
        into.exec_main = Some(exec_main);
    }
    Ok(())
}

/// A unit of which nothing is known yet.
pub(super) fn unknown(name: Unit) -> LoadedUnit {
    LoadedUnit {
        state: UnitState {
            name,
            description: String::new(),
            load_state: String::new(),
            active_state: String::new(),
            sub_state: String::new(),
        },
        load_error: None,
        unit_file_state: None,
        need_daemon_reload: false,
        active_since: None,
        inactive_since: None,
        invocation_id: None,
        triggered_by: Vec::new(),
        triggers: Vec::new(),
        result: None,
        main_pid: None,
        exec_main: None,
        n_restarts: None,
        status_text: None,
        memory_current: None,
        tasks_current: None,
        last_trigger: None,
        next_elapse: None,
    }
}

/// What every unit has.
fn of_units(name: &str, value: &Value<'_>, into: &mut LoadedUnit) {
    match (name, value) {
        ("Id", Value::Text(text)) => {
            if let Ok(unit) = text.parse() {
                into.state.name = unit;
            }
        }
        ("Description", Value::Text(text)) => into.state.description = told(text),
        ("LoadState", Value::Text(text)) => into.state.load_state = told(text),
        ("ActiveState", Value::Text(text)) => into.state.active_state = told(text),
        ("SubState", Value::Text(text)) => into.state.sub_state = told(text),
        ("LoadError", Value::Pair(_, message)) => into.load_error = some(message),
        ("UnitFileState", Value::Text(text)) => into.unit_file_state = some(text),
        ("NeedDaemonReload", Value::Unsigned(yes)) => into.need_daemon_reload = *yes != 0,
        ("ActiveEnterTimestamp", Value::Unsigned(at)) => into.active_since = time(*at),
        ("InactiveEnterTimestamp", Value::Unsigned(at)) => into.inactive_since = time(*at),
        ("InvocationID", Value::Bytes(id)) => into.invocation_id = hex(id),
        ("TriggeredBy", Value::Texts(names)) => into.triggered_by = units(names),
        ("Triggers", Value::Texts(names)) => into.triggers = units(names),
        _ => {}
    }
}

/// What only some types have. None of the names means something else for another type.
fn of_types(name: &str, value: &Value<'_>, into: &mut LoadedUnit) {
    match (name, value) {
        ("Result", Value::Text(text)) => into.result = some(text),
        ("MainPID", Value::Unsigned(pid)) => {
            into.main_pid = u32::try_from(*pid).ok().filter(|pid| *pid != 0);
        }
        ("NRestarts", Value::Unsigned(count)) => into.n_restarts = u32::try_from(*count).ok(),
        ("StatusText", Value::Text(text)) => into.status_text = some(text),
        ("MemoryCurrent", Value::Unsigned(bytes)) => into.memory_current = known(*bytes),
        ("TasksCurrent", Value::Unsigned(tasks)) => into.tasks_current = known(*tasks),
        ("LastTriggerUSec", Value::Unsigned(at)) => into.last_trigger = time(*at),
        ("NextElapseUSecRealtime", Value::Unsigned(at)) => into.next_elapse = time(*at),
        _ => {}
    }
}

/// How the main process ended: three properties that mean something only together.
#[derive(Default)]
struct Ended {
    code: i32,
    status: i32,
    at: u64,
}

impl Ended {
    fn take(&mut self, name: &str, value: &Value<'_>) {
        match (name, value) {
            ("ExecMainCode", Value::Signed(code)) => {
                self.code = i32::try_from(*code).unwrap_or_default();
            }
            ("ExecMainStatus", Value::Signed(status)) => {
                self.status = i32::try_from(*status).unwrap_or_default();
            }
            ("ExecMainExitTimestamp", Value::Unsigned(at)) => self.at = *at,
            _ => {}
        }
    }

    /// `None` while it has not ended.
    fn exec_main(&self) -> Option<ExecMain> {
        let code = match self.code {
            0 => return None,
            1 => ExecMainCode::Exited,
            2 => ExecMainCode::Killed,
            3 => ExecMainCode::Dumped,
            other => ExecMainCode::Other(other),
        };
        Some(ExecMain { code, status: self.status, at: time(self.at) })
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| told(text))
}

/// systemd says the largest number where it does not know.
fn known(number: u64) -> Option<u64> {
    (number != u64::MAX).then_some(number)
}

/// Microseconds since 1970; 0 is never.
fn time(microseconds: u64) -> Option<SystemTime> {
    match known(microseconds)? {
        0 => None,
        since => SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(since)),
    }
}

/// An id of 128 bits; empty or zero where there is none.
fn hex(id: &[u8]) -> Option<String> {
    let there = id.len() == 16 && id.iter().any(|byte| *byte != 0);
    there.then(|| hexadecimal(id))
}

fn units(names: &[&str]) -> Vec<Unit> {
    names.iter().take(MAX_OTHERS).filter_map(|name| name.parse().ok()).collect()
}
