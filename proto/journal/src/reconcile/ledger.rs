//! One journal, arranged by run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cofferdam_trust::TrustedKeys;

use crate::broken::Broken;
use crate::digest::Digest;
use crate::ending::Ending;
use crate::entry::{Body, Intent, Outcome};
use crate::record::Record;
use crate::verify::Walk;

/// A journal by run id.
pub(super) struct Ledger {
    pub(super) owner: String,
    /// The keys that sign this journal.
    pub(super) keys: TrustedKeys,
    pub(super) runs: BTreeMap<String, Run>,
    /// Run ids that were refused or failed here.
    pub(super) refused: BTreeSet<String>,
}

/// What a journal has of one run.
#[derive(Default)]
pub(super) struct Run {
    /// Usually one; several where the caller tried again.
    pub(super) intents: Vec<Placed<Intent>>,
    /// The last one.
    pub(super) outcome: Option<Placed<Outcome>>,
}

/// A body and where it stands.
pub(super) struct Placed<T> {
    pub(super) sequence: u64,
    pub(super) hash: Digest,
    pub(super) body: T,
}

impl Ledger {
    pub(super) fn load(directory: &Path, trusted: Option<&TrustedKeys>) -> Result<Self, Broken> {
        let mut runs: BTreeMap<String, Run> = BTreeMap::new();
        let mut refused = BTreeSet::new();
        let mut walk = Walk::new(directory, trusted)?;
        while let Some(Record { sequence, hash, body, .. }) = walk.next()? {
            match body {
                Body::Intent(body) => {
                    let run = runs.entry(body.call.run_id.clone()).or_default();
                    run.intents.push(Placed { sequence, hash, body });
                }
                // Of what goes on, the outcome is yet to come.
                Body::Outcome(body) if body.ending != Ending::GoesOn => {
                    let run = runs.entry(body.run_id.clone()).or_default();
                    run.outcome = Some(Placed { sequence, hash, body });
                }
                Body::Denial(body) => drop(refused.insert(body.call.run_id)),
                Body::Failure(body) => drop(refused.insert(body.call.run_id)),
                Body::Outcome(_)
                | Body::Opened(_)
                | Body::Key(_)
                | Body::Checkpoint(_)
                | Body::Approval(_)
                | Body::Policy(_)
                | Body::Peer(_) => {}
            }
        }
        let chain = walk.finish()?.chain;
        Ok(Self { owner: chain.owner, keys: chain.keys, runs, refused })
    }

    /// The host names that this journal's intents are for, and the owner's own.
    pub(super) fn hosts(&self) -> BTreeSet<String> {
        let own = self.owner.rsplit('/').next().unwrap_or_default().to_owned();
        let recorded = self.runs.values().flat_map(|run| &run.intents);
        recorded.map(|intent| intent.body.call.host.clone()).chain([own]).collect()
    }
}
