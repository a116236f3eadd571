//! The end of a session: its runs are ended with all that they started, and the cells
//! that were kept for it.
//!
//! A session's name counts together with the tenant, user and project of the intent:
//! nobody can end another's, whatever they name. What the caller has besides, in
//! other sessions or in none, goes on.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cofferdam_journal::Ending;
use cofferdam_proto::exec::v1::{CloseSessionRequest, RunOwner, SessionClosed, SessionClosing};
use cofferdam_proto::intent::v1::SignedReceipt;
use cofferdam_trust::{action_digest, sha256};
use prost::Message;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::Agent;
use super::recording::Allowed;
use crate::fault::Fault;
use crate::intent::Verified;
use crate::peers::Gateway;
use crate::record::{CallResult, Decided, told};
use crate::registry::{Run, State};
use crate::validate::InvalidField;

/// How long its runs have to end before the answer; what takes longer ends all the
/// same.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ends a session.
///
/// # Errors
/// Where it is refused; a record says so.
pub async fn close_session(
    agent: &Arc<Agent>,
    gateway: &Gateway,
    request: CloseSessionRequest,
) -> Result<(SessionClosed, SignedReceipt), Fault> {
    const METHOD: &str = "ExecService.CloseSession";
    let CloseSessionRequest { intent, closing } = request;
    let closing = closing.unwrap_or_default();
    let now = SystemTime::now();
    let verified = agent
        .intents
        .verify(gateway, intent, action_digest(&closing), now)
        .map_err(|error| agent.refuse_unverified(gateway, METHOD, error))?;
    let action = json!({"close_session": verified.intent().session});
    let checked = check(&verified, &closing).map_err(Fault::from);
    let current = checked
        .and_then(|()| agent.admit(&verified))
        .map_err(|fault| agent.refuse(&verified, action.clone(), fault))?;
    let owner = owner(&verified);
    let decided = Decided { ceiling: current.digest, grant: serde_json::Value::Null };
    let recorded = agent.record(Allowed { verified, action, decided }).await?;
    let name = gateway.name().to_string();
    let closed = close(agent, &name, &owner, &closing.session).await;
    let result = CallResult {
        ending: Ending::Completed,
        output_digest: sha256(&closed.encode_to_vec()),
        usage: None,
        sandbox: None,
    };
    told(Ok(closed), agent.recorder.outcome(recorded, result))
}

/// The session without a name is what every caller has: it is not opened, and not
/// closed.
fn check(verified: &Verified, closing: &SessionClosing) -> Result<(), InvalidField> {
    let problem = match closing.session.as_str() {
        "" => "is empty; only a session that was opened can be closed",
        session if session != verified.intent().session => "is another than the intent's",
        _ => return Ok(()),
    };
    Err(InvalidField { path: "closing.session".to_owned(), problem: problem.to_owned() })
}

fn owner(verified: &Verified) -> RunOwner {
    let intent = verified.intent();
    let subject = intent.subject.clone().unwrap_or_default();
    RunOwner { tenant: subject.tenant, user: subject.user, project: intent.project.clone() }
}

async fn close(agent: &Agent, gateway: &str, owner: &RunOwner, session: &str) -> SessionClosed {
    let runs = agent.registry.close(gateway, owner, session);
    for run in &runs {
        run.cancel("session closed");
    }
    let deadline = Instant::now() + PATIENCE;
    for run in &runs {
        ended(run, deadline).await;
    }
    let cells = agent.cells.close(gateway, owner, session).await;
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    SessionClosed { runs: count(runs.len()), cells: count(cells) }
}

async fn ended(run: &Run, deadline: Instant) {
    let mut state = run.state();
    let over = |state: &State| matches!(state, State::Ended(..) | State::Refused(_));
    // Late or not, it ends, and its cell with it.
    _ = timeout_at(deadline, state.wait_for(over)).await;
}
