//! Finds the rules that a part of a call has to be held against, without
//! looking at each.
//!
//! Invariant: what is found may hold too many rules, never too few; each is
//! asked itself afterwards, so that decisions are those of looking at every
//! rule. [`crate::RuleSet`] makes one when it is parsed; it takes a few bytes
//! for each name that rules hold, whatever their number.

mod bits;
mod listing;
mod paths;
mod programs;
mod selection;

use super::question::{Part, Question};
use crate::action::Call;
use crate::decision::{Effect, MAX_NEARBY};
use crate::rules::Surroundings;
use crate::rules::role::Held;
use crate::rules::rule::{Rule, SCOPES, Scope, Shell};
use bits::Bits;
use listing::Listing;
use paths::Paths;
use programs::{First, Programs};
use selection::Selection;

/// Where the rules of a rule set are found.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    selection: Selection,
    programs: Programs,
    paths: Paths,
    listing: Listing,
    /// Those that name units.
    serviced: Bits,
    /// Those of the guards that name neither programs nor paths nor units.
    blanket: Bits,
    /// Deny and ask rules, and those that ask because of an argument.
    guards: Bits,
    /// Deny rules.
    denies: Bits,
    /// Allow and ask rules that name programs.
    running: Bits,
    /// Rules that name tools.
    tooled: Bits,
    /// Those that run programs in command lines, and in opaque ones.
    parsed: Bits,
    opaque: Bits,
    /// Allow and ask rules, by their scope.
    scopes: [Bits; SCOPES.len()],
    all: Bits,
    rules: usize,
}

/// The rules that may be meant for a call.
#[derive(Debug, Clone)]
pub(super) struct Meant {
    /// Whatever the tool.
    place: Bits,
    tool: Bits,
}

impl Index {
    /// The index of all rules; their numbers are their places in the list.
    pub(crate) fn new(rules: &[Rule]) -> Self {
        let none = || Bits::none(rules.len());
        let mut index = Self {
            selection: Selection::new(rules.len()),
            programs: Programs::new(rules.len()),
            paths: Paths::new(rules.len()),
            listing: Listing::new(rules),
            serviced: none(),
            blanket: none(),
            guards: none(),
            denies: none(),
            running: none(),
            tooled: none(),
            parsed: none(),
            opaque: none(),
            scopes: std::array::from_fn(|_| none()),
            all: none(),
            rules: rules.len(),
        };
        for (number, rule) in (0_u32..).zip(rules) {
            index.insert(number, rule);
        }
        index.paths.sort();
        index
    }

    fn insert(&mut self, number: u32, rule: &Rule) {
        self.all.insert(number);
        self.selection.insert(number, rule);
        for pattern in rule.programs.iter().chain(&rule.opened_by) {
            self.programs.insert(number, pattern);
        }
        for pattern in &rule.paths {
            self.paths.insert(number, pattern);
        }
        if !rule.services.units.is_empty() {
            self.serviced.insert(number);
        }
        if rule.selectors.tools.is_some() {
            self.tooled.insert(number);
        }
        if rule.effect == Effect::Deny {
            self.denies.insert(number);
        }
        if rule.effect != Effect::Allow || !rule.conditions.ask_if.is_empty() {
            self.guards.insert(number);
            if rule.names_nothing() {
                self.blanket.insert(number);
            }
        }
        if rule.is_positive() {
            self.scopes[rule.scope as usize].insert(number);
            let runs = !rule.programs.is_empty();
            for (set, member) in [
                (&mut self.running, runs),
                (&mut self.parsed, runs && rule.shell >= Shell::Parsed),
                (&mut self.opaque, runs && rule.shell >= Shell::Opaque),
            ] {
                if member {
                    set.insert(number);
                }
            }
        }
    }

    /// The rules that may be meant for a call.
    pub(super) fn meant(&self, call: &Call, held: &Held) -> Meant {
        let mut place = self.all.clone();
        self.selection.narrow_by_place(call, held, &mut place);
        let mut tool = place.clone();
        self.selection.narrow_by_tool(call, &mut tool);
        Meant { place, tool }
    }

