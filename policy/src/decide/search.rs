//! Which rules a call is held against: found by the index, or all of them.
//!
//! Both ways give the same decisions; the second is what tests and benchmarks
//! hold the first to.

use super::coverage::shortfall;
use super::index::{Index, Meant};
use super::nearby;
use super::question::{Part, Question};
use super::shortfall::Shortfall;
use crate::action::{Action, Call};
use crate::decision::{Effect, Nearby};
use crate::rules::RuleSet;
use crate::rules::role::Held;
use crate::rules::rule::{Rule, SCOPES, Scope};

/// The most rules that are tried for what they want; the first ones by id.
const MAX_NEAR: usize = 64;

/// The rules for one call.
pub(super) struct Search<'r, 'q> {
    set: &'r RuleSet,
    call: &'q Call,
    held: Held,
    /// `None`: every rule is looked at.
    found: Option<(&'r Index, Meant)>,
}

impl<'r, 'q> Search<'r, 'q> {
    /// Finds rules by the index.
    pub(super) fn by_index(set: &'r RuleSet, call: &'q Call) -> Self {
        let held = set.roles.held_by(&call.subject);
        let found = Some((&set.index, set.index.meant(call, &held)));
        Self { set, call, held, found }
    }

    /// Looks at every rule.
    pub(super) fn by_scan(set: &'r RuleSet, call: &'q Call) -> Self {
        Self { set, call, held: set.roles.held_by(&call.subject), found: None }
    }

    /// The rules that are meant for this call and may be about this part, in the
    /// order of their ids.
    pub(super) fn about(&self, part: &Part<'_>, question: &Question<'_>) -> Vec<&'r Rule> {
        match &self.found {
            None => self.set.rules.iter().filter(|rule| self.selects(rule)).collect(),
            Some((index, meant)) => index
                .about(meant, part, question)
                .filter_map(|number| self.rule(number))
                .filter(|rule| self.selects(rule))
                .collect(),
        }
    }

    /// The deny rules that are meant for this call, whatever they name, in the order
    /// of their ids; each is looked at when it is asked for.
    pub(super) fn denying(&self) -> Box<dyn Iterator<Item = &'r Rule> + '_> {
        match &self.found {
            None => Box::new(
                self.set
                    .rules
                    .iter()
                    .filter(|rule| rule.effect == Effect::Deny && self.selects(rule)),
            ),
            Some((index, meant)) => Box::new(
                index
                    .denying(meant)
                    .filter_map(|number| self.rule(number))
                    .filter(|rule| self.selects(rule)),
            ),
        }
    }

    /// The scopes that have to permit: the base, and each narrower one that has
    /// something to say about this caller here.
    pub(super) fn speaking(&self) -> Vec<Scope> {
        // Without a base there is no scope that permits, and one has to.
        let base = self.set.base.unwrap_or(Scope::System);
        SCOPES
            .into_iter()
            .filter(|scope| *scope == base || (*scope > base && self.speaks(*scope)))
            .collect()
    }

    fn speaks(&self, scope: Scope) -> bool {
        let speaks = |rule: &Rule| {
            rule.scope == scope
                && rule.is_positive()
                && rule.selectors.select_place(self.call, &self.held)
        };
        match &self.found {
            None => self.set.rules.iter().any(speaks),
            Some((index, meant)) => {
                index.positive(meant, scope).filter_map(|number| self.rule(number)).any(speaks)
            }
        }
    }

    /// What the rule of this scope wants that nearly permits a part; of equally
    /// near ones, the first by id.
    pub(super) fn nearest(
        &self,
        scope: Scope,
        part: &Part<'_>,
        question: &Question<'_>,
    ) -> Option<Shortfall> {
        let is_base = Some(scope) == self.set.base;
        let near = |rule: &'r Rule| {
            let fits = rule.scope == scope && rule.is_positive() && self.selects(rule);
            fits.then(|| shortfall(rule, is_base, part, question)).flatten()
        };
        let first = |all: &mut dyn Iterator<Item = &'r Rule>| {
            let near: Vec<Shortfall> = all.filter_map(near).take(MAX_NEAR).collect();
            // `max_by` takes the last of equals.
            near.into_iter().rev().max_by_key(Shortfall::nearness)
        };
        match &self.found {
            None => first(&mut self.set.rules.iter()),
            Some((index, meant)) => first(
                &mut index
                    .near(meant, part, question.surroundings())
                    .filter_map(|number| self.rule(number)),
            ),
        }
    }

    /// What the caller may do instead.
    pub(super) fn nearby(&self) -> Nearby {
        let action = &self.call.action;
        if matches!(action, Action::DescribeHost | Action::ListHosts) {
            return Nearby::default();
        }
        let base = self.set.base.unwrap_or(Scope::System);
        let Some((index, meant)) = &self.found else {
            let meant = self
                .set
                .rules
                .iter()
                .filter(|rule| rule.scope == base && rule.is_positive() && self.is_near(rule));
            return nearby::find(action, meant);
        };
        let selects = |number| self.rule(number).is_some_and(|rule| self.is_near(rule));
        if matches!(action, Action::ReadService { .. }) {
            return Nearby { services: index.services(meant, selects), ..Nearby::default() };
        }
        if !nearby::runs(action) {
            return Nearby { paths: index.paths(meant, selects), ..Nearby::default() };
        }
        let wanted = nearby::wanted(action);
        let named = |number, pattern: usize| {
            self.rule(number)
                .and_then(|rule| rule.programs.get(pattern))
                .is_some_and(|pattern| nearby::is_named(pattern, wanted))
        };
        Nearby { programs: index.programs(meant, wanted, named, selects), ..Nearby::default() }
    }

    /// Whether the rule is meant for this call, and now.
    fn is_near(&self, rule: &Rule) -> bool {
        rule.conditions.in_time(self.call.at) && self.selects(rule)
    }

    fn selects(&self, rule: &Rule) -> bool {
        rule.selectors.select(self.call, &self.held)
    }

    fn rule(&self, number: u32) -> Option<&'r Rule> {
        self.set.rules.get(number as usize)
    }
}
