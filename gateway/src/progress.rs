//! Tells a client that a call goes on.
//!
//! Clients give up on a call that is silent for a minute, and extend their
//! patience at each progress notification. So while a run goes on, one is sent
//! every few seconds wherever the request carries a progress token, with the
//! last line of output.

use std::time::{Duration, Instant};

use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::Peer;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Between two notifications.
const EVERY: Duration = Duration::from_secs(5);

/// The progress of one call. Dropped, it falls silent.
pub(crate) struct Progress {
    last_line: watch::Sender<String>,
    teller: Option<AbortHandle>,
}

impl Progress {
    /// Progress that nobody asked for.
    pub(crate) fn silent() -> Self {
        Self { last_line: watch::Sender::default(), teller: None }
    }

    /// Tells `peer`, until it is dropped.
    pub(crate) fn tell(peer: Peer<RoleServer>, token: ProgressToken) -> Self {
        let last_line = watch::Sender::<String>::default();
        let teller = tokio::spawn(tell(peer, token, last_line.subscribe()));
        Self { last_line, teller: Some(teller.abort_handle()) }
    }

    /// Where the last line of output is to be put.
    pub(crate) fn last_line(&self) -> watch::Sender<String> {
        self.last_line.clone()
    }
}

impl Progress {
    /// Tells nothing more: the request was answered.
    pub(crate) fn fall_silent(&self) {
        if let Some(teller) = &self.teller {
            teller.abort();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.fall_silent();
    }
}

async fn tell(peer: Peer<RoleServer>, token: ProgressToken, last_line: watch::Receiver<String>) {
    let began = Instant::now();
    loop {
        tokio::time::sleep(EVERY).await;
        let seconds = began.elapsed().as_secs();
        let line = last_line.borrow().clone();
        let message = match line.as_str() {
            "" => format!("{seconds} s, no output yet"),
            line => format!("{seconds} s: {line}"),
        };
        let progress = ProgressNotificationParam::new(token.clone(), began.elapsed().as_secs_f64())
            .with_message(message);
        if let Err(error) = peer.notify_progress(progress).await {
            tracing::debug!(%error, "a client cannot be told of progress");
            return;
        }
    }
}
