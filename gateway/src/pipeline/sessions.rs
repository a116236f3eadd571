//! The life of a call that opens, lists or closes sessions of the caller's own. The
//! gateway does it by itself, and no rule is about it: a session grants nothing.
//!
//! Closing asks each host that may have something of the session, by an intent of its
//! own: what is there of cells, runs and what they left running ends.

use std::sync::Arc;

use cofferdam_journal::Ending;
use cofferdam_proto::exec::v1::{SessionClosed, SessionClosing};
use rmcp::model::CallToolResult;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admission::Admitted;
use crate::call::{Call, Origin, for_record};
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::hosts::Proven;
use crate::input::parse;
use crate::place::Place;
use crate::record::{Draft, Ended};
use crate::result::present;
use crate::sessions::Session;
use crate::tools::{close_session, list_sessions, open_session};

/// Opens a session.
pub(super) async fn open(gateway: &Arc<Gateway>, call: Call) -> CallToolResult {
    let run_id = call.origin.run_id.clone();
    match open_through(gateway, call).await {
        Ok(answer) => present(&answer),
        Err(fault) => fault.present(&run_id),
    }
}

async fn open_through(gateway: &Gateway, call: Call) -> Result<open_session::Output, Fault> {
    let Call { origin, arguments, .. } = call;
    let recorded = for_record(&origin.tool, arguments.as_ref());
    let mut draft = Draft::new(&origin, recorded);
    let _held = admit(gateway, &origin, &draft).await?;
    let made = parse(arguments)
        .and_then(|input| open_session::ask(&gateway.roster(), &gateway.policy(), input))
        .map_err(Fault::from)
        .and_then(|new| Ok(gateway.sessions().make(&origin.caller, new)?));
    let (handle, session) = match made {
        Ok(made) => made,
        Err(fault) => {
            gateway.recorder().stopped(draft, &fault);
            return Err(fault);
        }
    };
    draft.session(session.name());
    let recorded = match gateway.recorder().unruled(draft) {
        Ok(entered) => gateway.recorder().end(entered, Ended::with(Ending::Completed), false).await,
        Err(fault) => Err(fault),
    };
    if let Err(fault) = recorded {
        // What cannot be recorded is not there.
        gateway.sessions().closing(&origin.caller, &handle)?;
        return Err(fault);
    }
    let idle = gateway.config().sessions.idle;
    Ok(open_session::answer(handle, session, idle, origin.run_id))
}

/// A place for the call, or its record.
async fn admit(gateway: &Gateway, origin: &Origin, draft: &Draft) -> Result<Admitted, Fault> {
    let admitted = gateway.admission().admit(&origin.caller.user).await;
    admitted.map_err(Fault::from).inspect_err(|fault| {
        gateway.recorder().stopped(draft.clone(), fault);
    })
}

/// Lists the caller's sessions.
pub(super) async fn list(gateway: &Arc<Gateway>, call: Call) -> CallToolResult {
    let run_id = call.origin.run_id.clone();
    match list_through(gateway, call).await {
        Ok(answer) => present(&answer),
        Err(fault) => fault.present(&run_id),
    }
}

async fn list_through(gateway: &Gateway, call: Call) -> Result<list_sessions::Output, Fault> {
    let Call { origin, arguments, .. } = call;
    let draft = Draft::new(&origin, for_record(&origin.tool, arguments.as_ref()));
    let _held = admit(gateway, &origin, &draft).await?;
    let listed = parse::<list_sessions::Input>(arguments)
        .map_err(Fault::from)
        .and_then(|_| Ok(gateway.sessions().list(&origin.caller)?));
    let sessions = match listed {
        Ok(sessions) => sessions,
        Err(fault) => {
            gateway.recorder().stopped(draft, &fault);
            return Err(fault);
        }
    };
    let entered = gateway.recorder().unruled(draft)?;
    gateway.recorder().end(entered, Ended::with(Ending::Completed), true).await?;
    Ok(list_sessions::answer(sessions, gateway.config().sessions.idle, origin.run_id))
}

/// Closes a session, in a task of its own: whoever goes away leaves no half of it.
pub(super) async fn close(gateway: &Arc<Gateway>, call: Call) -> CallToolResult {
    let run_id = call.origin.run_id.clone();
    let task = Arc::clone(gateway);
    let closed = gateway.tasks().spawn(async move { close_through(&task, call).await });
    match closed.await {
        Ok(Ok(answer)) => present(&answer),
        Ok(Err(fault)) => fault.present(&run_id),
        Err(error) => Fault::Internal(error.to_string()).present(&run_id),
    }
}

async fn close_through(gateway: &Arc<Gateway>, call: Call) -> Result<close_session::Output, Fault> {
    let Call { origin, arguments, .. } = call;
    // Its argument is a secret, so the record names the session by its id.
    let mut draft = Draft::new(&origin, Value::Null);
    let _held = admit(gateway, &origin, &draft).await?;
    let closing = parse::<close_session::Input>(arguments)
        .map_err(Fault::from)
        .and_then(|input| Ok(gateway.sessions().closing(&origin.caller, &input.session)?));
    let session = match closing {
        Ok(session) => session,
        Err(fault) => {
            gateway.recorder().stopped(draft, &fault);
            return Err(fault);
        }
    };
    draft.session(session.name());
    draft.action(json!({ "session": session.id }));
    let entered = gateway.recorder().unruled(draft)?;
    let mut parts = JoinSet::new();
    for host in session.hosts.clone() {
        let (gateway, origin) = (Arc::clone(gateway), origin.clone());
        let session = session.clone();
        parts.spawn(async move {
            let closed = close_on(&gateway, &origin, &session, &host).await;
            close_session::HostView::of(host, closed)
        });
    }
    let hosts = parts.join_all().await;
    gateway.recorder().end(entered, Ended::with(Ending::Completed), false).await?;
    Ok(close_session::answer(session.id, hosts, origin.run_id))
}

/// Has one host end what it has of the session; none: the gateway's configuration has no
/// such place any more.
async fn close_on(
    gateway: &Gateway,
    origin: &Origin,
    session: &Session,
    host: &str,
) -> Result<Option<SessionClosed>, Fault> {
    let place = Place::resolve(&gateway.roster(), Some(&session.project), Some(host));
    let (Ok(place), Some(host)) = (place, gateway.hosts().get(host)) else {
        gateway.sessions().closed(&session.id, host)?;
        return Ok(None);
    };
    let origin = Origin { run_id: uuid::Uuid::new_v4().to_string(), ..origin.clone() };
    let mut draft = Draft::new(&origin, json!({ "session": session.id }));
    draft.session(session.name());
    draft.place(&place);
    let closing = SessionClosing { session: session.name() };
    let policy = gateway.policy();
    let intent = gateway.recorder().closing(draft, closing, policy.statement())?;
    let (answer, ended) = match host.ask(&intent, &CancellationToken::new()).await {
        Ok(Proven { answer, receipt }) => {
            let ended = Ended::with(Ending::Completed);
            (Ok(answer), Ended { receipt: Some(receipt), ..ended })
        }
        Err(error) => {
            let fault = Fault::from(error);
            let (ending, receipt) = (fault.ending(), fault.receipt());
            (Err(fault), Ended { receipt, ..Ended::with(ending) })
        }
    };
    gateway.recorder().end(intent.into_entered(), ended, false).await?;
    let closed = answer?;
    gateway.sessions().closed(&session.id, host.name())?;
    Ok(Some(closed))
}
