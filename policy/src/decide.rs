//! The decision: every part of a call against every rule meant for it.
//!
//! Deny beats ask beats allow, whatever the order. A part that nothing permits
//! denies the whole call. See [`crate::RuleSet`] for how scopes and several
//! matching rules work together.

mod combine;
mod coverage;
mod nearby;
mod question;

use crate::action::{Action, Call};
use crate::decision::{
    Basis, Decision, Denial, Effect, Finding, Nearby, Pending, Permit, Reason, Verdict,
};
use crate::rules::RuleSet;
use crate::rules::matching::{Match, Purpose};
use crate::rules::role::Held;
use crate::rules::rule::{Rule, SCOPES, Scope};
use combine::{Chosen, combine};
use coverage::{Shortfall, covers, permits};
use question::{Part, Question};

/// The most reasons of one denial.
const MAX_REASONS: usize = 16;

impl RuleSet {
    /// Decides a call. The same rules and the same call always give the same
    /// decision.
    pub fn decide(&self, call: Call) -> Decision {
        let judged = match Question::of(&call) {
            Ok(question) => self.judge(&question),
            Err(reason) => Judged::denied(vec![reason]),
        };
        match judged.outcome {
            Outcome::Permitted { basis, asks } => {
                let basis = Basis {
                    grant: basis.grant,
                    rules: basis.rules,
                    policy_digest: self.digest,
                    table: judged.table,
                    call,
                };
                match asks {
                    None => Decision::Permit(Permit::new(basis)),
                    Some(reasons) => Decision::Ask(Pending::new(basis, reasons)),
                }
            }
            Outcome::Denied(reasons) => {
                let nearby = self.nearby(&call);
                let (policy_digest, table) = (self.digest, judged.table);
                Decision::Deny(Denial { call, reasons, nearby, policy_digest, table })
            }
        }
    }

    fn judge(&self, question: &Question<'_>) -> Judged {
        let held = self.roles.held_by(&question.call.subject);
        let meant: Vec<&Rule> =
            self.rules.iter().filter(|rule| rule.selectors.select(question.call, &held)).collect();
        let scopes = self.speaking(question.call, &held);
        let mut table = Vec::new();
        let mut denials = Vec::new();
        let mut chosen = Vec::new();
        for part in &question.parts {
            let denied = guards(&meant, Effect::Deny, part, question);
            if let Some(first) = denied.first() {
                table.push(part.verdict(Finding::Denied(first.0.id.clone())));
                denials.extend(denied.iter().map(|(rule, sure)| rule_reason(rule, part, *sure)));
                continue;
            }
            if part.is_harmless() {
                table.push(part.verdict(Finding::Harmless));
                continue;
            }
            match choose(&meant, &scopes, part, question, self.base) {
                Ok(rules) => {
                    let ids = rules.iter().map(|rule| rule.id.clone()).collect();
                    table.push(part.verdict(Finding::Permitted(ids)));
                    chosen.push(Chosen { part, rules });
                }
                Err(shortfall) => {
                    table.push(part.verdict(Finding::NotPermitted));
                    let wanting = shortfall.map(|shortfall| shortfall.to_string());
                    denials.push(Reason::NotPermitted { part: part.label(), wanting });
                }
            }
        }
        if !denials.is_empty() {
            denials.truncate(MAX_REASONS);
            return Judged { outcome: Outcome::Denied(denials), table };
        }
        let outcome = match combine(&chosen, question, &self.order) {
            Err(reason) => Outcome::Denied(vec![reason]),
            Ok(basis) => {
                Outcome::Permitted { basis: Box::new(basis), asks: asking(&meant, question) }
            }
        };
        Judged { outcome, table }
    }

    /// The scopes that have to permit: the base, and each narrower one that has
    /// something to say about this caller here.
    fn speaking(&self, call: &Call, held: &Held) -> Vec<Scope> {
        let speaks = |scope: Scope| {
            self.rules.iter().any(|rule| {
                rule.scope == scope && rule.is_positive() && rule.selectors.select_place(call, held)
            })
        };
        // Without a base there is no scope that permits, and one has to.
        let base = self.base.unwrap_or(Scope::System);
        SCOPES
            .into_iter()
            .filter(|scope| *scope == base || (*scope > base && speaks(*scope)))
            .collect()
    }

    fn nearby(&self, call: &Call) -> Nearby {
        let base = self.base.unwrap_or(Scope::System);
        let held = self.roles.held_by(&call.subject);
        let meant = self.rules.iter().filter(|rule| {
            rule.scope == base && rule.is_positive() && rule.selectors.select(call, &held)
        });
        match &call.action {
            Action::DescribeHost | Action::ListHosts => Nearby::default(),
            action => nearby::find(action, meant),
        }
    }
}

struct Judged {
    outcome: Outcome,
    table: Vec<Verdict>,
}

enum Outcome {
    Permitted { basis: Box<combine::Combined>, asks: Option<Vec<String>> },
    Denied(Vec<Reason>),
}

impl Judged {
    fn denied(reasons: Vec<Reason>) -> Self {
        Self { outcome: Outcome::Denied(reasons), table: Vec::new() }
    }
}

/// The rules of this effect that match a part or may match it.
fn guards<'r>(
    meant: &[&'r Rule],
    effect: Effect,
    part: &Part<'_>,
    question: &Question<'_>,
) -> Vec<(&'r Rule, Match)> {
    meant
        .iter()
        .filter(|rule| rule.effect == effect)
        .map(|rule| (*rule, covers(rule, Purpose::Guard, part, question)))
        .filter(|(_, sure)| *sure != Match::No)
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

/// For each scope the most specific rule that permits the part.
fn choose<'r>(
    meant: &[&'r Rule],
    scopes: &[Scope],
    part: &Part<'_>,
    question: &Question<'_>,
    base: Option<Scope>,
) -> Result<Vec<&'r Rule>, Option<Shortfall>> {
    let mut chosen = Vec::new();
    let mut nearest: Option<Shortfall> = None;
    for scope in scopes {
        let is_base = Some(*scope) == base;
        let mut best: Option<(coverage::Rank, &Rule)> = None;
        for rule in meant.iter().filter(|rule| rule.scope == *scope && rule.is_positive()) {
            match permits(rule, is_base, part, question) {
                // Rules come in the order of their ids: the smaller id stays.
                Ok(rank) if best.as_ref().is_none_or(|(known, _)| rank > *known) => {
                    best = Some((rank, rule));
                }
                Ok(_) => {}
                Err(shortfall) => nearest = nearest.max(shortfall),
            }
        }
        match best {
            Some((_, rule)) => chosen.push(rule),
            None => return Err(nearest),
        }
    }
    Ok(chosen)
}

/// The reasons to ask a human, where there is an ask rule that matches a part
/// or may match it.
fn asking(meant: &[&Rule], question: &Question<'_>) -> Option<Vec<String>> {
    let mut asks: Vec<&Rule> = question
        .parts
        .iter()
        .flat_map(|part| guards(meant, Effect::Ask, part, question))
        .map(|(rule, _)| rule)
        .collect();
    asks.sort_by(|one, other| one.id.cmp(&other.id));
    asks.dedup_by(|one, other| one.id == other.id);
    (!asks.is_empty()).then(|| {
        asks.iter()
            .map(|rule| rule.reason.clone().unwrap_or_else(|| format!("rule `{}`", rule.id)))
            .collect()
    })
}

#[cfg(test)]
mod tests;
