//! Asks the rules. The only place that makes a policy call of a tool call.

mod access;
mod policies;
mod reload;
mod shadow;
mod source;

use std::path::PathBuf;
use std::sync::Arc;

use cofferdam_policy::{
    Action, Call, Decision, Denial, Engine, Host, Pending, Permit, ProfileOrder, Project, Reason,
    RuleErrors, RuleSet, Subject, Timestamp,
};
use cofferdam_proto::intent::v1::SignedPolicyStatement;
use cofferdam_trust::PolicyVersionError;

use crate::call::Origin;
use crate::config::Config;
use crate::input::BadInput;
use crate::place::Place;
use crate::rule_files::RuleFilesError;
use crate::signed_rules::{SignedRulesError, Verified};

pub(crate) use policies::{Judged, Policies};
pub(crate) use reload::reload;
use source::Loaded;

/// The rules of this gateway, as they were at one time.
#[derive(Debug)]
pub(crate) struct Policy {
    rules: Arc<RuleSet>,
    /// The sequence of the record by which they were taken.
    version: u64,
    /// Whose the rules are, for hosts that require it.
    signed: Option<Verified>,
    /// Rules that only look on.
    shadow: Option<Arc<Loaded>>,
}

/// Why rules are not taken. A gateway does not start without any.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A file cannot be read.
    #[error(transparent)]
    Files(#[from] RuleFilesError),
    /// A bundle, and nobody who could have signed it.
    #[error(
        "`{0}` is a bundle of signed rules, and nobody is named who may sign: write the publisher's \
         public key into `rules_keys` of the gateway's configuration"
    )]
    KeysMissing(PathBuf),
    /// Plain files where signed ones are wanted.
    #[error(
        "the gateway's configuration has `rules_keys`, so `{0}` must be a bundle that ends with \
         `.bundle`: `cofferdam policy sign` makes one"
    )]
    NoBundle(PathBuf),
    /// A bundle whose publisher is not believed.
    #[error(transparent)]
    Signed(#[from] SignedRulesError),
    /// A bundle that is older than one before.
    #[error(transparent)]
    Version(#[from] PolicyVersionError),
    /// The rules are not right.
    #[error("the rules are not right; `cofferdam policy check` tells more:\n{0}")]
    Rules(#[from] RuleErrors),
    /// The rules are right and do something else than their tests expect.
    #[error("the rules do not pass their own tests; `cofferdam policy test` tells more:\n{failed}")]
    Tests {
        /// One line for each.
        failed: String,
    },
}

/// The rules refuse, as the caller is told.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refused {
    message: String,
    /// Ids of the rules that refused.
    pub(crate) rules: Vec<String>,
    /// What this caller may do instead.
    pub(crate) allowed: Vec<String>,
    /// Whether a rule forbids it, so that no other rule could permit it.
    pub(crate) is_forbidden: bool,
    pub(crate) policy_digest: [u8; 32],
    /// Whom to ask for other rules; none: whoever runs the gateway.
    pub(crate) contact: Option<String>,
}

/// What the rules say to a call that they do not refuse.
#[must_use]
pub(crate) enum Decided {
    /// It may be done.
    Permit(Permit),
    /// People have to agree first.
    Ask(Pending),
}

impl Policy {
    /// The version of the rules that decide, for the record.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The version that the publisher of the rules gave them; none: they are plain
    /// files.
    pub(crate) fn signed_version(&self) -> Option<u64> {
        self.signed.as_ref().map(|signed| signed.word.version)
    }

    /// The publisher's word for the rules that decide, for hosts; none: they are plain
    /// files.
    pub(crate) fn statement(&self) -> Option<&SignedPolicyStatement> {
        self.signed.as_ref().map(|signed| &signed.statement)
    }

    /// Profiles from narrow to wide, as far as the rules order them.
    pub(crate) fn profiles(&self) -> &[String] {
        self.rules.profiles()
    }

    /// The narrower one of the profile that the rules gave and one that a caller wishes.
    pub(crate) fn narrowed(&self, given: &str, wished: &str) -> Result<String, BadInput> {
        let order = ProfileOrder::new(self.profiles().to_vec());
        let narrower = order.narrower(given, wished).map(str::to_owned);
        narrower.ok_or_else(|| BadInput {
            reason: "UNKNOWN_PROFILE",
            field: "session".to_owned(),
            message: format!(
                "the rules give the profile `{given}` here and do not say whether `{wished}`, which \
                 the session wishes, is narrower; open a session with another `profile`, or none"
            ),
        })
    }

    /// What decides: the rules, and what restricts them further where there is
    /// such a thing.
    fn engine(&self) -> &dyn Engine {
        &*self.rules
    }

    /// Whether `origin` may do `action` there; nowhere: at the gateway itself.
    pub(crate) fn decide(
        &self,
        origin: &Origin,
        place: Option<&Place>,
        action: Action,
    ) -> Result<Decided, Box<Refused>> {
        match self.engine().decide(policy_call(subject(origin), &origin.tool, place, action)) {
            Decision::Permit(permit) => Ok(Decided::Permit(permit)),
            Decision::Ask(pending) => Ok(Decided::Ask(pending)),
            Decision::Deny(denial) => Err(Box::new(Refused::new(&denial))),
        }
    }
}

impl Refused {
    /// With whom this gateway names for questions.
    pub(crate) fn with_contact(mut self: Box<Self>, config: &Config) -> Box<Self> {
        self.contact.clone_from(&config.contact);
        self
    }

    /// Whom to ask for more, and how, for the call of this id.
    pub(crate) fn how_to_ask(&self, run_id: &str) -> String {
        let whom = self.contact.as_deref().unwrap_or("whoever keeps this gateway's rules");
        let what = if self.is_forbidden { "to take that rule back" } else { "for a rule" };
        format!(
            "do what is allowed instead (describe_access tells all of it), or have the person you \
             work for ask {whom} {what}, with the id {run_id}: `cofferdam audit show` has the call, \
             and `cofferdam policy learn` proposes a rule"
        )
    }

    fn new(denial: &Denial) -> Self {
        let nearby = denial.nearby.clone();
        Self {
            message: denial.line(),
            rules: denial.rules(),
            allowed: [nearby.programs, nearby.paths, nearby.services].concat(),
            is_forbidden: denial.reasons.iter().any(|it| matches!(it, Reason::Rule { .. })),
            policy_digest: denial.policy_digest,
            contact: None,
        }
    }
}

/// The call that the rules are asked about, now.
pub(crate) fn policy_call(
    subject: Subject,
    tool: &str,
    place: Option<&Place>,
    action: Action,
) -> Call {
    Call {
        subject,
        project: place.map(project).unwrap_or_default(),
        host: place.map(host).unwrap_or_default(),
        tool: tool.to_owned(),
        action,
        at: Timestamp::now(),
    }
}

fn subject(origin: &Origin) -> Subject {
    let caller = &origin.caller;
    Subject {
        user: caller.user.clone(),
        groups: caller.groups.clone(),
        client: origin.client.clone(),
        tenant: caller.tenant.clone(),
        claims: caller.claims.clone(),
    }
}

fn project(place: &Place) -> Project {
    Project { name: place.project.clone(), workspace: place.workspace.clone() }
}

fn host(place: &Place) -> Host {
    Host { name: place.host.clone(), labels: place.labels.clone(), layers: place.layers.clone() }
}
