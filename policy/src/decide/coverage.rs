//! Whether one rule covers one part of a call.

use super::question::{Part, Program, Question};
use super::shortfall::Shortfall;
use crate::rules::matching::{Match, Purpose};
use crate::rules::program::ProgramUse;
use crate::rules::rule::{Effect, Rule, Shell};
use crate::rules::service::UnitUse;

/// The most units of a rule that are told.
const MAX_UNITS: usize = 6;

/// How specific a covering is: the larger one gives the grant.
pub(super) type Rank = ((u8, usize, bool), usize);

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
    if let Part::Process(_) = part {
        return covers_process(rule, guards, &question.call.tool);
    }
    // A deny or ask rule that names nothing is about everything.
    if guards && rule.names_nothing() {
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
        Part::Service { used, .. } => rule.services.cover(purpose, used),
        // What runs cannot be seen, so a guard of any program may be met.
        Part::Opaque(_) if guards => Match::Perhaps,
        Part::Opaque(_) | Part::Shell => Match::from(!guards && !rule.programs.is_empty()),
        Part::Lookup(program) => {
            let around = question.surroundings();
            let one = |pattern: &crate::rules::program::ProgramPattern| {
                // Where only some uses are guarded, looking is none of them.
                if guards && pattern.arguments.is_some() {
                    return Match::No;
                }
                pattern.which.matches(program, around)
            };
            rule.programs.iter().map(one).max().unwrap_or(Match::No)
        }
        Part::Process(_) | Part::Host(_) => rule.selectors.names_tool(&question.call.tool).into(),
    }
}

/// Whoever may run some program may use what they started, unless a rule for the
/// very tool forbids it. Which program it is, nobody looks at: such a rule that
/// names programs, too, may mean it.
fn covers_process(rule: &Rule, guards: bool, tool: &str) -> Match {
    let named = rule.selectors.names_tool(tool);
    if !guards {
        return (named || !rule.programs.is_empty()).into();
    }
    match rule.names_nothing() {
        true => rule.selectors.is_for(tool).into(),
        false if named => Match::Perhaps,
        false => Match::No,
    }
}

fn covers_program(rule: &Rule, program: &Program<'_>, question: &Question<'_>) -> Match {
    let used = ProgramUse {
        program: program.name,
        arguments: &program.arguments,
        around: question.surroundings(),
    };
    rule.programs.iter().map(|pattern| pattern.matches(used)).max().unwrap_or(Match::No)
}

/// How specifically `rule` permits `part`; `None`: it does not.
pub(super) fn permits(
    rule: &Rule,
    is_base: bool,
    part: &Part<'_>,
    question: &Question<'_>,
) -> Option<Rank> {
    let permits = covers(rule, Purpose::Permit, part, question) == Match::Yes
        && rule.shell >= needed_shell(part)
        && (!runs(part) || missing_variable(rule, is_base, question).is_none())
        && is_for_tool(rule, part, question)
        && (!runs(part) || !is_base || may_interact(rule, question))
        && rule.conditions.unmet(question.call).is_none();
    permits.then(|| (pattern_rank(rule, part, question), rule.selectors.count()))
}

/// What `rule` wants that does not permit `part`, where it is near.
pub(super) fn shortfall(
    rule: &Rule,
    is_base: bool,
    part: &Part<'_>,
    question: &Question<'_>,
) -> Option<Shortfall> {
    if covers(rule, Purpose::Permit, part, question) != Match::Yes {
        return near_miss(rule, part, question);
    }
    if rule.shell < needed_shell(part) {
        let opaque = match part {
            Part::Opaque(why) => why.first().cloned(),
            _ => None,
        };
        return Some(Shortfall::Shell { rule: rule.id.clone(), opaque });
    }
    let rule_id = || rule.id.clone();
    if let Some(name) = missing_variable(rule, is_base, question).filter(|_| runs(part)) {
        return Some(Shortfall::Environment { rule: rule_id(), name: name.to_owned() });
    }
    if !is_for_tool(rule, part, question) {
        return Some(Shortfall::Tool { rule: rule_id() });
    }
    if runs(part) && is_base && !may_interact(rule, question) {
        return Some(Shortfall::Interaction { rule: rule_id() });
    }
    let why = rule.conditions.unmet(question.call)?;
    Some(Shortfall::Condition { rule: rule_id(), why })
}

