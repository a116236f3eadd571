//! The agent's end of the warden's socket: many cells at once over one stream.
//!
//! A reader task gives each event to the cell it names. When the stream ends,
//! every waiting cell is told, and the next request connects anew where there
//! is a path to connect to.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use cofferdam_plan::channel::ChannelError;
use cofferdam_plan::{CellId, CellPlan, Leaf, Limits, Refusal, WardenEvent, WardenRequest};
use tokio::net::UnixStream;
use tokio::sync::{oneshot, watch};

use crate::frames;

/// How the warden is reached.
#[derive(Debug)]
pub enum Endpoint {
    /// A socket that was inherited, connected.
    Inherited(OwnedFd),
    /// A socket to connect to.
    Path(PathBuf),
}

/// The warden, from here.
#[derive(Debug)]
pub struct Warden {
    path: Option<PathBuf>,
    link: tokio::sync::Mutex<Option<Arc<Link>>>,
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
    #[error("the warden is gone, and every cell with it; start cofferdam-warden again")]
    Gone,
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

#[derive(Debug)]
struct Link {
    socket: UnixStream,
    sending: tokio::sync::Mutex<()>,
    cells: Mutex<Option<HashMap<CellId, Waiting>>>,
    /// What is known of them, for whoever looks.
    known: Mutex<HashMap<CellId, Known>>,
    records: Mutex<Option<oneshot::Sender<Result<OwnedFd, String>>>>,
}

/// Who waits for what of one cell.
#[derive(Debug)]
struct Waiting {
    answer: Option<oneshot::Sender<Answer>>,
    leaves: HashMap<u32, oneshot::Sender<LeafAnswer>>,
    /// Dropped when the cell is gone.
    gone: watch::Sender<bool>,
}

type Answer = Result<(u32, String), (Refusal, String)>;

/// Whether a leaf is there, and why not.
type LeafAnswer = (bool, String);

/// How long what is left in a leaf may take to end, with a look after each pause.
const ENDING: [Duration; 6] = [
    Duration::from_millis(1),
    Duration::from_millis(4),
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(600),
];

impl Warden {
    /// Reaches the warden. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Where an inherited socket is none.
    pub fn new(endpoint: Endpoint) -> io::Result<Self> {
        let (path, link) = match endpoint {
            Endpoint::Path(path) => (Some(path), None),
            Endpoint::Inherited(socket) => {
                let socket = std::os::unix::net::UnixStream::from(socket);
                socket.set_nonblocking(true)?;
                (None, Some(Link::start(UnixStream::from_std(socket)?)))
            }
        };
        Ok(Self { path, link: tokio::sync::Mutex::new(link) })
    }

    /// Asks for a cell; `control` is its end of its control socket.
    ///
    /// # Errors
    /// See [`WardenError`].
    pub async fn build(&self, plan: CellPlan, control: OwnedFd) -> Result<Building, WardenError> {
        let cell = plan.cell;
        let link = self.link().await?;
        link.note(&plan);
        let (answer, answered) = oneshot::channel();
        let (held, gone) = watch::channel(false);
        link.wait_for(cell, Waiting { answer: Some(answer), leaves: HashMap::new(), gone: held })?;
        link.send(&WardenRequest::Build(plan), Some(&control)).await?;
        drop(control);
        match answered.await {
            Ok(Ok((uid, cgroup))) => Ok(Building { uid, cgroup, gone: Gone(gone) }),
            Ok(Err((refusal, detail))) => Err(WardenError::Refused { refusal, detail }),
            Err(_) => Err(WardenError::Gone),
        }
    }

    /// Goes on with a cell that was built for an earlier agent.
    ///
    /// # Errors
    /// Where it is gone, or the warden.
    pub async fn adopt(&self, cell: CellId) -> Result<Building, WardenError> {
        let link = self.link().await?;
        let (answer, answered) = oneshot::channel();
        let (held, gone) = watch::channel(false);
        link.wait_for(cell, Waiting { answer: Some(answer), leaves: HashMap::new(), gone: held })?;
        link.send(&WardenRequest::Adopt(cell), None).await?;
        match answered.await {
            Ok(Ok((uid, cgroup))) => Ok(Building { uid, cgroup, gone: Gone(gone) }),
            Ok(Err(_)) | Err(_) => Err(WardenError::Gone),
        }
    }

