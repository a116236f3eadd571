//! What the journal says from before this process started: intents without an
//! outcome get one, and intents that still count are not taken again.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cofferdam_journal::{
    AppendError, Body, Broken, Call, Entry, Intent, Journal, Recovery, Unfinished,
};
use cofferdam_plan::RunId;
use cofferdam_proto::exec::v1::Finished;
use cofferdam_proto::intent::v1 as wire;
use prost::Message;
use uuid::Uuid;

use crate::intent::{MAX_LIFETIME, SKEW};
use crate::outcome;
use crate::registry::{Begin, Registry};
use crate::replay::{Recalled, Replays};
use crate::restart::Left;

/// What became of calls that an earlier process left.
const REASON: &str = "the agent ended before the call did, and what had begun of it with it";

/// Intents without an outcome whose runs an earlier process left in the store.
pub type Resumable = HashMap<RunId, Lost>;

/// Such an intent. Lost, unless it can be gone on with.
#[derive(Debug)]
pub struct Lost {
    /// Its record.
    pub recorded: Unfinished,
    /// The run's name.
    pub run: String,
}

/// Sets aside what can be gone on with; the rest is to be [settled](settle).
pub fn set_aside(recovery: &mut Recovery, left: &Left) -> Resumable {
    let is_left = |unfinished: &Unfinished| {
        let id = RunId(Uuid::parse_str(&unfinished.run_id).ok()?.into_bytes());
        let run = left.runs.get(&id)?;
        (run.words.intent_hash == unfinished.hash).then_some(id)
    };
    let mut resumable = Resumable::new();
    for recorded in std::mem::take(&mut recovery.unfinished) {
        match is_left(&recorded) {
            Some(id) => {
                let run = recorded.run_id.clone();
                resumable.insert(id, Lost { recorded, run });
            }
            None => recovery.unfinished.push(recorded),
        }
    }
    resumable
}

/// The journal could not be read or written at start.
#[derive(Debug, thiserror::Error)]
pub enum LostError {
    /// Reading failed.
    #[error(transparent)]
    Read(#[from] Broken),
    /// Writing failed.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Gives every unfinished intent its outcome: the agent went down with it, and
/// its cell with the agent. Waits for the disk, so call it before serving.
///
/// # Errors
/// Where the journal takes none.
pub fn settle(journal: &Journal, recovery: &Recovery) -> Result<usize, LostError> {
    let mut last = None;
    for unfinished in &recovery.unfinished {
        let outcome = unfinished.lost(REASON);
        last = Some(journal.append(Entry::Outcome(outcome))?);
    }
    // One wait covers all: records become durable in their order.
    if let Some(appended) = last {
        appended.durable.wait_blocking()?;
    }
    Ok(recovery.unfinished.len())
}

/// Enters the runs among what an earlier process left unfinished, so that who
/// asks for one hears that it was lost, and why. One whose record does not say
/// which gateway asked belongs to nobody who could ask for it, and stays out.
pub fn enter(registry: &Registry, recovery: &Recovery) {
    for unfinished in &recovery.unfinished {
        let call = &*unfinished.call;
        let (Ok(id), true) = (Uuid::parse_str(&unfinished.run_id), is_run(call)) else { continue };
        let Some((gateway, action)) = asked(unfinished) else { continue };
        let subject = call.subject.clone().map(|subject| wire::Subject {
            user: subject.user,
            groups: subject.groups,
            client: subject.client,
            tenant: subject.tenant,
        });
        let begin = Begin {
            id: RunId(id.into_bytes()),
            action,
            gateway,
            subject,
            project: call.project.clone(),
            ..Begin::default()
        };
        let outcome = Some(outcome::lost(REASON));
        registry.lost(begin, Finished { outcome, ..Finished::default() });
    }
}

/// By which gateway, and for exactly which action; who asks for the same again is
/// told of this run.
fn asked(unfinished: &Unfinished) -> Option<(String, [u8; 32])> {
    let word = unfinished.gateway.as_deref()?;
    // It was verified when it was recorded.
    let wire = wire::Intent::decode(word.signed_intent.intent.as_slice()).ok()?;
    Some((word.gateway.clone(), wire.action_digest.try_into().ok()?))
}

/// Whether a record is of a run: those of other operations have no program.
fn is_run(call: &Call) -> bool {
    call.action.get("program").is_some()
}

/// Remembers the intents of the journal in `directory` that still count. Reads
/// all of it, unless its files are older than any such intent.
///
/// # Errors
/// Where the journal cannot be read.
pub fn recall(directory: &Path, changed: SystemTime, replays: &Replays) -> Result<(), LostError> {
    let now = SystemTime::now();
    if now.duration_since(changed).is_ok_and(|age| age > MAX_LIFETIME + 2 * SKEW) {
        return Ok(());
    }
    for record in cofferdam_journal::read(directory)? {
        if let Body::Intent(intent) = record?.body
            && let Some(recalled) = recalled(&intent)
        {
            replays.recall(&recalled, now);
        }
    }
    Ok(())
}

/// When the journal's newest file was changed; 1970 where there is none.
#[must_use]
pub fn changed(directory: &Path) -> SystemTime {
    let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let times = files.filter_map(|file| file.metadata().ok()?.modified().ok());
    times.max().unwrap_or(UNIX_EPOCH)
}

fn recalled(intent: &Intent) -> Option<Recalled> {
    let signed = &intent.gateway.as_ref()?.signed_intent;
    // It was verified when it was recorded.
    let wire = wire::Intent::decode(signed.intent.as_slice()).ok()?;
    let expires = Duration::from_secs(u64::try_from(wire.expires_at?.seconds).ok()?);
    let until = expires.checked_add(SKEW + Duration::from_secs(1))?;
    Some(Recalled {
        run: RunId(Uuid::parse_str(&wire.run_id).ok()?.into_bytes()),
        nonce: wire.nonce.try_into().ok()?,
        action: wire.action_digest.try_into().ok()?,
        until: UNIX_EPOCH.checked_add(until)?,
    })
}
