//! Whether one rule covers one part of a call.

use std::fmt;

use super::question::{Part, Program, Question};
use crate::rules::Surroundings;
use crate::rules::matching::{Match, Purpose};
use crate::rules::program::ProgramUse;
use crate::rules::rule::{Effect, Rule, Shell};

/// How specific a covering is: the larger one gives the grant.
pub(super) type Rank = ((u8, usize, bool), usize);

/// What a rule that nearly permits wants. The later, the nearer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shortfall {
    /// The program is right, the arguments are not.
    Arguments { rule: String, pattern: String },
    /// The path is right, the mode is not.
    Mode { rule: String },
    /// Everything is right but that it stands in a command line.
    Shell { rule: String, opaque: Option<String> },
    /// Everything is right but a variable.
    Environment { rule: String, name: String },
}

impl fmt::Display for Shortfall {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arguments { rule, pattern } => {
                write!(out, "rule `{rule}` permits `{pattern}`")
            }
            Self::Mode { rule } => write!(out, "rule `{rule}` permits to read it only"),
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
        }
    }
}

/// Names that change which program runs or what a shell does before it runs
/// one. A glob does not cover them; a rule has to name them.
fn steers(name: &str) -> bool {
    const NAMES: [&str; 17] = [
        "PATH",
        "CDPATH",
        "IFS",
        "ENV",
        "BASH_ENV",
        "SHELLOPTS",
        "BASHOPTS",
        "PS4",
        "PROMPT_COMMAND",
        "GLOBIGNORE",
        "HOME",
        "SHELL",
        "EXECIGNORE",
        "PYTHONSTARTUP",
        "PERL5OPT",
        "NODE_OPTIONS",
        "RUSTC_WRAPPER",
    ];
    NAMES.contains(&name)
        || ["LD_", "BASH_FUNC_", "GIT_"].iter().any(|start| name.starts_with(start))
}

/// How sure it is that `rule` is about `part`, read for `purpose`.
pub(super) fn covers(
    rule: &Rule,
    purpose: Purpose,
    part: &Part<'_>,
    question: &Question<'_>,
) -> Match {
    let guards = purpose == Purpose::Guard;
    // A deny or ask rule that names neither is about everything.
    if guards && rule.programs.is_empty() && rule.paths.is_empty() {
        return Match::Yes;
    }
    match part {
        Part::Program(program) => covers_program(rule, program, question),
        Part::Path { used, .. } => {
            let workspace = question.call.project.workspace();
            let one =
                |path: &crate::rules::place::PathPattern| path.covers(purpose, used, workspace);
            rule.paths.iter().map(one).max().unwrap_or(Match::No)
        }
        // What runs cannot be seen, so a guard of any program may be met.
        Part::Opaque(_) if guards => Match::Perhaps,
        Part::Opaque(_) | Part::Shell => Match::from(!guards && !rule.programs.is_empty()),
        Part::Lookup(program) => {
            let around = surroundings(question);
            let one = |pattern: &crate::rules::program::ProgramPattern| {
                // Where only some uses are guarded, looking is none of them.
                if guards && pattern.arguments.is_some() {
                    return Match::No;
                }
                pattern.which.matches(program, around)
            };
            rule.programs.iter().map(one).max().unwrap_or(Match::No)
        }
        Part::Host(_) => rule.selectors.names_tool(&question.call.tool).into(),
    }
}

fn covers_program(rule: &Rule, program: &Program<'_>, question: &Question<'_>) -> Match {
    let used = ProgramUse {
        program: program.name,
        arguments: &program.arguments,
        around: surroundings(question),
    };
    rule.programs.iter().map(|pattern| pattern.matches(used)).max().unwrap_or(Match::No)
}

fn surroundings<'a>(question: &'a Question<'_>) -> Surroundings<'a> {
    Surroundings { workspace: question.call.project.workspace(), directory: question.directory() }
}

