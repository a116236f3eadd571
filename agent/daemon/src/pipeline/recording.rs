//! From a decision to its record: an intent is taken once, and its record is there before
//! anything comes of it. Every call comes through here, so that the order is nobody's to
//! get wrong: a place, the intent, the record.

use std::time::SystemTime;

use serde_json::Value;

use super::Agent;
use crate::cap::{Crowd, Need};
use crate::fault::Fault;
use crate::intent::Verified;
use crate::record::{Decided, Recorded};
use crate::registry::Place;

/// A call that may be, and was not recorded yet.
#[derive(Debug)]
pub(super) struct Allowed {
    /// What was asked, and by whom.
    pub(super) verified: Verified,
    /// What it is, for the record.
    pub(super) action: Value,
    /// By which ceiling, and what of it.
    pub(super) decided: Decided,
}

impl Agent {
    /// Takes the intent, and makes its record durable.
    ///
    /// # Errors
    /// Where the intent was taken before; a record says so. Where the journal takes no
    /// record, and then the intent may come again.
    pub(super) async fn record(&self, allowed: Allowed) -> Result<Recorded, Fault> {
        self.record_for(Need::Write, allowed).await
    }

    /// The same once there is a place for a cell, of at most so many. The record of what
    /// only looks is durable within the journal's own time.
    ///
    /// # Errors
    /// As [`Self::record`], and where there is no place; a record says so.
    pub(super) async fn record_with_place(
        &self,
        need: Need,
        most: Crowd,
        allowed: Allowed,
    ) -> Result<(Recorded, Place), Fault> {
        let user = Self::user(&allowed.verified);
        match self.registry.place(&user, most).await {
            Ok(place) => Ok((self.record_for(need, allowed).await?, place)),
            Err(error) => Err(self.refuse(&allowed.verified, allowed.action, error)),
        }
    }

    async fn record_for(&self, need: Need, allowed: Allowed) -> Result<Recorded, Fault> {
        let Allowed { verified, action, decided } = allowed;
        if let Err(error) = self.replays.take(&verified, SystemTime::now()) {
            return Err(self.refuse(&verified, action, error));
        }
        let run = verified.run();
        let recorded = match need {
            Need::Write => self.recorder.intent(verified, action, decided).await,
            Need::Read | Need::Whatever => {
                self.recorder.intent_to_read(verified, action, decided).await
            }
        };
        recorded.map_err(|error| {
            self.replays.release(run);
            error.into()
        })
    }
}
