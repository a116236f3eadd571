//! What a rule that nearly permits wants: the first thing that failed.

use std::fmt;

use crate::rules::argument::Failure;

/// What a rule that nearly permits wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shortfall {
    /// The program is right, the arguments are not.
    Arguments { rule: String, pattern: String, failure: Failure },
    /// The path is right, the mode is not.
    Mode { rule: String },
    /// The units are right, but the rule is about their state only.
    Journal { rule: String },
    /// The rule names only some of the units.
    Units { rule: String, units: Vec<String> },
    /// Everything is right but that it stands in a command line.
    Shell { rule: String, opaque: Option<String> },
    /// Everything is right but a variable.
    Environment { rule: String, name: String },
    /// Everything is right but the tool: the rule is for one that is akin.
    Tool { rule: String },
    /// Everything is right but a terminal, or an input that stays open.
    Interaction { rule: String },
    /// Everything is right but a condition.
    Condition { rule: String, why: String },
}

impl Shortfall {
    /// The larger, the nearer: how far it was right.
    pub(super) fn nearness(&self) -> (u8, usize) {
        match self {
            Self::Arguments { failure, .. } => (0, failure.at),
            Self::Units { .. } => (0, 0),
            Self::Mode { .. } | Self::Journal { .. } => (1, 0),
            Self::Shell { .. } => (2, 0),
            Self::Environment { .. } => (3, 0),
            Self::Tool { .. } | Self::Interaction { .. } => (4, 0),
            Self::Condition { .. } => (5, 0),
        }
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arguments { rule, pattern, failure } => {
                write!(out, "rule `{rule}` permits `{pattern}`, and {failure}")
            }
            Self::Mode { rule } => write!(out, "rule `{rule}` permits to read it only"),
            Self::Journal { rule } => {
                write!(out, "rule `{rule}` permits to read the state only, not the journal")
            }
            Self::Units { rule, units } => {
                write!(out, "rule `{rule}` permits only the units `{}`", units.join("`, `"))
            }
            Self::Shell { rule, opaque: None } => write!(
                out,
                "rule `{rule}` permits it as a program with arguments, not in a command line"
            ),
            Self::Shell { rule, opaque: Some(why) } => write!(
                out,
                "rule `{rule}` permits command lines that can be seen through, and {why}"
            ),
            Self::Environment { rule, name } => {
                write!(out, "rule `{rule}` does not permit to set the variable `{name}`")
            }
            Self::Tool { rule } => write!(
                out,
                "rule `{rule}` permits it by `execute_command`; it does not name `start_process` \
                 in its `tools`"
            ),
            Self::Interaction { rule } => write!(
                out,
                "rule `{rule}` gives no terminal and no input that stays open: it would have to \
                 name `start_process` in its `tools`, or have `shell = \"opaque\"`"
            ),
            Self::Condition { rule, why } => write!(out, "rule `{rule}` {why}"),
        }
    }
}