    /// Has a cgroup leaf made for a run; its cell's PID 1 has it then.
    ///
    /// # Errors
    /// See [`WardenError`].
    pub async fn make_leaf(&self, leaf: Leaf, limits: Limits) -> Result<(), WardenError> {
        match self.ask_of_leaf(leaf, WardenRequest::MakeLeaf(leaf, limits)).await? {
            (true, _) => Ok(()),
            (false, why) => Err(WardenError::NoLeaf(why)),
        }
    }

    /// Has a leaf removed whose run is over and may have left something; whether
    /// something lives in it, so that it is still there.
    ///
    /// # Errors
    /// Where cell or warden are gone, and the leaf with them.
    pub async fn remove_leaf(&self, leaf: Leaf) -> Result<bool, WardenError> {
        Ok(self.ask_of_leaf(leaf, WardenRequest::RemoveLeaf(leaf, false)).await?.0)
    }

    /// Has a leaf removed whose run is over, and ended what is left in it; false
    /// where something in it does not end.
    ///
    /// # Errors
    /// Where cell or warden are gone, and the leaf with them.
    pub async fn end_leaf(&self, leaf: Leaf) -> Result<bool, WardenError> {
        for pause in ENDING {
            if !self.ask_of_leaf(leaf, WardenRequest::RemoveLeaf(leaf, true)).await?.0 {
                return Ok(true);
            }
            tokio::time::sleep(pause).await;
        }
        Ok(!self.ask_of_leaf(leaf, WardenRequest::RemoveLeaf(leaf, true)).await?.0)
    }

    async fn ask_of_leaf(
        &self,
        leaf: Leaf,
        request: WardenRequest,
    ) -> Result<LeafAnswer, WardenError> {
        let link = self.link().await?;
        let (answer, answered) = oneshot::channel();
        link.with(leaf.cell, |cell| cell.leaves.insert(leaf.number, answer))?;
        link.send(&request, None).await?;
        answered.await.map_err(|_| WardenError::Gone)
    }

    /// The kernel's records of what the sandbox refused, or why there are none.
    ///
    /// # Errors
    /// Where the warden cannot be asked.
    pub async fn records(&self) -> Result<Result<OwnedFd, String>, WardenError> {
        let link = self.link().await?;
        let (answer, answered) = oneshot::channel();
        link.records.lock().unwrap_or_else(PoisonError::into_inner).replace(answer);
        link.send(&WardenRequest::Records, None).await?;
        answered.await.map_err(|_| WardenError::Gone)
    }

    /// Ends a cell that does not end by itself.
    ///
    /// # Errors
    /// Where the warden is gone; the cell then is too.
    pub async fn destroy(&self, cell: CellId) -> Result<(), WardenError> {
        self.link().await?.send(&WardenRequest::Destroy(cell), None).await
    }

    /// The cells that it has, as far as it was asked for them on this connection.
    pub async fn cells(&self) -> Vec<Known> {
        let link = self.link.lock().await.clone();
        link.map(|link| link.known()).unwrap_or_default()
    }

    /// Whether the warden can be asked.
    pub async fn is_there(&self) -> bool {
        self.link().await.is_ok()
    }

