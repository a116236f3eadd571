//! For people who write rules: the rule that comes nearest to permitting a call
//! that no rule permits, and the first thing that it lacks.
//!
//! Other than a denial, which its caller sees, this also looks at rules that are
//! meant for others. It looks at every rule, so it is not for each call.

use std::cmp::Reverse;
use std::fmt;

use super::coverage::{permits, shortfall};
use super::opened::Openings;
use super::question::{Part, Question};
use super::search::Search;
use super::shortfall::Shortfall;
use super::{choose, guards};
use crate::action::Call;
use crate::decision::Effect;
use crate::rules::RuleSet;
use crate::rules::matching::Match;
use crate::rules::role::Held;
use crate::rules::rule::{Rule, Scope};
use crate::rules::selector::{Names, Subjects};
use crate::rules::text::TextPattern;
use crate::text::shown;

/// The most names that are told.
const MAX_TOLD: usize = 6;

/// The rule that comes nearest, and what it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearest {
    /// Its id.
    pub rule: String,
    /// The part of the call that nothing permits, in words.
    pub part: String,
    /// What failed first.
    pub failed: Failed,
    /// How, in words.
    pub why: String,
}

/// What of a rule a call does not meet, in the order in which it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failed {
    /// The program may be another one of the same name.
    Program,
    /// An argument.
    Arguments,
    /// The mode of a path.
    Mode,
    /// The units, or what of them is read.
    Services,
    /// Who asks.
    Subject,
    /// On which host.
    Host,
    /// In which project.
    Project,
    /// With which tool.
    Tool,
    /// That it stands in a command line.
    Shell,
    /// A variable.
    Environment,
    /// A terminal, or an input that stays open.
    Interaction,
    /// The time, or what the host holds.
    Condition,
    /// A narrower scope has to permit it too.
    Scope,
}

impl fmt::Display for Failed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Program => "program",
            Self::Arguments => "arguments",
            Self::Mode => "mode",
            Self::Services => "services",
            Self::Subject => "subject",
            Self::Host => "host",
            Self::Project => "project",
            Self::Tool => "tool",
            Self::Shell => "shell",
            Self::Environment => "environment",
            Self::Interaction => "interaction",
            Self::Condition => "condition",
            Self::Scope => "scope",
        })
    }
}

/// One line.
impl fmt::Display for Nearest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, part, failed, why } = self;
        write!(out, "to {part}, rule `{rule}` comes nearest; {failed}: {why}")
    }
}

impl RuleSet {
    /// The rule that comes nearest to permitting the first part of a call that
    /// no rule permits. `None`: the call is permitted, or denied by a rule or as
    /// a whole, or no rule is about anything like it.
    #[must_use]
    pub fn nearest(&self, call: &Call) -> Option<Nearest> {
        let question = Question::of(call).ok()?;
        let search = Search::by_index(self, call);
        let scopes = search.speaking();
        let mut openings = Openings::new(&search, &question);
        let (part, scope) = question.parts.iter().find_map(|part| {
            let rules = search.about(part, &question);
            let denied = !guards(rules.iter().copied(), Effect::Deny, part, &question).is_empty()
                || !openings.met(&rules, part).denied.is_empty();
            if denied || part.is_harmless() {
                return None;
            }
            Some((part, choose(&rules, &scopes, part, &question, self.base).err()?))
        })?;
        let held = self.roles.held_by(&call.subject);
        let is_base = Some(scope) == self.base;
        let near = |rule| {
            let lacks = lacks(rule, is_base, part, &question, &held)?;
            let (failed, why) = lacks.first()?.clone();
            // Few things, and such as are found late.
            Some(((lacks.len(), Reverse(failed)), (rule, failed, why)))
        };
        let all = self.rules.iter().filter(|rule| rule.scope == scope && rule.is_positive());
        let nearest = all.clone().filter_map(near).min_by_key(|(order, _)| *order);
        // Where a narrower scope has nothing like it, it is that the scope speaks.
        let speaks = |rule: &&Rule| !is_base && rule.selectors.select_place(call, &held);
        let (rule, failed, why) = match nearest {
            Some((_, nearest)) => nearest,
            None => (all.into_iter().find(speaks)?, Failed::Scope, only_narrows(scope)),
        };
        Some(Nearest { rule: rule.id.clone(), part: part.label(), failed, why })
    }
}

fn only_narrows(scope: Scope) -> String {
    format!(
        "it makes the scope {scope} one that has to permit the call too, and no rule of it does"
    )
}

/// All that a call lacks to be permitted by `rule`, in order; `None`: the rule is
/// about something else.
fn lacks(
    rule: &Rule,
    is_base: bool,
    part: &Part<'_>,
    question: &Question<'_>,
    held: &Held,
) -> Option<Vec<(Failed, String)>> {
    let mut lacks = selectors(rule, question.call, held);
    match shortfall(rule, is_base, part, question) {
        Some(shortfall) => lacks.push(told(shortfall)),
        None if permits(rule, is_base, part, question).is_some() => {}
        None => lacks.push(other_program(rule, part, question)?),
    }
    lacks.sort();
    Some(lacks)
}

