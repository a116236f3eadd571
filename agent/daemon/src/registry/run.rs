//! One run, as those who follow it see it.

use std::sync::Arc;

use cofferdam_plan::RunId;
use cofferdam_proto::exec::v1::{Finished, RunState, RunSummary, Started};
use cofferdam_proto::intent::v1::Subject;
use tokio::sync::watch;
use uuid::Uuid;

use crate::fault::Fault;
use crate::spool::Spool;

/// What a run begins with.
#[derive(Debug)]
pub struct Begin {
    /// Its name.
    pub id: RunId,
    /// The digest of its action.
    pub action: [u8; 32],
    /// Who asked, as the gateway says.
    pub subject: Option<Subject>,
    /// The profile it was asked under.
    pub profile: String,
    /// Bytes that its spool holds of each stream, and takes in all.
    pub spool: (usize, u64),
}

/// A run.
#[derive(Debug)]
pub struct Run {
    id: RunId,
    action: [u8; 32],
    subject: Option<Subject>,
    profile: String,
    spool: Arc<Spool>,
    state: watch::Sender<State>,
    cancelled: watch::Sender<Option<&'static str>>,
}

/// How far a run is.
#[derive(Debug, Clone)]
pub enum State {
    /// Recorded, planned, built.
    Starting,
    /// Its program has been executed.
    Running(Started),
    /// It ended; without [`Started`] it never started.
    Ended(Option<Started>, Box<Finished>),
    /// It was refused; there is no record of an intent.
    Refused(Fault),
}

impl Run {
    pub(super) fn new(begin: Begin) -> Self {
        let Begin { id, action, subject, profile, spool: (capacity, limit) } = begin;
        Self {
            id,
            action,
            subject,
            profile,
            spool: Arc::new(Spool::new(capacity, limit)),
            state: watch::Sender::new(State::Starting),
            cancelled: watch::Sender::new(None),
        }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> RunId {
        self.id
    }

    /// The digest of its action.
    #[must_use]
    pub fn action(&self) -> [u8; 32] {
        self.action
    }

    /// Its output.
    #[must_use]
    pub fn spool(&self) -> &Arc<Spool> {
        &self.spool
    }

    /// How far it is, now and later.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Its program has been executed.
    pub fn started(&self, started: Started) {
        self.state.send_replace(State::Running(started));
    }

    /// It ended.
    pub fn finished(&self, finished: Finished) {
        self.state.send_modify(|state| {
            let started = match state {
                State::Running(started) => Some(started.clone()),
                State::Starting | State::Ended(..) | State::Refused(_) => None,
            };
            *state = State::Ended(started, Box::new(finished));
        });
    }

    /// It was refused before it was recorded.
    pub fn refused(&self, fault: Fault) {
        self.spool.close();
        self.state.send_replace(State::Refused(fault));
    }

    /// Asks for its end; the first one who asks is remembered.
    pub fn cancel(&self, by: &'static str) {
        self.cancelled.send_if_modified(|cancelled| {
            let first = cancelled.is_none();
            cancelled.get_or_insert(by);
            first
        });
    }

    /// Waits until somebody asks for its end, and says who.
    pub async fn cancelled(&self) -> &'static str {
        let mut cancelled = self.cancelled.subscribe();
        match cancelled.wait_for(Option::is_some).await {
            Ok(by) => by.unwrap_or_default(),
            // The sender lives in `self`.
            Err(_) => "nobody",
        }
    }

    /// In the wire's words.
    #[must_use]
    pub fn summary(&self) -> RunSummary {
        let (state, started, outcome) = match &*self.state.borrow() {
            State::Starting | State::Refused(_) => (RunState::Starting, None, None),
            State::Running(started) => (RunState::Running, Some(started.clone()), None),
            State::Ended(started, finished) => {
                (RunState::Ended, started.clone(), finished.outcome.clone())
            }
        };
        RunSummary {
            run_id: Uuid::from_bytes(self.id.0).to_string(),
            state: state.into(),
            subject: self.subject.clone(),
            profile: self.profile.clone(),
            started_at: started.and_then(|started| started.started_at),
            outcome,
        }
    }
}
