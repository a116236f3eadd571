//! The agent's end of the warden's socket: many cells at once over one stream.
//!
//! When the stream ends, and there is a path to connect to, the warden was started
//! anew, or is being: the agent connects again, and asks for the cells that it had. So
//! a warden that is restarted, upgraded or killed takes no cell with it. Questions that
//! had no answer are asked once more where nothing can have come of them; of a cell
//! that was being built nobody knows, and it is over. A warden that is there and does
//! not answer is one that is away: nobody waits for it without end.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use cofferdam_plan::channel::ChannelError;
use cofferdam_plan::{CellId, CellPlan, Leaf, Limits, Refusal, WardenRequest};
use tokio::net::UnixStream;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

mod link;
#[cfg(test)]
mod tests;

use link::{Answer, LeafAnswer, Link, Waiting};

/// How the warden is reached.
#[derive(Debug)]
pub enum Endpoint {
    /// A socket that was inherited, connected.
    Inherited(OwnedFd),
    /// A socket to connect to.
    Path(PathBuf),
}

/// The warden, from here.
#[derive(Debug, Clone)]
pub struct Warden {
    path: Option<PathBuf>,
    /// Held while it is being connected to.
    link: Arc<tokio::sync::Mutex<Option<Arc<Link>>>>,
    /// The same, for whoever only looks and does not wait for a connection.
    shown: Arc<Mutex<Option<Arc<Link>>>>,
    patience: Patience,
}

/// How long is waited for a warden.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// One that was there and is away. Longer than systemd takes to start it again; then
    /// its cells are given up.
    away: Duration,
    /// One that is there and says nothing. Shorter than a cell may take to be built.
    silent: Duration,
}

/// A cell that is being built.
#[derive(Debug)]
pub struct Building {
    /// The uid that it runs under.
    pub uid: u32,
    /// Its cgroup, relative to each hierarchy's mount; empty: none.
    pub cgroup: String,
    /// Resolves when nothing of the cell is left, or the warden itself is gone.
    pub gone: Gone,
}

/// Tells when nothing of a cell is left, or the warden itself is gone: the sender
/// is dropped then. It says `true` before where the warden told of the cell's end.
#[derive(Debug, Clone)]
pub struct Gone(watch::Receiver<bool>);

