//! What a caller sends, and the question that it becomes.

use cofferdam_proto::host::v1::{JournalQuery, ServiceQuery, ServiceReading};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::Target;
use crate::input::{BadInput, bounded, refuse_nul};

/// What a list without a unit is about.
const SERVICES: &str = "*.service";
const MAX_UNIT: usize = 255;
const MAX_LINES: u64 = 1000;
const DEFAULT_LINES: u64 = 100;
/// Bytes of an expression or a cursor.
const MAX_TEXT: usize = 1000;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// `list`: the state of each unit that `unit` names; `status`: all about one
    /// unit; `journal`: what one unit wrote to the journal.
    what: What,
    /// The unit, such as `nginx.service`; without a kind it is a service. Of a list
    /// a glob with `*` and `?`, such as `app-*.service` or `*.timer`; default:
    /// `*.service`.
    unit: Option<String>,
    /// Of a journal: at most this many lines, 1 to 1000. Default: 100.
    #[schemars(range(min = 1, max = 1000))]
    lines: Option<u64>,
    /// Of a journal: from this time on (RFC 3339, such as `2026-01-31T08:00:00Z`).
    since: Option<String>,
    /// Of a journal: until this time (RFC 3339).
    until: Option<String>,
    /// Of a journal: only lines in which this regular expression finds something.
    grep: Option<String>,
    /// Of a journal: only lines that are at least as urgent.
    priority: Option<Priority>,
    /// Of a journal: the oldest lines after this place, as `newer` of an answer
    /// gives it. Without a place the newest lines are read.
    after: Option<String>,
    /// Of a journal: the newest lines before this place, as `older` of an answer
    /// gives it.
    before: Option<String>,
    /// The host, as `list_hosts` names it. Default: the project's first.
    host: Option<String>,
    /// The project. Needed only where there are several.
    project: Option<String>,
}

/// What of units is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    List,
    Status,
    Journal,
}

/// How urgent a line is, as syslog(3) has it.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Priority {
    Emerg,
    Alert,
    Crit,
    Err,
    Warning,
    Notice,
    Info,
    Debug,
}

impl Target for Input {
    fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }
    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

/// The question.
pub(super) fn query(input: Input) -> Result<ServiceQuery, BadInput> {
    let Input {
        what,
        unit,
        lines,
        since,
        until,
        grep,
        priority,
        after,
        before,
        host: _,
        project: _,
    } = input;
    let unit = unit_of(what, unit)?;
    let entries = [
        ("lines", lines.is_some()),
        ("since", since.is_some()),
        ("until", until.is_some()),
        ("grep", grep.is_some()),
        ("priority", priority.is_some()),
        ("after", after.is_some()),
        ("before", before.is_some()),
    ];
    let reading = match what {
        What::List => ServiceReading::List,
        What::Status => ServiceReading::Status,
        What::Journal => ServiceReading::Journal,
    };
    if what != What::Journal {
        if let Some((field, _)) = entries.into_iter().find(|(_, given)| *given) {
            let message = format!("`{field}` is about lines of a journal; give `what`: `journal`");
            return Err(BadInput::field(field, message));
        }
        return Ok(ServiceQuery { what: reading.into(), unit, journal: None });
    }
    if after.is_some() && before.is_some() {
        let message = "`before` and `after` are two directions to read in; give one of them";
        return Err(BadInput::field("before", message));
    }
    let journal = JournalQuery {
        lines: bounded("lines", lines, DEFAULT_LINES, 1..=MAX_LINES)
            .map(|lines| u32::try_from(lines).unwrap_or(1))?,
        bytes: 0,
        since: since.map(|text| moment("since", &text)).transpose()?,
        until: until.map(|text| moment("until", &text)).transpose()?,
        priority: priority.map(|priority| priority as u32),
        grep: text("grep", grep)?,
        after: text("after", after)?,
        before: text("before", before)?,
    };
    Ok(ServiceQuery { what: reading.into(), unit, journal: Some(journal) })
}

fn unit_of(what: What, unit: Option<String>) -> Result<String, BadInput> {
    let Some(mut unit) = unit.filter(|unit| !unit.is_empty()) else {
        return match what {
            What::List => Ok(SERVICES.to_owned()),
            What::Status | What::Journal => Err(BadInput::field(
                "unit",
                "`unit` is missing; name one unit, such as `nginx.service`",
            )),
        };
    };
    refuse_nul("unit", &unit)?;
    // As systemctl(1) takes names without a kind; a lone star is every unit.
    if !unit.contains('.') && unit != "*" {
        unit.push_str(".service");
    }
    if unit.len() > MAX_UNIT {
        let message = format!("`unit` has {} bytes; systemd takes at most {MAX_UNIT}", unit.len());
        return Err(BadInput::too_large("unit", message));
    }
    if what != What::List && unit.contains(['*', '?']) {
        let message = format!("`{unit}` is a glob; name one unit, or list those that there are");
        return Err(BadInput::field("unit", message));
    }
    Ok(unit)
}

fn moment(field: &str, text: &str) -> Result<prost_types::Timestamp, BadInput> {
    let wrong = || {
        let message =
            format!("`{field}` is no time of RFC 3339; write one such as `2026-01-31T08:00:00Z`");
        BadInput::field(field, message)
    };
    let time: Timestamp = text.parse().map_err(|_| wrong())?;
    if time < Timestamp::UNIX_EPOCH {
        return Err(BadInput::field(field, format!("`{field}` is before 1970; give a later time")));
    }
    Ok(prost_types::Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() })
}

fn text(field: &str, text: Option<String>) -> Result<String, BadInput> {
    let text = text.unwrap_or_default();
    refuse_nul(field, &text)?;
    match text.len() {
        0..=MAX_TEXT => Ok(text),
        length => Err(BadInput::too_large(
            field,
            format!("`{field}` has {length} bytes; at most {MAX_TEXT} are taken"),
        )),
    }
}
