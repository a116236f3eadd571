//! Processes by their handles: runs that were started by an earlier call, maybe
//! through another gateway.
//!
//! A handle is `host/run id`: the gateway keeps no table of them. Run ids are
//! random (122 bits), and whose a run is, its host knows. Invariant: a process of
//! another user, tenant or project, one that there is not, and one that is not kept
//! any more are answered alike, after the same question to the host.

use cofferdam_proto::exec::v1::{RunOwner, RunSummary};
use uuid::Uuid;

use crate::caller::Caller;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::input::BadInput;
use crate::place::Place;

/// A process that is the caller's own.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) handle: String,
    pub(crate) run_id: String,
    /// As the host described it a moment ago.
    pub(crate) summary: RunSummary,
    pub(crate) place: Place,
}

/// The handle of a run.
pub(crate) fn handle(host: &str, run_id: &str) -> String {
    format!("{host}/{run_id}")
}

/// The id of the run that a handle names; empty where it is none.
pub(crate) fn run_of(handle: &str) -> String {
    handle.rsplit_once('/').map(|(_, run)| run.to_owned()).unwrap_or_default()
}

/// The caller's own process that `handle` names.
pub(crate) async fn find(
    gateway: &Gateway,
    caller: &Caller,
    handle: &str,
) -> Result<Process, Fault> {
    let unknown = || Fault::from(unknown(handle));
    let (host, run_id) = handle.rsplit_once('/').ok_or_else(unknown)?;
    let host = gateway.hosts().get(host).ok_or_else(unknown)?;
    let run_id = Uuid::parse_str(run_id).map_err(|_| unknown())?.to_string();
    let summary = host.describe_run(&run_id).await?.ok_or_else(unknown)?;
    let subject = summary.subject.clone().unwrap_or_default();
    if subject.user != caller.user || subject.tenant != caller.tenant {
        return Err(unknown());
    }
    let place = Place::resolve(&gateway.roster(), Some(&summary.project), Some(host.name()));
    let mut place = place.map_err(|_| unknown())?;
    place.layers = host.layers();
    Ok(Process { handle: handle.to_owned(), run_id, summary, place })
}

/// Whose processes a caller's are.
pub(crate) fn owner(caller: &Caller, project: &str) -> RunOwner {
    let (tenant, user) = (caller.tenant.clone(), caller.user.clone());
    RunOwner { tenant, user, project: project.to_owned() }
}

fn unknown(handle: &str) -> BadInput {
    let shown: String = handle.chars().filter(|c| !c.is_control()).take(200).collect();
    BadInput {
        reason: "UNKNOWN_PROCESS",
        field: "process".to_owned(),
        message: format!(
            "you have no process `{shown}`: it ended too long ago to be kept, or there never was \
             one; list_processes shows those that you have"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_host_and_run_and_nothing_has_to_be_remembered() {
        let handle = handle("web-1", "0b9c");
        assert_eq!((handle.as_str(), run_of(&handle).as_str()), ("web-1/0b9c", "0b9c"));
        assert_eq!(run_of("nothing"), "");
    }
}