/// Why the warden builds no cell.
#[derive(Debug, thiserror::Error)]
pub enum WardenError {
    /// It refused the plan.
    #[error("the warden refused the cell: {detail}")]
    Refused {
        /// Why.
        refusal: Refusal,
        /// In words.
        detail: String,
    },
    /// The stream ended.
    #[error("the warden is gone, or has no such cell; is cofferdam-warden running?")]
    Gone,
    /// It says nothing.
    #[error(
        "the warden does not answer; if it hangs, `systemctl restart cofferdam-warden` ends no cell"
    )]
    Silent,
    /// It cannot be reached.
    #[error("cannot reach the warden at `{path}`: {source}; is cofferdam-warden running?")]
    Connect {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It makes no cgroup leaf for a run.
    #[error("the warden makes no cgroup for the run: {0}")]
    NoLeaf(String),
    /// A frame could not be sent.
    #[error("cannot speak with the warden: {0}")]
    Channel(#[from] ChannelError),
}

/// A cell that the warden has, as it was asked for.
#[derive(Debug, Clone)]
pub struct Known {
    /// Which.
    pub id: CellId,
    /// Its profile; empty: it was an earlier agent's.
    pub profile: String,
    /// Who asked, for the warden's log; empty for a cell that is prepared.
    pub subject: String,
    /// Its workspace.
    pub workspace: PathBuf,
    /// When it was asked for.
    pub since: SystemTime,
}

/// How long what is left in a leaf may take to end, with a look after each pause.
const ENDING: [Duration; 6] = [
    Duration::from_millis(1),
    Duration::from_millis(4),
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(600),
];

/// In earnest; tests of this module have less.
const PATIENCE: Patience =
    Patience { away: Duration::from_secs(30), silent: Duration::from_secs(14) };
/// How often is tried to reach one that is away.
const PAUSE: Duration = Duration::from_millis(50);
/// How long who only wants to know whether it is there waits.
const GLANCE: Duration = Duration::from_secs(1);

impl Warden {
    /// Reaches the warden. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Where an inherited socket is none.
    pub fn new(endpoint: Endpoint) -> io::Result<Self> {
        Self::with(endpoint, PATIENCE)
    }

    fn with(endpoint: Endpoint, patience: Patience) -> io::Result<Self> {
        let (path, link) = match endpoint {
            Endpoint::Path(path) => (Some(path), None),
            Endpoint::Inherited(socket) => {
                let socket = std::os::unix::net::UnixStream::from(socket);
                socket.set_nonblocking(true)?;
                let socket = UnixStream::from_std(socket)?;
                let ended = |link: &Link| drop(link.left());
                (None, Some(Link::start(socket, patience.silent, ended)))
            }
        };
        let shown = Arc::new(Mutex::new(link.clone()));
        Ok(Self { path, link: Arc::new(tokio::sync::Mutex::new(link)), shown, patience })
    }

    /// Asks for a cell; `control` is its end of its control socket.
    ///
    /// # Errors
    /// See [`WardenError`].
    pub async fn build(&self, plan: CellPlan, control: OwnedFd) -> Result<Building, WardenError> {
        let link = self.link().await?;
        let (answer, answered) = oneshot::channel();
        let (held, gone) = watch::channel(false);
        link.wait_for(plan.cell, Waiting::new(answer, held, Some(&plan)))?;
        building(link.ask(WardenRequest::Build(plan), Some(control), answered).await?, gone)
    }

    /// Goes on with a cell that was built for an earlier agent.
    ///
    /// # Errors
    /// Where it is gone, or the warden.
    pub async fn adopt(&self, cell: CellId) -> Result<Building, WardenError> {
        let until = Instant::now() + self.patience.away;
        loop {
            let link = self.link().await?;
            let (answer, answered) = oneshot::channel();
            let (held, gone) = watch::channel(false);
            let asked = async {
                link.wait_for(cell, Waiting::new(answer, held, None))?;
                link.ask(WardenRequest::Adopt(cell), None, answered).await
            };
            match asked.await {
                Err(_) if self.is_asked_anew(&link, until) => {}
                answer => return building(answer?, gone),
            }
        }
    }

    /// Has a cgroup leaf made for a run; the ways into it, for its cell's PID 1.
    ///
    /// # Errors
    /// See [`WardenError`]. One that was perhaps made all the same goes with its cell.
    pub async fn make_leaf(&self, leaf: Leaf, limits: Limits) -> Result<Vec<OwnedFd>, WardenError> {
        match self.ask_of_leaf(leaf, WardenRequest::MakeLeaf(leaf, limits)).await? {
            (true, _, ways) => Ok(ways),
            (false, why, _) => Err(WardenError::NoLeaf(why)),
        }
    }

    /// Has a leaf removed whose run is over and may have left something; whether
    /// something lives in it, so that it is still there.
    ///
    /// # Errors
    /// Where cell or warden are gone, and the leaf with them.
    pub async fn remove_leaf(&self, leaf: Leaf) -> Result<bool, WardenError> {
        self.take_leaf(leaf, false).await
    }

    /// Has a leaf removed whose run is over, and ended what is left in it; false
    /// where something in it does not end, or nobody says.
    ///
    /// # Errors
    /// Where cell or warden are gone, and the leaf with them.
    pub async fn end_leaf(&self, leaf: Leaf) -> Result<bool, WardenError> {
        match self.empty_leaf(leaf).await {
            Err(WardenError::Silent) => Ok(false),
            answer => answer,
        }
    }

    async fn empty_leaf(&self, leaf: Leaf) -> Result<bool, WardenError> {
        for pause in ENDING {
            if !self.take_leaf(leaf, true).await? {
                return Ok(true);
            }
            sleep(pause).await;
        }
        Ok(!self.take_leaf(leaf, true).await?)
    }

    /// Has a leaf removed, by the warden of the day: twice does no harm.
    async fn take_leaf(&self, leaf: Leaf, end: bool) -> Result<bool, WardenError> {
        let until = Instant::now() + self.patience.away;
        loop {
            let link = self.link().await?;
            match self.ask_of_leaf(leaf, WardenRequest::RemoveLeaf(leaf, end)).await {
                Err(_) if self.is_asked_anew(&link, until) => {}
                answer => return Ok(answer?.0),
            }
        }
    }

    /// Whether a question that had no answer is one for the next warden.
    fn is_asked_anew(&self, link: &Link, until: Instant) -> bool {
        !link.is_open() && self.path.is_some() && Instant::now() < until
    }

    async fn ask_of_leaf(
        &self,
        leaf: Leaf,
        request: WardenRequest,
    ) -> Result<LeafAnswer, WardenError> {
        let link = self.link().await?;
        let (answer, answered) = oneshot::channel();
        link.wait_for_leaf(leaf, answer)?;
        link.ask(request, None, answered).await
    }

    /// The kernel's records of what the sandbox refused, or why there are none.
    ///
    /// # Errors
    /// Where the warden cannot be asked.
    pub async fn records(&self) -> Result<Result<OwnedFd, String>, WardenError> {
        let link = self.link().await?;
        let (answer, answered) = oneshot::channel();
        link.wait_for_records(answer);
        link.ask(WardenRequest::Records, None, answered).await
    }

    /// Ends a cell that does not end by itself.
    ///
    /// # Errors
    /// Where the warden is gone; the cell then is too.
    pub async fn destroy(&self, cell: CellId) -> Result<(), WardenError> {
        self.link().await?.send(WardenRequest::Destroy(cell), None).await
    }

    /// The cells that it has, as far as it was asked for them; those that the next one
    /// will be asked for, while it is away.
    #[must_use]
    pub fn cells(&self) -> Vec<Known> {
        self.shown().as_ref().map(|link| link.known()).unwrap_or_default()
    }

    /// Whether the warden answers now.
    pub async fn is_there(&self) -> bool {
        let answers = async { self.link().await?.answers().await };
        timeout(GLANCE, answers).await.is_ok_and(|answered| answered.is_ok())
    }

    fn shown(&self) -> MutexGuard<'_, Option<Arc<Link>>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn link(&self) -> Result<Arc<Link>, WardenError> {
        let slot = self.link.lock().await;
        if let Some(link) = slot.as_ref().filter(|link| link.is_open()) {
            return Ok(Arc::clone(link));
        }
        drop(slot);
        let warden = self.clone();
        // Goes on when whoever asks has no more patience.
        tokio::spawn(async move { warden.reach().await }).await.unwrap_or(Err(WardenError::Gone))
    }

    /// Connects, if nobody did meanwhile.
    async fn reach(&self) -> Result<Arc<Link>, WardenError> {
        let mut slot = self.link.lock().await;
        if let Some(link) = slot.as_ref().filter(|link| link.is_open()) {
            return Ok(Arc::clone(link));
        }
        let path = self.path.as_ref().ok_or(WardenError::Gone)?;
        let away = if slot.is_some() { self.patience.away } else { Duration::ZERO };
        let until = Instant::now() + away;
        loop {
            let failed = match UnixStream::connect(path).await {
                Ok(socket) => match self.regain(&mut slot, socket, until).await {
                    Ok(link) => return Ok(link),
                    Err(error) => error,
                },
                Err(source) => WardenError::Connect { path: path.clone(), source },
            };
            if Instant::now() >= until {
                // Whoever has a cell is told by the drop.
                drop(slot.take().map(|link| link.left()));
                *self.shown() = None;
                return Err(failed);
            }
            sleep(PAUSE).await;
        }
    }

    /// At once, and not when somebody asks next: its cells are to be adopted in time.
    fn reach_again(self) {
        let again: Pin<Box<dyn Future<Output = ()> + Send>> =
            Box::pin(async move { drop(self.reach().await) });
        tokio::spawn(again);
    }

    /// Goes on over a new connection with the cells of the one before it.
    async fn regain(
        &self,
        slot: &mut Option<Arc<Link>>,
        socket: UnixStream,
        until: Instant,
    ) -> Result<Arc<Link>, WardenError> {
        let warden = self.clone();
        let link = Link::start(socket, self.patience.silent, move |_| warden.reach_again());
        let before = slot.replace(Arc::clone(&link));
        let asked = {
            // Who looks sees them at one of the two.
            let mut shown = self.shown();
            *shown = Some(Arc::clone(&link));
            before.map(|before| link.take_over(before.left())).unwrap_or_default()
        };
        if asked.is_empty() {
            return Ok(link);
        }
        timeout_at(until, link.adopt(asked)).await.unwrap_or(Err(WardenError::Gone))?;
        Ok(link)
    }
}

/// What came of the question for a cell.
fn building(answer: Answer, gone: watch::Receiver<bool>) -> Result<Building, WardenError> {
    match answer {
        Ok((uid, cgroup)) => Ok(Building { uid, cgroup, gone: Gone(gone) }),
        Err((refusal, detail)) => Err(WardenError::Refused { refusal, detail }),
    }
}

impl Gone {
    /// Waits. Can be dropped and called again.
    pub async fn wait(&mut self) {
        while self.0.changed().await.is_ok() {}
    }

    /// Whether that is so already.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.0.has_changed().is_err()
    }

    /// Whether the warden said that nothing of the cell is left; once it
    /// [is gone](Self::is_gone).
    #[must_use]
    pub fn was_told(&self) -> bool {
        *self.0.borrow()
    }
}
