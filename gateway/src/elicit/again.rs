//! A call of 2026-07-28 that is asked by its result and answers when it is made
//! again.
//!
//! What goes through the client is a mark: the request's id and the digest that
//! it is bound to. Whoever changes it names another request than the one that the
//! gateway finds for their call, and is asked anew; whoever copies it has to be
//! the same token with the same call. It grants nothing by itself.

use rmcp::model::{
    ElicitRequest, ElicitResult, InputRequest, InputRequests, InputRequiredResult, InputResponses,
};

use super::{Said, form, said};
use crate::approvals::Request;

/// The one question of a result that asks.
const QUESTION: &str = "agree";

/// What a call brought along of an earlier turn; most bring nothing.
#[derive(Debug, Default)]
pub(crate) struct Again {
    /// The mark, as it came back.
    mark: Option<String>,
    said: Option<Said>,
}

/// Whose turn it is.
#[derive(Debug)]
pub(crate) enum Turn {
    /// The client's: this is to be its result.
    Ask(Box<InputRequiredResult>),
    /// The gateway's: they have answered.
    Answered(Said),
}

/// An answer that is not of the protocol's shape.
#[derive(Debug, thiserror::Error)]
#[error(
    "the answer `inputResponses.{QUESTION}` is not the result of an elicitation: {0}; send \
     `action` and, where it is accepted, `content`"
)]
pub(crate) struct BadAnswer(#[from] serde_json::Error);

impl Again {
    /// From a request's `requestState` and `inputResponses`; answers to what
    /// nobody asked are passed over.
    pub(crate) fn new(
        mark: Option<String>,
        responses: Option<InputResponses>,
    ) -> Result<Self, BadAnswer> {
        let answer = responses.and_then(|mut responses| responses.remove(QUESTION));
        let said = match answer {
            Some(answer) => {
                let ElicitResult { action, content, .. } = serde_json::from_value(answer)?;
                Some(said(action, content.as_ref()))
            }
            None => None,
        };
        Ok(Self { mark, said })
    }

    /// Whose turn it is with this request, which was found for exactly this call
    /// of this token; none: it is too long to be looked at there.
    pub(crate) fn turn(&self, request: &Request) -> Option<Turn> {
        let params = form(&request.question)?;
        let mark = mark(request);
        match self.said {
            Some(said) if self.mark.as_ref() == Some(&mark) => return Some(Turn::Answered(said)),
            Some(_) => tracing::info!(request = request.id, "an answer to something else came"),
            None => {}
        }
        let question = InputRequest::Elicitation(ElicitRequest::new(params));
        let questions = InputRequests::from([(QUESTION.to_owned(), question)]);
        Some(Turn::Ask(Box::new(InputRequiredResult::new(Some(questions), Some(mark)))))
    }
}

fn mark(request: &Request) -> String {
    format!("{}.{}", request.id, request.question.binding)
}
