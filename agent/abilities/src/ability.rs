//! One line of the host's table: a single ability, in words and as data.
//!
//! Made by the probes of this crate, and by `cofferdam-agent doctor` for what it
//! checks itself; printed by doctor, read by name by `cofferdam profile show`.

use serde::Serialize;

/// How much of an ability is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// All of it.
    Full,
    /// Some of it; the detail says what is not.
    Partial,
    /// Nothing of it.
    Missing,
    /// The kernel did not say: the question needs a privilege that this process
    /// has not, or a trial that was not made. Never counted as there.
    Unknown,
}

/// What a cell is without the ability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// Refused, unless profile and ceiling allow degraded cells.
    Required,
    /// Built, and weaker or less well explained.
    Wished,
    /// The same; the line tells what the host itself is exposed to.
    Noted,
}

/// One ability of this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ability {
    /// `group.name`, lower case; stable, so that scripts and the checklist can
    /// refer to it.
    pub name: &'static str,
    /// How much of it is there.
    pub state: State,
    /// What cells need it for.
    pub need: Need,
    /// What was found, in words.
    pub detail: String,
    /// What that means for cells.
    pub means: String,
    /// What to do about it, as an exact command or configuration line.
    pub fix: Option<String>,
    /// The first kernel that has it, `MAJOR.MINOR`.
    pub since: Option<&'static str>,
}

impl Ability {
    /// A line that says how much of `name` was found, and what.
    #[must_use]
    pub fn new(name: &'static str, need: Need, state: State, detail: impl Into<String>) -> Self {
        Self {
            name,
            state,
            need,
            detail: detail.into(),
            means: String::new(),
            fix: None,
            since: None,
        }
    }

    /// Full where `there`, else missing.
    #[must_use]
    pub fn there(name: &'static str, need: Need, there: bool, detail: impl Into<String>) -> Self {
        Self::new(name, need, if there { State::Full } else { State::Missing }, detail)
    }

    /// What the state means for cells.
    #[must_use]
    pub fn means(mut self, means: impl Into<String>) -> Self {
        self.means = means.into();
        self
    }

    /// What to do; kept only where there is something to do.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        if self.state != State::Full {
            self.fix = Some(fix.into());
        }
        self
    }

    /// The first kernel that has it.
    #[must_use]
    pub fn since(mut self, kernel: &'static str) -> Self {
        self.since = Some(kernel);
        self
    }

    /// The part of the name before the point: what the table is grouped by.
    #[must_use]
    pub fn group(&self) -> &'static str {
        self.name.split('.').next().unwrap_or(self.name)
    }

    /// Whether cells are refused here for want of it.
    #[must_use]
    pub fn stops_cells(&self) -> bool {
        self.need == Need::Required && self.state == State::Missing
    }
}
