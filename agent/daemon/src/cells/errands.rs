//! What the agent has the file worker do for itself, in a cell that is there for
//! nothing else: placeholders for protected paths, made before a cell of the
//! workspace is built and removed after the last of them.

use std::sync::Arc;

use cofferdam_plan::{BuildStep, RunId};
use cofferdam_proto::file::v1::PlacesReleased;
use cofferdam_proto::file::v1::worker_request::Operation;
use cofferdam_proto::file::v1::worker_response::Result as Answer;
use rustix::io::Errno;

use super::Cells;
use crate::cap::Capped;
use crate::cell::BuildError;
use crate::fault::Fault;
use crate::places::{Idle, Reliance};
use crate::planner::{Naming, PlanError, Purpose, plan_cell};
use crate::worker;

/// Who asks for such a cell, in the warden's log.
const SUBJECT: &str = "the agent";

/// Why an errand was not done.
#[derive(Debug, thiserror::Error)]
pub enum ErrandError {
    /// There is no plan for its cell.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Its cell could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The worker did not answer, or something else than was asked.
    #[error("the file worker: {0}")]
    Worker(String),
}

impl Cells {
    /// Has placeholders made for what is missing of what `capped` protects; they
    /// stay for as long as the answer does. What could not be made is said in the
    /// answer: the call goes on.
    pub(super) async fn rely(&self, capped: &Capped) -> Option<Reliance> {
        let mut holding = self.places.begin(capped).await?;
        if let Some(request) = self.places.note(&mut holding) {
            let answer = match self.run_errand(capped, Operation::HoldPlaces(request)).await {
                Ok(Answer::Held(held)) => Ok(held),
                Ok(other) => Err(unexpected(other).to_string()),
                Err(error) => Err(error.to_string()),
            };
            self.places.held(&mut holding, answer);
        }
        Some(self.places.rely(holding).await)
    }

    /// Has the placeholders of a workspace removed that no cell relies on.
    ///
    /// # Errors
    /// Where the worker could not be asked; they stay, and it is tried again.
    pub async fn release(&self, idle: Idle, capped: &Capped) -> Result<(), ErrandError> {
        let request = idle.request(&capped.profile.protect);
        match self.run_errand(capped, Operation::ReleasePlaces(request)).await {
            Ok(Answer::Released(released)) => self.places.released(idle, &released),
            // With the workspace went what was in it.
            Err(error) if error.is_no_workspace() => {
                self.places.released(idle, &PlacesReleased::default());
            }
            Ok(other) => return Err(unexpected(other)),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Runs the worker in a cell of its own that protects nothing: it is the one
    /// that makes and removes what others are kept from.
    async fn run_errand(
        &self,
        capped: &Capped,
        operation: Operation,
    ) -> Result<Answer, ErrandError> {
        let mut capped = capped.clone();
        worker::narrow(&mut capped.limits);
        let purpose = Purpose::Files(&self.worker);
        let survey = tokio::task::block_in_place(|| self.programs.survey(&capped, purpose))?;
        let mut plan = plan_cell(&capped, &survey, purpose, Naming::of_host(&self.hostname))?;
        plan.workspace.protected.clear();
        let cell = self.build(&plan, SUBJECT).await?;
        let run = RunId(uuid::Uuid::new_v4().into_bytes());
        let answer = worker::ask(&self.warden, &cell, &self.worker, run, &capped, operation).await;
        // Nobody needs to wait for that.
        let warden = Arc::clone(&self.warden);
        tokio::spawn(async move { cell.end(&warden).await });
        answer.map_err(|fault: Fault| ErrandError::Worker(fault.message().to_owned()))
    }
}

impl ErrandError {
    /// Whether nothing is where the workspace was.
    fn is_no_workspace(&self) -> bool {
        let Self::Build(BuildError::Failed { step, errno, .. }) = self else { return false };
        *step == BuildStep::Workspace && *errno == Errno::NOENT.raw_os_error()
    }
}

fn unexpected(answer: Answer) -> ErrandError {
    ErrandError::Worker(match answer {
        Answer::Error(error) => error.message,
        _ => "it answered something else than was asked".to_owned(),
    })
}
