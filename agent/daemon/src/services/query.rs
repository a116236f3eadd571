//! A question about units, checked: nothing in it is longer, or asks for more,
//! than this host gives.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cofferdam_journal::redact_text;
use cofferdam_proto::host::v1::{JournalQuery, ServiceQuery, ServiceReading};
use cofferdam_services::{
    Cursor, Grep, MAX_BYTES, MAX_LINES, Priority, Query, Start, Unit, UnitPattern,
};
use prost_types::Timestamp;
use serde_json::{Value, json};

use crate::ceiling::{Services as Shown, ServicesError};
use crate::validate::InvalidField;

/// Characters of a text in the record.
const RECORDED: usize = 1024;

/// A question that can be asked.
#[derive(Debug, Clone)]
pub enum Asked {
    /// The state of each unit of a glob.
    List {
        /// The glob; no brackets in it.
        pattern: UnitPattern,
    },
    /// The state of one unit.
    Status {
        /// Which.
        unit: Unit,
    },
    /// What one unit wrote to the journal.
    Journal {
        /// Which entries.
        query: Box<Query>,
    },
}

impl Asked {
    /// Whether the ceiling lets anything of it be told.
    ///
    /// # Errors
    /// See [`ServicesError`].
    pub fn admit(&self, shown: &Shown) -> Result<(), ServicesError> {
        match self {
            Self::List { pattern } => shown.admit_list(pattern.as_str()),
            Self::Status { unit } => shown.admit(unit.as_str(), false),
            Self::Journal { query } => shown.admit(query.unit.as_str(), true),
        }
    }
}

fn invalid(path: &str, problem: impl Into<String>) -> InvalidField {
    InvalidField { path: path.to_owned(), problem: problem.into() }
}

/// Checks a question.
///
/// # Errors
/// Names the field.
pub fn checked(query: &ServiceQuery) -> Result<Asked, InvalidField> {
    let ServiceQuery { what: _, unit, journal } = query;
    let one = || {
        unit.parse::<Unit>().map_err(|error| invalid("query.unit", format!("is refused: {error}")))
    };
    let reading = query.what();
    if journal.is_some() && reading != ServiceReading::Journal {
        return Err(invalid("query.journal", "is for journals only; leave it out"));
    }
    match reading {
        ServiceReading::List => {
            // What rules decide about has no brackets.
            let brackets = unit.contains(['[', ']', '!', '^']);
            let pattern = unit.parse::<UnitPattern>().ok().filter(|_| !brackets);
            let problem = "is no glob of units; write letters, digits, `:-_.\\@`, `*` and `?`";
            Ok(Asked::List { pattern: pattern.ok_or_else(|| invalid("query.unit", problem))? })
        }
        ServiceReading::Status => Ok(Asked::Status { unit: one()? }),
        ServiceReading::Journal => {
            let query = entries(one()?, journal.clone().unwrap_or_default())?;
            Ok(Asked::Journal { query: Box::new(query) })
        }
        ServiceReading::Unspecified => Err(invalid(
            "query.what",
            "is missing or unknown; ask for a list, a status or a journal",
        )),
    }
}

fn entries(unit: Unit, asked: JournalQuery) -> Result<Query, InvalidField> {
    let JournalQuery { lines, bytes, since, until, priority, grep, after, before } = asked;
    let usual = Query::new(unit);
    let cursor = |path: &str, text: &str| {
        text.parse::<Cursor>().map_err(|error| invalid(path, format!("is refused: {error}")))
    };
    let start = match (after.as_str(), before.as_str()) {
        ("", "") => Start::Tail,
        (after, "") => Start::After(cursor("query.journal.after", after)?),
        ("", before) => Start::Before(cursor("query.journal.before", before)?),
        _ => return Err(invalid("query.journal.before", "cannot stand beside `after`")),
    };
    let priority = match priority {
        None => None,
        Some(number) => {
            let known = u8::try_from(number).ok().and_then(Priority::from_number);
            let unknown = || invalid("query.journal.priority", format!("is {number}; at most 7"));
            Some(known.ok_or_else(unknown)?)
        }
    };
    let refused = |error| invalid("query.journal.grep", format!("is refused: {error}"));
    Ok(Query {
        start,
        lines: most("query.journal.lines", lines, MAX_LINES)?.unwrap_or(usual.lines),
        bytes: most("query.journal.bytes", bytes, MAX_BYTES)?.unwrap_or(usual.bytes),
        since: since.map(|it| time("query.journal.since", it)).transpose()?,
        until: until.map(|it| time("query.journal.until", it)).transpose()?,
        priority,
        grep: (!grep.is_empty()).then(|| Grep::new(&grep)).transpose().map_err(refused)?,
        // What is hidden cannot be searched for either.
        veil: Some(redact_text),
        ..usual
    })
}

