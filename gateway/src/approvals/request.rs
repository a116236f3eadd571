//! A request for approval: what is asked for, and how far it has come.

use cofferdam_policy::{Claims, Demand, Voter};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a call waits for people to agree to. Written once, when it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What people agree to, in lower-case hex: the digest of exactly this
    /// action, host, subject, grant and rules.
    pub binding: String,
    /// Who asks.
    pub asker: Asker,
    /// The call that asked first.
    pub run_id: String,
    /// The project.
    pub project: String,
    /// The host.
    pub host: String,
    /// The project's workspace there.
    #[serde(default)]
    pub workspace: String,
    /// The tool.
    pub tool: String,
    /// The action in words.
    pub action: String,
    /// The arguments as they were sent; long ones as size and digest.
    pub arguments: Value,
    /// How many bytes they are, where they are too many to be all shown; none: all
    /// are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_from_bytes: Option<u64>,
    /// What would be given, in words.
    pub grant: String,
    /// The profile of it.
    #[serde(default)]
    pub profile: String,
    /// Whether the workspace could be written: `read` or `write`.
    #[serde(default)]
    pub workspace_access: String,
    /// The ids of the rules that permit.
    pub rules: Vec<String>,
    /// Digest of the rules, in lower-case hex.
    pub policy_digest: String,
    /// The version of the rules when it was asked: the sequence of the journal's
    /// record by which the gateway took them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<u64>,
    /// The version that their publisher gave them; none: they are not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_version: Option<u64>,
    /// Why people are asked, as the rules say it.
    pub reasons: Vec<String>,
    /// What each rule that asks demands.
    pub demands: Vec<Demand>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asker {
    /// The user.
    pub user: String,
    /// Their groups.
    pub groups: Vec<String>,
    /// Their tenant; empty: none.
    pub tenant: String,
    /// What their token says besides.
    #[serde(default, skip_serializing_if = "Claims::is_empty")]
    pub claims: Claims,
    /// The client's name and version, as it says.
    pub client: String,
    /// Stands for the token that they called with.
    pub token_id: String,
    /// Their working context.
    pub session: String,
}

/// A request for approval, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// Names it, for people and models.
    pub id: String,
    /// How far it has come.
    pub state: State,
    /// For how much people agreed, once they have.
    pub scope: Option<Scope>,
    /// Seconds since 1970.
    pub created_at: u64,
    /// Seconds since 1970: until when it can be answered, and what was agreed
    /// to can be used.
    pub expires_at: u64,
    /// Those who have answered, in order.
    pub votes: Vec<Vote>,
    /// What is asked for.
    #[serde(flatten)]
    pub question: Question,
}

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// People have not answered yet.
    Pending,
    /// Enough people agreed.
    Approved,
    /// Somebody refused.
    Refused,
    /// What was agreed to has been done.
    Used,
    /// It was not answered, or not used, in time.
    Expired,
    /// Who asked took it back.
    Withdrawn,
}

/// For how much people agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// This one call.
    Once,
    /// The same call again and again, in this session, until it expires.
    Session,
}

/// Instead of a credential's id: who asks said so at their own client, whose word
/// the rule takes.
pub(crate) const ELICITATION: &str = "elicitation";

/// One person's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// Who.
    pub voter: Voter,
    /// Stands for their credential, or says how else they answered.
    pub through: String,
    /// What they said.
    pub verdict: Verdict,
    /// For how much, where they agree.
    pub scope: Scope,
    /// What they added; empty: nothing.
    pub note: String,
    /// Seconds since 1970.
    pub at: u64,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may be done.
    Approve,
    /// It may not be done; one such answer ends the request.
    Refuse,
}

impl Request {
    /// Those who agreed.
    #[must_use]
    pub fn voters(&self) -> Vec<Voter> {
        let agreed = self.votes.iter().filter(|vote| vote.verdict == Verdict::Approve);
        agreed.map(|vote| vote.voter.clone()).collect()
    }

    /// How many more people have to agree, by the rule that wants most.
    #[must_use]
    pub fn missing(&self) -> usize {
        let (asker, voters) = (&self.question.asker.user, self.voters());
        let missing = |demand: &Demand| demand.missing(asker, &voters);
        self.question.demands.iter().map(missing).max().unwrap_or(1)
    }

    /// How long it can be answered, and what was agreed to once can be used, in
    /// seconds: by the rule that leaves least.
    pub(super) fn open_seconds(&self) -> u64 {
        self.question.open_seconds()
    }

    /// For how much all who agreed did; a rule may allow no more than once.
    pub(super) fn agreed_scope(&self) -> Scope {
        let agreed = self.votes.iter().filter(|vote| vote.verdict == Verdict::Approve);
        let narrowest = agreed.map(|vote| vote.scope).min().unwrap_or(Scope::Once);
        let all = self.question.demands.iter().all(|demand| demand.session);
        if all { narrowest } else { Scope::Once }
    }
}

impl Question {
    pub(super) fn open_seconds(&self) -> u64 {
        self.demands.iter().map(|demand| demand.open_seconds).min().unwrap_or(0)
    }
}

impl State {
    /// As it stands in the store and on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Pending, Self::Approved, Self::Refused, Self::Used, Self::Expired, Self::Withdrawn]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

impl Scope {
    /// As it stands in the store and on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Session => "session",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Once, Self::Session].into_iter().find(|scope| scope.name() == name)
    }
}
