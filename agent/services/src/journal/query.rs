//! What a page of the journal shall hold.
//!
//! Made by the agent's read-only tool from a call; everything in it is bounded when it
//! is made. Read by `merge.rs` and `selection.rs`.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use regex::{Regex, RegexBuilder};

use super::Cursor;
use crate::Unit;

/// The most entries of a page.
pub const MAX_LINES: usize = 1_000;
/// The most bytes of messages of a page.
pub const MAX_BYTES: usize = 1 << 20;
/// The longest expression, in bytes.
const MAX_PATTERN: usize = 1_000;
/// What an expression may take when it is compiled, in bytes.
const MAX_COMPILED: usize = 1 << 20;

/// Which entries of a unit.
#[derive(Debug, Clone)]
pub struct Query {
    /// Whose.
    pub unit: Unit,
    /// From where on.
    pub start: Start,
    /// At most so many entries; no more than [`MAX_LINES`] are given, and at least one.
    pub lines: usize,
    /// At most so many bytes of messages; no more than [`MAX_BYTES`] are given. One entry
    /// is given in any case, its message cut.
    pub bytes: usize,
    /// Only what was logged at this time or later.
    pub since: Option<SystemTime>,
    /// Only what was logged at this time or earlier.
    pub until: Option<SystemTime>,
    /// Only what is at least as urgent; what has no priority is not.
    pub priority: Option<Priority>,
    /// Only what has such a message.
    pub grep: Option<Grep>,
    /// What is done to each message before it is searched and given: what is not shown
    /// cannot be searched for either.
    pub veil: Option<fn(&str) -> String>,
}

/// From where on a page is read, and in which direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// The newest entries.
    Tail,
    /// The newest entries before this one.
    Before(Cursor),
    /// The oldest entries after this one.
    After(Cursor),
}

/// An expression that messages are searched for.
#[derive(Debug, Clone)]
pub struct Grep(Regex);

/// Why an expression is not searched for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrepError {
    /// Longer than 1,000 bytes.
    #[error("the expression to search for has {0} bytes; at most {MAX_PATTERN} are allowed")]
    Long(usize),
    /// Not an expression, or one that grows too large.
    #[error("the expression to search for cannot be used: {0}")]
    Pattern(String),
}

/// How urgent an entry is (syslog(3)); what is more urgent is less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// 0: the system cannot be used.
    Emerg,
    /// 1: something must be done at once.
    Alert,
    /// 2: critical.
    Crit,
    /// 3: an error.
    Err,
    /// 4: a warning.
    Warning,
    /// 5: normal, but of note.
    Notice,
    /// 6: information.
    Info,
    /// 7: for finding faults.
    Debug,
}

/// A word that is no priority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no priority; priorities are emerg, alert, crit, err, warning, notice, info, debug, \
     or 0 to 7"
)]
pub struct PriorityError(String);

impl Query {
    /// The last 100 entries of the unit, with 64 KiB of messages at most.
    #[must_use]
    pub fn new(unit: Unit) -> Self {
        Self {
            unit,
            start: Start::Tail,
            lines: 100,
            bytes: 64 << 10,
            since: None,
            until: None,
            priority: None,
            grep: None,
            veil: None,
        }
    }
}

impl Grep {
    /// Finds what matches the expression (crate `regex`: no backtracking, so that no
    /// expression takes more than linear time), anywhere in a message.
    pub fn new(pattern: &str) -> Result<Self, GrepError> {
        if pattern.len() > MAX_PATTERN {
            return Err(GrepError::Long(pattern.len()));
        }
        let built = RegexBuilder::new(pattern)
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(MAX_COMPILED)
            .nest_limit(50)
            .build();
        built.map(Self).map_err(|error| GrepError::Pattern(error.to_string()))
    }

    pub(super) fn finds(&self, message: &str) -> bool {
        self.0.is_match(message)
    }
}

impl Priority {
    /// Every priority, by its number.
    pub const ALL: [Self; 8] = [
        Self::Emerg,
        Self::Alert,
        Self::Crit,
        Self::Err,
        Self::Warning,
        Self::Notice,
        Self::Info,
        Self::Debug,
    ];

    /// Its name, as journalctl(1) takes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emerg => "emerg",
            Self::Alert => "alert",
            Self::Crit => "crit",
            Self::Err => "err",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// Its number, 0 to 7, as it stands in `PRIORITY=`.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The priority with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

impl FromStr for Priority {
    type Err = PriorityError;

    fn from_str(word: &str) -> Result<Self, PriorityError> {
        let named = Self::ALL.into_iter().find(|priority| priority.as_str() == word);
        let numbered = || Self::from_number(word.parse().ok().filter(|_| word.len() == 1)?);
        named.or_else(numbered).ok_or_else(|| PriorityError(word.chars().take(40).collect()))
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_are_words_and_numbers_and_ordered_by_urgency() {
        assert_eq!("warning".parse(), Ok(Priority::Warning));
        assert_eq!("4".parse(), Ok(Priority::Warning));
        assert!(Priority::Emerg < Priority::Debug);
        for wrong in ["", "8", "04", "+4", "warn ing", "WARNING"] {
            assert!(wrong.parse::<Priority>().is_err(), "{wrong}");
        }
        for priority in Priority::ALL {
            assert_eq!(Priority::from_number(priority.number()), Some(priority));
        }
    }

    #[test]
    fn an_expression_that_grows_without_measure_is_refused() {
        assert!(Grep::new("time.?out").expect("is taken").finds("a timeout"));
        assert!(matches!(Grep::new("((a{1000}){1000}){1000}"), Err(GrepError::Pattern(_))));
        assert!(matches!(Grep::new("("), Err(GrepError::Pattern(_))));
        assert!(matches!(Grep::new(&"a".repeat(2000)), Err(GrepError::Long(2000))));
    }
}
