//! Shadow mode: new rules look on before they decide.
//!
//! Invariant: shadow rules never change an answer. What they would have decided
//! is worked out beside the decision, and goes nowhere but into the record, and
//! only where it differs. Shadow rules that cannot be taken stop nothing: the
//! gateway says so, and decides as ever.

use cofferdam_journal::{Digest, Shadow};
use cofferdam_policy::{Action, Difference};

use super::{Policy, policy_call, subject};
use crate::call::Origin;
use crate::place::Place;

impl Policy {
    /// What the shadow rules would have decided, where that differs.
    pub(crate) fn shadow(
        &self,
        origin: &Origin,
        place: Option<&Place>,
        action: Action,
    ) -> Option<Shadow> {
        let shadow = &self.shadow.as_ref()?.rules;
        // One call, so that both see the same time.
        let call = policy_call(subject(origin), &origin.tool, place, action);
        let other = shadow.decide(call.clone());
        let difference = Difference::of(&self.rules.decide(call), &other)?;
        Some(Shadow {
            difference: difference.name().to_owned(),
            effect: other.effect().to_string(),
            rules: other.involved(),
            policy_digest: Digest(*shadow.digest()),
        })
    }
}
