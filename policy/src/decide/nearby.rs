//! What a refused caller may do instead: bounded, nearest first.

use std::collections::BTreeSet;

use crate::action::Action;
use crate::decision::{MAX_NEARBY, Nearby};
use crate::rules::place::file_name;
use crate::rules::program::{ProgramPattern, Which};
use crate::rules::rule::Rule;

/// The program that was wanted, where it is one.
pub(super) fn wanted(action: &Action) -> Option<&[u8]> {
    match action {
        Action::Execute(execute) if execute.script.is_none() => Some(file_name(&execute.program)),
        Action::FindProgram { program } => Some(file_name(program)),
        _ => None,
    }
}

/// Whether it is programs that are told rather than paths.
pub(super) fn runs(action: &Action) -> bool {
    matches!(action, Action::Execute(_) | Action::FindProgram { .. })
}

/// What these rules permit.
pub(super) fn find<'r>(action: &Action, meant: impl Iterator<Item = &'r Rule>) -> Nearby {
    let (runs, wanted) = (runs(action), wanted(action));
    if matches!(action, Action::ReadService { .. }) {
        let services: BTreeSet<String> = meant.flat_map(|rule| rule.services.told()).collect();
        let services = services.into_iter().take(MAX_NEARBY).collect();
        return Nearby { services, ..Nearby::default() };
    }
    // Those about the wanted program first; a text of both only there.
    let mut programs: [BTreeSet<String>; 2] = Default::default();
    let mut paths: BTreeSet<String> = BTreeSet::new();
    for rule in meant {
        if runs {
            for one in &rule.programs {
                programs[usize::from(!is_named(one, wanted))].insert(one.to_string());
            }
        } else {
            paths.extend(rule.paths.iter().map(ToString::to_string));
        }
    }
    let [named, others] = programs;
    let others = others.difference(&named);
    Nearby {
        programs: named.iter().chain(others).take(MAX_NEARBY).cloned().collect(),
        paths: paths.into_iter().take(MAX_NEARBY).collect(),
        services: Vec::new(),
    }
}

/// Whether the pattern is about the program that was wanted.
pub(super) fn is_named(pattern: &ProgramPattern, wanted: Option<&[u8]>) -> bool {
    let Some(wanted) = wanted else { return false };
    match &pattern.which {
        Which::Any | Which::Under(_) => false,
        Which::Names(names) => names.iter().any(|name| name.as_bytes() == wanted),
        Which::Path(path) => file_name(path.as_bytes()) == wanted,
    }
}
