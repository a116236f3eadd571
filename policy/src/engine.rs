//! What decides, as its users see it: the rules, or the rules and something that
//! restricts them further.
//!
//! Invariant: whatever is set before the rules, nothing is permitted that they
//! do not permit. It holds by construction: a [`Restriction`] sees only what the
//! rules let through and answers with less, and no code outside of this crate
//! can make a permit. The gateway holds an [`Engine`]; an engine of another
//! language, such as Cedar, is added as a [`Restriction`].

use crate::action::Call;
use crate::approval::Demand;
use crate::decision::{Ask, Basis, Decision, Denial, Nearby, Pending, Permit, Reason};
use crate::rules::RuleSet;

/// Decides calls. The same call always gets the same decision.
pub trait Engine: Send + Sync {
    /// Decides one call.
    fn decide(&self, call: Call) -> Decision;
}

/// Looks at what an engine permits, and may take it back.
pub trait Restriction: Send + Sync {
    /// What denials and reasons call it; stable.
    fn name(&self) -> &str;

    /// Rules on a call that would be permitted or asked about, on this basis.
    ///
    /// # Errors
    /// Why it cannot be evaluated; the call is denied then.
    fn rule_on(&self, basis: &Basis) -> Result<Ruling, String>;
}

/// What a [`Restriction`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// The engine's decision stands.
    Stands,
    /// A human must agree first.
    Ask {
        /// Why.
        reason: String,
    },
    /// It may not be done.
    Deny {
        /// Why not.
        reason: String,
    },
}

/// An engine, narrowed by a restriction. It is an engine itself, so that several
/// restrictions can be set before each other; their order changes no effect.
#[derive(Debug, Clone)]
pub struct Restricted<E, R> {
    engine: E,
    restriction: R,
}

impl Engine for RuleSet {
    fn decide(&self, call: Call) -> Decision {
        Self::decide(self, call)
    }
}

impl<E: Engine, R: Restriction> Restricted<E, R> {
    /// Sets a restriction before an engine.
    pub fn new(engine: E, restriction: R) -> Self {
        Self { engine, restriction }
    }

    fn refused(&self, basis: Basis, reason: String) -> Decision {
        let Basis { call, grant: _, rules: _, policy_digest, table } = basis;
        let part = call.action.to_string();
        let rule = self.restriction.name().to_owned();
        let reasons = vec![Reason::Rule { rule, reason: Some(reason), part, uncertain: None }];
        Decision::Deny(Denial { call, reasons, nearby: Nearby::default(), policy_digest, table })
    }
}

impl<E: Engine, R: Restriction> Engine for Restricted<E, R> {
    fn decide(&self, call: Call) -> Decision {
        let (basis, mut asks) = match self.engine.decide(call) {
            Decision::Deny(denial) => return Decision::Deny(denial),
            Decision::Permit(permit) => (permit.into_basis(), None),
            Decision::Ask(pending) => {
                let (basis, asks) = pending.into_parts();
                (basis, Some(asks))
            }
        };
        match self.restriction.rule_on(&basis) {
            Ok(Ruling::Stands) => {}
            Ok(Ruling::Ask { reason }) => {
                let demand = Demand::plain(self.restriction.name());
                asks.get_or_insert_default().push(Ask { reason, demand });
            }
            Ok(Ruling::Deny { reason }) => return self.refused(basis, reason),
            Err(why) => return self.refused(basis, format!("it cannot be evaluated: {why}")),
        }
        match asks {
            None => Decision::Permit(Permit::new(basis)),
            Some(asks) => Decision::Ask(Pending::new(basis, asks)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{Action, Execute, Host, Project};
    use crate::decision::Effect;
    use crate::subject::Subject;

    /// Says the same to everything.
    struct Always(Result<Ruling, String>);

    impl Restriction for Always {
        fn name(&self) -> &'static str {
            "always"
        }

        fn rule_on(&self, _: &Basis) -> Result<Ruling, String> {
            self.0.clone()
        }
    }

    const RULES: &str = "version = 1\n\
        [[rule]]\nid = 'a'\neffect = 'allow'\nprograms = [{ names = ['ls', 'rm'] }]\n\
        [[rule]]\nid = 'b'\neffect = 'ask'\nreason = 'careful'\nprograms = [{ name = 'rm' }]\n";

    fn decided(ruling: Result<Ruling, String>, program: &str) -> Decision {
        let rules = RuleSet::parse(&[("rules.toml", RULES)], [0; 32]).unwrap();
        Restricted::new(rules, Always(ruling)).decide(Call {
            subject: Subject::default(),
            project: Project { name: String::new(), workspace: "/srv/shop".into() },
            host: Host::default(),
            tool: "execute_command".to_owned(),
            action: Action::Execute(Execute::program(program, Vec::new())),
            at: jiff::Timestamp::default(),
        })
    }

    #[test]
    fn a_restriction_takes_back_and_never_adds() {
        let ask = || Ok(Ruling::Ask { reason: "why".to_owned() });
        let deny = || Ok(Ruling::Deny { reason: "no".to_owned() });
        for (ruling, effects) in [
            (Ok(Ruling::Stands), [Effect::Allow, Effect::Ask, Effect::Deny]),
            (ask(), [Effect::Ask, Effect::Ask, Effect::Deny]),
            (deny(), [Effect::Deny; 3]),
            (Err("broken".to_owned()), [Effect::Deny; 3]),
        ] {
            let found = ["ls", "rm", "mv"].map(|name| decided(ruling.clone(), name).effect());
            assert_eq!(found, effects, "{ruling:?}");
        }
        let Decision::Ask(pending) = decided(ask(), "rm") else { panic!() };
        let reasons: Vec<&str> = pending.asks().iter().map(|ask| &*ask.reason).collect();
        assert_eq!(reasons, ["careful", "why"]);
        let Decision::Deny(denial) = decided(Err("broken".to_owned()), "ls") else { panic!() };
        assert!(
            denial
                .line()
                .contains("rule `always` refuses to run `ls` (it cannot be evaluated: broken)")
        );
    }
}
