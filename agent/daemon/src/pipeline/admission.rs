//! Whether this host does anything at all for a call: for this caller, by these
//! rules. What it then gives is for [`crate::cap`] to say.

use std::sync::Arc;

use super::Agent;
use crate::ceiling::Current;
use crate::fault::Fault;
use crate::intent::Verified;

impl Agent {
    /// The ceiling that lets the call through; it is also the one that caps it.
    pub(super) fn admit(&self, verified: &Verified) -> Result<Arc<Current>, Fault> {
        let current = self.ceilings.current()?;
        let intent = verified.intent();
        current.callers.admit(intent.subject.as_ref())?;
        if let Some(word) = current.policy.check(intent)? {
            tokio::task::block_in_place(|| self.versions.take(&word))?;
        }
        Ok(current)
    }

    /// The same for a call that starts or changes something.
    pub(super) fn admit_change(&self, verified: &Verified) -> Result<Arc<Current>, Fault> {
        self.freeze.check()?;
        self.admit(verified)
    }
}