/// Whether `rule` wants a human to agree because of an argument of `part`, or
/// may want it. What cannot be seen may hold such an argument.
pub(super) fn wants_human(rule: &Rule, part: &Part<'_>, question: &Question<'_>) -> bool {
    let wanted = &rule.conditions.ask_if;
    if wanted.is_empty()
        || !rule.conditions.in_time(question.call.at)
        || covers(rule, Purpose::Guard, part, question) == Match::No
    {
        return false;
    }
    let around = question.surroundings();
    match part {
        Part::Program(program) => program
            .arguments
            .iter()
            .any(|word| wanted.iter().any(|value| value.matches(word, around) != Match::No)),
        Part::Opaque(_) => true,
        Part::Shell
        | Part::Path { .. }
        | Part::Service { .. }
        | Part::Lookup(_)
        | Part::Process(_)
        | Part::Host(_) => false,
    }
}

/// What a rule has to say to command lines, to permit this part.
fn needed_shell(part: &Part<'_>) -> Shell {
    match part {
        Part::Opaque(_) => Shell::Opaque,
        Part::Shell => Shell::Parsed,
        Part::Program(program) if program.in_script => Shell::Parsed,
        Part::Program(_)
        | Part::Path { .. }
        | Part::Service { .. }
        | Part::Lookup(_)
        | Part::Process(_)
        | Part::Host(_) => Shell::Refuse,
    }
}

/// Whether it runs with the variables of the call.
fn runs(part: &Part<'_>) -> bool {
    matches!(part, Part::Program(_) | Part::Opaque(_) | Part::Shell)
}

/// Whether the rule is meant for the tool itself. Only what was started before is
/// permitted by what permits to start it.
fn is_for_tool(rule: &Rule, part: &Part<'_>, question: &Question<'_>) -> bool {
    matches!(part, Part::Process(_)) || rule.selectors.is_for(&question.call.tool)
}

/// Whether the rule gives a terminal or an input that stays open, where the call
/// wants one: it has to name the tool, or to permit what cannot be seen through.
fn may_interact(rule: &Rule, question: &Question<'_>) -> bool {
    !question.interactive
        || rule.shell == Shell::Opaque
        || rule.selectors.names_tool(&question.call.tool)
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
    let around = question.surroundings();
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
        Part::Service { used, .. } => rule
            .services
            .units
            .iter()
            .filter(|units| units.covers(&used.units))
            .map(crate::rules::service::Units::rank)
            .max(),
        Part::Opaque(_) | Part::Shell | Part::Process(_) | Part::Host(_) => None,
    };
    rank.unwrap_or_default()
}

fn near_miss(rule: &Rule, part: &Part<'_>, question: &Question<'_>) -> Option<Shortfall> {
    match part {
        Part::Program(program) => {
            let around = question.surroundings();
            let near = rule
                .programs
                .iter()
                .find(|pattern| pattern.which.matches(program.name, around) == Match::Yes)?;
            let failure = near.arguments.as_ref()?.failure(&program.arguments, around);
            let (rule, pattern) = (rule.id.clone(), near.to_string());
            Some(Shortfall::Arguments { rule, pattern, failure })
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
        Part::Service { used, .. } => {
            let near: Vec<String> = rule
                .services
                .units
                .iter()
                .filter(|units| units.meets(&used.units))
                .take(MAX_UNITS)
                .map(ToString::to_string)
                .collect();
            if near.is_empty() {
                return None;
            }
            let state = UnitUse { journal: false, ..used.clone() };
            let rule_id = rule.id.clone();
            Some(if rule.services.cover(Purpose::Permit, &state) == Match::Yes {
                Shortfall::Journal { rule: rule_id }
            } else {
                Shortfall::Units { rule: rule_id, units: near }
            })
        }
        Part::Opaque(_) | Part::Shell | Part::Lookup(_) | Part::Process(_) | Part::Host(_) => None,
    }
}
