//! What people agree to, made into one digest and into words.

use std::time::Duration;

use cofferdam_policy::{Basis, Pending};
use cofferdam_trust::{hex, sha256};
use serde::Serialize;
use serde_json::Value;

use super::request::{Asker, Question};
use crate::call::Origin;
use crate::decide::Policy;

/// Set before what is digested, so that the digest can stand for nothing else.
const DOMAIN: &[u8] = b"cofferdam approval v1\0";

/// Everything that an approval is bound to, in this order. A new field of any of
/// it has to be added here.
#[derive(Serialize)]
struct Bound<'a> {
    tool: &'a str,
    action: String,
    /// The caller's own time limit, which is none of the action's bytes.
    wall_millis: Option<u64>,
    host: &'a str,
    labels: &'a std::collections::BTreeMap<String, String>,
    project: &'a str,
    workspace: String,
    user: &'a str,
    groups: &'a [String],
    client: &'a str,
    tenant: &'a str,
    claims: &'a cofferdam_policy::Claims,
    grant: String,
    rules: &'a [String],
    policy: String,
    /// The same rules signed anew are another word of their publisher's.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_version: Option<u64>,
}

/// What is to be done, exactly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exactly {
    /// Digest of the action as a host would get it, byte for byte.
    pub(crate) action: [u8; 32],
    /// The longest that the caller lets it take.
    pub(crate) wall: Option<Duration>,
}

/// The arguments as people are shown them.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) arguments: Value,
    /// How many bytes they are, where not all are shown.
    pub(crate) cut_from_bytes: Option<u64>,
}

/// The question to people about a call that waits by these rules.
pub(crate) fn question(
    policy: &Policy,
    pending: &Pending,
    origin: &Origin,
    exactly: Exactly,
    shown: Shown,
) -> Result<Question, serde_json::Error> {
    let Basis { call, grant, rules, policy_digest, table: _ } = pending.basis();
    let policy_digest = hex(policy_digest);
    let Shown { arguments, cut_from_bytes } = shown;
    let bound = Bound {
        tool: &call.tool,
        action: hex(&exactly.action),
        wall_millis: exactly.wall.map(millis),
        host: &call.host.name,
        labels: &call.host.labels,
        project: &call.project.name,
        workspace: call.project.workspace.display().to_string(),
        user: &call.subject.user,
        groups: &call.subject.groups,
        client: &call.subject.client,
        tenant: &call.subject.tenant,
        claims: &call.subject.claims,
        grant: grant.to_string(),
        rules,
        policy: policy_digest.clone(),
        signed_version: policy.signed_version(),
    };
    let mut bytes = DOMAIN.to_vec();
    serde_json::to_writer(&mut bytes, &bound)?;
    let caller = &origin.caller;
    Ok(Question {
        binding: hex(&sha256(&bytes)),
        asker: Asker {
            user: caller.user.clone(),
            groups: caller.groups.clone(),
            tenant: caller.tenant.clone(),
            claims: caller.claims.clone(),
            client: origin.client.clone(),
            token_id: caller.token_id.clone(),
            session: origin.session.clone(),
        },
        run_id: origin.run_id.clone(),
        project: call.project.name.clone(),
        host: call.host.name.clone(),
        workspace: call.project.workspace.display().to_string(),
        tool: call.tool.clone(),
        action: call.action.to_string(),
        arguments,
        cut_from_bytes,
        grant: grant.to_string(),
        profile: grant.profile.clone(),
        workspace_access: grant.workspace_access.to_string(),
        rules: rules.clone(),
        policy_digest,
        policy_version: Some(policy.version()),
        signed_version: policy.signed_version(),
        reasons: pending.asks().iter().map(|ask| ask.reason.clone()).collect(),
        demands: pending.asks().iter().map(|ask| ask.demand.clone()).collect(),
    })
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
