//! Whether the rules let a caller read and watch what a URI names, asked before anything
//! is watched, and again where the rules may have changed since.
//!
//! Each call that a subscription makes is decided by itself; here it is only found out
//! whether any of them could do anything. A refusal is recorded like that of a call.

use cofferdam_policy::{Action, ProcessUse};
use serde_json::{Value, json};

use super::place_of;
use crate::call::{Origin, for_record};
use crate::decide::Decided;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::input::BadInput;
use crate::place::Place;
use crate::process::Process;
use crate::record::Draft;
use crate::resources::uri::{Uri, What};

/// A refusal, and the id that it is recorded under.
pub(super) type Not = (Fault, String);

/// Whether a file or a directory may be read and watched.
pub(super) fn to_watch(gateway: &Gateway, origin: &Origin, uri: &Uri) -> Result<(), Not> {
    let here = |path: &[u8]| if path.is_empty() { b".".to_vec() } else { path.to_vec() };
    let (project, path, reading, read) = match &uri.what {
        What::File { project, path, .. } => {
            (project, path, "read_file", Action::ReadFile { path: path.clone() })
        }
        What::Directory { project, path, .. } => {
            let list = Action::ListDirectory { path: here(path), recursive: false };
            (project, path, "list_directory", list)
        }
        What::Output { .. } => return Ok(()),
    };
    let arguments = place_of(uri);
    let place = Place::resolve(&gateway.roster(), Some(project), Some(&uri.host));
    let place = match place {
        Ok(place) => place,
        Err(bad) => return Err(refuse(gateway, origin, reading, &arguments, None, bad.into())),
    };
    let watch = Action::WatchFiles { path: here(path) };
    for (tool, action) in [(reading, read), ("watch_files", watch)] {
        decide(gateway, origin, tool, &arguments, &place, action)?;
    }
    Ok(())
}

/// Whether what a run prints may be read.
pub(super) fn to_read(gateway: &Gateway, origin: &Origin, process: &Process) -> Result<(), Not> {
    let arguments = json!({ "process": process.handle });
    let action = Action::Process(ProcessUse::Read);
    decide(gateway, origin, "read_process", &arguments, &process.place, action)
}

fn decide(
    gateway: &Gateway,
    origin: &Origin,
    tool: &str,
    arguments: &Value,
    place: &Place,
    action: Action,
) -> Result<(), Not> {
    let mut place = place.clone();
    place.layers = gateway.hosts().get(&place.host).and_then(|host| host.layers());
    let asker = Origin { tool: tool.to_owned(), ..origin.clone() };
    let fault = match gateway.policy().decide(&asker, Some(&place), action) {
        Ok(Decided::Permit(_)) => return Ok(()),
        Ok(Decided::Ask(_)) => asked_each_time(),
        Err(refused) => refused.with_contact(gateway.config()).into(),
    };
    Err(refuse(gateway, origin, tool, arguments, Some(&place), fault))
}

fn refuse(
    gateway: &Gateway,
    origin: &Origin,
    tool: &str,
    arguments: &Value,
    place: Option<&Place>,
    fault: Fault,
) -> Not {
    let run_id = uuid::Uuid::new_v4().to_string();
    let origin = Origin { run_id, tool: tool.to_owned(), ..origin.clone() };
    let mut draft = Draft::new(&origin, for_record(tool, arguments.as_object()));
    draft.policy(gateway.policy().version(), None);
    if let Some(place) = place {
        draft.place(place);
    }
    gateway.recorder().stopped(draft, &fault);
    (fault, origin.run_id)
}

/// Nobody agrees in advance to calls that follow by themselves.
fn asked_each_time() -> Fault {
    BadInput {
        reason: "NEEDS_APPROVAL",
        field: "uri".to_owned(),
        message: "people have to agree to each reading of this, so changes of it are not told; \
                  read it instead"
            .to_owned(),
    }
    .into()
}
