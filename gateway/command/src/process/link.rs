//! A connection to the gateway that is made anew when it breaks.
//!
//! Invariant: a call that could have an effect twice is never sent twice. It fails with
//! [`LinkError::Unsure`], and whoever made it finds out what became of it; calls that
//! only look, or say where they begin, are made again until the gateway is back or
//! [`PATIENCE`] is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cofferdam_gateway::client::{CallToolResult, Client, ClientError, Endpoint};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::call::refusal;
use crate::connection::{Connection, ConnectionError};

/// How long a gateway that is gone is looked for.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);
/// Between two tries: a service that is restarted is back within a second.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(100),
    Duration::from_millis(150),
    Duration::from_millis(200),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(2),
];
/// How long an answer may take beyond what the call says that it waits.
const ANSWER: Duration = Duration::from_secs(30);
/// The same where people may have to agree first.
const CONSENT: Duration = Duration::from_mins(10);
/// What goes away by itself: the host, or the way to it, is not there just now.
const PASSING: [&str; 5] =
    ["BUSY", "HOST_UNREACHABLE", "CONNECTION_BROKEN", "HOST_TIMEOUT", "CANCELLED"];

/// A connection to a gateway.
pub(crate) struct Link {
    endpoint: Endpoint,
    client: Mutex<Option<Arc<Client>>>,
    tell: Tell,
    /// Whether a person waits for what the gateway says of its progress.
    is_watched: Arc<AtomicBool>,
}

/// Tells a person something.
pub(crate) type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// Whether a call may be made twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// It has the same effect as once, or none.
    Safe,
    /// It could have its effect twice.
    Unsafe,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// No gateway to ask.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The gateway cannot be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It was refused, in the gateway's words.
    #[error("{message}")]
    Refused {
        /// A stable word, such as `DENIED`.
        reason: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// The connection broke before the answer.
    #[error(
        "the connection to the gateway broke while it was asked to {0}; whether it was done is not \
         known: `cofferdam ps --all` shows what there is"
    )]
    Unsure(&'static str),
    /// The event loop or a stream of this program.
    #[error("this program cannot go on: {0}")]
    Io(#[from] std::io::Error),
}

impl Link {
    /// Connects; `tell` hears what a person has to know of the connection.
    pub(crate) async fn open(
        connection: Connection,
        tell: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Self, LinkError> {
        let link = Self {
            endpoint: connection.endpoint()?,
            client: Mutex::new(None),
            tell: Arc::new(tell),
            is_watched: Arc::new(AtomicBool::new(false)),
        };
        // A gateway that was never there is not waited for.
        link.client().await?;
        Ok(link)
    }

    /// Calls a tool, and gives the structured answer.
    pub(crate) async fn call(
        &self,
        tool: &'static str,
        arguments: &Value,
        again: Again,
    ) -> Result<Value, LinkError> {
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        let mut broken_since = None;
        loop {
            let asked = self.ask(tool, &arguments).await;
            match asked {
                Ok(result) if result.is_error == Some(true) && is_refusal(&result) => {
                    let refused = refused(&result);
                    let passes = matches!(&refused, LinkError::Refused { reason, .. }
                        if PASSING.contains(&reason.as_str()));
                    if !passes || again == Again::Unsafe {
                        return Err(refused);
                    }
                    self.wait(&mut broken_since, refused).await?;
                }
                Ok(result) => return Ok(result.structured_content.unwrap_or_default()),
                Err(LinkError::Client(error)) if error.is_broken() => {
                    self.client.lock().await.take();
                    if again == Again::Unsafe && !matches!(error, ClientError::Connect { .. }) {
                        return Err(LinkError::Unsure(deed(tool)));
                    }
                    self.wait(&mut broken_since, error.into()).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits a moment before the next try, or gives up with `error`.
    async fn wait(
        &self,
        since: &mut Option<(Instant, usize)>,
        error: LinkError,
    ) -> Result<(), LinkError> {
        let (began, tries) = since.get_or_insert((Instant::now(), 0));
        if began.elapsed() > PATIENCE {
            return Err(error);
        }
        if *tries == 2 {
            (self.tell)(&format!(
                "{error}; trying for {} seconds more, nothing is lost",
                PATIENCE.as_secs()
            ));
        }
        let pause = PAUSES[(*tries).min(PAUSES.len() - 1)];
        *tries += 1;
        sleep(pause).await;
        Ok(())
    }

    async fn ask(
        &self,
        tool: &'static str,
        arguments: &Map<String, Value>,
    ) -> Result<CallToolResult, LinkError> {
        let client = self.client().await?;
        let waits = arguments.get("wait_seconds").and_then(Value::as_u64).unwrap_or_default();
        let starts = tool == "start_process";
        let patience = if starts { CONSENT } else { ANSWER } + Duration::from_secs(waits);
        self.is_watched.store(starts, Ordering::Relaxed);
        match timeout(patience, client.call(tool, arguments.clone())).await {
            Ok(answered) => Ok(answered?),
            Err(_) => Err(ClientError::Silent { seconds: patience.as_secs() }.into()),
        }
    }

    async fn client(&self) -> Result<Arc<Client>, LinkError> {
        let mut client = self.client.lock().await;
        if let Some(client) = &*client {
            return Ok(Arc::clone(client));
        }
        let (tell, is_watched) = (Arc::clone(&self.tell), Arc::clone(&self.is_watched));
        let on_progress = move |message: &str| {
            if is_watched.load(Ordering::Relaxed) {
                tell(message);
            }
        };
        let connected = timeout(ANSWER, Client::connect(&self.endpoint, on_progress)).await;
        let connected =
            connected.map_err(|_| ClientError::Silent { seconds: ANSWER.as_secs() })??;
        Ok(Arc::clone(client.insert(Arc::new(connected))))
    }

    /// Ends the session with the gateway.
    pub(crate) async fn close(self) {
        if let Some(Ok(client)) = self.client.into_inner().map(Arc::try_unwrap) {
            // A gateway that does not answer is no reason to wait.
            drop(timeout(Duration::from_millis(500), client.close()).await);
        }
    }
}

/// A result with an `error` is one of the call; a failed command is none.
fn is_refusal(result: &CallToolResult) -> bool {
    let told = result.structured_content.as_ref();
    told.is_none_or(|told| told.get("error").is_some_and(|error| !error.is_null()))
}

fn refused(result: &CallToolResult) -> LinkError {
    let told = result.structured_content.as_ref();
    let reason = told.and_then(|told| told["error"]["reason"].as_str()).unwrap_or_default();
    LinkError::Refused { reason: reason.to_owned(), message: refusal(result) }
}

/// What a tool is asked to do, in words.
fn deed(tool: &str) -> &'static str {
    match tool {
        "start_process" => "start the command",
        "write_process" => "pass the input on",
        "signal_process" => "send a signal",
        _ => "act",
    }
}