/// `None` where it is left to this host.
fn most(path: &str, value: u32, limit: usize) -> Result<Option<usize>, InvalidField> {
    match usize::try_from(value) {
        Ok(0) => Ok(None),
        Ok(value) if value <= limit => Ok(Some(value)),
        _ => Err(invalid(path, format!("is {value}; at most {limit}"))),
    }
}

fn time(path: &str, stamp: Timestamp) -> Result<SystemTime, InvalidField> {
    let Timestamp { seconds, nanos } = stamp;
    let since =
        u64::try_from(seconds).ok().zip(u32::try_from(nanos).ok().filter(|it| *it < 1_000_000_000));
    since
        .and_then(|(seconds, nanos)| UNIX_EPOCH.checked_add(Duration::new(seconds, nanos)))
        .ok_or_else(|| invalid(path, "is no time from 1970 on"))
}

/// A question as the record has it; bounded, whatever was sent.
#[must_use]
pub fn described(query: &ServiceQuery) -> Value {
    let cut = |text: &str| text.chars().take(RECORDED).collect::<String>();
    let ServiceQuery { what: _, unit, journal } = query;
    let what = match query.what() {
        ServiceReading::List => "list",
        ServiceReading::Status => "status",
        ServiceReading::Journal => "journal",
        ServiceReading::Unspecified => "unknown",
    };
    let entries = journal.as_ref().map(|entries| {
        let JournalQuery { lines, bytes, since, until, priority, grep, after, before } = entries;
        let seconds = |it: &Option<Timestamp>| it.as_ref().map(|it| it.seconds);
        json!({
            "lines": lines, "bytes": bytes, "since": seconds(since), "until": seconds(until),
            "priority": priority, "grep": cut(grep), "after": cut(after), "before": cut(before),
        })
    });
    json!({"read_service": {"what": what, "unit": cut(unit), "journal": entries}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(what: ServiceReading, unit: &str) -> ServiceQuery {
        ServiceQuery { what: what.into(), unit: unit.to_owned(), journal: None }
    }

    fn problem(query: &ServiceQuery) -> String {
        checked(query).unwrap_err().to_string()
    }

    #[test]
    fn a_list_has_a_glob_and_everything_else_one_unit() {
        assert!(checked(&query(ServiceReading::List, "app-*.service")).is_ok());
        assert!(checked(&query(ServiceReading::Status, "nginx.service")).is_ok());
        for unit in ["*.service", "", "nginx", "../x.service", "a\n.service"] {
            assert!(
                problem(&query(ServiceReading::Status, unit)).contains("`query.unit`"),
                "{unit}"
            );
        }
        for glob in ["", "a/*", "[a]*", "!a", "a b*"] {
            assert!(problem(&query(ServiceReading::List, glob)).contains("no glob"), "{glob}");
        }
        assert!(problem(&query(ServiceReading::Unspecified, "a.service")).contains("query.what"));
    }

    #[test]
    fn entries_are_bounded_and_what_is_wrong_is_named() {
        let journal = |entries: JournalQuery| ServiceQuery {
            journal: Some(entries),
            ..query(ServiceReading::Journal, "nginx.service")
        };
        let Ok(Asked::Journal { query: usual }) = checked(&journal(JournalQuery::default())) else {
            panic!("is taken")
        };
        assert_eq!((usual.lines, usual.bytes), (100, 64 << 10));
        let cursor = "s=1;i=1;b=1;m=5;t=9;x=1".to_owned();
        for (entries, field) in [
            (JournalQuery { lines: 1001, ..JournalQuery::default() }, "lines"),
            (JournalQuery { bytes: 1 << 21, ..JournalQuery::default() }, "bytes"),
            (JournalQuery { priority: Some(8), ..JournalQuery::default() }, "priority"),
            (JournalQuery { grep: "(".to_owned(), ..JournalQuery::default() }, "grep"),
            (JournalQuery { after: "x".to_owned(), ..JournalQuery::default() }, "after"),
            (
                JournalQuery { after: cursor.clone(), before: cursor, ..JournalQuery::default() },
                "before",
            ),
            (
                JournalQuery {
                    since: Some(Timestamp { seconds: -1, nanos: 0 }),
                    ..JournalQuery::default()
                },
                "since",
            ),
            (
                JournalQuery {
                    until: Some(Timestamp { seconds: 1, nanos: -1 }),
                    ..JournalQuery::default()
                },
                "until",
            ),
        ] {
            let found = problem(&journal(entries));
            assert!(found.contains(&format!("`query.journal.{field}`")), "{field}: {found}");
        }
        let status = ServiceQuery {
            journal: Some(JournalQuery::default()),
            ..query(ServiceReading::Status, "nginx.service")
        };
        assert!(problem(&status).contains("for journals only"));
    }

    #[test]
    fn the_record_holds_the_question_bounded() {
        let long = query(ServiceReading::Journal, &"x".repeat(100_000));
        assert!(described(&long).to_string().len() < 4096);
    }
}
