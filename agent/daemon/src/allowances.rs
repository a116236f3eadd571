//! What grants come to on this host, remembered from call to call.
//!
//! To cap a grant and to plan the cell of its file worker takes comparing hundreds
//! of paths, and most calls of a caller come with the grant of the call before. Both
//! are pure functions, so what they gave once they give again, for the same input:
//!
//! | input | is the same where |
//! |---|---|
//! | the grant | its whole encoding is |
//! | what the action needs | it is |
//! | the profiles | always: they are read once, and are this module's own |
//! | the ceiling | the SHA-256 of its file's text is; it says nothing else |
//! | the file worker's path, the host's name | always |
//! | what was found on the host, for a plan | it is the very survey: it is kept beside the plan, so that no other can have its address |
//!
//! Nothing is asked here whether a call may be done: whoever asks has read the
//! ceiling's file for this call ([`crate::ceiling::Ceilings`]) and has the host looked
//! at for it ([`crate::programs`]). So a ceiling that was edited, a program that was
//! replaced, another workspace, profile or limit is another input, and is never
//! answered with what an earlier one came to.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cofferdam_plan::CellPlan;
use cofferdam_profile::Profiles;
use cofferdam_proto::intent::v1::Grant;
use prost::Message;
use serde_json::Value;

use crate::cap::{CapError, Capped, Need, cap};
use crate::ceiling::Current;
use crate::planner::{Naming, PlanError, Purpose, Survey, plan_cell};
use crate::programs::Question;
use crate::record::grant_value;
use crate::worker;

/// Grants that are remembered: each takes some tens of KiB.
const MOST: usize = 64;

/// What grants came to lately.
#[derive(Debug)]
pub struct Allowances {
    profiles: Arc<Profiles>,
    worker: PathBuf,
    hostname: String,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    allowances: HashMap<Asked, (u64, Arc<Allowance>)>,
    /// Counts questions, to tell which allowance was used least lately.
    clock: u64,
}

/// All that an allowance depends on and that is not always the same.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Asked {
    grant: Vec<u8>,
    need: Need,
    ceiling: [u8; 32],
}

/// What a grant comes to for the file worker.
#[derive(Debug)]
pub struct Allowance {
    capped: Capped,
    recorded: Value,
    question: Question,
    /// The last plan, and what it was made from.
    plan: Mutex<Option<(Arc<Survey>, Arc<CellPlan>)>>,
}

impl Allowances {
    /// None yet; for the file worker at `worker` on the host `hostname`.
    #[must_use]
    pub fn new(profiles: Arc<Profiles>, worker: PathBuf, hostname: String) -> Self {
        Self { profiles, worker, hostname, kept: Mutex::default() }
    }

    /// The file worker.
    #[must_use]
    pub fn worker(&self) -> &Path {
        &self.worker
    }

    /// What the file worker may have by `grant`, below `current`.
    ///
    /// # Errors
    /// Where it may have nothing.
    pub fn of(
        &self,
        grant: Grant,
        need: Need,
        current: &Current,
    ) -> Result<Arc<Allowance>, CapError> {
        let asked = Asked { grant: grant.encode_to_vec(), need, ceiling: current.digest };
        if let Some(known) = self.lock().known(&asked) {
            return Ok(known);
        }
        let mut capped = cap(grant, need, &self.profiles, &current.ceiling)?;
        worker::narrow(&mut capped.limits);
        let allowance = Arc::new(Allowance {
            recorded: grant_value(&capped.grant()),
            question: Question::new(&capped, Purpose::Files(&self.worker)),
            capped,
            plan: Mutex::default(),
        });
        self.lock().keep(asked, Arc::clone(&allowance));
        Ok(allowance)
    }

    /// Plans the cell for an allowance of these, with what was found on the host for
    /// it. It bears no cell's name and nobody's.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn plan(
        &self,
        allowance: &Allowance,
        survey: &Arc<Survey>,
    ) -> Result<Arc<CellPlan>, PlanError> {
        let mut last = allowance.plan.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((from, plan)) = &*last
            && Arc::ptr_eq(from, survey)
        {
            return Ok(Arc::clone(plan));
        }
        let (purpose, naming) = (Purpose::Files(&self.worker), Naming::of_host(&self.hostname));
        let plan = Arc::new(plan_cell(&allowance.capped, survey, purpose, naming)?);
        // A survey that was made anew mostly finds what the one before found: then it is
        // the same plan, and cells that were built by it know it as theirs.
        let plan = match &*last {
            Some((_, before)) if **before == *plan => Arc::clone(before),
            _ => plan,
        };
        *last = Some((Arc::clone(survey), Arc::clone(&plan)));
        Ok(plan)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn known(&mut self, asked: &Asked) -> Option<Arc<Allowance>> {
        self.clock += 1;
        let (used, allowance) = self.allowances.get_mut(asked)?;
        *used = self.clock;
        Some(Arc::clone(allowance))
    }

    fn keep(&mut self, asked: Asked, allowance: Arc<Allowance>) {
        if self.allowances.len() >= MOST {
            let oldest = self.allowances.values().map(|(used, _)| *used).min();
            self.allowances.retain(|_, (used, _)| Some(*used) != oldest);
        }
        self.allowances.insert(asked, (self.clock, allowance));
    }
}

impl Allowance {
    /// What the worker may have.
    #[must_use]
    pub fn capped(&self) -> &Capped {
        &self.capped
    }

    /// The grant as it was capped, for the journal.
    #[must_use]
    pub fn recorded(&self) -> &Value {
        &self.recorded
    }

    /// What must be known of the host to plan with it.
    #[must_use]
    pub fn question(&self) -> &Question {
        &self.question
    }
}

#[cfg(test)]
mod tests;
