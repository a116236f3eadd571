//! A file operation: the worker that stays in the session's cell for files.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cofferdam_journal::Ending;
use cofferdam_proto::file::v1::ProgramFound;
use cofferdam_proto::file::v1::worker_request::Operation;
use cofferdam_proto::file::v1::worker_response::Result as Answer;
use cofferdam_proto::intent::v1::{SignedIntent, SignedReceipt};
use cofferdam_trust::sha256;
use prost::Message;

use super::Agent;
use super::recording::Allowed;
use crate::allowances::Allowance;
use crate::cap::{Capped, Need};
use crate::cells::{Footing, Held, READ_FILES, WRITE_FILES, Wanted};
use crate::fault::{Fault, NoAnswer};
use crate::intent::Verified;
use crate::peers::Gateway;
use crate::planner::{Purpose, may_execute};
use crate::record::{CallResult, Decided, Recorded, told};
use crate::registry::Place;
use crate::worker::resident::{self, Streaming};
use crate::{describe, validate};

/// What a grant comes to for a file operation.
pub(super) type Granted = Arc<Allowance>;

/// A file operation that is believed and checked.
struct FileCall {
    verified: Verified,
    allowance: Arc<Allowance>,
    operation: Operation,
    decided: Decided,
}

/// Carries out `operation`, whose digest as an action is `digest`.
///
/// # Errors
/// Where it is refused or fails; a record says so.
pub async fn file_call(
    agent: &Arc<Agent>,
    gateway: &Gateway,
    method: &'static str,
    intent: Option<SignedIntent>,
    operation: Operation,
    digest: [u8; 32],
) -> Result<(Answer, SignedReceipt), Fault> {
    let verified = agent
        .intents
        .verify(gateway, intent, digest, SystemTime::now())
        .map_err(|error| agent.refuse_unverified(gateway, method, error))?;
    let (allowance, decided) = check(agent, &verified, &operation)
        .map_err(|fault| agent.refuse(&verified, describe::operation(&operation), fault))?;
    let call = FileCall { verified, allowance, operation, decided };
    // In a task of its own: a caller that leaves does not stop it half-way.
    let living = tokio::spawn(call.live(Arc::clone(agent)));
    living.await.unwrap_or_else(|error| Err(NoAnswer(error.to_string()).into()))
}

pub(super) fn check(
    agent: &Agent,
    verified: &Verified,
    operation: &Operation,
) -> Result<(Arc<Allowance>, Decided), Fault> {
    validate::operation(operation)?;
    let need = need_of(operation);
    let current = match need {
        Need::Write => agent.admit_change(verified),
        Need::Read | Need::Whatever => agent.admit(verified),
    }?;
    let allowance = agent.allowances.of(verified.grant(), need, &current)?;
    let decided = Decided { ceiling: current.digest, grant: allowance.recorded().clone() };
    Ok((allowance, decided))
}

/// What an operation needs of its workspace.
pub(super) fn need_of(operation: &Operation) -> Need {
    match operation {
        Operation::Write(_)
        | Operation::Edit(_)
        | Operation::MakeDirectory(_)
        | Operation::Move(_)
        | Operation::Copy(_)
        | Operation::Delete(_)
        | Operation::Receive(_) => Need::Write,
        Operation::Read(_)
        | Operation::ReadFiles(_)
        | Operation::Watch(_)
        | Operation::Send(_)
        | Operation::List(_)
        | Operation::Search(_)
        | Operation::Stat(_)
        | Operation::FindProgram(_)
        | Operation::HoldPlaces(_)
        | Operation::ReleasePlaces(_) => Need::Read,
    }
}

impl FileCall {
    /// The whole life of the operation.
    async fn live(self, agent: Arc<Agent>) -> Result<(Answer, SignedReceipt), Fault> {
        let Self { verified, allowance, operation, decided } = self;
        let action = describe::operation(&operation);
        let crowd = allowance.capped().crowd;
        let allowed = Allowed { verified, action, decided };
        let (recorded, place) =
            agent.record_with_place(need_of(&operation), crowd, allowed).await?;
        let answer = work(&agent, &recorded, &allowance, operation, place).await;
        conclude(&agent, recorded, answer)
    }
}

