//! Opening an existing journal: follows the whole chain, notes which intents
//! have no outcome, and cuts off what a crash tore.
//!
//! Only what no whole record can be is cut, only at the very end, and never
//! before the record that the head names; the cut is told in the next `opened`
//! record. Anything else that is wrong refuses to open.

use std::collections::BTreeMap;
use std::fs::OpenOptions;

use crate::broken::{Broken, Fault};
use crate::chain::Chain;
use crate::digest::Digest;
use crate::directory::{Directory, failed};
use crate::ending::Ending;
use crate::entry::{Body, Call, Cut, GatewayWord, Outcome};
use crate::journal::OpenError;
use crate::lines::Place;
use crate::record::Record;
use crate::verify::Walk;

/// An intent without an outcome, found when a journal was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Its run id.
    pub run_id: String,
    /// Its record's sequence.
    pub sequence: u64,
    /// Its record's hash.
    pub hash: [u8; 32],
    /// What was to be done, for whom and where.
    pub call: Box<Call>,
    /// In a host's journal: the gateway that asked, and what it signed.
    pub gateway: Option<Box<GatewayWord>>,
    /// Its caller was answered, and it went on ([`Ending::GoesOn`]).
    pub goes_on: bool,
}

impl Unfinished {
    /// The outcome to append for it where nobody knows what it came to.
    pub fn lost(&self, reason: &str) -> Outcome {
        Outcome::new(&self.run_id, self.hash, Ending::Lost { reason: reason.to_owned() })
    }
}

/// What was found in the files.
pub(crate) struct Found {
    pub(crate) chain: Chain<'static>,
    pub(crate) unfinished: Vec<Unfinished>,
    pub(crate) cut: Option<Cut>,
    /// The sequence that the last segment's name says.
    pub(crate) last_segment: Option<u64>,
}

/// Intents that wait for their outcome, by the hash of their record.
#[derive(Default)]
struct Open(BTreeMap<Digest, Unfinished>);

impl Open {
    fn note(&mut self, record: &Record) {
        match &record.body {
            Body::Intent(intent) => {
                let run_id = intent.call.run_id.clone();
                let (sequence, hash) = (record.sequence, record.hash.0);
                let call = Box::new(intent.call.clone());
                let gateway = intent.gateway.clone().map(Box::new);
                let open = Unfinished { run_id, sequence, hash, call, gateway, goes_on: false };
                self.0.insert(record.hash, open);
            }
            Body::Outcome(Outcome { intent, ending: Ending::GoesOn, .. }) => {
                if let Some(open) = self.0.get_mut(intent) {
                    open.goes_on = true;
                }
            }
            Body::Outcome(outcome) => {
                self.0.remove(&outcome.intent);
            }
            Body::Opened(_)
            | Body::Key(_)
            | Body::Denial(_)
            | Body::Failure(_)
            | Body::Approval(_)
            | Body::Policy(_)
            | Body::Peer(_)
            | Body::Checkpoint(_) => {}
        }
    }
}

/// Reads the journal in a locked directory and cuts its torn end.
pub(crate) fn recover(directory: &Directory) -> Result<Found, OpenError> {
    let mut open = Open::default();
    let mut walk = Walk::new(directory.path(), None)?;
    while let Some(record) = walk.next()? {
        open.note(&record);
    }
    let end = walk.finish()?;
    let cut = match end.torn {
        Some((place, bytes)) => Some(cut(&place, &bytes)?),
        None => None,
    };
    let mut unfinished: Vec<_> = open.0.into_values().collect();
    unfinished.sort_unstable_by_key(|run| run.sequence);
    Ok(Found { chain: end.chain, unfinished, cut, last_segment: end.last_segment })
}

fn cut(place: &Place, bytes: &[u8]) -> Result<Cut, OpenError> {
    let file = OpenOptions::new().write(true).open(&place.file);
    file.and_then(|file| {
        file.set_len(place.offset)?;
        file.sync_all()
    })
    .map_err(failed("cut the torn end of", &place.file))?;
    let cut = Cut { bytes: bytes.len() as u64, digest: Digest::of(bytes) };
    let file = place.file.display();
    tracing::warn!(%file, line = place.line, bytes = cut.bytes, "cut the journal's torn end");
    Ok(cut)
}

/// A place as an error's.
pub(crate) fn broken(place: &Place, sequence: u64, fault: Fault) -> Broken {
    Broken { file: place.file.clone(), line: place.line, sequence, fault }
}
