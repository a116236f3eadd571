//! The running authority: what it holds, and how each change takes effect.
//!
//! Hosts' requests come in by [`crate::JoinServer`]; what an owner's command changed
//! is seen by [`Registrar::look`], which is called each second and after each change.
//! Looking is idempotent: it records what happened, makes a new trust list where the
//! old one is not true any more, renews the authority's and the gateway's own
//! certificates, and hands out a new roster.

mod certify;
mod enrol;
mod flood;
mod generations;
mod list;
mod renew;
mod watch;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use cofferdam_journal::Peer;
use cofferdam_trust::{
    AuthorityError, Identity, KeyError, NameError, PeerName, Role, SigningKey, VerifyingKey,
};
use tokio::sync::{Notify, watch as channel};
use tokio_util::sync::CancellationToken;

pub(crate) use enrol::Answer;
pub(crate) use generations::Generations;

use crate::counts::{Counters, Counts};
use crate::event::Event;
use crate::own::{Own, OwnError};
use crate::owner::TRUST_KEY;
use crate::refusal::Refusal;
use crate::roster::Roster;
use crate::settings::Settings;
use crate::state::{Certificates, Gateways, Moment, Renewals, State, StateError, TokenRow};
use flood::Flood;

/// How often the state is looked at for what others changed.
const LOOK: Duration = Duration::from_secs(1);
/// Seconds between two times of forgetting what is over.
const PRUNE: u64 = 60;
/// How long what counts no more is remembered after its end: withdrawn tokens, so that
/// whoever shows one is told what became of it; revoked certificates, so that a clock that
/// was ahead for a moment forgets none that counts still.
const REMEMBER: u64 = 30 * 24 * 60 * 60;

/// Writes what happened to a host into the gateway's journal, or says why not.
pub type Recording = Box<dyn Fn(Peer) -> Result<(), String> + Send + Sync>;

/// The authority.
pub struct Registrar {
    settings: Settings,
    state: State,
    name: PeerName,
    /// The gateway that it is part of.
    gateway: PeerName,
    generations: ArcSwap<Generations>,
    signer: SigningKey,
    recording: Recording,
    /// Held while events are recorded, so that none is recorded twice.
    recorder: Mutex<()>,
    flood: Flood,
    counters: Counters,
    own: Own,
    roster: channel::Sender<Arc<Roster>>,
    /// This process changed something.
    changed: AtomicBool,
    look: Notify,
    looked: Mutex<Looked>,
}

/// As of the last look.
#[derive(Debug, Default)]
struct Looked {
    by_others: Option<i64>,
    at: u64,
    /// When something changes by itself.
    due: Option<u64>,
    pruned: u64,
}

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// A name that nobody can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The certificate authority's files.
    #[error(
        "the authority cannot be opened: {0}; `cofferdam authority init` makes what is missing, and \
         keeps what is there"
    )]
    Authority(#[from] AuthorityError),
    /// The key that signs trust lists.
    #[error(
        "the key that signs trust lists cannot be used: {0}; `cofferdam authority init` makes one \
         where there is none"
    )]
    Key(#[from] KeyError),
    /// The files are another authority's than the state says.
    #[error(
        "`{directory}` holds another root than generation {generation} had: hosts believe that one; \
         put its files back, or follow it with `cofferdam authority rotate`"
    )]
    OtherRoot {
        /// Where it is.
        directory: PathBuf,
        /// Which.
        generation: u32,
    },
    /// None of its certificates counts.
    #[error("no generation of the authority counts any more; its owner has to make one")]
    NoGeneration,
    /// The authority's or the gateway's own certificate.
    #[error(transparent)]
    Own(#[from] OwnError),
    /// What the state says cannot be recorded.
    #[error("what the state says happened cannot be recorded: {0}")]
    Unrecorded(String),
}

impl Registrar {
    /// Opens the authority of the gateway `gateway`, which signs its intents with `key`.
    /// May wait for the disk.
    ///
    /// # Errors
    /// Where something is missing, unreadable or another's.
    pub fn open(
        settings: Settings,
        gateway: &PeerName,
        key: VerifyingKey,
        recording: Recording,
    ) -> Result<Arc<Self>, OpenError> {
        let now = Moment::now();
        let state = State::open(&settings.state)?;
        let generations = Generations::open(&settings.directory, &state, now)?;
        let signer = SigningKey::load(&settings.directory.join(TRUST_KEY))?;
        state.change(|it| Gateways(it).put(gateway.name(), &[key]).map(drop))?;
        let name = PeerName::new(gateway.trust_domain(), Role::Authority, gateway.name())?;
        let own = Own::make(&generations, gateway, &name, settings.certificate_lifetime, now)?;
        let registrar = Arc::new(Self {
            settings,
            state,
            name,
            gateway: gateway.clone(),
            generations: ArcSwap::from_pointee(generations),
            signer,
            recording,
            recorder: Mutex::default(),
            flood: Flood::default(),
            counters: Counters::default(),
            own,
            roster: channel::Sender::default(),
            changed: AtomicBool::new(true),
            look: Notify::new(),
            looked: Mutex::default(),
        });
        registrar.look(SystemTime::now())?;
        Ok(registrar)
    }