/// Records what it came to.
fn conclude(
    agent: &Agent,
    recorded: Recorded,
    answer: Result<Answer, Fault>,
) -> Result<(Answer, SignedReceipt), Fault> {
    let result = match &answer {
        Ok(answer) => CallResult {
            ending: Ending::Completed,
            output_digest: sha256(&encoded(answer)),
            usage: None,
            sandbox: None,
        },
        Err(fault) => CallResult {
            ending: Ending::Failed {
                reason: fault.reason().to_owned(),
                detail: fault.message().to_owned(),
            },
            output_digest: sha256(&[]),
            usage: None,
            sandbox: None,
        },
    };
    told(answer, agent.recorder.outcome(recorded, result))
}

/// The result's own encoding: what its digest is over.
fn encoded(answer: &Answer) -> Vec<u8> {
    match answer {
        Answer::Content(it) => it.encode_to_vec(),
        Answer::Written(it) => it.encode_to_vec(),
        Answer::Edited(it) => it.encode_to_vec(),
        Answer::Contents(it) => it.encode_to_vec(),
        Answer::Made(it) => it.encode_to_vec(),
        Answer::Moved(it) => it.encode_to_vec(),
        Answer::Copied(it) => it.encode_to_vec(),
        Answer::Deleted(it) => it.encode_to_vec(),
        Answer::Changes(it) => it.encode_to_vec(),
        Answer::Listing(it) => it.encode_to_vec(),
        Answer::Search(it) => it.encode_to_vec(),
        Answer::Info(it) => it.encode_to_vec(),
        Answer::Program(it) => it.encode_to_vec(),
        Answer::Error(it) => it.encode_to_vec(),
        Answer::Opened(it) | Answer::Sent(it) => it.encode_to_vec(),
        Answer::Uploaded(it) => it.encode_to_vec(),
        Answer::Kept(it) => it.encode_to_vec(),
        Answer::Held(it) => it.encode_to_vec(),
        Answer::Released(it) => it.encode_to_vec(),
    }
}

/// The session's cell for files of this grant.
pub(super) async fn hold(
    agent: &Arc<Agent>,
    recorded: &Recorded,
    allowance: &Allowance,
) -> Result<Held, Fault> {
    let capped = allowance.capped();
    let surveyed = agent.programs.answer(allowance.question(), capped).await?;
    let plan = agent.allowances.plan(allowance, &surveyed)?;
    let wanted = Wanted {
        user: Agent::user(recorded.verified()),
        session: Some(Agent::session(recorded.verified())),
        purpose: if capped.write { WRITE_FILES } else { READ_FILES },
        plan,
        subject: Agent::subject(recorded.verified()),
        footing: Footing { cell: Arc::clone(surveyed.pins()), run: None },
        capped,
        idle: Duration::from_millis(capped.profile.session.idle_millis),
    };
    let cell = agent.cells.hold(wanted).await?;
    agent.note_layers(cell.layers());
    Ok(cell)
}

/// What may be used of it.
pub(super) fn capped(granted: &Granted) -> &Capped {
    granted.capped()
}

/// Has the worker of that cell move a file's bytes through `pipe`.
pub(super) async fn stream(
    agent: &Arc<Agent>,
    cell: &Held,
    granted: &Granted,
    operation: Operation,
    pipe: OwnedFd,
) -> Result<Streaming, Fault> {
    let (warden, worker) = (agent.cells.warden(), agent.allowances.worker());
    resident::stream(warden, cell, worker, capped(granted), operation, pipe).await
}

async fn work(
    agent: &Arc<Agent>,
    recorded: &Recorded,
    allowance: &Allowance,
    mut operation: Operation,
    place: Place,
) -> Result<Answer, Fault> {
    let capped = allowance.capped();
    if let Operation::FindProgram(lookup) = &mut operation {
        let path = &capped.profile.search_path;
        lookup.directories = path.iter().map(|d| d.as_bytes().to_vec()).collect();
    }
    let cell = hold(agent, recorded, allowance).await?;
    let warden = agent.cells.warden();
    let worker = agent.allowances.worker();
    let answered = resident::ask(warden, &cell, worker, capped, operation).await;
    drop((cell, place));
    match answered? {
        Answer::Error(error) => Err(error.into()),
        Answer::Program(found) => {
            let may = || -> Result<bool, Fault> {
                let granted = agent.programs.survey(capped, Purpose::Run)?;
                Ok(may_execute(capped, &granted, &found.path))
            };
            let executable = found.executable && tokio::task::block_in_place(may)?;
            Ok(Answer::Program(ProgramFound { executable, ..found }))
        }
        answer => Ok(answer),
    }
}
