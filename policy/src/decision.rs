//! What was decided: an enum that carries its restrictions.
//!
//! A [`Permit`] has private fields and one maker, [`crate::RuleSet::decide`], so
//! that whoever holds one knows that the rules were asked. It owns the call, so
//! that no other call can be done with it.

use std::fmt;

use crate::action::Call;
use crate::approval::{Demand, Voter};
use crate::grant::Grant;

/// What the rules say to a call.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may be done, with this grant and not more.
    Permit(Permit),
    /// A human must agree first.
    Ask(Pending),
    /// It may not be done.
    Deny(Denial),
}

/// The proof that the rules permit a call.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    basis: Basis,
}

/// A call that the rules permit once people agree. Nothing can be done with it
/// until [`approve`](Self::approve) has seen that enough did.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    basis: Basis,
    /// Why people are asked, and who; at least one.
    asks: Vec<Ask>,
}

/// Why people are asked, and what is demanded of those who agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The reason that the rule gives.
    pub reason: String,
    /// What it demands.
    pub demand: Demand,
}

/// What a positive decision stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    /// What was asked.
    pub call: Call,
    /// What may be used for it.
    pub grant: Grant,
    /// Ids of the rules that permitted, in byte order.
    pub rules: Vec<String>,
    /// The digest of the rules that decided.
    pub policy_digest: [u8; 32],
    /// How each part of the call was judged.
    pub table: Vec<Verdict>,
}

/// How one part of a call was judged: the program, or each command and
/// redirection of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The part, in words.
    pub part: String,
    /// What was found.
    pub finding: Finding,
}

/// What was found about one part of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// These rules permit it; more than one where several scopes speak.
    Permitted(Vec<String>),
    /// It neither runs a program nor reaches beyond the workspace.
    Harmless,
    /// A deny rule names it, or may name it.
    Denied(String),
    /// No rule permits it.
    NotPermitted,
}

/// A refusal that can be shown to a model or a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// What was asked.
    pub call: Call,
    /// Why not; at least one.
    pub reasons: Vec<Reason>,
    /// What this caller may do instead, as far as it can be told.
    pub nearby: Nearby,
    /// The digest of the rules that decided.
    pub policy_digest: [u8; 32],
    /// How each part of the call was judged.
    pub table: Vec<Verdict>,
}

/// One reason of a denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A deny rule matches, or cannot be shown not to match.
    Rule {
        /// Its id.
        rule: String,
        /// The reason that the rule gives.
        reason: Option<String>,
        /// The part of the call that it names, in words.
        part: String,
        /// Set where the rule could not be evaluated: why.
        uncertain: Option<String>,
    },
    /// No rule permits this part of the call: the default.
    NotPermitted {
        /// The part of the call, in words.
        part: String,
        /// What the nearest rule wants and the call does not have.
        wanting: Option<String>,
    },
    /// The call itself cannot be judged.
    Unclear {
        /// What, in words.
        part: String,
        /// Why, and what would be right.
        why: String,
    },
    /// Rules permit it, but their grants have nothing in common.
    Disjoint {
        /// The rules.
        rules: Vec<String>,
        /// Why not.
        why: String,
    },
}

/// What a caller may do instead; each list is bounded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Nearby {
    /// Programs, such as `git status …`.
    pub programs: Vec<String>,
    /// Paths with their mode, such as `/srv/shop (write)`.
    pub paths: Vec<String>,
    /// Units, and what of them, such as `nginx.service (state)`.
    pub services: Vec<String>,
}

/// The most entries of each list of [`Nearby`].
pub const MAX_NEARBY: usize = 12;

impl Permit {
    /// Only the rules make a permit.
    pub(crate) fn new(basis: Basis) -> Self {
        Self { basis }
    }

    /// What was asked.
    pub fn call(&self) -> &Call {
        &self.basis.call
    }

    /// What may be used for it.
    pub fn grant(&self) -> &Grant {
        &self.basis.grant
    }

    /// Ids of the rules that permitted.
    pub fn rules(&self) -> &[String] {
        &self.basis.rules
    }

    /// The digest of the rules that decided.
    pub fn policy_digest(&self) -> &[u8; 32] {
        &self.basis.policy_digest
    }

    /// How each part of the call was judged.
    pub fn table(&self) -> &[Verdict] {
        &self.basis.table
    }

    /// Uses the permit up. Whoever records it keeps what it stands on.
    pub fn into_basis(self) -> Basis {
        self.basis
    }
}

impl Pending {
    pub(crate) fn new(basis: Basis, asks: Vec<Ask>) -> Self {
        Self { basis, asks }
    }

    pub(crate) fn into_parts(self) -> (Basis, Vec<Ask>) {
        (self.basis, self.asks)
    }

    /// What the permit would stand on.
    pub fn basis(&self) -> &Basis {
        &self.basis
    }

    /// Why people are asked, and who; at least one.
    #[must_use]
    pub fn asks(&self) -> &[Ask] {
        &self.asks
    }

    /// Permits the call, where enough of those who agreed count for each rule
    /// that asks.
    ///
    /// # Errors
    /// The call still waits: somebody is missing.
    pub fn approve(self, voters: &[Voter]) -> Result<Permit, Box<Self>> {
        let asker = &self.basis.call.subject.user;
        let missing = self.asks.iter().any(|ask| ask.demand.missing(asker, voters) > 0);
        // Without anybody who is asked there is nobody who could agree.
        if missing || self.asks.is_empty() {
            Err(Box::new(self))
        } else {
            Ok(Permit::new(self.basis))
        }
    }
}

impl Decision {
    /// Ids of the rules that this decision stands on.
    #[must_use]
    pub fn rules(&self) -> Vec<String> {
        match self {
            Self::Permit(permit) => permit.basis.rules.clone(),
            Self::Ask(pending) => pending.basis.rules.clone(),
            Self::Deny(denial) => denial.rules(),
        }
    }

    /// `allow`, `ask` or `deny`.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Self::Permit(_) => Effect::Allow,
            Self::Ask(_) => Effect::Ask,
            Self::Deny(_) => Effect::Deny,
        }
    }
}

impl Denial {
    /// Ids of the deny rules that refused; empty: the default.
    #[must_use]
    pub fn rules(&self) -> Vec<String> {
        let mut rules: Vec<String> = self
            .reasons
            .iter()
            .flat_map(|reason| match reason {
                Reason::Rule { rule, .. } => std::slice::from_ref(rule),
                Reason::Disjoint { rules, .. } => rules.as_slice(),
                Reason::NotPermitted { .. } | Reason::Unclear { .. } => &[],
            })
            .cloned()
            .collect();
        rules.sort();
        rules.dedup();
        rules
    }
}

/// What a rule says, and what comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It may be done.
    Allow,
    /// A human must agree first.
    Ask,
    /// It may not be done.
    Deny,
}

impl fmt::Display for Effect {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        })
    }
}
