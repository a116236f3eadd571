//! People who agree to what a rule asks about.
//!
//! A call that a rule asks about waits here. The request is kept in SQLite,
//! bound to the digest of exactly this action, host, subject, grant and rules;
//! approvers answer it with a credential of their own
//! (`http::approvals`); whether that is enough is the policy
//! crate's word ([`cofferdam_policy::Pending::approve`]). What was agreed to
//! once is used up by the first call that takes it.
//!
//! A call that waits here and its caller can part: see `pipeline`.

mod answering;
mod binding;
mod request;
mod store;
mod visible;
mod watchers;
mod webhook;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

pub(crate) use answering::VoteFault;
pub(crate) use binding::{Exactly, Shown, question};
pub(crate) use request::ELICITATION;
pub use request::{Asker, Question, Request, Scope, State, Verdict, Vote};
pub use store::ApprovalError;
pub(crate) use store::RESULT_KEPT;
use store::{Bounds, Store};
pub use visible::{is_visible, visible, visible_json};
use watchers::Watchers;
use webhook::Webhook;
pub use webhook::WebhookError;

use crate::config::ApprovalsConfig;

/// Between two looks for what ran out of time.
const SWEEP: Duration = Duration::from_secs(2);
/// So many looks between two times of forgetting what is long over.
const FORGET: u32 = 300;
/// Callers that wait to hear of a change at the same time, and those of one user;
/// those beyond hear at once how it stands.
const WATCHING: usize = 256;
const WATCHING_OF_USER: usize = 16;

/// The requests for approval of one gateway.
#[derive(Debug)]
pub(crate) struct Approvals {
    store: Store,
    bounds: Bounds,
    patience: Duration,
    /// Told after each change.
    changed: watch::Sender<()>,
    /// Requests that a call of this process waits for.
    waiting: Arc<Mutex<HashSet<String>>>,
    watching: Semaphore,
    watchers: Watchers,
    webhook: Option<Webhook>,
    shutdown: CancellationToken,
}

/// A request that a call waits for. Only one call waits for one request.
#[derive(Debug)]
pub(crate) struct Wait {
    pub(crate) request: Request,
    /// Whether this call made the request, rather than found it.
    pub(crate) is_new: bool,
    /// None: another call waits for it.
    pub(crate) place: Option<Place>,
}

/// Holds the one place at a request, until the call that waits has its result.
#[derive(Debug)]
pub(crate) struct Place {
    id: String,
    waiting: Arc<Mutex<HashSet<String>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// How waiting for a request ended.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It was answered, or ran out of time.
    Settled(Box<Request>),
    /// The gateway stops; the request stays open.
    Stopping,
}

impl Approvals {
    /// Opens what `config` names.
    pub(crate) fn open(
        config: &ApprovalsConfig,
        shutdown: &CancellationToken,
    ) -> Result<Self, OpenApprovalsError> {
        Ok(Self {
            store: Store::open(&config.state)?,
            bounds: Bounds { all: config.open_requests.get(), each: config.open_per_user.get() },
            patience: config.patience,
            changed: watch::Sender::new(()),
            waiting: Arc::default(),
            watching: Semaphore::new(WATCHING),
            watchers: Watchers::default(),
            webhook: config.webhook.as_ref().map(Webhook::new).transpose()?,
            shutdown: shutdown.clone(),
        })
    }

    /// Cancelled when the gateway stops, and by nothing else.
    pub(crate) fn lasting(&self) -> CancellationToken {
        self.shutdown.child_token()
    }

    /// How long a caller is left without an answer.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Uses what people agreed to, where it is `usable`; none: they have not.
    /// What was agreed to once belongs to the call that waits for it, which is
    /// the one at this `place`, before any other.
    pub(crate) fn take(
        &self,
        question: &Question,
        place: Option<&Place>,
        usable: impl Fn(&Request) -> bool,
    ) -> Result<Option<Request>, ApprovalError> {
        let Question { binding, asker, .. } = question;
        let own = place.map(|place| place.id.as_str());
        let free = |request: &Request| {
            let is_own = own == Some(request.id.as_str());
            is_own || request.scope == Some(Scope::Session) || !self.is_waited_for(&request.id)
        };
        let usable = |request: &Request| free(request) && usable(request);
        self.store.take(binding, &asker.token_id, &asker.session, now(), usable)
    }

    /// The open request for this question, made if need be, unless `record`
    /// fails.
    pub(crate) fn ask<E: From<ApprovalError>>(
        &self,
        question: &Question,
        record: impl FnOnce(&Request) -> Result<(), E>,
    ) -> Result<Wait, E> {
        let store::Asked { request, is_new } =
            self.store.ask(question, self.bounds, now(), record)?;
        let mut waiting = self.waiting();
        let place = waiting
            .insert(request.id.clone())
            .then(|| Place { id: request.id.clone(), waiting: Arc::clone(&self.waiting) });
        drop(waiting);
        Ok(Wait { request, is_new, place })
    }

