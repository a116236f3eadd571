//! A question about the host itself: answered by the agent, recorded like
//! everything else.

use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use cofferdam_journal::Ending;
use cofferdam_proto::host::v1::{GetHostRequest, Host};
use cofferdam_proto::intent::v1::SignedReceipt;
use cofferdam_trust::{action_digest, sha256};
use prost::Message;
use serde_json::{Value, json};

use super::Agent;
use super::recording::Allowed;
use crate::fault::Fault;
use crate::info;
use crate::peers::Gateway;
use crate::record::{CallResult, Decided, told};

/// Describes the host.
///
/// # Errors
/// Where it is refused; a record says so.
pub async fn describe_host(
    agent: &Arc<Agent>,
    gateway: &Gateway,
    request: GetHostRequest,
) -> Result<(Host, SignedReceipt), Fault> {
    let GetHostRequest { intent, query } = request;
    let digest = action_digest(&query.unwrap_or_default());
    let now = SystemTime::now();
    let verified = agent
        .intents
        .verify(gateway, intent, digest, now)
        .map_err(|error| agent.refuse_unverified(gateway, "HostService.GetHost", error))?;
    let action = json!({"get_host": agent.name});
    let current =
        agent.admit(&verified).map_err(|fault| agent.refuse(&verified, action.clone(), fault))?;
    let decided = Decided { ceiling: current.digest, grant: Value::Null };
    let recorded = agent.record(Allowed { verified, action, decided }).await?;
    let layers = agent.layers.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let host = info::host(&agent.name, &agent.profiles, &current.ceiling, layers);
    let result = CallResult {
        ending: Ending::Completed,
        output_digest: sha256(&host.encode_to_vec()),
        usage: None,
        sandbox: None,
    };
    told(Ok(host), agent.recorder.outcome(recorded, result))
}
