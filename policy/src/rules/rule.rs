//! One rule, resolved: nothing left to look up.

use std::fmt;

use super::condition::Conditions;
use super::consent::Consent;
use super::error::Place;
use super::matching::{Match, Purpose};
use super::place::PathPattern;
use super::program::ProgramPattern;
use super::selector::Selectors;
use super::service::{UnitUse, Units};
use super::text::TextPattern;
use crate::grant::{Limits, Network, Programs, WorkspaceAccess};

pub(crate) use crate::decision::Effect;

/// One rule.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) effect: Effect,
    pub(crate) reason: Option<String>,
    pub(crate) scope: Scope,
    pub(crate) selectors: Selectors,
    pub(crate) conditions: Conditions,
    pub(crate) programs: Vec<ProgramPattern>,
    /// Programs of which it only says what they open; it does not permit them.
    pub(crate) opened_by: Vec<ProgramPattern>,
    pub(crate) paths: Vec<PathPattern>,
    pub(crate) services: Services,
    pub(crate) shell: Shell,
    /// Variables that a caller or a script may set; `None`: not said.
    pub(crate) environment: Option<Vec<TextPattern>>,
    pub(crate) gives: Gives,
    /// Who has to agree, of an ask rule.
    pub(crate) consent: Consent,
    /// Where its id stands.
    pub(crate) place: Place,
}

/// Which units a rule is about, and what of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Services {
    pub(crate) units: Vec<Units>,
    /// The journal. An allow rule permits to read the state, too; a deny or ask
    /// rule leaves the state alone.
    pub(crate) journal: bool,
}

/// Whose rule it is, from wide to narrow. A narrower scope can only narrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scope {
    /// The operator of the gateway.
    System,
    /// The organisation.
    #[default]
    Organisation,
    /// A project.
    Project,
    /// A user.
    User,
}

impl Services {
    /// Each in words: `nginx.service (state, journal)`.
    pub(crate) fn told(&self) -> Vec<String> {
        let what = if self.journal { "state, journal" } else { "state" };
        self.units.iter().map(|units| format!("{units} ({what})")).collect()
    }

    /// How surely these, read for this purpose, are about a use of units.
    ///
    /// Whoever may read the journal may read the state; who may not read the
    /// state may not read the journal either.
    pub(crate) fn cover(&self, purpose: Purpose, used: &UnitUse) -> Match {
        let journal = match purpose {
            Purpose::Permit => self.journal >= used.journal,
            Purpose::Guard => self.journal <= used.journal,
        };
        if !journal {
            return Match::No;
        }
        let one = |units: &Units| units.about(purpose, &used.units);
        self.units.iter().map(one).max().unwrap_or(Match::No)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::System => "system",
            Self::Organisation => "organisation",
            Self::Project => "project",
            Self::User => "user",
        })
    }
}

/// All scopes, from wide to narrow.
pub(crate) const SCOPES: [Scope; 4] =
    [Scope::System, Scope::Organisation, Scope::Project, Scope::User];

/// What a rule says to command lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shell {
    /// Nothing: it is about programs with their arguments only.
    #[default]
    Refuse,
    /// Its programs also where they stand in a command line.
    Parsed,
    /// Also command lines that cannot be seen through; the kernel's allowlist
    /// then holds alone.
    Opaque,
}

/// What an allow or ask rule gives; what it does not say is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Gives {
    pub(crate) profile: Option<String>,
    pub(crate) workspace_access: Option<WorkspaceAccess>,
    pub(crate) programs: Programs,
    pub(crate) limits: Limits,
    pub(crate) network: Network,
}

impl Rule {
    /// Whether it could permit something.
    pub(crate) fn is_positive(&self) -> bool {
        self.effect != Effect::Deny
    }

    /// Whether it names no program, path or unit. A deny or ask rule is then
    /// about everything.
    pub(crate) fn names_nothing(&self) -> bool {
        self.programs.is_empty() && self.paths.is_empty() && self.services.units.is_empty()
    }
}
