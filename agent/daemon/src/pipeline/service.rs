//! A question about units of the service manager: answered by the agent, as far
//! as the ceiling shows them, and recorded like everything else.

use std::sync::Arc;
use std::time::SystemTime;

use cofferdam_journal::Ending;
use cofferdam_proto::host::v1::{ReadServiceRequest, ServiceReport};
use cofferdam_proto::intent::v1::SignedReceipt;
use cofferdam_trust::{action_digest, sha256};
use prost::Message;

use super::Agent;
use super::recording::Allowed;
use crate::cap::{Crowd, Need};
use crate::ceiling::Current;
use crate::fault::{Fault, NoAnswer};
use crate::intent::Verified;
use crate::peers::Gateway;
use crate::record::{CallResult, Decided, told};
use crate::services::{Asked, ReadError, checked, described};

/// A question that is believed, checked, and shown by the ceiling.
struct ServiceCall {
    verified: Verified,
    current: Arc<Current>,
    asked: Asked,
    action: serde_json::Value,
}

/// Tells about units.
///
/// # Errors
/// Where it is refused or fails; a record says so.
pub async fn read_service(
    agent: &Arc<Agent>,
    gateway: &Gateway,
    request: ReadServiceRequest,
) -> Result<(ServiceReport, SignedReceipt), Fault> {
    let ReadServiceRequest { intent, query } = request;
    let query = query.unwrap_or_default();
    let verified = agent
        .intents
        .verify(gateway, intent, action_digest(&query), SystemTime::now())
        .map_err(|error| agent.refuse_unverified(gateway, "HostService.ReadService", error))?;
    let action = described(&query);
    let admitted = || {
        let asked = checked(&query)?;
        let current = agent.admit(&verified)?;
        asked.admit(&current.services).map_err(ReadError::from)?;
        Ok::<_, Fault>((asked, current))
    };
    let (asked, current) =
        admitted().map_err(|fault| agent.refuse(&verified, action.clone(), fault))?;
    let call = ServiceCall { verified, current, asked, action };
    // In a task of its own: a caller that leaves does not stop it half-way.
    let living = tokio::spawn(call.live(Arc::clone(agent)));
    living.await.unwrap_or_else(|error| Err(NoAnswer(error.to_string()).into()))
}

impl ServiceCall {
    async fn live(self, agent: Arc<Agent>) -> Result<(ServiceReport, SignedReceipt), Fault> {
        let Self { verified, current, asked, action } = self;
        let crowd = Crowd::of(&current.ceiling.limits);
        let decided = Decided { ceiling: current.digest, grant: serde_json::Value::Null };
        let allowed = Allowed { verified, action, decided };
        let (recorded, place) = agent.record_with_place(Need::Write, crowd, allowed).await?;
        let answer = agent.services.read(asked, current.services.clone()).await;
        drop(place);
        let answer = answer.map_err(Fault::from);
        let receipt = agent.recorder.outcome(recorded, result(&answer));
        told(answer, receipt)
    }
}

/// What it came to, for the record.
fn result(answer: &Result<ServiceReport, Fault>) -> CallResult {
    let (ending, output) = match answer {
        Ok(answer) => (Ending::Completed, answer.encode_to_vec()),
        Err(fault) => {
            let (reason, detail) = (fault.reason().to_owned(), fault.message().to_owned());
            (Ending::Failed { reason, detail }, Vec::new())
        }
    };
    CallResult { ending, output_digest: sha256(&output), usage: None, sandbox: None }
}
