//! The engine, its index, and the reference say the same.

use std::collections::BTreeSet;

use cofferdam_policy::{Call, Decision, Effect, Reason, RuleSet};
use proptest::prelude::*;

use crate::reference::given::Given;
use crate::reference::{Rules, Verdict};
use crate::{calls, rules};

/// Calls for each rule set; reading one takes longer than deciding.
const CALLS: usize = 12;

/// How many deny rules a denial tells at most.
const MAX_TOLD: usize = 16;

pub(crate) fn parse(text: &str) -> RuleSet {
    RuleSet::parse(&[("rules.toml", text)], [0; 32])
        .unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

fn verdict(decision: &Decision) -> Verdict {
    let given = match decision {
        Decision::Permit(permit) => Some(Given::of(permit.grant())),
        Decision::Ask(pending) => Some(Given::of(&pending.basis().grant)),
        Decision::Deny(_) => None,
    };
    Verdict { effect: decision.effect(), rules: decision.rules().into_iter().collect(), given }
}

/// Whether a denial names the rules that refuse; others are about what is
/// missing, or about grants that do not go together.
fn names_refusing(decision: &Decision) -> bool {
    let Decision::Deny(denial) = decision else { return true };
    denial.reasons.len() < MAX_TOLD
        && denial.reasons.iter().any(|reason| matches!(reason, Reason::Rule { .. }))
}

fn check(text: &str, set: &RuleSet, call: &Call) -> Result<(), TestCaseError> {
    let decision = set.decide(call.clone());
    prop_assert_eq!(&decision, &set.decide_by_scan(call.clone()), "index\n{}", text);
    let mut expected = Rules::read(text).decide(call);
    let mut found = verdict(&decision);
    if !names_refusing(&decision) || found.effect == Effect::Deny && expected.rules.is_empty() {
        (expected.rules, found.rules) = (BTreeSet::new(), BTreeSet::new());
    }
    prop_assert_eq!(found, expected, "{}\n{:#?}\n{}", decision.explain(), call.action, text);
    Ok(())
}

proptest! {
    #![proptest_config(crate::cases(400))]

    #[test]
    fn engine_index_and_reference_decide_alike(
        rules in rules::some(12),
        calls in proptest::collection::vec(calls::call(), CALLS),
    ) {
        let text = rules::file(&rules);
        let set = parse(&text);
        for call in &calls {
            check(&text, &set, call)?;
        }
    }
}