    async fn link(&self) -> Result<Arc<Link>, WardenError> {
        let mut link = self.link.lock().await;
        if let Some(link) = link.as_ref().filter(|link| link.is_open()) {
            return Ok(Arc::clone(link));
        }
        let path = self.path.as_ref().ok_or(WardenError::Gone)?;
        let socket = UnixStream::connect(path)
            .await
            .map_err(|source| WardenError::Connect { path: path.clone(), source })?;
        Ok(Arc::clone(link.insert(Link::start(socket))))
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

impl Link {
    fn start(socket: UnixStream) -> Arc<Self> {
        let link = Arc::new(Self {
            socket,
            sending: tokio::sync::Mutex::new(()),
            cells: Mutex::new(Some(HashMap::new())),
            known: Mutex::default(),
            records: Mutex::default(),
        });
        tokio::spawn(Arc::clone(&link).listen());
        link
    }

    /// Gives events to their cells until the stream ends.
    async fn listen(self: Arc<Self>) {
        let error = loop {
            match frames::receive::<WardenEvent>(&self.socket).await {
                Ok((WardenEvent::Records(why), given)) => self.deliver_records(why, given),
                Ok((event, _)) => self.deliver(event),
                Err(error) => break error,
            }
        };
        match error {
            ChannelError::Closed => tracing::warn!("the warden closed its socket"),
            error => tracing::error!(%error, "the warden's socket is unusable"),
        }
        // Whoever waits is told by the drop.
        self.cells.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.records.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn deliver_records(&self, why: String, given: Vec<OwnedFd>) {
        let waiting = self.records.lock().unwrap_or_else(PoisonError::into_inner).take();
        let records = given.into_iter().next().ok_or(why);
        // Nobody waits any more: the socket is closed by the drop.
        drop(waiting.map(|waiting| waiting.send(records)));
    }

    fn deliver(&self, event: WardenEvent) {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(cells) = cells.as_mut() else { return };
        let mut answer = |cell, answer: Answer| {
            let sender =
                cells.get_mut(&cell).and_then(|waiting: &mut Waiting| waiting.answer.take());
            // Nobody waits any more: the cell ends when its control socket closes.
            sender.map(|sender| sender.send(answer))
        };
        match event {
            WardenEvent::Building { cell, uid, cgroup } => drop(answer(cell, Ok((uid, cgroup)))),
            WardenEvent::Refused { cell, refusal, detail } => {
                drop(answer(cell, Err((refusal, detail))));
                cells.remove(&cell);
            }
            WardenEvent::Gone { cell } => {
                // Nobody may wait for it any more.
                self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&cell);
                _ = cells.remove(&cell).map(|waiting| waiting.gone.send(true));
            }
            // Delivered with its descriptor.
            WardenEvent::Records(_) => {}
            WardenEvent::Leaf { leaf, there, detail } => {
                let waiting = cells.get_mut(&leaf.cell);
                let sender = waiting.and_then(|waiting| waiting.leaves.remove(&leaf.number));
                // Nobody waits any more: the leaf goes with its cell.
                drop(sender.map(|sender| sender.send((there, detail))));
            }
        }
    }

    /// Does something with what waits for a cell; a cell that is gone is as if
    /// the warden were.
    fn with<T>(&self, cell: CellId, act: impl FnOnce(&mut Waiting) -> T) -> Result<T, WardenError> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = cells.as_mut().and_then(|cells| cells.get_mut(&cell));
        waiting.map(act).ok_or(WardenError::Gone)
    }

    /// Remembers what is asked for.
    fn note(&self, plan: &CellPlan) {
        let known = Known {
            id: plan.cell,
            profile: plan.profile.clone(),
            subject: plan.subject.clone(),
            workspace: plan.workspace.path.as_path().to_owned(),
            since: SystemTime::now(),
        };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(plan.cell, known);
    }

    /// What is there of it, and what of that is known; forgets the rest.
    fn known(&self) -> Vec<Known> {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_there = |cell: &CellId| cells.as_ref().is_some_and(|cells| cells.contains_key(cell));
        known.retain(|cell, _| is_there(cell));
        let bare = |id: &CellId| Known {
            id: *id,
            profile: String::new(),
            subject: String::new(),
            workspace: PathBuf::new(),
            since: SystemTime::now(),
        };
        let all = cells.iter().flat_map(HashMap::keys);
        all.map(|id| known.get(id).cloned().unwrap_or_else(|| bare(id))).collect()
    }

    fn wait_for(&self, cell: CellId, waiting: Waiting) -> Result<(), WardenError> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        cells.as_mut().ok_or(WardenError::Gone)?.insert(cell, waiting);
        Ok(())
    }

    async fn send(
        self: &Arc<Self>,
        request: &WardenRequest,
        descriptor: Option<&OwnedFd>,
    ) -> Result<(), WardenError> {
        let _turn = self.sending.lock().await;
        let descriptors: Vec<_> = descriptor.into_iter().map(AsFd::as_fd).collect();
        Ok(frames::send(&self.socket, request, &descriptors).await?)
    }

    fn is_open(&self) -> bool {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}