    /// Those of a scope that may permit something to this caller here.
    pub(super) fn positive(&self, meant: &Meant, scope: Scope) -> impl Iterator<Item = u32> {
        let mut found = meant.place.clone();
        found.narrow(&self.scopes[scope as usize]);
        found.into_iter()
    }

    /// Deny rules, whatever they name.
    pub(super) fn denying(&self, meant: &Meant) -> impl Iterator<Item = u32> {
        let mut found = meant.tool.clone();
        found.narrow(&self.denies);
        found.into_iter()
    }

    /// Those that may permit or guard a part.
    pub(super) fn about(
        &self,
        meant: &Meant,
        part: &Part<'_>,
        question: &Question<'_>,
    ) -> impl Iterator<Item = u32> {
        let mut found = self.blanket.clone();
        let around = question.surroundings();
        match part {
            Part::Program(program) => {
                let first = First::of(&program.arguments);
                self.programs.add(program.name, first, around, &mut found);
            }
            Part::Lookup(program) => self.programs.add(program, First::Any, around, &mut found),
            Part::Path { used, .. } => self.paths.add(used, around.workspace, &mut found),
            Part::Service { .. } => found.unite(&self.serviced),
            Part::Opaque(_) => {
                found.unite(&self.guards);
                found.unite(&self.opaque);
            }
            Part::Shell => found.unite(&self.parsed),
            Part::Process(_) => {
                found.unite(&self.tooled);
                found.unite(&self.running);
            }
            Part::Host(_) => found.unite(&self.tooled),
        }
        found.narrow(&meant.tool);
        found.into_iter()
    }

    /// Those that may nearly permit a part: with other arguments, another mode,
    /// at another time, or not in a command line.
    pub(super) fn near(
        &self,
        meant: &Meant,
        part: &Part<'_>,
        around: Surroundings<'_>,
    ) -> impl Iterator<Item = u32> {
        let mut found = Bits::none(self.rules);
        match part {
            Part::Program(program) => {
                self.programs.add(program.name, First::Any, around, &mut found);
            }
            Part::Path { used, .. } => self.paths.add(used, around.workspace, &mut found),
            Part::Service { .. } => found.unite(&self.serviced),
            Part::Opaque(_) | Part::Shell => found.copy(&self.running),
            Part::Lookup(program) => self.programs.add(program, First::Any, around, &mut found),
            Part::Process(_) => {
                found.unite(&self.tooled);
                found.unite(&self.running);
            }
            Part::Host(_) => found.unite(&self.tooled),
        }
        found.narrow(&meant.tool);
        found.into_iter()
    }

    /// The programs that rules permit, in words: first the patterns that are
    /// `named`, which are about the program `wanted`, then the rest. `keep` is
    /// asked whether a rule is really meant.
    pub(super) fn programs(
        &self,
        meant: &Meant,
        wanted: Option<&[u8]>,
        named: impl Fn(u32, usize) -> bool,
        keep: impl Fn(u32) -> bool,
    ) -> Vec<String> {
        let mut out = Vec::new();
        if let Some(wanted) = wanted {
            let mut about = Bits::none(self.rules);
            self.programs.add_name(wanted, First::Any, &mut about);
            about.narrow(&meant.tool);
            let keep = |rule, pattern| named(rule, pattern) && keep(rule);
            self.listing.programs.pick(&about, MAX_NEARBY, keep, &mut out);
        }
        self.listing.programs.pick(&meant.tool, MAX_NEARBY, |rule, _| keep(rule), &mut out);
        out
    }

    /// The paths that rules permit, in words.
    pub(super) fn paths(&self, meant: &Meant, keep: impl Fn(u32) -> bool) -> Vec<String> {
        let mut out = Vec::new();
        self.listing.paths.pick(&meant.tool, MAX_NEARBY, |rule, _| keep(rule), &mut out);
        out
    }

    /// The units that rules permit to read of, in words.
    pub(super) fn services(&self, meant: &Meant, keep: impl Fn(u32) -> bool) -> Vec<String> {
        let mut out = Vec::new();
        self.listing.services.pick(&meant.tool, MAX_NEARBY, |rule, _| keep(rule), &mut out);
        out
    }
}
