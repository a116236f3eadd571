//! `[services]`: the units of the host's service manager that callers may be told
//! of, and whether their journal, too.
//!
//! The agent reads both by itself, since the system bus and the journal are
//! closed to cells. Without the table nothing is shown, whatever the gateway's
//! rules permit. [`crate::services`] asks it, and [`crate::confine`] opens the way
//! to the bus and the journal only where it is there.

use serde::Deserialize;

use super::pattern::Pattern;

/// The most patterns.
const MAX_PATTERNS: usize = 1024;

/// What is shown of services; by default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Table")]
pub struct Services {
    show: Vec<Pattern>,
    journal: bool,
}

/// The table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    show: Vec<Pattern>,
    #[serde(default)]
    journal: bool,
}

/// Why something about a unit is not told. Each names the ceiling's key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServicesError {
    /// No table, or an empty list.
    #[error(
        "this host shows no services; its owner would write `show = [\"{unit}\"]` under \
         `[services]` of its ceiling"
    )]
    Nothing {
        /// What was asked for.
        unit: String,
    },
    /// Not this unit.
    #[error(
        "this host does not show `{unit}`: `services.show` of its ceiling has {shown}; only the \
         host's owner can add to it"
    )]
    Unit {
        /// What was asked for.
        unit: String,
        /// The patterns, in words.
        shown: String,
    },
    /// States only.
    #[error(
        "this host shows the state of `{unit}` and not its journal: `services.journal` of its \
         ceiling is not true"
    )]
    Journal {
        /// What was asked for.
        unit: String,
    },
}

impl TryFrom<Table> for Services {
    type Error = String;

    fn try_from(table: Table) -> Result<Self, String> {
        let Table { show, journal } = table;
        if show.len() > MAX_PATTERNS {
            return Err(format!("`services.show` has more than {MAX_PATTERNS} patterns"));
        }
        if show.is_empty() && journal {
            return Err("`services.journal` says nothing where `services.show` names no unit; \
                        name some, or take the table out"
                .to_owned());
        }
        let odd = |pattern: &&Pattern| !may_be_unit(pattern.as_str());
        if let Some(odd) = show.iter().find(odd) {
            return Err(format!(
                "`services.show` has `{odd}`, which names no unit: write a whole name such as \
                 `nginx.service`, with `*` for any text"
            ));
        }
        Ok(Self { show, journal })
    }
}

impl Services {
    /// Whether anything at all is shown.
    #[must_use]
    pub fn is_something(&self) -> bool {
        !self.show.is_empty()
    }

    /// Whether the journal of what is shown is, too.
    #[must_use]
    pub fn has_journal(&self) -> bool {
        self.journal
    }

    /// Whether the unit of this name is shown.
    #[must_use]
    pub fn shows(&self, unit: &str) -> bool {
        self.show.iter().any(|pattern| pattern.matches(unit))
    }

    /// Whether units of a glob may be listed: what is not shown is left out
    /// afterwards.
    ///
    /// # Errors
    /// Where nothing is shown at all.
    pub fn admit_list(&self, glob: &str) -> Result<(), ServicesError> {
        let nothing = || ServicesError::Nothing { unit: shown(glob) };
        self.is_something().then_some(()).ok_or_else(nothing)
    }

    /// Whether the state of a unit, or its journal, may be told.
    ///
    /// # Errors
    /// See [`ServicesError`].
    pub fn admit(&self, unit: &str, journal: bool) -> Result<(), ServicesError> {
        self.admit_list(unit)?;
        let unit_shown = || shown(unit);
        if !self.shows(unit) {
            return Err(ServicesError::Unit { unit: unit_shown(), shown: self.patterns() });
        }
        if journal && !self.journal {
            return Err(ServicesError::Journal { unit: unit_shown() });
        }
        Ok(())
    }

    /// For a person who looks at the host.
    #[must_use]
    pub fn describe(&self) -> String {
        let what = if self.journal { "states and journal" } else { "states only" };
        format!("{what} of {}", self.patterns())
    }

    fn patterns(&self) -> String {
        const MOST: usize = 8;
        let names: Vec<String> =
            self.show.iter().take(MOST).map(|pattern| format!("`{pattern}`")).collect();
        match self.show.len().checked_sub(MOST) {
            None | Some(0) => names.join(", "),
            Some(more) => format!("{} and {more} more", names.join(", ")),
        }
    }
}

/// A pattern that could never match would look as if it showed something.
fn may_be_unit(pattern: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@*".contains(c);
    pattern.chars().all(good) && (pattern.contains('.') || pattern.ends_with('*'))
}

fn shown(unit: &str) -> String {
    unit.chars().take(255).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(table: &str) -> Services {
        toml::from_str(table).unwrap()
    }

    #[test]
    fn without_a_table_nothing_is_shown_and_it_is_said_what_would_be_written() {
        let none = Services::default();
        assert!(!none.is_something() && !none.shows("nginx.service"));
        let refused = none.admit("nginx.service", false).unwrap_err().to_string();
        assert!(refused.contains("`show = [\"nginx.service\"]` under `[services]`"), "{refused}");
        assert!(none.admit_list("*").is_err());
        assert!(services("show = []").admit_list("*.service").is_err());
    }

    #[test]
    fn units_are_shown_by_pattern_and_their_journal_only_where_it_says_so() {
        let states = services("show = ['nginx.service', 'app-*.service']");
        for unit in ["nginx.service", "app-.service", "app-web.service", "app-a@b.service"] {
            assert_eq!(states.admit(unit, false), Ok(()), "{unit}");
        }
        for unit in ["nginx.socket", "nginx.service.d", "my-app-a.service", "app-web.timer", ""] {
            assert!(matches!(states.admit(unit, false), Err(ServicesError::Unit { .. })), "{unit}");
        }
        let refused = states.admit("nginx.service", true).unwrap_err().to_string();
        assert!(refused.contains("`services.journal` of its ceiling"), "{refused}");
        let journal = services("show = ['nginx.service']\njournal = true");
        assert_eq!(journal.admit("nginx.service", true), Ok(()));
        assert!(journal.admit("ssh.service", true).is_err());
    }

    #[test]
    fn what_means_nothing_is_an_error() {
        for (table, words) in [
            ("", "missing field `show`"),
            ("journal = true\nshow = []", "says nothing"),
            ("show = ['nginx']", "names no unit"),
            ("show = ['/usr/lib/nginx.service']", "names no unit"),
            ("show = ['nginx.service?']", "names no unit"),
            ("show = ['']", "is no pattern"),
            ("show = ['*']\nstart = ['*']", "unknown field `start`"),
            ("show = 'nginx.service'", "invalid type"),
        ] {
            let refused = toml::from_str::<Services>(table).unwrap_err().to_string();
            assert!(refused.contains(words), "{table}: {refused}");
        }
    }

    #[test]
    fn a_hostile_name_is_cut_and_escaped_in_the_message() {
        let hostile = format!("a\n\u{1b}[2J{}", "x".repeat(1000));
        let refused = services("show = ['*.service']").admit(&hostile, false).unwrap_err();
        let refused = refused.to_string();
        assert!(!refused.contains(['\n', '\u{1b}']) && refused.len() < 600, "{refused}");
    }

    #[test]
    fn it_is_told_in_few_words() {
        let many: Vec<String> = (0..10).map(|it| format!("'a{it}.service'")).collect();
        let told = services(&format!("show = [{}]", many.join(", "))).describe();
        assert!(told.starts_with("states only of `a0.service`"), "{told}");
        assert!(told.ends_with("and 2 more"), "{told}");
    }
}
