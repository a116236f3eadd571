//! What was read, as the wire has it: bounded, without units that the ceiling
//! does not show, and without what looks like a secret.
//!
//! Everything is taken apart completely, so that what the reader learns to tell
//! does not go out before somebody decided so here.

use cofferdam_journal::redact_text;
use cofferdam_proto::host::v1 as wire;
use cofferdam_services as read;
use prost_types::Timestamp;

use crate::clock;

/// Characters of a description in a list.
const DESCRIPTION: usize = 256;
/// Characters of an explanation of what could not be read.
const GAP: usize = 512;
/// The most of those.
const GAPS: usize = 16;

/// Those units that may be told.
pub(super) fn list(list: read::UnitList, may: impl Fn(&str) -> bool) -> wire::UnitList {
    let read::UnitList { units, left_out } = list;
    let units = units.into_iter().filter(|unit| may(unit.name.as_str()));
    let units = units.map(|unit| {
        let unit = state(unit);
        wire::UnitState { description: cut(&unit.description, DESCRIPTION), ..unit }
    });
    let left_out = u32::try_from(left_out).unwrap_or(u32::MAX);
    wire::UnitList { units: units.collect(), left_out }
}

fn state(state: read::UnitState) -> wire::UnitState {
    let read::UnitState { name, description, load_state, active_state, sub_state } = state;
    let description = redact_text(&description);
    wire::UnitState { name: name.to_string(), description, load_state, active_state, sub_state }
}

/// The status of a unit that may be told, with such others as may be, too.
pub(super) fn status(status: read::UnitStatus, may: impl Fn(&str) -> bool) -> wire::UnitStatus {
    let loaded = match status {
        read::UnitStatus::Loaded(loaded) => *loaded,
        read::UnitStatus::NotLoaded { name, unit_file_state } => {
            let name = name.to_string();
            return wire::UnitStatus {
                state: Some(wire::UnitState { name, ..wire::UnitState::default() }),
                unit_file_state: unit_file_state.unwrap_or_default(),
                ..wire::UnitStatus::default()
            };
        }
    };
    let read::LoadedUnit {
        state: own,
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
        exec_main,
        n_restarts,
        status_text,
        memory_current,
        tasks_current,
        last_trigger,
        next_elapse,
    } = loaded;
    let shown = |units: Vec<read::Unit>| {
        let units = units.into_iter().map(|unit| unit.to_string());
        units.filter(|unit| may(unit)).collect::<Vec<String>>()
    };
    wire::UnitStatus {
        state: Some(state(own)),
        loaded: true,
        load_error: load_error.unwrap_or_default(),
        unit_file_state: unit_file_state.unwrap_or_default(),
        need_daemon_reload,
        active_since: active_since.map(clock::timestamp),
        inactive_since: inactive_since.map(clock::timestamp),
        invocation_id: invocation_id.unwrap_or_default(),
        triggered_by: shown(triggered_by),
        triggers: shown(triggers),
        result: result.unwrap_or_default(),
        main_pid,
        main_process: exec_main.map(main_process),
        restarts: n_restarts,
        status_text: status_text.map(|text| redact_text(&text)).unwrap_or_default(),
        memory_bytes: memory_current,
        tasks: tasks_current,
        last_trigger: last_trigger.map(clock::timestamp),
        next_elapse: next_elapse.map(clock::timestamp),
    }
}

fn main_process(ended: read::ExecMain) -> wire::MainProcess {
    let read::ExecMain { code, status, at } = ended;
    let code = match code {
        read::ExecMainCode::Exited => "exited".to_owned(),
        read::ExecMainCode::Killed => "killed".to_owned(),
        read::ExecMainCode::Dumped => "dumped".to_owned(),
        read::ExecMainCode::Other(number) => number.to_string(),
    };
    wire::MainProcess { code, status, at: at.map(clock::timestamp) }
}

/// A page of a journal.
pub(super) fn page(page: read::Page) -> wire::JournalPage {
    let read::Page { entries, next, gaps } = page;
    let more = gaps.len().saturating_sub(GAPS);
    let mut told: Vec<String> =
        gaps.iter().take(GAPS).map(|gap| cut(&gap.to_string(), GAP)).collect();
    if more > 0 {
        told.push(format!("and {more} more such gaps"));
    }
    wire::JournalPage {
        entries: entries.into_iter().map(entry).collect(),
        next: next.map(|cursor| cursor.to_string()).unwrap_or_default(),
        gaps: told,
    }
}

fn entry(entry: read::Entry) -> wire::JournalEntry {
    let read::Entry {
        realtime,
        priority,
        identifier,
        pid,
        message,
        left_out,
        unread_fields,
        cursor,
    } = entry;
    let at: Timestamp = clock::timestamp(realtime);
    wire::JournalEntry {
        at: Some(at),
        priority: priority.map(|priority| priority.number().into()),
        identifier: identifier.unwrap_or_default(),
        pid,
        message,
        left_out,
        unread_fields,
        cursor: cursor.to_string(),
    }
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str) -> read::UnitState {
        read::UnitState {
            name: name.parse().unwrap(),
            description: "d".repeat(4000),
            load_state: "loaded".to_owned(),
            active_state: "active".to_owned(),
            sub_state: "running".to_owned(),
        }
    }

    #[test]
    fn a_list_holds_what_may_be_told_and_short_descriptions() {
        let units = vec![unit("nginx.service"), unit("ssh.service")];
        let told = list(read::UnitList { units, left_out: 3 }, |name| name == "nginx.service");
        assert_eq!((told.units.len(), told.left_out), (1, 3));
        assert_eq!(told.units[0].description.chars().count(), DESCRIPTION + 1);
    }

    #[test]
    fn a_unit_that_is_not_loaded_has_a_name_and_the_state_of_its_file() {
        let name = "x.service".parse().unwrap();
        let unit_file_state = Some("disabled".to_owned());
        let told = status(read::UnitStatus::NotLoaded { name, unit_file_state }, |_| true);
        assert!(!told.loaded && told.unit_file_state == "disabled");
        assert_eq!(told.state.unwrap().name, "x.service");
    }

    #[test]
    fn other_units_are_named_only_where_they_may_be() {
        let loaded = read::LoadedUnit {
            state: unit("a.service"),
            load_error: None,
            unit_file_state: None,
            need_daemon_reload: false,
            active_since: None,
            inactive_since: None,
            invocation_id: None,
            triggered_by: vec!["a.timer".parse().unwrap(), "secret.path".parse().unwrap()],
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
        };
        let loaded = read::UnitStatus::Loaded(Box::new(loaded));
        assert_eq!(status(loaded, |name| name.starts_with("a.")).triggered_by, ["a.timer"]);
    }
}
