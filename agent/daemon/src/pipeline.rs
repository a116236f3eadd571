//! The life of a call on the host.
//!
//! `Gateway → Verified → Admitted → Capped → Recorded → plan → cell → outcome →
//! receipt`:
//! each step takes what only the step before it makes. Who may call at all is
//! decided by [`crate::peers`]; what comes after the intent is durable always
//! ends in an outcome in the journal.

mod admission;
mod files;
mod host;
mod keep;
mod places;
mod recording;
mod refusal;
mod resume;
mod run;
mod service;
mod session;
mod steer;
mod supervise;
mod transfer;
mod under_way;

use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_plan::LayerReport;
use cofferdam_profile::Profiles;
use cofferdam_proto::exec::v1::Layer;
use cofferdam_trust::PolicyVersions;

use crate::allowances::Allowances;
use crate::ceiling::Ceilings;
use crate::cells::{Cells, SessionKey};
use crate::denials::Denials;
use crate::enrolment::Standing;
use crate::freeze::Freeze;
use crate::intent::{Intents, Verified};
use crate::programs::Programs;
use crate::proxy::Proxy;
use crate::record::Recorder;
use crate::registry::{Registry, User};
use crate::replay::Replays;
use crate::restart::Store;
use crate::services::Services;
use crate::usage::Counters;

pub use files::file_call;
pub use host::describe_host;
pub use places::{look_after_places, tidy_places};
pub use resume::{Pending, resume};
pub use run::{Followed, start_run};
pub use service::read_service;
pub use session::close_session;
pub use steer::{resize_run, signal_run, write_run};
pub use transfer::{TransferError, download, upload};

/// All that a call needs of its agent.
#[derive(Debug)]
pub struct Agent {
    /// This host's name.
    pub name: String,
    /// What grants come to for the file worker.
    pub allowances: Allowances,
    /// Bytes of each output stream that are held for readers.
    pub spool_bytes: usize,
    /// The host owner's ceiling.
    pub ceilings: Arc<Ceilings>,
    /// The host's profiles.
    pub profiles: Arc<Profiles>,
    /// What programs need.
    pub programs: Arc<Programs>,
    /// Who is trusted here.
    pub standing: Arc<Standing>,
    /// Whose intents are believed.
    pub intents: Intents,
    /// Which were seen.
    pub replays: Replays,
    /// Whether the host's owner lets anything start.
    pub freeze: Freeze,
    /// The highest version of signed rules.
    pub versions: PolicyVersions,
    /// The journal.
    pub recorder: Arc<Recorder>,
    /// The runs.
    pub registry: Registry,
    /// The cells.
    pub cells: Arc<Cells>,
    /// Units of the service manager, and their journal.
    pub services: Services,
    /// The way out of cells that have one.
    pub proxy: Proxy,
    /// What the sandbox refused.
    pub denials: Arc<Denials>,
    /// Where cells are counted.
    pub counters: Counters,
    /// The layers of the last cell that was built.
    pub layers: Mutex<Vec<Layer>>,
    /// What outlives this process.
    pub store: Store,
}

impl Agent {
    /// Who asks, for the warden's log.
    fn subject(verified: &Verified) -> String {
        let subject = verified.intent().subject.as_ref();
        subject.map(|subject| subject.user.clone()).unwrap_or_default()
    }

    /// The caller, as whose all of this counts.
    fn user(verified: &Verified) -> User {
        User::of(verified)
    }

    /// The caller's session on this host.
    fn session(verified: &Verified) -> SessionKey {
        let intent = verified.intent();
        let client = intent.subject.as_ref().map(|subject| subject.client.clone());
        SessionKey {
            user: Self::user(verified),
            client: client.unwrap_or_default(),
            project: intent.project.clone(),
            session: intent.session.clone(),
        }
    }

    /// Remembers what the last cell could enforce, and says it on the wire.
    fn note_layers(&self, reports: &[LayerReport]) -> Vec<Layer> {
        let layers: Vec<Layer> = reports.iter().map(wire_layer).collect();
        layers.clone_into(&mut self.layers.lock().unwrap_or_else(PoisonError::into_inner));
        layers
    }
}

/// A layer on the wire.
#[must_use]
pub fn wire_layer(report: &LayerReport) -> Layer {
    let LayerReport { layer, effective, detail } = report;
    Layer { name: layer.name().to_owned(), effective: *effective, detail: detail.clone() }
}
