//! Which entries of a file belong to a unit.
//!
//! The same as for `journalctl -u` (systemd's `add_matches_for_unit`). The fields that
//! start with an underscore are journald's own and cannot be forged; those that do not
//! are anybody's, and count only beside one that says who logged them:
//!
//! - `_SYSTEMD_UNIT=`: what the unit's processes logged;
//! - `UNIT=` by process 1: what systemd said about it;
//! - `COREDUMP_UNIT=` by root with the id of such messages: its core dumps;
//! - `OBJECT_SYSTEMD_UNIT=` by root: what other services said about it;
//! - for a slice, `_SYSTEMD_SLICE=`: all within it.
//!
//! Used by `source.rs`.

use super::budget::Fault;
use super::chain::Chain;
use super::file::File;
use super::lookup;
use super::query::Priority;
use crate::{Unit, UnitType};

/// `SD_MESSAGE_COREDUMP` (sd-messages.h).
const COREDUMP: &str = "MESSAGE_ID=fc2e22bc6ee647b6b90729ab34a250b1";

/// A list of entries of which those belong to the unit that have further fields.
#[derive(Debug)]
pub(super) struct Strand {
    pub(super) chain: Chain,
    /// Where the data objects of those fields are.
    also: Vec<u64>,
}

/// Which priorities count: where their data objects are, if any does not.
#[derive(Debug)]
pub(super) struct Priorities(Option<Vec<u64>>);

impl Strand {
    /// Whether an entry of the list belongs to the unit.
    pub(super) fn takes(&self, data: &[u64]) -> bool {
        self.also.iter().all(|also| data.contains(also))
    }
}

impl Priorities {
    /// Whether an entry is urgent enough.
    pub(super) fn take(&self, data: &[u64]) -> bool {
        self.0.as_ref().is_none_or(|wanted| wanted.iter().any(|at| data.contains(at)))
    }

    /// Where the file keeps those at least as urgent.
    pub(super) fn of(file: &File<'_>, least: Option<Priority>) -> Result<Self, Fault> {
        let Some(least) = least else { return Ok(Self(None)) };
        let mut wanted = Vec::new();
        for priority in Priority::ALL.into_iter().filter(|priority| *priority <= least) {
            let field = format!("PRIORITY={}", priority.number());
            wanted.extend(lookup::find(file, field.as_bytes())?.map(|data| data.at));
        }
        Ok(Self(Some(wanted)))
    }
}

/// The lists of a file that hold entries of the unit, and what is wrong with the last that
/// cannot be followed to its end.
pub(super) fn strands(file: &File<'_>, unit: &Unit) -> Result<(Vec<Strand>, Option<Fault>), Fault> {
    let (mut strands, mut broken) = (Vec::new(), None);
    for (field, also) in fields(unit) {
        let Some(data) = lookup::find(file, format!("{field}={unit}").as_bytes())? else {
            continue;
        };
        if let Some(also) = all(file, also)? {
            let (chain, fault) = Chain::of(file, &data)?;
            broken = fault.or(broken);
            strands.push(Strand { chain, also });
        }
    }
    Ok((strands, broken))
}

/// The fields that name the unit, with what an entry needs beside them.
fn fields(unit: &Unit) -> Vec<(&'static str, &'static [&'static str])> {
    let mut fields: Vec<(_, &[&str])> = vec![
        ("_SYSTEMD_UNIT", &[]),
        ("UNIT", &["_PID=1"]),
        ("COREDUMP_UNIT", &["_UID=0", COREDUMP]),
        ("OBJECT_SYSTEMD_UNIT", &["_UID=0"]),
    ];
    if unit.kind() == UnitType::Slice {
        fields.push(("_SYSTEMD_SLICE", &[]));
    }
    fields
}

/// Where the data objects of all these fields are; `None` if one is nowhere in the file.
fn all(file: &File<'_>, fields: &[&str]) -> Result<Option<Vec<u64>>, Fault> {
    let mut found = Vec::new();
    for field in fields {
        match lookup::find(file, field.as_bytes())? {
            Some(data) => found.push(data.at),
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}
