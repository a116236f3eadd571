//! Removes placeholders for protected paths once no cell relies on them: those of
//! this agent's cells, and those that an earlier agent left.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_plan::AbsolutePath;
use cofferdam_proto::intent::v1::{Grant, WorkspaceAccess};

use super::Agent;
use crate::cap::{Need, cap};
use crate::cells::ErrandError;
use crate::fault::Fault;
use crate::places::Idle;

/// How long until what could not be removed is tried again.
const AGAIN: Duration = Duration::from_secs(30);
/// How often a stopping agent looks whether the last cell let go.
const GLANCE: Duration = Duration::from_millis(10);

/// Why placeholders stay for now.
#[derive(Debug, thiserror::Error)]
enum Left {
    #[error("{}", .0.message())]
    NotAllowed(Fault),
    #[error(transparent)]
    Errand(#[from] ErrandError),
}

/// Removes them as cells let go, for as long as the agent lives.
pub async fn look_after_places(agent: Arc<Agent>) {
    let mut said = HashSet::new();
    loop {
        let left = release_idle(&agent).await;
        said.retain(|workspace| left.iter().any(|(it, _)| it == workspace));
        for (workspace, why) in left {
            if said.insert(workspace.clone()) {
                tracing::warn!(%workspace, %why, "placeholders stay until they can be removed");
            }
        }
        let freed = agent.cells.places().freed();
        // Too late is as good as in time.
        drop(tokio::time::timeout(AGAIN, freed).await);
    }
}

/// Removes all of them, for an agent that stops: returns when none is left that
/// can be removed.
pub async fn tidy_places(agent: &Agent) {
    while !agent.cells.places().is_tidy() && release_idle(agent).await.is_empty() {
        tokio::time::sleep(GLANCE).await;
    }
}

/// Those that stay, and why.
async fn release_idle(agent: &Agent) -> Vec<(AbsolutePath, Left)> {
    let mut left = Vec::new();
    for idle in agent.cells.places().idle() {
        let workspace = idle.workspace.clone();
        if let Err(why) = release(agent, idle).await {
            left.push((workspace, why));
        }
    }
    left
}

async fn release(agent: &Agent, idle: Idle) -> Result<(), Left> {
    let grant = Grant {
        profile: idle.profile().to_owned(),
        workspace: idle.workspace.to_string(),
        workspace_access: WorkspaceAccess::Write.into(),
        ..Grant::default()
    };
    let current = agent.ceilings.current().map_err(|error| Left::NotAllowed(error.into()))?;
    let capped = cap(grant, Need::Write, &agent.profiles, &current.ceiling);
    let capped = capped.map_err(|error| Left::NotAllowed(error.into()))?;
    Ok(agent.cells.release(idle, &capped).await?)
}
