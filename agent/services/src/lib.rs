//! What state units are in, and what their journal says: read-only, for the agent.
//!
//! A cell reaches neither the system bus nor the journal. Where a ceiling names
//! units, the agent looks for its callers, through this crate:
//!
//! - [`Units`] asks systemd over the system bus. It calls nothing that loads, starts
//!   or changes a unit.
//! - [`Journal`] reads journal files by itself, as a member of the group
//!   `systemd-journal`. The agent may not execute journalctl(1), and needs not.
//!
//! Words are systemd's: **unit**, **load state**, **active state**, **sub state**,
//! **invocation**, **cursor**, **priority**. A **gap** is what could not be read, told
//! beside what could.
//!
//! Who may see which unit is decided by the caller, before: whoever can name a unit
//! here can read all that it logs.
//!
//! Invariant: what the bus answers and what stands in journal files comes from anybody
//! who may log or name a unit. Whatever it is, nothing here panics, waits longer than
//! its time limit, or holds more memory than its bounds, and what is left out is told.
#![forbid(unsafe_code)]

mod journal;
mod plain;
mod unit;
mod units;

pub use journal::{
    Bounds, Cursor, CursorError, Entry, Gap, Grep, GrepError, Journal, JournalError, MAX_BYTES,
    MAX_LINES, MachineId, Page, Priority, PriorityError, Query, Start,
};
pub use unit::{Unit, UnitError, UnitPattern, UnitType};
pub use units::{
    ExecMain, ExecMainCode, LoadedUnit, MAX_UNITS, UnitFilter, UnitList, UnitState, UnitStatus,
    Units, UnitsError,
};