    /// The authority's own name.
    pub fn name(&self) -> &PeerName {
        &self.name
    }

    /// What the gateway has to know, now and whenever it changes.
    pub fn roster(&self) -> channel::Receiver<Arc<Roster>> {
        self.roster.subscribe()
    }

    /// Who the gateway is towards agents, now and whenever it is renewed.
    pub fn gateway_identity(&self) -> channel::Receiver<Arc<Identity>> {
        self.own.gateway()
    }

    /// What was asked of it so far.
    pub fn counts(&self) -> Counts {
        self.counters.now()
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn own(&self) -> &Own {
        &self.own
    }

    /// Looks each second, and at once when something was changed, until it is
    /// cancelled.
    pub async fn watch_over(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let registrar = Arc::clone(&self);
            let look = move || registrar.look(SystemTime::now());
            match tokio::task::spawn_blocking(look).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    self.counters.failed();
                    tracing::error!(%error, "the authority cannot go on");
                }
                Err(error) => tracing::error!(%error, "looking after the authority was broken off"),
            }
            tokio::select! {
                () = self.look.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Lets everything take effect that changed, or is due.
    ///
    /// # Errors
    /// Where that fails; the next look tries again.
    pub fn look(&self, now: SystemTime) -> Result<(), OpenError> {
        let now = Moment::of(now);
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let by_others = self.state.changed_by_others()?;
        let mine = self.changed.swap(false, Ordering::AcqRel);
        // A clock that was set back makes nothing of what was awaited true.
        let went_back = now.seconds() < std::mem::replace(&mut looked.at, now.seconds());
        let due = went_back || looked.due.is_none_or(|due| due <= now.seconds());
        if !mine && !due && looked.by_others == Some(by_others) {
            return Ok(());
        }
        // Until all went well, the next look does it again.
        looked.due = None;
        self.record().map_err(OpenError::Unrecorded)?;
        if now.seconds().saturating_sub(looked.pruned) >= PRUNE {
            self.prune(now)?;
            looked.pruned = now.seconds();
        }
        let generations = self.current_generations(now)?;
        let lifetime = self.settings.certificate_lifetime;
        let renewed = self.own.renew(&generations, &self.gateway, &self.name, lifetime, now);
        renewed.inspect_err(|_| self.counters.not_renewed())?;
        let refreshed = self.hand_out(&generations, now)?;
        let next = [Some(self.own.renew_at()), Some(refreshed), generations.next_change(now)];
        looked.due = next.into_iter().flatten().min();
        looked.by_others = Some(by_others);
        Ok(())
    }

    /// What a request changed takes effect: recorded now, the rest in a moment.
    fn settle(&self) -> Result<(), Refusal> {
        self.changed.store(true, Ordering::Release);
        self.look.notify_one();
        self.record().map_err(Refusal::Unrecorded)
    }

    /// Records every event that is not yet.
    fn record(&self) -> Result<(), String> {
        let _alone = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        let open = self.state.read(Event::open).map_err(|error| error.to_string())?;
        let Some(&(last, _)) = open.last() else { return Ok(()) };
        let now = Moment::now().seconds();
        for (number, event) in &open {
            if let Err(error) = (self.recording)(event.recorded(now)) {
                let before = number.saturating_sub(1);
                self.state.change(|it| Event::forget(it, before)).map_err(|it| it.to_string())?;
                return Err(error);
            }
        }
        self.state.change(|it| Event::forget(it, last)).map_err(|error| error.to_string())
    }

    /// Forgets what is over.
    fn prune(&self, now: Moment) -> Result<(), StateError> {
        let skew = cofferdam_trust::CLOCK_SKEW.as_secs();
        let seconds = now.seconds();
        let window = (2 * skew).max(self.settings.certificate_lifetime.as_secs());
        let long_ago = seconds.saturating_sub(REMEMBER);
        self.state.change(|it| {
            Certificates(it).prune(seconds.saturating_sub(skew), long_ago)?;
            Renewals(it).prune(seconds.saturating_sub(window))?;
            TokenRow::prune(it, long_ago)
        })
    }
}

impl std::fmt::Debug for Registrar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registrar").field("name", &self.name).finish_non_exhaustive()
    }
}
