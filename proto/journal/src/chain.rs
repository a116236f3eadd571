//! Follows the chain record by record and says what is wrong where.
//!
//! Opening, verifying and reconciling all walk a journal with this.

use cofferdam_trust::{Purpose, TrustedKeys, VerifyingKey};

use crate::broken::Fault;
use crate::digest::Digest;
use crate::entry::{Body, Checkpoint, KeyChange, Opened};
use crate::record::Record;

/// The state of a chain after some record.
#[derive(Debug)]
pub(crate) struct Chain<'k> {
    trusted: Option<&'k TrustedKeys>,
    /// The sequence that comes next.
    pub(crate) next: u64,
    /// The hash of the last record.
    pub(crate) last: Digest,
    pub(crate) owner: String,
    /// The key that signs now.
    pub(crate) key: Option<VerifyingKey>,
    /// Every key that ever signed.
    pub(crate) keys: TrustedKeys,
    pub(crate) last_checkpoint: Option<u64>,
    /// A head file must be there: something besides opening was recorded.
    pub(crate) in_use: bool,
}

impl<'k> Chain<'k> {
    pub(crate) fn new(trusted: Option<&'k TrustedKeys>) -> Self {
        Self {
            trusted,
            next: 1,
            last: Digest::ZERO,
            owner: String::new(),
            key: None,
            keys: TrustedKeys::default(),
            last_checkpoint: None,
            in_use: false,
        }
    }

    /// Takes the next line, checking it against everything before.
    pub(crate) fn follow(&mut self, line: &[u8]) -> Result<Record, Fault> {
        let record = Record::parse(line)?;
        let found = record.sequence;
        if found > self.next {
            return Err(Fault::Missing { found });
        }
        if found < self.next {
            return Err(Fault::OutOfOrder { found });
        }
        if record.previous != self.last {
            return Err(Fault::Unlinked { expected: self.last, found: record.previous });
        }
        self.check(&record.body)?;
        self.next += 1;
        self.last = record.hash;
        Ok(record)
    }

    fn check(&mut self, body: &Body) -> Result<(), Fault> {
        match body {
            Body::Opened(opened) => self.open(opened),
            _ if self.key.is_none() => Err(Fault::NotOpened),
            Body::Checkpoint(checkpoint) => self.checkpoint(checkpoint),
            Body::Key(change) => self.change(change),
            Body::Intent(_)
            | Body::Denial(_)
            | Body::Failure(_)
            | Body::Outcome(_)
            | Body::Approval(_)
            | Body::Policy(_)
            | Body::Peer(_) => {
                self.in_use = true;
                Ok(())
            }
        }
    }

    fn open(&mut self, opened: &Opened) -> Result<(), Fault> {
        match self.key {
            None => self.believe(opened.key)?,
            Some(key) if key == opened.key => {}
            Some(_) => return Err(Fault::KeyWithoutWord { key_id: opened.key.key_id() }),
        }
        self.owner.clone_from(&opened.owner);
        Ok(())
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), Fault> {
        let Checkpoint { sequence, hash, key_id, signature } = checkpoint;
        let text = checkpoint_text(&self.owner, self.next - 1, self.last);
        let signed = self.key.is_some_and(|key| {
            *key_id == key.key_id() && key.verifies(Purpose::Checkpoint, &text, signature)
        });
        if !signed || *sequence != self.next - 1 || *hash != self.last {
            return Err(Fault::Signature { what: "checkpoint" });
        }
        self.last_checkpoint = Some(self.next);
        Ok(())
    }

    fn change(&mut self, change: &KeyChange) -> Result<(), Fault> {
        let KeyChange { key, previous, signature } = change;
        let text = key_change_text(&self.owner, key, self.last);
        let signed = self.key.is_some_and(|old| {
            *previous == old.key_id() && old.verifies(Purpose::KeyChange, &text, signature)
        });
        if !signed {
            return Err(Fault::Signature { what: "key change" });
        }
        self.in_use = true;
        // The old key's word stands for the new one, where the old is trusted.
        self.key = Some(*key);
        self.keys.insert(*key);
        Ok(())
    }

    fn believe(&mut self, key: VerifyingKey) -> Result<(), Fault> {
        let key_id = key.key_id();
        if self.trusted.is_some_and(|trusted| trusted.get(&key_id).is_none()) {
            return Err(Fault::UntrustedKey { key_id });
        }
        self.key = Some(key);
        self.keys.insert(key);
        Ok(())
    }
}

/// What a checkpoint signs.
pub(crate) fn checkpoint_text(owner: &str, sequence: u64, hash: Digest) -> Vec<u8> {
    format!("{sequence}\n{hash}\n{owner}").into_bytes()
}

/// What the old key signs when a new one takes over.
pub(crate) fn key_change_text(owner: &str, key: &VerifyingKey, last: Digest) -> Vec<u8> {
    format!("{key}\n{last}\n{owner}").into_bytes()
}
