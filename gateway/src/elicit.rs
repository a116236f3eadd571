//! Asks the person in front of an MCP client, by elicitation, where the rules take
//! that client's word that there is one.
//!
//! Headless clients answer elicitations by themselves, and a client's name is
//! what it says it is: so nobody is asked here unless every rule that asks names
//! the client as attended and lets whoever asks agree alone. The request stays
//! open for approvers all the while.
//!
//! In a session the client is asked while the call waits. A request of
//! 2026-07-28 cannot be asked back while it is under way: its result asks, and
//! the answer comes with the same call, made again (the protocol's multi
//! round-trip requests). Nothing of what the client carries back and forth is
//! believed: an answer counts only for the request that is found for exactly
//! this call and this token, and only if its mark names that one.

mod again;

use rmcp::RoleServer;
use rmcp::model::{
    ClientResult, ElicitRequest, ElicitRequestParams, ElicitationAction, ElicitationSchema,
    ServerRequest,
};
use rmcp::service::{Peer, PeerRequestOptions, RequestContext, RequestHandle};

use crate::approvals::{Question, Request, visible, visible_json};
use crate::http::STATELESS;
pub(crate) use again::{Again, Turn};

/// The longest question, in bytes; whoever asks for more is answered by approvers.
const MAX_MESSAGE: usize = 8 * 1024;

/// The answer's one field.
const AGREE: &str = "agree";

/// Whoever sits at the client, as the client says.
#[derive(Debug)]
pub(crate) enum Person {
    /// Of a session: can be asked at any time.
    Live(Live),
    /// Of a call that stands by itself: its result can ask.
    Again(Again),
}

/// A person who can be asked while their call waits.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    peer: Peer<RoleServer>,
}

/// What they said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Yes,
    No,
    /// Nothing that counts.
    Nothing,
}

/// A question at the client; taken back there when it is dropped.
struct Asked(Option<RequestHandle<RoleServer>>);

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            tokio::spawn(handle.cancel(Some("it was answered elsewhere".to_owned())));
        }
    }
}

impl Person {
    /// At the client of this request, in a session or behind a call that was
    /// answered like this before, where the client can show a form.
    pub(crate) fn of(
        context: &RequestContext<RoleServer>,
        in_session: bool,
        again: Again,
    ) -> Option<Self> {
        let elicitation = context.client_capabilities()?.elicitation?;
        // A client that names neither kind means forms.
        let forms = elicitation.form.is_some() || elicitation.url.is_none();
        if !forms {
            return None;
        }
        let version = context.protocol_version();
        let is_stateless = version.is_some_and(|version| version.as_str() >= STATELESS);
        match (in_session, is_stateless) {
            (true, _) => Some(Self::Live(Live { peer: context.peer.clone() })),
            (false, true) => Some(Self::Again(again)),
            (false, false) => None,
        }
    }
}

impl Live {
    /// Asks, and waits for as long as it takes.
    pub(crate) async fn ask(&self, request: &Request) -> Said {
        let Some(params) = form(&request.question) else { return Said::Nothing };
        let request = ServerRequest::ElicitRequest(ElicitRequest::new(params));
        let sent =
            self.peer.send_cancellable_request(request, PeerRequestOptions::no_options()).await;
        let mut asked = match sent {
            Ok(handle) => Asked(Some(handle)),
            Err(error) => {
                tracing::debug!(%error, "a client cannot be asked");
                return Said::Nothing;
            }
        };
        let answered = match &mut asked.0 {
            Some(handle) => (&mut handle.rx).await,
            None => return Said::Nothing,
        };
        // It was answered: there is nothing to take back.
        asked.0 = None;
        match answered {
            Ok(Ok(ClientResult::ElicitResult(result))) => {
                said(result.action, result.content.as_ref())
            }
            _ => Said::Nothing,
        }
    }
}

/// Whether the rules take the client's word for this.
pub(crate) fn is_attended(question: &Question) -> bool {
    let alone = question.demands.iter().all(|it| it.attended && it.own && it.people == 1);
    alone && !question.demands.is_empty()
}

/// A plain «accept» is not enough: a client that accepts whatever it is asked
/// would have to fill in the form, too.
fn said(action: ElicitationAction, content: Option<&serde_json::Value>) -> Said {
    let agreed =
        content.and_then(|content| content.get(AGREE)).and_then(serde_json::Value::as_bool);
    match (action, agreed) {
        (ElicitationAction::Accept, Some(true)) => Said::Yes,
        (ElicitationAction::Accept, Some(false)) | (ElicitationAction::Decline, _) => Said::No,
        _ => Said::Nothing,
    }
}

/// The question; none: it is too long to be looked at there, or not all shown.
fn form(question: &Question) -> Option<ElicitRequestParams> {
    let Question { project, host, action, arguments, grant, reasons, .. } = question;
    // Nobody agrees there to what is not all there.
    question.cut_from_bytes.is_none().then_some(())?;
    let message = format!(
        "The agent wants to {}\n\nproject {}, host {}\nwhy you are asked: {}\narguments: {}\n\
         what it gets: {}",
        visible(action),
        visible(project),
        visible(host),
        visible(&reasons.join("; ")),
        visible_json(arguments),
        visible(grant),
    );
    let schema = ElicitationSchema::builder()
        .required_bool_with(AGREE, |field| {
            field.title("Agree").description("Let exactly this be done, once")
        })
        .build();
    (message.len() <= MAX_MESSAGE).then_some(())?;
    let requested_schema = schema.ok()?;
    Some(ElicitRequestParams::FormElicitationParams { meta: None, message, requested_schema })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_an_accepted_form_that_says_so_agrees() {
        use ElicitationAction::{Accept, Cancel, Decline};
        let yes = json!({ "agree": true });
        assert_eq!(said(Accept, Some(&yes)), Said::Yes);
        assert_eq!(said(Accept, Some(&json!({ "agree": false }))), Said::No);
        assert_eq!(said(Decline, Some(&yes)), Said::No);
        for content in [None, Some(json!({})), Some(json!({ "agree": "true" })), Some(json!(true))]
        {
            assert_eq!(said(Accept, content.as_ref()), Said::Nothing, "{content:?}");
        }
        assert_eq!(said(Cancel, Some(&yes)), Said::Nothing);
    }
}
