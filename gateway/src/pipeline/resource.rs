//! Calls whose answer is shown in another way than as the result of a tool: as a
//! resource, as a completion, or not at all.
//!
//! They live the same life as a call of the tool that they are made by: the same input,
//! place, decision, record, host and outcome. Only what comes of it is handed on as it
//! is; [`super::looked`] does so for what looks at runs. People who would have to agree
//! are asked by a request that stays open; nobody is waited for.

use std::sync::Arc;

use tracing::Instrument as _;

use super::{Came, through};
use crate::call::Call;
use crate::consent::Leave;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::tools::HostTool;

/// Leads a call that a host answers, in a task of its own, so that an outcome follows.
pub(crate) async fn ask<T: HostTool + 'static>(
    gateway: &Arc<Gateway>,
    mut call: Call,
) -> Result<T::Output, Fault> {
    let task = Arc::clone(gateway);
    let led = async move { through::<T>(&task, &mut call, &mut Leave::at_once()).await };
    let led = gateway.tasks().spawn(led.in_current_span()).await;
    match led.unwrap_or_else(|error| Err(Fault::Internal(error.to_string())))? {
        Came::Answer(answer) => Ok(answer),
        Came::Task(_) => Err(Fault::Internal("nobody asked for a task".to_owned())),
    }
}
