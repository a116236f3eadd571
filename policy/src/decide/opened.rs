//! What programs open, as far as the rules say so that are about them, held against
//! the deny and ask rules on paths.
//!
//! Whoever writes an allow or ask rule may say how a program opens its arguments and
//! the directory that it starts in. That is taken as said of the program, not of the
//! rule: what any rule says counts, whichever one permits the call, so that a rule
//! that says nothing opens no way around a deny rule. Paths are names here, as in all
//! rules; where links lead is held by the cell.

use std::collections::{BTreeSet, HashMap};
use std::os::unix::ffi::OsStrExt as _;

use super::coverage::covers;
use super::question::{Part, Question};
use super::search::Search;
use crate::decision::{Effect, Reason};
use crate::path::Location;
use crate::rules::matching::{Match, Purpose};
use crate::rules::place::{Mode, PathUse};
use crate::rules::program::ProgramUse;
use crate::rules::rule::Rule;
use crate::text::shown;

/// The most deny rules that are told of one part.
const MAX_DENIED: usize = 16;

/// What the programs of one call open; what was asked once is not asked again.
pub(super) struct Openings<'s, 'r, 'q> {
    search: &'s Search<'r, 'q>,
    question: &'s Question<'q>,
    /// The deny and ask rules on paths that each use meets.
    known: HashMap<PathUse, Vec<(&'r Rule, Match)>>,
}

/// The rules on paths that a part meets by what it opens.
#[derive(Default)]
pub(super) struct Opened<'r> {
    /// Deny rules; the first ones.
    pub(super) denied: Vec<Met<'r>>,
    /// Ask rules.
    pub(super) asked: Vec<&'r Rule>,
}

/// A rule that one use of a path meets.
pub(super) struct Met<'r> {
    pub(super) rule: &'r Rule,
    sure: Match,
    used: PathUse,
}

impl<'s, 'r, 'q> Openings<'s, 'r, 'q> {
    pub(super) fn new(search: &'s Search<'r, 'q>, question: &'s Question<'q>) -> Self {
        Self { search, question, known: HashMap::new() }
    }

    /// What a part meets; `rules` are those about it.
    pub(super) fn met(&mut self, rules: &[&'r Rule], part: &Part<'_>) -> Opened<'r> {
        let mut out = Opened::default();
        for used in self.opened_by(rules, part) {
            for (rule, sure) in self.guards(&used) {
                if rule.effect == Effect::Ask {
                    out.asked.push(rule);
                } else if out.denied.len() < MAX_DENIED {
                    out.denied.push(Met { rule, sure, used: used.clone() });
                }
            }
        }
        out
    }

    /// In an order that does not depend on that of the rules.
    fn opened_by(&self, rules: &[&'r Rule], part: &Part<'_>) -> BTreeSet<PathUse> {
        let mut out = BTreeSet::new();
        let Part::Program(program) = part else { return out };
        // A part of the shell that opens nothing, or of a line that every deny and
        // ask rule meets as a whole.
        if part.is_harmless() {
            return out;
        }
        let used = ProgramUse {
            program: program.name,
            arguments: &program.arguments,
            around: self.question.surroundings(),
        };
        let says =
            |rule: &&&Rule| rule.is_positive() && rule.conditions.in_time(self.question.call.at);
        for rule in rules.iter().filter(says) {
            let patterns = rule.programs.iter().chain(&rule.opened_by);
            patterns.for_each(|pattern| pattern.opened(used, &mut out));
        }
        out
    }

    fn guards(&mut self, used: &PathUse) -> Vec<(&'r Rule, Match)> {
        if let Some(known) = self.known.get(used) {
            return known.clone();
        }
        let part = Part::Path { used: used.clone(), label: String::new() };
        let found: Vec<(&'r Rule, Match)> = self
            .search
            .about(&part, self.question)
            .into_iter()
            .filter(|rule| {
                rule.effect != Effect::Allow
                    && !rule.paths.is_empty()
                    && rule.conditions.in_time(self.question.call.at)
            })
            .map(|rule| (rule, covers(rule, Purpose::Guard, &part, self.question)))
            .filter(|(_, sure)| *sure != Match::No)
            .collect();
        self.known.insert(used.clone(), found.clone());
        found
    }
}

impl Met<'_> {
    /// Why the part that opens it is denied.
    pub(super) fn reason(&self, part: &Part<'_>) -> Reason {
        let Self { rule, sure, used } = self;
        let verb = match used.mode {
            Mode::Read => "reads",
            Mode::Write => "changes",
        };
        let (object, doubt) = match &used.location {
            Location::At(path) => {
                let path = shown(path.as_os_str().as_bytes());
                (format!("`{path}`"), "it reaches what the rule names")
            }
            Location::InWorkspace => {
                ("something in the workspace".to_owned(), "its directory is not known after `cd`")
            }
            Location::Anywhere => (
                "what an argument names".to_owned(),
                "which path that is, is not known before running",
            ),
        };
        Reason::Rule {
            rule: rule.id.clone(),
            reason: rule.reason.clone(),
            part: format!("{}, which {verb} {object}", part.label()),
            uncertain: (*sure == Match::Perhaps).then(|| doubt.to_owned()),
        }
    }
}
