//! Counts a person's answer. It stands once it is recorded, and whoever waits
//! hears of it only then.

use cofferdam_journal::ApprovalStep;

use super::{ApprovalError, Request, State, Vote};
use crate::fault::Fault;
use crate::gateway::Gateway;

/// Why an answer was not counted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VoteFault {
    #[error(transparent)]
    Approval(#[from] ApprovalError),
    #[error(transparent)]
    Record(#[from] Fault),
}

impl Gateway {
    /// Counts an answer to the request `id`, whose `binding` was shown to whoever
    /// answers.
    pub(crate) fn vote(&self, id: &str, binding: &str, vote: Vote) -> Result<Request, VoteFault> {
        let given = vote.clone();
        let record = |request: &Request| {
            let step = match request.state {
                State::Refused => ApprovalStep::Refused,
                State::Approved => ApprovalStep::Approved,
                _ => ApprovalStep::Agreed,
            };
            self.recorder().approval(request, step, Some(&given)).map_err(VoteFault::from)
        };
        let request = self.approvals().vote(id, binding, vote, record)?;
        let event = match request.state {
            State::Pending => "agreed",
            state => state.name(),
        };
        self.approvals().announce(event, &request);
        Ok(request)
    }

    /// Ends requests that run out of time, until shutdown.
    pub(crate) async fn expire_approvals(&self) {
        let record = |request: &Request| {
            if let Err(error) = self.recorder().approval(request, ApprovalStep::Expired, None) {
                tracing::error!(%error, request = request.id, "cannot record that it expired");
            }
            self.approvals().announce("expired", request);
        };
        self.approvals().sweep(record).await;
    }
}
