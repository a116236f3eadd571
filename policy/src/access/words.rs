//! One rule in words: for a model that has to know what it may try.

use std::fmt::{self, Write as _};

use super::{Access, Allowance, Refusal, command_lines};
use crate::grant::{Limits, Programs};
use crate::rules::condition::Conditions;
use crate::rules::program::Which;
use crate::rules::rule::{Effect, Gives, Rule, Services};

/// Patterns of one kind that are told of one rule.
const MAX_PATTERNS: usize = 24;
/// Characters of one pattern.
const LONGEST: usize = 240;

pub(super) fn allowance(rule: &Rule, tools: Vec<&'static str>, client: &str) -> Allowance {
    let runs = tools.contains(&"execute_command") || tools.contains(&"start_process");
    let variables = rule.environment.iter().flatten().map(|name| name.written().to_owned());
    Allowance {
        rule: rule.id.clone(),
        scope: rule.scope.to_string(),
        reason: rule.reason.clone(),
        programs: listed(&rule.programs),
        command_lines: command_lines(rule.shell).filter(|_| runs),
        variables: variables.take(MAX_PATTERNS).collect(),
        paths: listed(&rule.paths),
        services: listed(&rule.services.told()),
        grant: grant(&rule.gives),
        only: only(&rule.conditions),
        people: people(rule, client),
        tools,
    }
}

pub(super) fn refusal(rule: &Rule, tools: Vec<&'static str>, client: &str) -> Refusal {
    Refusal {
        rule: rule.id.clone(),
        reason: rule.reason.clone(),
        tools,
        programs: listed(&rule.programs),
        paths: listed(&rule.paths),
        services: listed(&refused(rule)),
        only: only(&rule.conditions),
        people: people(rule, client),
    }
}

/// A rule that refuses the journal leaves the state alone.
fn refused(rule: &Rule) -> Vec<String> {
    let Services { units, journal } = &rule.services;
    let what = if *journal { "journal" } else { "state, journal" };
    units.iter().map(|units| format!("{units} ({what})")).collect()
}

/// The programs of a pattern by their names.
pub(super) fn programs(which: &Which) -> Vec<String> {
    match which {
        Which::Any => vec!["any program of the profile".to_owned()],
        Which::Names(names) => names.clone(),
        Which::Path(path) => vec![path.clone()],
        Which::Under(directory) => vec![format!("{directory}*")],
    }
}

fn listed<T: fmt::Display>(patterns: &[T]) -> Vec<String> {
    let mut out: Vec<String> =
        patterns.iter().take(MAX_PATTERNS).map(|one| short(one.to_string())).collect();
    if let Some(more) = patterns.len().checked_sub(MAX_PATTERNS).filter(|more| *more > 0) {
        out.push(format!("… and {more} more"));
    }
    out
}

fn short(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// `profile build, workspace write, wall 60000 ms`; what is not said is left out.
fn grant(gives: &Gives) -> String {
    let Gives { profile, workspace_access, programs, limits, network } = gives;
    let said = [
        profile.as_ref().map(|profile| format!("profile {profile}")),
        workspace_access.map(|access| format!("workspace {access}")),
        (*programs != Programs::Profile).then(|| programs.to_string()),
        (!network.is_profile()).then(|| network.to_string()),
        (*limits != Limits::default()).then(|| limits.to_string()),
    ];
    said.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn only(conditions: &Conditions) -> Option<String> {
    let Conditions { valid, when, layers, ask_if: _ } = conditions;
    let said = [
        valid.from.map(|from| format!("from {from:.0}")),
        valid.until.map(|until| format!("until {until:.0}")),
        when.as_ref().map(ToString::to_string),
        (!layers.is_empty()).then(|| format!("on hosts that hold {}", layers.join(", "))),
    ];
    let said: Vec<String> = said.into_iter().flatten().collect();
    (!said.is_empty()).then(|| said.join("; "))
}

fn people(rule: &Rule, client: &str) -> Option<String> {
    let demand = || rule.consent.demand(&rule.id, client).to_string();
    if rule.effect == Effect::Ask {
        return Some(demand());
    }
    let wanted = &rule.conditions.ask_if;
    (!wanted.is_empty()).then(|| {
        let arguments: Vec<String> =
            wanted.iter().take(MAX_PATTERNS).map(|value| short(value.to_string())).collect();
        format!("{}, where an argument is {}", demand(), arguments.join(" or "))
    })
}

/// For a reader, a line for each rule.
impl fmt::Display for Access {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tools, scopes, may, may_not } = self;
        let none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
        writeln!(out, "tools: {}", none(tools.join(", ")))?;
        if scopes.len() > 1 {
            writeln!(out, "a rule of each scope has to permit: {}", scopes.join(", "))?;
        }
        may.iter().try_for_each(|one| writeln!(out, "- may {one}"))?;
        may_not.iter().try_for_each(|one| writeln!(out, "- {one}"))
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, reason, tools, programs, command_lines, variables, paths, .. } = self;
        let mut parts = Vec::new();
        if !programs.is_empty() {
            let mut text = format!("run {}", programs.join(" ; "));
            match command_lines {
                Some("any") => text.push_str(", in any command line too"),
                Some(_) => text.push_str(", in command lines too"),
                None => {}
            }
            parts.push(text);
        }
        if !paths.is_empty() {
            parts.push(format!("use files in {}", paths.join(", ")));
        }
        if !self.services.is_empty() {
            parts.push(format!("read units {}", self.services.join(", ")));
        }
        if parts.is_empty() {
            parts.push(format!("call {}", tools.join(", ")));
        }
        if !variables.is_empty() {
            parts.push(format!("set {}", variables.join(", ")));
        }
        out.write_str(&parts.join("; "))?;
        let Self { grant, only, people, scope, .. } = self;
        let mut more = String::new();
        if let Some(people) = people {
            let _ = write!(more, "; people have to agree: {people}");
        }
        if let Some(only) = only {
            let _ = write!(more, "; only {only}");
        }
        if !grant.is_empty() {
            let _ = write!(more, "; with {grant}");
        }
        write!(out, "{more} [{scope} rule `{rule}`")?;
        if let Some(reason) = reason {
            write!(out, ": {reason}")?;
        }
        out.write_str("]")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, reason, tools, programs, paths, services, only, people } = self;
        let mut parts = Vec::new();
        if !programs.is_empty() {
            parts.push(format!("run {}", programs.join(" ; ")));
        }
        if !paths.is_empty() {
            parts.push(format!("use files in {}", paths.join(", ")));
        }
        if !services.is_empty() {
            parts.push(format!("read units {}", services.join(", ")));
        }
        if parts.is_empty() {
            parts.push(format!("call {}", tools.join(", ")));
        }
        let parts = parts.join("; ");
        match people {
            None => write!(out, "may not {parts}")?,
            Some(people) => write!(out, "may {parts} only once people agree: {people}")?,
        }
        if let Some(only) = only {
            write!(out, "; only {only}")?;
        }
        write!(out, " [rule `{rule}`")?;
        if let Some(reason) = reason {
            write!(out, ": {reason}")?;
        }
        out.write_str("]")
    }
}
