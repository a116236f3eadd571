//! One grant out of all the rules that permitted.
//!
//! Across scopes grants meet: the narrower scope narrows. Across the commands
//! of one command line, which share one cell, they meet too, but for the
//! programs, of which the cell needs those of each command.

use std::collections::BTreeSet;

use super::question::{Part, Question};
use crate::action::{Action, Call};
use crate::decision::Reason;
use crate::grant::{Disjoint, Grant, ProfileOrder, ProgramPath, Programs, WorkspaceAccess};
use crate::rules::place::Mode;
use crate::rules::rule::{Gives, Rule};

/// The profile where no rule names one.
const DEFAULT_PROFILE: &str = "default";

/// A part, and for each scope the rule that permits it, from wide to narrow.
pub(super) struct Chosen<'q, 'a, 'r> {
    pub(super) part: &'q Part<'a>,
    pub(super) rules: Vec<&'r Rule>,
}

/// What all the rules give together.
pub(super) struct Combined {
    pub(super) grant: Grant,
    pub(super) rules: Vec<String>,
}

/// Combines what was chosen for each part; there is at least one.
pub(super) fn combine(
    chosen: &[Chosen<'_, '_, '_>],
    question: &Question<'_>,
    order: &ProfileOrder,
) -> Result<Combined, Reason> {
    let rules: BTreeSet<&str> =
        chosen.iter().flat_map(|one| &one.rules).map(|rule| rule.id.as_str()).collect();
    let rules: Vec<String> = rules.into_iter().map(str::to_owned).collect();
    let disjoint = |why: Disjoint| Reason::Disjoint { rules: rules.clone(), why: why.to_string() };
    let mut grant: Option<Grant> = None;
    // Redirections are opened by the shell of a command line; what they may be
    // opened for is the rule's matter, what the cell gives is the commands'.
    let (paths, others): (Vec<_>, Vec<_>) =
        chosen.iter().partition(|one| matches!(one.part, Part::Path { .. }));
    let giving = if others.is_empty() { &paths } else { &others };
    for one in giving {
        let next = narrowed(&one.rules, question.call, order).map_err(disjoint)?;
        grant = Some(match grant {
            None => next,
            Some(grant) => grant.beside(&next, order).map_err(disjoint)?,
        });
    }
    let Some(mut grant) = grant else {
        let part = question.call.action.to_string();
        return Err(Reason::NotPermitted { part, wanting: None });
    };
    check_access(&grant, &paths, &rules)?;
    if !question.call.action.changes() {
        grant.workspace_access = WorkspaceAccess::Read;
    }
    add_shell(&mut grant, question.call);
    Ok(Combined { grant, rules })
}

/// The grant of one part: the base's, narrowed by each narrower scope.
fn narrowed(rules: &[&Rule], call: &Call, order: &ProfileOrder) -> Result<Grant, Disjoint> {
    let mut grant: Option<Grant> = None;
    for rule in rules {
        let next = grant_of(&rule.gives, rule, call, grant.as_ref());
        grant = Some(match grant {
            None => next,
            Some(grant) => grant.meet(&next, order)?,
        });
    }
    grant.ok_or(Disjoint::Programs)
}

/// What a rule gives. What it does not say is as the wider scope has it, or as
/// the least that the action needs.
fn grant_of(gives: &Gives, rule: &Rule, call: &Call, wider: Option<&Grant>) -> Grant {
    let Gives { profile, workspace_access, programs, limits, network } = gives;
    let least = match &call.action {
        Action::Execute(_) if rule.paths.iter().any(|path| path.mode == Mode::Write) => {
            WorkspaceAccess::Write
        }
        Action::Execute(_) => WorkspaceAccess::Read,
        action if action.changes() => WorkspaceAccess::Write,
        _ => WorkspaceAccess::Read,
    };
    Grant {
        profile: profile
            .clone()
            .or_else(|| wider.map(|grant| grant.profile.clone()))
            .unwrap_or_else(|| DEFAULT_PROFILE.to_owned()),
        workspace: call.project.workspace.clone(),
        workspace_access: workspace_access
            .or_else(|| wider.map(|grant| grant.workspace_access))
            .unwrap_or(least),
        programs: programs.clone(),
        limits: *limits,
        network: network.clone(),
        layers: rule.conditions.layers.iter().cloned().collect(),
    }
}

/// A write that a rule permits needs a workspace that can be written.
fn check_access(
    grant: &Grant,
    paths: &[&Chosen<'_, '_, '_>],
    rules: &[String],
) -> Result<(), Reason> {
    let writes = |one: &&&Chosen<'_, '_, '_>| matches!(one.part, Part::Path { used, .. } if used.mode == Mode::Write);
    match paths.iter().find(writes) {
        Some(one) if grant.workspace_access == WorkspaceAccess::Read => Err(Reason::NotPermitted {
            part: one.part.label(),
            wanting: Some(format!(
                "what {} gives lets the workspace be read only",
                rules.join(", ")
            )),
        }),
        _ => Ok(()),
    }
}

/// A command line needs the shell that runs it. Where `/bin` is a link to
/// `/usr/bin`, profiles and ceilings have the shell there.
fn add_shell(grant: &mut Grant, call: &Call) {
    let Action::Execute(execute) = &call.action else { return };
    let Programs::Only(paths) = &mut grant.programs else { return };
    let shell = execute.script.as_ref().and_then(|_| std::str::from_utf8(&execute.program).ok());
    let Some(shell) = shell else { return };
    let real = shell.starts_with("/bin/").then(|| format!("/usr{shell}"));
    let names = [Some(shell.to_owned()), real].into_iter().flatten();
    paths.extend(names.filter_map(|path| ProgramPath::try_from(path).ok()));
}
