//! Who has to agree, as an ask rule says it.

use super::text::TextPattern;
use crate::approval::{Approvers, DEFAULT_OPEN, Demand};

/// Who has to agree, and how; see `[rule.approval]`.
#[derive(Debug, Clone)]
pub(crate) struct Consent {
    pub(crate) people: u8,
    pub(crate) own: bool,
    pub(crate) approvers: Approvers,
    pub(crate) session: bool,
    pub(crate) open_seconds: u64,
    /// Clients whose word is taken that a person sits there and agreed.
    pub(crate) attended: Vec<TextPattern>,
}

impl Default for Consent {
    fn default() -> Self {
        Self {
            people: 1,
            own: false,
            approvers: Approvers::default(),
            session: true,
            open_seconds: DEFAULT_OPEN.as_secs(),
            attended: Vec::new(),
        }
    }
}

impl Consent {
    /// What the rule `id` demands for a call by this client.
    pub(crate) fn demand(&self, id: &str, client: &str) -> Demand {
        let Self { people, own, approvers, session, open_seconds, attended } = self;
        Demand {
            rule: id.to_owned(),
            people: *people,
            own: *own,
            approvers: approvers.clone(),
            session: *session,
            open_seconds: *open_seconds,
            attended: attended.iter().any(|pattern| pattern.is_match(client.as_bytes())),
        }
    }
}
