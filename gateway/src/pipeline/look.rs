//! The life of a call that looks at processes of the caller's own: what they printed,
//! how they ended, which there are.
//!
//! The rules decide and the journal has it, as of every call; the host is asked for
//! nothing but what it keeps, so it gets no intent and gives no receipt.

use std::sync::Arc;

use cofferdam_journal::Ending;
use cofferdam_policy::Action;
use cofferdam_trust::sha256;
use rmcp::model::CallToolResponse;
use tracing::Instrument as _;

use crate::approvals::Exactly;
use crate::call::{Call, for_record};
use crate::consent::Asking;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::hosts::Host;
use crate::input::parse;
use crate::place::{Place, unknown_host};
use crate::process::{self, Process};
use crate::record::{Draft, Ended, Looked};
use crate::result::{Answer, present};
use crate::sessions::{carry, id_of};
use crate::tools::{Look, LookTool, Target};

/// Leads such a call to its answer, in a task of its own.
pub(super) async fn look<T: LookTool<Output: Answer>>(
    gateway: &Arc<Gateway>,
    mut call: Call,
) -> CallToolResponse {
    if let Err(fault) = carry(gateway, &mut call) {
        let recorded = for_record(&call.origin.tool, call.arguments.as_ref());
        gateway.recorder().stopped(Draft::new(&call.origin, recorded), &fault);
        return fault.respond(&call.origin.run_id);
    }
    let run_id = call.origin.run_id.clone();
    let task = Arc::clone(gateway);
    let look = async move { through::<T>(&task, &call).await };
    let answered = gateway.tasks().spawn(look.in_current_span()).await;
    match answered {
        Ok(Ok(answer)) => present(&answer).into(),
        Ok(Err(fault)) => fault.respond(&run_id),
        Err(error) => Fault::Internal(error.to_string()).respond(&run_id),
    }
}

/// The same where what comes of it is no result of a tool.
pub(crate) async fn looked<T: LookTool + 'static>(
    gateway: &Arc<Gateway>,
    call: Call,
) -> Result<T::Output, Fault> {
    let task = Arc::clone(gateway);
    let look = async move { through::<T>(&task, &call).await };
    let answered = gateway.tasks().spawn(look.in_current_span()).await;
    answered.unwrap_or_else(|error| Err(Fault::Internal(error.to_string())))
}

async fn through<T: LookTool>(gateway: &Gateway, call: &Call) -> Result<T::Output, Fault> {
    let recorded = for_record(&call.origin.tool, call.arguments.as_ref());
    let mut draft = Draft::new(&call.origin, recorded);
    let _held = gateway.admission().admit(&call.origin.caller.user).await?;
    let allowed = match allow::<T>(gateway, call, &mut draft).await {
        Ok(allowed) => allowed,
        Err(fault) => {
            gateway.recorder().stopped(draft, &fault);
            return Err(fault);
        }
    };
    let looked = allowed.looked;
    let About { input, place, host, process } = allowed.about;
    let look = Look {
        host: &host,
        looked: &looked,
        process,
        owner: process::owner(&call.origin.caller, &place.project),
        session: id_of(&call.origin.session).map(|_| call.origin.session.clone()),
        cancelled: &call.cancelled,
        progress: &call.progress,
        budget: gateway.config().limits.result_bytes.get(),
    };
    let answer = T::look(look, input).await;
    let ending = answer.as_ref().map_or_else(Fault::ending, |_| Ending::Completed);
    gateway.recorder().end(looked.into_entered(), Ended::with(ending), true).await?;
    answer
}

struct Allowed<I> {
    looked: Looked,
    about: About<I>,
}

struct About<I> {
    input: I,
    place: Place,
    host: Arc<Host>,
    process: Option<Process>,
}

async fn allow<T: LookTool>(
    gateway: &Gateway,
    call: &Call,
    draft: &mut Draft,
) -> Result<Allowed<T::Input>, Fault> {
    let input: T::Input = parse(call.arguments.clone())?;
    T::check(&input)?;
    let process = match input.process() {
        Some(handle) => Some(process::find(gateway, &call.origin.caller, handle).await?),
        None => None,
    };
    let place = match &process {
        Some(process) => process.place.clone(),
        None => Place::resolve(&gateway.roster(), input.project(), input.host())?,
    };
    draft.place(&place);
    let host = gateway.hosts().get(&place.host).ok_or_else(|| unknown_host(&place))?;
    host.admits(T::ABOUT.name)?;
    let action = Action::Process(T::USE);
    let policy = gateway.policy();
    let shadow = policy.shadow(&call.origin, Some(&place), action.clone());
    draft.policy(policy.version(), shadow);
    let object = process.as_ref().map_or("", |process| &process.run_id);
    let exactly = format!("{}\0{object}", T::ABOUT.name);
    let exactly = Exactly { action: sha256(exactly.as_bytes()), wall: None };
    let asking = Asking { gateway, call, place: Some(&place), action, exactly };
    let consented = match asking.at_once(&policy)? {
        Ok(consented) => consented,
        Err(question) => return Err(asking.request(&question)?),
    };
    let looked = gateway.recorder().looking(consented, draft.clone())?;
    Ok(Allowed { looked, about: About { input, place, host, process } })
}
