//! Whether anything happens on a connection, so that one on which nothing does
//! gives its place back.
//!
//! A connection is busy from a request's head to its answer; streams keep it busy
//! as long as they last. Between those it may
//! rest for a while, for much longer once it showed a valid token. The clock runs
//! from before the first byte, so that silence has an end, too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep_until};

/// How long connections may rest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Before the first request, and for the next one as long as none came with a
    /// valid token.
    pub(super) stranger: Duration,
    /// With a known caller.
    pub(super) known: Duration,
}

/// How long they may rest where a gateway serves.
pub(super) const PATIENCE: Patience =
    Patience { stranger: Duration::from_secs(15), known: Duration::from_mins(5) };

/// What happens on one connection.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Requests that are not answered to the end.
    open: usize,
    /// Since when there is none.
    since: Instant,
    known: bool,
    patience: Patience,
}

/// A request under way.
#[derive(Debug)]
struct Busy(Activity);

impl Activity {
    /// Of a connection that was just accepted.
    pub(super) fn new(patience: Patience) -> Self {
        let since = Instant::now();
        Self(Arc::new(Mutex::new(State { open: 0, since, known: false, patience })))
    }

    /// Ends once the connection has rested for too long.
    pub(super) async fn rested(&self) {
        loop {
            let until = self.lock().rests_until();
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }

    fn begin(&self) -> Busy {
        self.lock().open += 1;
        Busy(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn rests_until(&self) -> Instant {
        let Patience { stranger, known } = self.patience;
        let patience = if self.known { known } else { stranger };
        // While it is busy, look again later.
        (if self.open > 0 { Instant::now() } else { self.since }) + patience
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.open -= 1;
        state.since = Instant::now();
    }
}

/// Middleware: counts a request, until its answer is made; a stream, until it was
/// sent or dropped.
pub(super) async fn count(activity: Activity, request: Request, next: Next) -> Response {
    let busy = activity.begin();
    // Nothing is served there before the token is looked at.
    let shows_token = request.uri().path() == super::MCP_PATH;
    let response = next.run(request).await;
    if shows_token && response.status() != StatusCode::UNAUTHORIZED {
        activity.lock().known = true;
    }
    // What has a length is sent from memory, and keeps it; a stream lasts.
    response.map(|body| match body.size_hint().exact() {
        Some(_) => body,
        None => Body::new(body.map_frame(move |frame| {
            // It is held as long as this closure is.
            let Busy(_) = &busy;
            frame
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRIEF: Patience =
        Patience { stranger: Duration::from_millis(100), known: Duration::from_millis(400) };

    #[tokio::test]
    async fn a_silent_connection_rests_for_a_moment_and_a_known_one_for_longer() {
        let activity = Activity::new(BRIEF);
        let start = Instant::now();
        activity.rested().await;
        assert!(start.elapsed() >= BRIEF.stranger);
        let activity = Activity::new(BRIEF);
        activity.lock().known = true;
        let start = Instant::now();
        activity.rested().await;
        assert!(start.elapsed() >= BRIEF.known);
    }

    #[tokio::test]
    async fn a_connection_with_an_open_answer_does_not_rest() {
        let activity = Activity::new(BRIEF);
        let busy = activity.begin();
        let long = tokio::time::timeout(BRIEF.stranger * 5, activity.rested()).await;
        assert!(long.is_err());
        let answered = Instant::now();
        drop(busy);
        activity.rested().await;
        assert!(answered.elapsed() >= BRIEF.stranger);
    }
}