fn told(shortfall: Shortfall) -> (Failed, String) {
    match shortfall {
        Shortfall::Arguments { rule: _, pattern, failure } => {
            (Failed::Arguments, format!("{failure}; the rule permits `{pattern}`"))
        }
        Shortfall::Mode { rule: _ } => {
            (Failed::Mode, "the rule permits to read it only".to_owned())
        }
        Shortfall::Journal { rule: _ } => (
            Failed::Services,
            "the rule permits to read the state only; write `journal = true`".to_owned(),
        ),
        Shortfall::Units { rule: _, units } => {
            (Failed::Services, format!("the rule permits only the units {}", quoted(&units)))
        }
        Shortfall::Shell { rule: _, opaque: None } => {
            (Failed::Shell, "the rule permits no command lines; write `shell`".to_owned())
        }
        Shortfall::Shell { rule: _, opaque: Some(why) } => {
            (Failed::Shell, format!("the command line cannot be seen through: {why}"))
        }
        Shortfall::Environment { rule: _, name } => (
            Failed::Environment,
            format!("the rule does not permit to set `{}`", shown(name.as_bytes())),
        ),
        Shortfall::Tool { rule: _ } => {
            (Failed::Tool, "the rule does not name `start_process` in `tools`".to_owned())
        }
        Shortfall::Interaction { rule: _ } => (
            Failed::Interaction,
            "the rule gives no terminal and no open input; name `start_process` in `tools`"
                .to_owned(),
        ),
        Shortfall::Condition { rule: _, why } => (Failed::Condition, format!("the rule {why}")),
    }
}

/// A program of the same last name, at another place.
fn other_program(
    rule: &Rule,
    part: &Part<'_>,
    question: &Question<'_>,
) -> Option<(Failed, String)> {
    let Part::Program(program) = part else { return None };
    let around = question.surroundings();
    let pattern = rule
        .programs
        .iter()
        .find(|pattern| pattern.which.matches(program.name, around) == Match::Perhaps)?;
    let name = shown(program.name);
    Some((Failed::Program, format!("`{name}` may be another program than `{pattern}`")))
}

/// The selectors that do not match.
fn selectors(rule: &Rule, call: &Call, held: &Held) -> Vec<(Failed, String)> {
    let selectors = &rule.selectors;
    let (subject, host) = (&call.subject, &call.host);
    let one = std::slice::from_ref;
    let Subjects { users, groups, tenants, clients, claims, roles } = &selectors.subjects;
    let mut all = Vec::new();
    let mut check = |failed, what: &str, names: &Names, texts: &[String]| {
        if let Some(patterns) = names.as_ref().filter(|patterns| !any(patterns, texts)) {
            all.push((failed, format!("{what} {} is not {}", quoted(texts), listed(patterns))));
        }
    };
    check(Failed::Subject, "the user", users, one(&subject.user));
    check(Failed::Subject, "the group", groups, &subject.groups);
    check(Failed::Subject, "the tenant", tenants, one(&subject.tenant));
    check(Failed::Subject, "the client", clients, one(&subject.client));
    check(Failed::Host, "the host", &selectors.hosts, one(&host.name));
    check(Failed::Project, "the project", &selectors.projects, one(&call.project.name));
    check(Failed::Tool, "the tool", &selectors.tools, one(&call.tool));
    for (name, patterns) in claims {
        let values = subject.claims.values(name);
        if !any(patterns, values) {
            let what = format!("the claim {name}: {} is not {}", quoted(values), listed(patterns));
            all.push((Failed::Subject, what));
        }
    }
    if roles.as_ref().is_some_and(|roles| !roles.iter().any(|role| held.has(*role))) {
        all.push((Failed::Subject, "who asks holds none of the rule's roles".to_owned()));
    }
    for (name, patterns) in &selectors.labels {
        let values = host.labels.get(name).map_or(&[][..], one);
        if !any(patterns, values) {
            let what = format!("the label {name}: {} is not {}", quoted(values), listed(patterns));
            all.push((Failed::Host, what));
        }
    }
    all
}

fn any(patterns: &[TextPattern], texts: &[String]) -> bool {
    texts.iter().any(|text| patterns.iter().any(|pattern| pattern.is_match(text.as_bytes())))
}

fn quoted(texts: &[String]) -> String {
    let told: Vec<String> =
        texts.iter().take(MAX_TOLD).map(|text| format!("`{}`", shown(text.as_bytes()))).collect();
    if told.is_empty() { "(none)".to_owned() } else { told.join(", ") }
}

fn listed(patterns: &[TextPattern]) -> String {
    let told: Vec<String> = patterns.iter().take(MAX_TOLD).map(ToString::to_string).collect();
    format!("{}{}", told.join("|"), if patterns.len() > MAX_TOLD { "|..." } else { "" })
}
