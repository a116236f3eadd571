//! What is told of a unit, in systemd's own terms (org.freedesktop.systemd1(5)).
//!
//! States are texts, not enums: systemd adds to them, and whoever reads them knows
//! systemd's words. Each is at most 4 KiB of plain text. Secrets that a unit's
//! `Environment=` may hold are never taken out of systemd's answers.

use std::time::SystemTime;

use crate::Unit;

/// A list of units.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnitList {
    /// By name.
    pub units: Vec<UnitState>,
    /// How many more there are that are not in `units`.
    pub left_out: usize,
}

/// The state of a loaded unit, as lists have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitState {
    /// Its primary name, which is another than was asked for if that was an alias.
    pub name: Unit,
    /// `Description=`.
    pub description: String,
    /// Whether its files could be read: `loaded`, `not-found`, `bad-setting`, `error`,
    /// `masked`, …
    pub load_state: String,
    /// `active`, `reloading`, `inactive`, `failed`, `activating`, `deactivating`, …
    pub active_state: String,
    /// What that means for its type: `running`, `exited`, `dead`, `listening`, …
    pub sub_state: String,
}

/// The status of one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitStatus {
    /// systemd has it in memory.
    Loaded(Box<LoadedUnit>),
    /// systemd has it not in memory: it does not run, nothing that is loaded refers to
    /// it, and it has not failed since it was last reset.
    NotLoaded {
        /// The name that was asked for.
        name: Unit,
        /// `enabled`, `disabled`, `static`, `masked`, …; `None`: no such file.
        unit_file_state: Option<String>,
    },
}

/// The status of a unit that systemd has in memory. What its type does not have, or what
/// systemd does not know, is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedUnit {
    /// What lists tell, too.
    pub state: UnitState,
    /// Why its files could not be read, if so.
    pub load_error: Option<String>,
    /// `enabled`, `disabled`, `static`, `masked`, …
    pub unit_file_state: Option<String>,
    /// Its files changed on disk since systemd read them.
    pub need_daemon_reload: bool,
    /// When it last became active; while it is, since when.
    pub active_since: Option<SystemTime>,
    /// When it last became inactive or failed.
    pub inactive_since: Option<SystemTime>,
    /// What its last start was given as an id, as `_SYSTEMD_INVOCATION_ID` in the
    /// journal: 32 hexadecimal digits.
    pub invocation_id: Option<String>,
    /// Timers, sockets and paths that start it.
    pub triggered_by: Vec<Unit>,
    /// What it starts, for a timer, socket, path or automount.
    pub triggers: Vec<Unit>,
    /// How its last run ended: `success`, `exit-code`, `signal`, `timeout`, `oom-kill`,
    /// `start-limit-hit`, …
    pub result: Option<String>,
    /// The main process that runs now, of a service.
    pub main_pid: Option<u32>,
    /// How the main process last ended, of a service.
    pub exec_main: Option<ExecMain>,
    /// How often systemd restarted it by itself since it was last started otherwise.
    pub n_restarts: Option<u32>,
    /// What the service says of itself (sd_notify(3), `STATUS=`).
    pub status_text: Option<String>,
    /// Bytes of memory of its cgroup now.
    pub memory_current: Option<u64>,
    /// Tasks in its cgroup now.
    pub tasks_current: Option<u64>,
    /// When it last started what it triggers, of a timer.
    pub last_trigger: Option<SystemTime>,
    /// When it next will by the wall clock, of a timer.
    pub next_elapse: Option<SystemTime>,
}

/// How the main process of a service last ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecMain {
    /// What kind of end it was.
    pub code: ExecMainCode,
    /// The exit status, or the number of the signal.
    pub status: i32,
    /// When.
    pub at: Option<SystemTime>,
}

/// `ExecMainCode` of a service: `si_code` of sigaction(2) for SIGCHLD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecMainCode {
    /// It exited by itself.
    Exited,
    /// A signal ended it.
    Killed,
    /// A signal ended it, and it left a core dump.
    Dumped,
    /// Another number.
    Other(i32),
}
