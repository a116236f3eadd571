//! Tells about units of the host's service manager: their states, and what one
//! wrote to the journal. Cells reach neither the system bus nor the journal; the
//! agent reads both by itself, in one fixed way that changes nothing.
//!
//! Invariant: nothing is told that `[services]` of the ceiling does not show. It is
//! asked twice: before anything is read, for the unit that is asked for, and
//! about everything that comes back. What is read is bounded in size, time and
//! number at the same time. [`crate::pipeline`] calls this once the intent is
//! durable.

mod glob;
mod query;
mod report;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_proto::host::v1::ServiceReport;
use cofferdam_services::{Journal, JournalError, MachineId, Unit, UnitStatus};
use cofferdam_services::{UnitFilter, Units, UnitsError};
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub use query::{Asked, checked, described};

use crate::ceiling::{Services as Shown, ServicesError};
use crate::config::ServicePlaces;

/// Questions that are answered at the same time.
const READERS: usize = 2;
/// How long a question waits for one of those before it to end.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long one may take in all. Bus and journal have shorter limits of their
/// own; this is for a disk that does not answer.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// After which this machine's journal is named (machine-id(5)).
pub(crate) const MACHINE_ID: &str = "/etc/machine-id";

/// Where units are asked about.
#[derive(Debug)]
pub struct Services {
    places: ServicePlaces,
    readers: Arc<Semaphore>,
}

/// Why nothing is told.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The ceiling does not show it.
    #[error(transparent)]
    Ceiling(#[from] ServicesError),
    /// Another name of a unit: what is permitted is permitted by name.
    #[error(
        "`{asked}` is another name of {real}; what may be read is decided by that name: ask for it"
    )]
    Alias {
        /// What was asked for.
        asked: String,
        /// What it is, in words.
        real: String,
    },
    /// Too many at the same time.
    #[error("{READERS} questions about services are being answered; try again in a moment")]
    Busy,
    /// A disk or the bus hangs.
    #[error("nothing was read within {} s; the host's disk or bus may hang", TIME_LIMIT.as_secs())]
    Late,
    /// The thread that reads is gone.
    #[error("the reader ended without an answer: {0}")]
    Vanished(String),
    /// The service manager does not tell.
    #[error(transparent)]
    Units(#[from] UnitsError),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl ReadError {
    /// The ceiling's key that decided; empty where none did.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Ceiling(ServicesError::Nothing { .. }) => "ceiling.services",
            Self::Ceiling(ServicesError::Unit { .. }) => "ceiling.services.show",
            Self::Ceiling(ServicesError::Journal { .. }) => "ceiling.services.journal",
            _ => "",
        }
    }
}

impl Services {
    /// Asks at these places.
    #[must_use]
    pub fn new(places: ServicePlaces) -> Self {
        Self { places, readers: Arc::new(Semaphore::new(READERS)) }
    }

    /// Answers a question as far as `shown` lets it.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read(&self, asked: Asked, shown: Shown) -> Result<ServiceReport, ReadError> {
        let free = Arc::clone(&self.readers).acquire_owned();
        let Ok(Ok(permit)) = timeout(PATIENCE, free).await else { return Err(ReadError::Busy) };
        let places = self.places.clone();
        // A thread that hangs keeps its place, so that there are never more.
        let reading = tokio::task::spawn_blocking(move || {
            let answer = answer(&places, asked, &shown);
            drop(permit);
            answer
        });
        match timeout(TIME_LIMIT, reading).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Err(ReadError::Vanished(error.to_string())),
            Err(_) => Err(ReadError::Late),
        }
    }
}

fn answer(places: &ServicePlaces, asked: Asked, shown: &Shown) -> Result<ServiceReport, ReadError> {
    let units = Units::on(places.bus.clone());
    Ok(match asked {
        Asked::List { pattern } => {
            let glob = pattern.as_str().to_owned();
            let filter = UnitFilter { patterns: vec![pattern], ..UnitFilter::default() };
            let may = |name: &str| glob::matches(&glob, name) && shown.shows(name);
            let list = report::list(units.list(&filter)?, may);
            ServiceReport { list: Some(list), ..ServiceReport::default() }
        }
        Asked::Status { unit } => {
            let status = units.status(&unit)?;
            check_name(&unit, &status, shown)?;
            let status = report::status(status, |name| shown.shows(name));
            ServiceReport { status: Some(status), ..ServiceReport::default() }
        }
        Asked::Journal { query } => {
            let page = journal(&places.journals)?.read(&query)?;
            ServiceReport { journal: Some(report::page(page)), ..ServiceReport::default() }
        }
    })
}

fn journal(roots: &[PathBuf]) -> Result<Journal, JournalError> {
    Ok(Journal::new(roots.to_vec(), MachineId::read(MACHINE_ID.as_ref())?))
}

/// The service manager knows units by further names. Rules and ceiling decided
/// about the name that was asked for.
fn check_name(unit: &Unit, status: &UnitStatus, shown: &Shown) -> Result<(), ReadError> {
    let UnitStatus::Loaded(loaded) = status else { return Ok(()) };
    let real = &loaded.state.name;
    if real == unit {
        return Ok(());
    }
    let real = if shown.shows(real.as_str()) {
        format!("`{real}`")
    } else {
        "a unit that this host does not show".to_owned()
    };
    Err(ReadError::Alias { asked: unit.to_string(), real })
}
