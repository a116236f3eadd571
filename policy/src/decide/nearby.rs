//! What a refused caller may do instead: bounded, nearest first.

use crate::action::Action;
use crate::decision::{MAX_NEARBY, Nearby};
use crate::rules::place::file_name;
use crate::rules::program::{ProgramPattern, Which};
use crate::rules::rule::Rule;

/// What the rules meant for this call permit.
pub(super) fn find<'r>(action: &Action, meant: impl Iterator<Item = &'r Rule>) -> Nearby {
    let wanted: Option<&[u8]> = match action {
        Action::Execute(execute) if execute.script.is_none() => Some(file_name(&execute.program)),
        Action::FindProgram { program } => Some(file_name(program)),
        _ => None,
    };
    let runs = matches!(action, Action::Execute(_) | Action::FindProgram { .. });
    let mut programs: Vec<(bool, String)> = Vec::new();
    let mut paths: Vec<String> = Vec::new();
    for rule in meant {
        if runs {
            programs
                .extend(rule.programs.iter().map(|one| (!is_named(one, wanted), one.to_string())));
        } else {
            paths.extend(rule.paths.iter().map(ToString::to_string));
        }
    }
    programs.sort();
    programs.dedup();
    paths.sort();
    paths.dedup();
    paths.truncate(MAX_NEARBY);
    let programs = programs.into_iter().take(MAX_NEARBY).map(|(_, text)| text).collect();
    Nearby { programs, paths }
}

/// Whether the pattern is about the program that was wanted.
fn is_named(pattern: &ProgramPattern, wanted: Option<&[u8]>) -> bool {
    let Some(wanted) = wanted else { return false };
    match &pattern.which {
        Which::Any | Which::Under(_) => false,
        Which::Names(names) => names.iter().any(|name| name.as_bytes() == wanted),
        Which::Path(path) => file_name(path.as_bytes()) == wanted,
    }
}
