//! The decision: every part of a call against every rule meant for it.
//!
//! Deny beats ask beats allow, whatever the order. A part that nothing permits
//! denies the whole call. See [`crate::RuleSet`] for how scopes and several
//! matching rules work together.

mod combine;
mod coverage;
mod index;
mod nearby;
mod nearest;
mod opened;
mod question;
mod search;
mod shortfall;

use crate::action::Call;
use crate::decision::{
    Ask, Basis, Decision, Denial, Effect, Finding, Nearby, Pending, Permit, Reason, Verdict,
};
use crate::rules::RuleSet;
use crate::rules::matching::{Match, Purpose};
use crate::rules::rule::{Rule, Scope};
use combine::{Chosen, combine};
use coverage::{covers, permits, wants_human};
pub(crate) use index::Index;
pub use nearest::{Failed, Nearest};
use opened::Openings;
use question::{Part, Question};
use search::Search;
use shortfall::Shortfall;

/// The most reasons of one denial.
const MAX_REASONS: usize = 16;

impl RuleSet {
    /// Decides a call. The same rules and the same call always give the same
    /// decision.
    pub fn decide(&self, call: Call) -> Decision {
        let search = Search::by_index(self, &call);
        let (judged, nearby) = self.judge_call(&call, &search);
        self.decision(call, judged, nearby)
    }

    /// Decides as [`decide`](Self::decide) does, but looks at every rule: slow,
    /// and what tests and benchmarks hold `decide` to.
    pub fn decide_by_scan(&self, call: Call) -> Decision {
        let search = Search::by_scan(self, &call);
        let (judged, nearby) = self.judge_call(&call, &search);
        self.decision(call, judged, nearby)
    }

    fn judge_call(&self, call: &Call, search: &Search<'_, '_>) -> (Judged, Nearby) {
        let judged = match Question::of(call) {
            Ok(question) => self.judge(&question, search),
            Err(reason) => Judged::denied(vec![reason]),
        };
        let nearby = match judged.outcome {
            Outcome::Denied(_) => search.nearby(),
            Outcome::Permitted { .. } => Nearby::default(),
        };
        (judged, nearby)
    }

    fn decision(&self, call: Call, judged: Judged, nearby: Nearby) -> Decision {
        let Judged { outcome, table } = judged;
        let policy_digest = self.digest;
        match outcome {
            Outcome::Permitted { basis, asks } => {
                let combine::Combined { grant, rules } = *basis;
                let basis = Basis { call, grant, rules, policy_digest, table };
                match asks {
                    None => Decision::Permit(Permit::new(basis)),
                    Some(asks) => Decision::Ask(Pending::new(basis, asks)),
                }
            }
            Outcome::Denied(reasons) => {
                Decision::Deny(Denial { call, reasons, nearby, policy_digest, table })
            }
        }
    }

    fn judge(&self, question: &Question<'_>, search: &Search<'_, '_>) -> Judged {
        let scopes = search.speaking();
        let mut table = Vec::new();
        let mut denials = Vec::new();
        let mut chosen = Vec::new();
        let mut asks = Vec::new();
        let mut openings = Openings::new(search, question);
        for part in &question.parts {
            let (rules, denied) = denying(search, part, question);
            if let Some((first, _)) = denied.first() {
                table.push(part.verdict(Finding::Denied(first.id.clone())));
                denials.extend(denied.iter().map(|(rule, sure)| rule_reason(rule, part, *sure)));
                continue;
            }
            let rules = rules.unwrap_or_else(|| search.about(part, question));
            let opened = openings.met(&rules, part);
            if let Some(first) = opened.denied.first() {
                table.push(part.verdict(Finding::Denied(first.rule.id.clone())));
                denials.extend(opened.denied.iter().map(|met| met.reason(part)));
                continue;
            }
            asks.extend(opened.asked);
            let asking = guards(rules.iter().copied(), Effect::Ask, part, question);
            asks.extend(asking.iter().map(|(rule, _)| *rule));
            asks.extend(rules.iter().copied().filter(|rule| wants_human(rule, part, question)));
            if part.is_harmless() {
                table.push(part.verdict(Finding::Harmless));
                continue;
            }
            match choose(&rules, &scopes, part, question, self.base) {
                Ok(rules) => {
                    let ids = rules.iter().map(|rule| rule.id.clone()).collect();
                    table.push(part.verdict(Finding::Permitted(ids)));
                    chosen.push(Chosen { part, rules });
                }
                Err(scope) => {
                    table.push(part.verdict(Finding::NotPermitted));
                    if denials.len() < MAX_REASONS {
                        let nearest = search.nearest(scope, part, question);
                        denials.push(not_permitted(part, scope, self.base, nearest));
                    }
                }
            }
        }
        if !denials.is_empty() {
            denials.truncate(MAX_REASONS);
            return Judged { outcome: Outcome::Denied(denials), table };
        }
        let outcome = match combine(&chosen, question, &self.order) {
            Err(reason) => Outcome::Denied(vec![reason]),
            Ok(basis) => Outcome::Permitted {
                basis: Box::new(basis),
                asks: asking(asks, &question.call.subject.client),
            },
        };
        Judged { outcome, table }
    }
}

