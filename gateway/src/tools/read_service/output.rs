//! What a caller gets: one line for each unit or entry in words, the same as
//! structure.
//!
//! Invariant: what programs wrote cannot look like anything else. The lines of one
//! message stand under its first one, indented, and what a terminal would act on
//! or not show stands as an escape.

use cofferdam_proto::host::v1::{
    JournalEntry, JournalPage, JournalQuery, MainProcess, ServiceQuery, ServiceReading, UnitList,
    UnitState, UnitStatus,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::super::view::{Provenance, timestamp};
use super::super::within_budget;
use crate::approvals::is_visible;
use crate::result::{Answer, InWords};

/// Names of priorities, by their numbers.
const PRIORITIES: [&str; 8] =
    ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// What a caller gets.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// `list`, `status` or `journal`.
    what: &'static str,
    /// The unit, or the glob of a list.
    unit: String,
    /// Of a list: the units that there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    units: Option<Vec<UnitView>>,
    /// Of a status: all about the unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<StatusView>,
    /// Of a journal: its lines, the newest last.
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<Vec<EntryView>>,
    /// Where older lines are: give it as `before`. None: there are none, or they were not
    /// looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    older: Option<String>,
    /// Where newer lines are, or will be: give it as `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    newer: Option<String>,
    /// What of the journal could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gaps: Vec<String>,
    /// There is more than is shown: name fewer units, or read on at `older` or `newer`.
    truncated: bool,
    #[serde(flatten)]
    provenance: Provenance,
}

/// The state of a unit, in systemd's words.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct UnitView {
    name: String,
    /// active, inactive, failed, activating, deactivating, reloading.
    active_state: String,
    /// running, exited, dead, listening and others.
    sub_state: String,
    /// loaded, not-found, masked and others.
    load_state: String,
    description: String,
}

/// All about a unit; what is not known is left out.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct StatusView {
    #[serde(flatten)]
    state: UnitView,
    /// systemd has it in memory; else it does not run, and only its file is known.
    loaded: bool,
    /// enabled, disabled, static, masked and others; none: there is no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_file_state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    load_error: Option<String>,
    /// Its files changed since systemd read them.
    #[serde(skip_serializing_if = "is_false")]
    need_daemon_reload: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    active_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inactive_since: Option<String>,
    /// How its last run ended: success, exit-code, signal, timeout, oom-kill and others.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    main_pid: Option<u32>,
    /// How its main process last ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    main_process: Option<String>,
    /// How often systemd restarted it by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    restarts: Option<u32>,
    /// What it says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tasks: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    triggered_by: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    triggers: Vec<String>,
    /// When it last started what it triggers, of a timer.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_trigger: Option<String>,
    /// When it next will.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_elapse: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invocation_id: Option<String>,
}

