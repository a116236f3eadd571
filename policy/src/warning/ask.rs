//! Ask rules that do not say what is given once people agree.
//!
//! An ask rule grants what it names, as an allow rule does, only later: no allow
//! rule is needed beside it. That is how most of them are meant, and nothing to warn
//! of. But without a `grant` of its own it gives the least there is, also where a
//! less specific allow rule gives more: people agree, and what they agreed to fails.

use super::{Warning, WarningKind};
use crate::decision::Effect;
use crate::rules::RuleSet;
use crate::rules::rule::{Gives, Rule};

pub(super) fn find(set: &RuleSet) -> Vec<Warning> {
    // A narrower scope gives what the wider one does.
    let is_bare = |rule: &&Rule| {
        let Gives { profile, workspace_access, .. } = &rule.gives;
        let says_nothing = profile.is_none() && workspace_access.is_none();
        rule.effect == Effect::Ask && set.base == Some(rule.scope) && says_nothing
    };
    let runs = |rule: &&Rule| !rule.programs.is_empty();
    set.rules.iter().filter(is_bare).filter(runs).map(warning).collect()
}

fn warning(rule: &Rule) -> Warning {
    Warning {
        place: rule.place.clone(),
        kind: WarningKind::AskWithoutGrant,
        key: format!("rule {}", rule.id),
        message: "it says no `grant`: once people agree, and where no more specific rule permits \
                  the same, its programs run in the profile `default`, and change the workspace \
                  only where its `paths` say so"
            .to_owned(),
        help: "write the `grant` that they need, with `profile` and `workspace_access`".to_owned(),
        other: None,
    }
}