/// Whether `rule` permits `part`; where not, what it wants, if it was near.
pub(super) fn permits(
    rule: &Rule,
    is_base: bool,
    part: &Part<'_>,
    question: &Question<'_>,
) -> Result<Rank, Option<Shortfall>> {
    if covers(rule, Purpose::Permit, part, question) != Match::Yes {
        return Err(near_miss(rule, part, question));
    }
    let needs = match part {
        Part::Opaque(_) => Shell::Opaque,
        Part::Shell => Shell::Parsed,
        Part::Program(program) if program.in_script => Shell::Parsed,
        Part::Program(_) | Part::Path { .. } | Part::Lookup(_) | Part::Host(_) => Shell::Refuse,
    };
    if rule.shell < needs {
        let opaque = match part {
            Part::Opaque(why) => why.first().cloned(),
            _ => None,
        };
        return Err(Some(Shortfall::Shell { rule: rule.id.clone(), opaque }));
    }
    let runs = matches!(part, Part::Program(_) | Part::Opaque(_) | Part::Shell);
    if let Some(name) = missing_variable(rule, is_base, question).filter(|_| runs) {
        return Err(Some(Shortfall::Environment { rule: rule.id.clone(), name: name.to_owned() }));
    }
    Ok((pattern_rank(rule, part, question), rule.selectors.count()))
}

/// The first variable that the rule does not let anybody set. A narrower scope
/// that does not speak of variables leaves them as they are.
fn missing_variable<'q>(rule: &Rule, is_base: bool, question: &'q Question<'_>) -> Option<&'q str> {
    let allowed = match (&rule.environment, is_base) {
        (Some(allowed), _) => allowed.as_slice(),
        (None, true) => &[],
        (None, false) => return None,
    };
    question.environment.iter().copied().find(|name| {
        !allowed.iter().any(|pattern| {
            pattern.is_match(name.as_bytes()) && (pattern.is_exact() || !steers(name))
        })
    })
}

/// The rank of the rule's narrowest pattern that covers the part.
fn pattern_rank(rule: &Rule, part: &Part<'_>, question: &Question<'_>) -> (u8, usize, bool) {
    let around = surroundings(question);
    let workspace = question.call.project.workspace();
    let rank = match part {
        Part::Program(program) => rule
            .programs
            .iter()
            .filter(|pattern| {
                let used =
                    ProgramUse { program: program.name, arguments: &program.arguments, around };
                pattern.matches(used) == Match::Yes
            })
            .map(crate::rules::program::ProgramPattern::rank)
            .max(),
        Part::Lookup(program) => rule
            .programs
            .iter()
            .filter(|pattern| pattern.which.matches(program, around) == Match::Yes)
            .map(crate::rules::program::ProgramPattern::rank)
            .max(),
        Part::Path { used, .. } => rule
            .paths
            .iter()
            .filter(|path| path.covers(Purpose::Permit, used, workspace) == Match::Yes)
            .map(|path| (0, path.root.depth(workspace), false))
            .max(),
        Part::Opaque(_) | Part::Shell | Part::Host(_) => None,
    };
    rank.unwrap_or_default()
}

fn near_miss(rule: &Rule, part: &Part<'_>, question: &Question<'_>) -> Option<Shortfall> {
    match part {
        Part::Program(program) => {
            let around = surroundings(question);
            let near = rule
                .programs
                .iter()
                .find(|pattern| pattern.which.matches(program.name, around) == Match::Yes)?;
            let (rule, pattern) = (rule.id.clone(), near.to_string());
            Some(Shortfall::Arguments { rule, pattern })
        }
        Part::Path { used, .. } => {
            let workspace = question.call.project.workspace();
            let near = rule.effect != Effect::Deny
                && rule
                    .paths
                    .iter()
                    .any(|path| path.root.covers(&used.location, workspace) == Match::Yes);
            near.then(|| Shortfall::Mode { rule: rule.id.clone() })
        }
        Part::Opaque(_) | Part::Shell | Part::Lookup(_) | Part::Host(_) => None,
    }
}
