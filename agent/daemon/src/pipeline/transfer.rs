//! A large file on its way from or to a workspace, in chunks.
//!
//! It is a call like any other: believed, capped, recorded before it begins, ended
//! with an outcome and a receipt. Its bytes go between the network and a pipe of
//! the file worker, a chunk at a time, so that a slow end slows this transfer only.
//! Words: a **stop** is what ended a transfer early.

mod download;
mod upload;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cofferdam_journal::{Digest, Ending, Moved};
use cofferdam_proto::file::v1::FileReceive;
use cofferdam_proto::file::v1::worker_request::Operation;
use cofferdam_proto::intent::v1::{SignedIntent, SignedReceipt};
use cofferdam_trust::sha256;
use tokio::time::Instant;

use super::Agent;
use super::files::{self, Granted};
use super::recording::Allowed;
use crate::describe;
use crate::fault::Fault;
use crate::intent::Verified;
use crate::peers::Gateway;
use crate::record::{CallResult, Decided, Recorded, told};
use crate::registry::Place;

pub use download::download;
pub use upload::upload;

/// How long either end may take for one chunk.
const PATIENCE: Duration = Duration::from_mins(2);

/// Why a file does not get through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// More bytes than the grant gives.
    #[error(
        "{bytes} bytes are more than the {limit} that one file may have for this call; the rules, \
         the profile and the host's ceiling each set `limits.file_size`"
    )]
    Above {
        /// How many.
        bytes: u64,
        /// How many are given.
        limit: u64,
    },
    /// It broke off, or was to go on from where nothing is.
    #[error(
        "the upload is not complete: {kept} of {size} bytes are kept here, for some minutes; send \
         the rest from there"
    )]
    Incomplete {
        /// Bytes that are kept.
        kept: u64,
        /// Bytes of all of it.
        size: u64,
    },
    /// A message that does not belong there.
    #[error("{0}")]
    Part(&'static str),
    /// One end did nothing for too long.
    #[error("nothing came and nothing was taken for {} s", PATIENCE.as_secs())]
    Stalled,
    /// All of it took too long.
    #[error(
        "it took longer than {} s, which is as long as this host lets anything run; go on from \
         where it came to",
        .0.as_secs()
    )]
    Late(Duration),
}

/// What ended a transfer early.
enum Stop {
    /// It failed.
    Fault(Fault),
    /// Whoever asked is gone.
    Gone,
}

impl<E: Into<Fault>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

/// A transfer that is believed and checked.
struct Admitted {
    verified: Verified,
    granted: Granted,
    operation: Operation,
    decided: Decided,
    longest: Duration,
}

/// A transfer that is recorded.
struct Transfer {
    recorded: Recorded,
    granted: Granted,
    operation: Operation,
    /// One of the calls under way, for as long as it lasts.
    place: Place,
    longest: Duration,
    until: Instant,
}

/// Believes and checks it; what is refused is recorded.
fn admit(
    agent: &Agent,
    gateway: &Gateway,
    method: &'static str,
    intent: Option<SignedIntent>,
    operation: Operation,
    digest: [u8; 32],
) -> Result<Admitted, Fault> {
    let verified = agent
        .intents
        .verify(gateway, intent, digest, SystemTime::now())
        .map_err(|error| agent.refuse_unverified(gateway, method, error))?;
    let checked = || -> Result<_, Fault> {
        let (granted, decided) = files::check(agent, &verified, &operation)?;
        let limit = files::capped(&granted).limits.file_size_bytes;
        match &operation {
            Operation::Receive(FileReceive { upload: Some(upload), .. }) if upload.size > limit => {
                return Err(TransferError::Above { bytes: upload.size, limit }.into());
            }
            _ => {}
        }
        let longest = Duration::from_millis(agent.ceilings.current()?.ceiling.limits.wall.0);
        Ok((granted, decided, longest))
    };
    match checked() {
        Ok((granted, decided, longest)) => {
            Ok(Admitted { verified, granted, operation, decided, longest })
        }
        Err(fault) => Err(agent.refuse(&verified, describe::operation(&operation), fault)),
    }
}

impl Admitted {
    /// Records it, once there is a place for it.
    async fn record(self, agent: &Agent) -> Result<Transfer, Fault> {
        let Self { verified, granted, operation, decided, longest } = self;
        let action = describe::operation(&operation);
        let crowd = files::capped(&granted).crowd;
        let allowed = Allowed { verified, action, decided };
        let (recorded, place) =
            agent.record_with_place(files::need_of(&operation), crowd, allowed).await?;
        let until = Instant::now() + longest;
        Ok(Transfer { recorded, granted, operation, place, longest, until })
    }
}

impl Transfer {
    /// Records what it came to: the digest of what is told, or why nothing is.
    fn conclude(
        self,
        agent: &Arc<Agent>,
        came: Result<([u8; 32], Moved), Stop>,
    ) -> Result<SignedReceipt, Fault> {
        let Self { recorded, place, .. } = self;
        let (ending, output_digest, moved, fault) = match came {
            Ok((digest, moved)) => (Ending::Completed, digest, Some(moved), None),
            Err(Stop::Gone) => {
                (Ending::Cancelled { by: "caller".to_owned() }, sha256(&[]), None, None)
            }
            Err(Stop::Fault(fault)) => {
                let (reason, detail) = (fault.reason().to_owned(), fault.message().to_owned());
                (Ending::Failed { reason, detail }, sha256(&[]), None, Some(fault))
            }
        };
        let result = CallResult { ending, output_digest, usage: None, sandbox: None };
        let receipt = agent.recorder.outcome_of_transfer(recorded, result, moved);
        drop(place);
        told(fault.map_or(Ok(()), Err), receipt).map(|((), receipt)| receipt)
    }
}

/// What the record has of bytes that got through.
fn moved(bytes: u64, sha256: &[u8]) -> Moved {
    Moved { bytes, sha256: Digest(sha256.try_into().unwrap_or_default()) }
}
