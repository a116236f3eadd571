//! The life of a call that copies a file of any size: the same stages as of every
//! call, and then bytes that are passed on as they come.
//!
//! Nothing of a file is buffered here but a few chunks. Whoever asks stays there for
//! it: when they go, it ends.

mod download;
mod upload;

use std::sync::Arc;

use cofferdam_journal::{Digest, Moved};
use cofferdam_trust::action_digest;

use crate::action::WireAction;
use crate::admission::Admitted;
use crate::approvals::Exactly;
use crate::call::{Call, for_record};
use crate::consent::Asking;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::hosts::Host;
use crate::place::{Place, unknown_host};
use crate::record::{Draft, RecordedIntent};
use crate::tools::Asked;

pub(crate) use download::{Begun, Passed, download};
pub(crate) use upload::upload;

/// Where a file is, as its caller names it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Target {
    /// None: the only one.
    pub(crate) project: Option<String>,
    /// None: the project's first.
    pub(crate) host: Option<String>,
}

/// A transfer that may be done, and is recorded as such.
struct Allowed<W> {
    intent: RecordedIntent<W>,
    host: Arc<Host>,
    /// One of the calls under way, for as long as it lasts.
    _held: Admitted,
}

/// From what is asked to a recorded intent; nothing has been asked of a host yet. What
/// stops on the way is recorded.
async fn allow<W: WireAction>(
    gateway: &Gateway,
    call: &Call,
    target: &Target,
    wire: W,
) -> Result<Allowed<W>, Fault> {
    let action = for_record(&call.origin.tool, call.arguments.as_ref());
    let mut draft = Draft::new(&call.origin, action);
    match decide(gateway, call, target, wire, &mut draft).await {
        Ok(allowed) => Ok(allowed),
        Err(fault) => {
            gateway.recorder().stopped(draft, &fault);
            Err(fault)
        }
    }
}

async fn decide<W: WireAction>(
    gateway: &Gateway,
    call: &Call,
    target: &Target,
    wire: W,
    draft: &mut Draft,
) -> Result<Allowed<W>, Fault> {
    let user = &call.origin.caller.user;
    let mut held = gateway.admission().admit(user).await?;
    let Target { project, host } = target;
    let mut place = Place::resolve(&gateway.roster(), project.as_deref(), host.as_deref())?;
    draft.place(&place);
    let host = gateway.hosts().get(&place.host).ok_or_else(|| unknown_host(&place))?;
    host.admits(&call.origin.tool)?;
    place.layers = host.layers();
    let mut policy = gateway.policy();
    let action = wire.action();
    draft.policy(policy.version(), policy.shadow(&call.origin, Some(&place), action.clone()));
    let exactly = Exactly { action: action_digest(&wire), wall: None };
    let asking = Asking { gateway, call, place: Some(&place), action: action.clone(), exactly };
    let consented = match asking.at_once(&policy)? {
        Ok(consented) => consented,
        Err(question) => {
            // Whoever waits for people takes no place from those who work.
            drop(held);
            asking.wait_here(&question).await?;
            held = gateway.admission().admit(user).await?;
            policy = gateway.policy();
            let shadow = policy.shadow(&call.origin, Some(&place), action);
            draft.policy(policy.version(), shadow);
            match asking.at_once(&policy)? {
                Ok(consented) => consented,
                Err(question) => return Err(asking.request(&question)?),
            }
        }
    };
    let asked = Asked { wire, wall: None };
    let (recorder, rules) = (gateway.recorder(), policy.statement());
    let intent = recorder.intent(consented, draft.clone(), asked, rules, false)?;
    Ok(Allowed { intent, host, _held: held })
}

/// What the record has of bytes that got through.
fn moved(bytes: u64, sha256: &[u8]) -> Moved {
    Moved { bytes, sha256: Digest(sha256.try_into().unwrap_or_default()) }
}
