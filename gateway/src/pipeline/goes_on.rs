//! Sees runs to their end that were left to themselves, so that their outcome is
//! recorded like any other: with the host's receipt, in this gateway's journal.
//!
//! Nobody waits for it, and nothing is lost when the gateway stops: the next one
//! finds the open record and goes on here.

use std::sync::Arc;

use cofferdam_journal::{Ending, Usage};
use cofferdam_proto::exec::v1::Finished;

use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::hosts::Host;
use crate::record::{Ended, Open, recorded_sandbox};
use crate::runs_changed::Owner;

/// Records the end of a run of `owner` on `host` once there is one, in a task of its own.
pub(crate) fn see_to_the_end(gateway: &Arc<Gateway>, host: &str, open: Open, owner: Owner) {
    let (task, host) = (Arc::clone(gateway), host.to_owned());
    gateway.tasks().spawn(async move {
        let ended = match task.hosts().end_of(&host, &open.run_id).await {
            None => return,
            Some(Ok((host, finished))) => taken(&host, &open.run_id, finished),
            Some(Err(untold)) => {
                tracing::warn!(run_id = open.run_id, host, %untold, "a run ended unseen");
                Ended::with(Ending::Lost { reason: untold.to_string() })
            }
        };
        record(&task, open, ended);
        task.runs_changed().tell(&owner);
    });
}

/// What is recorded of an end: what the host proves, or that it does not.
fn taken(host: &Host, run_id: &str, finished: Finished) -> Ended {
    let Finished { outcome, usage, receipt, sandbox, stdout_bytes: _, stderr_bytes: _ } = finished;
    let outcome = outcome.unwrap_or_default();
    let proven = match host.is_lost(&outcome, receipt.as_ref()) {
        Some(lost) => Err(lost),
        None => host.check_end_receipt(run_id, receipt),
    };
    match proven {
        Ok(receipt) => Ended {
            ending: Ending::from_wire(outcome),
            usage: usage.map(Usage::from_wire),
            sandbox: sandbox.as_ref().map(recorded_sandbox),
            receipt: Some(receipt),
        },
        Err(error) => {
            tracing::error!(run_id, %error, "the end of a run is not proved");
            Ended::with(Fault::from(error).ending())
        }
    }
}

fn record(gateway: &Gateway, open: Open, ended: Ended) {
    let run_id = open.run_id.clone();
    if let Err(error) = gateway.recorder().ended(open, ended) {
        tracing::error!(run_id, %error, "the end of a run cannot be recorded");
    }
}