struct Judged {
    outcome: Outcome,
    table: Vec<Verdict>,
}

enum Outcome {
    Permitted { basis: Box<combine::Combined>, asks: Option<Vec<Ask>> },
    Denied(Vec<Reason>),
}

impl Judged {
    fn denied(reasons: Vec<Reason>) -> Self {
        Self { outcome: Outcome::Denied(reasons), table: Vec::new() }
    }
}

/// The deny rules that a part meets, and the rules about it where they were looked
/// for. What an opaque line runs cannot be seen: each deny rule may be met, and the
/// first ones that are say enough, so that not all have to be looked at.
fn denying<'r>(
    search: &Search<'r, '_>,
    part: &Part<'_>,
    question: &Question<'_>,
) -> (Option<Vec<&'r Rule>>, Vec<(&'r Rule, Match)>) {
    if let Part::Opaque(_) = part {
        return (None, guards(search.denying(), Effect::Deny, part, question));
    }
    let rules = search.about(part, question);
    let denied = guards(rules.iter().copied(), Effect::Deny, part, question);
    (Some(rules), denied)
}

/// The first rules of this effect that match a part or may match it.
fn guards<'r>(
    rules: impl Iterator<Item = &'r Rule>,
    effect: Effect,
    part: &Part<'_>,
    question: &Question<'_>,
) -> Vec<(&'r Rule, Match)> {
    // More reasons than these are not told; each ask rule counts.
    let most = if effect == Effect::Deny { MAX_REASONS } else { usize::MAX };
    rules
        .filter(|rule| rule.effect == effect && rule.conditions.in_time(question.call.at))
        .map(|rule| (rule, covers(rule, Purpose::Guard, part, question)))
        .filter(|(_, sure)| *sure != Match::No)
        .take(most)
        .collect()
}

fn rule_reason(rule: &Rule, part: &Part<'_>, sure: Match) -> Reason {
    Reason::Rule {
        rule: rule.id.clone(),
        reason: rule.reason.clone(),
        part: part.label(),
        uncertain: (sure == Match::Perhaps).then(|| part.doubt()),
    }
}

fn not_permitted(
    part: &Part<'_>,
    scope: Scope,
    base: Option<Scope>,
    nearest: Option<Shortfall>,
) -> Reason {
    let nearest = nearest.map(|shortfall| shortfall.to_string());
    let wanting = match base {
        Some(base) if scope > base => {
            let narrower =
                format!("the {scope} scope has rules for this caller and must permit it too");
            Some(nearest.map_or(narrower.clone(), |nearest| format!("{narrower}; {nearest}")))
        }
        _ => nearest,
    };
    Reason::NotPermitted { part: part.label(), wanting }
}

/// For each scope the most specific rule that permits the part; the first scope
/// that has none is the error.
fn choose<'r>(
    rules: &[&'r Rule],
    scopes: &[Scope],
    part: &Part<'_>,
    question: &Question<'_>,
    base: Option<Scope>,
) -> Result<Vec<&'r Rule>, Scope> {
    let best = |scope: Scope| {
        let mut best: Option<(coverage::Rank, &'r Rule)> = None;
        for rule in rules.iter().filter(|rule| rule.scope == scope && rule.is_positive()) {
            let rank = permits(rule, Some(scope) == base, part, question);
            // Rules come in the order of their ids: the smaller id stays.
            if let Some(rank) = rank
                && best.as_ref().is_none_or(|(known, _)| rank > *known)
            {
                best = Some((rank, rule));
            }
        }
        best.map(|(_, rule)| rule).ok_or(scope)
    };
    scopes.iter().map(|scope| best(*scope)).collect()
}

/// Why people are asked, and who, where there is an ask rule that matches a part
/// or may match it, or an allow rule that asks because of an argument.
fn asking(mut asks: Vec<&Rule>, client: &str) -> Option<Vec<Ask>> {
    asks.sort_by(|one, other| one.id.cmp(&other.id));
    asks.dedup_by(|one, other| one.id == other.id);
    (!asks.is_empty()).then(|| {
        asks.iter()
            .map(|rule| Ask {
                reason: rule.reason.clone().unwrap_or_else(|| format!("rule `{}`", rule.id)),
                demand: rule.consent.demand(&rule.id, client),
            })
            .collect()
    })
}

#[cfg(test)]
mod tests;