/// A line of a journal.
#[derive(Debug, Default, Clone, Serialize, JsonSchema)]
struct EntryView {
    /// When (RFC 3339, UTC).
    at: String,
    /// emerg, alert, crit, err, warning, notice, info or debug.
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<&'static str>,
    /// Which program, and its process id.
    source: String,
    message: String,
    /// Bytes of the message that are left out.
    #[serde(skip_serializing_if = "is_zero")]
    left_out: u64,
    /// Where it stands; not shown.
    #[serde(skip)]
    #[schemars(skip)]
    cursor: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl Output {
    fn of(query: &ServiceQuery) -> Self {
        let what = match query.what() {
            ServiceReading::List => "list",
            ServiceReading::Status => "status",
            ServiceReading::Journal | ServiceReading::Unspecified => "journal",
        };
        Self { what, unit: query.unit.clone(), ..Self::default() }
    }

    /// The same, with where it comes from.
    pub(super) fn given(self, provenance: Provenance) -> Self {
        Self { provenance, ..self }
    }

    /// Those that failed come first, and after them those that run.
    pub(super) fn of_list(query: &ServiceQuery, list: UnitList, budget: usize) -> Self {
        let UnitList { units, left_out } = list;
        let mut units: Vec<UnitView> = units.into_iter().map(UnitView::from).collect();
        units.sort_by_key(|unit| match unit.active_state.as_str() {
            "failed" => 0,
            "inactive" => 2,
            _ => 1,
        });
        let (units, cut) = within_budget(units.into_iter(), budget);
        Self { units: Some(units), truncated: cut || left_out > 0, ..Self::of(query) }
    }

    pub(super) fn of_status(query: &ServiceQuery, status: UnitStatus) -> Self {
        Self { status: Some(status.into()), ..Self::of(query) }
    }

    pub(super) fn of_journal(query: &ServiceQuery, page: JournalPage, budget: usize) -> Self {
        let JournalPage { entries, next, gaps } = page;
        let JournalQuery { after, before, .. } = query.journal.clone().unwrap_or_default();
        let entries: Vec<EntryView> = entries.into_iter().map(EntryView::from).collect();
        let some = |cursor: String| (!cursor.is_empty()).then_some(cursor);
        let first = |entries: &[EntryView]| entries.first().map(|entry| entry.cursor.clone());
        let last = |entries: &[EntryView]| entries.last().map(|entry| entry.cursor.clone());
        let (next, forward) = (some(next), !after.is_empty());
        // What does not fit is left out at the end that is read on from.
        let (kept, cut) = if forward {
            within_budget(entries.into_iter(), budget)
        } else {
            let (mut kept, cut) = within_budget(entries.into_iter().rev(), budget);
            kept.reverse();
            (kept, cut)
        };
        let more = next.is_some();
        let (older, newer) = if forward {
            let newer = if cut { last(&kept) } else { next.or_else(|| last(&kept)) };
            (first(&kept), newer.or(some(after)))
        } else {
            let older = if cut { first(&kept) } else { next };
            (older, last(&kept).or(some(before)))
        };
        let gaps = gaps.iter().map(|gap| shown(gap)).collect();
        let truncated = cut || more;
        Self { entries: Some(kept), older, newer, gaps, truncated, ..Self::of(query) }
    }
}

impl From<UnitState> for UnitView {
    fn from(state: UnitState) -> Self {
        let UnitState { name, description, load_state, active_state, sub_state } = state;
        Self {
            name: shown(&name),
            active_state: shown(&active_state),
            sub_state: shown(&sub_state),
            load_state: shown(&load_state),
            description: shown(&description),
        }
    }
}

impl From<UnitStatus> for StatusView {
    fn from(status: UnitStatus) -> Self {
        let UnitStatus {
            state,
            loaded,
            load_error,
            unit_file_state,
            need_daemon_reload,
            active_since,
            inactive_since,
            invocation_id,
            triggered_by,
            triggers,
            result,
            main_pid,
            main_process,
            restarts,
            status_text,
            memory_bytes,
            tasks,
            last_trigger,
            next_elapse,
        } = status;
        let some = |text: String| (!text.is_empty()).then(|| shown(&text));
        let time = |time: Option<prost_types::Timestamp>| time.as_ref().and_then(timestamp);
        let all = |units: Vec<String>| units.iter().map(|unit| shown(unit)).collect();
        Self {
            state: state.unwrap_or_default().into(),
            loaded,
            unit_file_state: some(unit_file_state),
            load_error: some(load_error),
            need_daemon_reload,
            active_since: time(active_since),
            inactive_since: time(inactive_since),
            result: some(result),
            main_pid,
            main_process: main_process.map(ended),
            restarts,
            status_text: some(status_text),
            memory_bytes,
            tasks,
            triggered_by: all(triggered_by),
            triggers: all(triggers),
            last_trigger: time(last_trigger),
            next_elapse: time(next_elapse),
            invocation_id: some(invocation_id),
        }
    }
}

fn ended(process: MainProcess) -> String {
    let MainProcess { code, status, at } = process;
    let how = match code.as_str() {
        "exited" => format!("exited with code {status}"),
        "killed" | "dumped" => format!("{code} by signal {status}"),
        other => format!("ended ({}, {status})", shown(other)),
    };
    let at = at.as_ref().and_then(timestamp);
    at.map_or(how.clone(), |at| format!("{how} at {at}"))
}

impl From<JournalEntry> for EntryView {
    fn from(entry: JournalEntry) -> Self {
        let JournalEntry {
            at,
            priority,
            identifier,
            pid,
            message,
            left_out,
            unread_fields,
            cursor,
        } = entry;
        let number = priority.and_then(|priority| usize::try_from(priority).ok());
        let unread = if unread_fields > 0 && message.is_empty() {
            "(the message could not be read)".to_owned()
        } else {
            shown(&message)
        };
        Self {
            at: at.as_ref().and_then(timestamp).unwrap_or_default(),
            priority: number.and_then(|number| PRIORITIES.get(number).copied()),
            source: pid
                .map_or_else(|| shown(&identifier), |pid| format!("{}[{pid}]", shown(&identifier))),
            message: unread,
            left_out,
            cursor,
        }
    }
}

/// Text of strangers; lines and tabs stay.
fn shown(text: &str) -> String {
    let stays = |c: char| matches!(c, '\n' | '\t') || is_visible(c);
    let one = |c: char| if stays(c) { c.to_string() } else { c.escape_unicode().to_string() };
    text.chars().map(one).collect()
}

impl UnitView {
    /// One line.
    fn line(&self) -> String {
        let Self { name, active_state, sub_state, load_state, description } = self;
        let load = if load_state == "loaded" { String::new() } else { format!(" {load_state}") };
        let about = description.replace('\n', " ");
        format!("{name} {active_state} ({sub_state}){load}: {about}\n")
    }
}

impl EntryView {
    /// One line, and further ones of the same message indented.
    fn line(&self) -> String {
        let Self { at, priority, source, message, left_out, cursor: _ } = self;
        let priority = priority.unwrap_or("-");
        let source = source.replace('\n', " ");
        let message = message.trim_end().replace('\n', "\n    ");
        let left_out = match left_out {
            0 => String::new(),
            bytes => format!(" … ({bytes} bytes left out)"),
        };
        format!("{at} {priority} {source}: {message}{left_out}\n")
    }
}

impl Answer for Output {
    fn in_words(&self) -> Vec<InWords> {
        let units = self.units.iter().flatten().map(UnitView::line).collect();
        let entries = self.entries.iter().flatten().map(EntryView::line).collect();
        vec![
            InWords { title: "units", fields: &["units"], text: units },
            InWords { title: "journal", fields: &["entries"], text: entries },
        ]
    }

    fn headline(&self) -> String {
        let more = if self.truncated { ", and there are more" } else { "" };
        if let Some(units) = &self.units {
            return format!("units of {}: {}{more}", self.unit, units.len());
        }
        if let Some(entries) = &self.entries {
            return format!("lines of {}: {}{more}", self.unit, entries.len());
        }
        match &self.status {
            Some(status) if status.loaded => {
                let UnitView { name, active_state, sub_state, .. } = &status.state;
                format!("{name} is {active_state} ({sub_state})")
            }
            Some(StatusView { unit_file_state: Some(file), .. }) => {
                format!("{} is not loaded; its file is {file}", self.unit)
            }
            _ => format!("{} is not there", self.unit),
        }
    }
}