    /// Whether a call of this process waits for the request, or is being done
    /// after it was agreed to.
    pub(crate) fn is_waited_for(&self, id: &str) -> bool {
        self.waiting().contains(id)
    }

    fn waiting(&self) -> MutexGuard<'_, HashSet<String>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the request is no longer open.
    pub(crate) async fn settled(&self, id: String) -> Result<Answer, ApprovalError> {
        let mut changed = self.changed.subscribe();
        loop {
            let request = self.store.get(&id)?;
            if request.state != State::Pending {
                return Ok(Answer::Settled(Box::new(request)));
            }
            tokio::select! {
                _ = changed.changed() => {}
                () = self.shutdown.cancelled() => return Ok(Answer::Stopping),
            }
        }
    }

    /// Counts an answer, unless `record` fails.
    fn vote(
        &self,
        id: &str,
        binding: &str,
        vote: Vote,
        record: impl FnOnce(&Request) -> Result<(), VoteFault>,
    ) -> Result<Request, VoteFault> {
        let request = self.store.vote(id, binding, vote, record)?;
        self.changed.send_replace(());
        Ok(request)
    }

    /// Takes a request back, as who asked.
    pub(crate) fn withdraw(&self, id: &str, token_id: &str) -> Result<Request, ApprovalError> {
        let request = self.store.withdraw(id, token_id)?;
        self.changed.send_replace(());
        Ok(request)
    }

    /// The request `id`.
    pub(crate) fn get(&self, id: &str) -> Result<Request, ApprovalError> {
        self.store.get(id)
    }

    /// The request `id` of this token, and what the call that waited came to.
    pub(crate) fn own(
        &self,
        id: &str,
        token_id: &str,
    ) -> Result<(Request, Option<String>), ApprovalError> {
        self.store.own(id, token_id)
    }

    /// Requests in this state, or all; of this tenant, or of all; newest first.
    /// What is open is listed in full, of the rest at most `limit`.
    pub(crate) fn list(
        &self,
        state: Option<State>,
        tenant: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Request>, ApprovalError> {
        let limit = if state == Some(State::Pending) { self.bounds.all.max(limit) } else { limit };
        self.store.list(state, tenant, limit)
    }

    /// How many requests people have not answered.
    pub(crate) fn waiting_for_people(&self) -> Result<usize, ApprovalError> {
        self.store.pending()
    }

    /// Keeps what the call that waited came to, and wakes who waits for that.
    pub(crate) fn keep_result(&self, id: &str, result: &str) -> Result<(), ApprovalError> {
        self.store.keep_result(id, result)?;
        self.changed.send_replace(());
        Ok(())
    }

    /// What [`change`](Self::change) waits at; to be taken before one looks.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// True after the next change; false when the time is over, and at once where
    /// too many wait or the gateway stops.
    pub(crate) async fn change(
        &self,
        user: &str,
        mut changed: watch::Receiver<()>,
        within: Duration,
    ) -> bool {
        let Some(_own) = self.watchers.enter(user) else { return false };
        let Ok(_place) = self.watching.try_acquire() else { return false };
        tokio::select! {
            changed = tokio::time::timeout(within, changed.changed()) => changed.is_ok(),
            () = self.shutdown.cancelled() => false,
        }
    }

    /// Tells the configured address of a change, in a task of its own.
    pub(crate) fn announce(&self, event: &'static str, request: &Request) {
        if let Some(webhook) = &self.webhook {
            webhook.send(event, request);
        }
    }

    /// Marks what runs out of time, and hands it to `record`, until shutdown.
    pub(crate) async fn sweep(&self, record: impl Fn(&Request)) {
        let mut look = 0_u32;
        loop {
            look = look.wrapping_add(1);
            if look % FORGET == 1
                && let Err(error) = self.store.forget(now())
            {
                tracing::error!(%error, "old approvals cannot be forgotten");
            }
            match self.store.expire(now()) {
                Ok(expired) if expired.is_empty() => {}
                Ok(expired) => {
                    expired.iter().for_each(&record);
                    self.changed.send_replace(());
                }
                Err(error) => tracing::error!(%error, "approvals cannot be looked through"),
            }
            tokio::select! {
                () = tokio::time::sleep(SWEEP) => {}
                () = self.shutdown.cancelled() => return,
            }
        }
    }
}

/// Why there are no approvals.
#[derive(Debug, thiserror::Error)]
pub enum OpenApprovalsError {
    /// The store.
    #[error(transparent)]
    Store(#[from] ApprovalError),
    /// The webhook.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs())
}
