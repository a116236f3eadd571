//! Completes runs of the caller's own, as `list_processes` shows them.

use serde_json::json;

use super::matching::matching;
use super::{Proposed, Typed};
use crate::pipeline::looked;
use crate::place::Place;
use crate::resources::call;
use crate::resources::output::OwnRuns;
use crate::resources::raw::Told;

/// Places that are asked; who means another names its host first.
const PLACES: usize = 4;
/// Runs of one place.
const RUNS: u64 = 100;

impl Typed<'_> {
    pub(super) async fn runs(&self) -> Proposed {
        let policy = self.gateway.policy();
        let said = self.said.get("host");
        let meant = |place: &&Place| {
            said.is_none_or(|host| *host == place.host)
                && policy.could_use(self.origin, std::slice::from_ref(*place), "list_processes")
        };
        let mut ids = Vec::new();
        let mut more = false;
        for (index, place) in self.places.iter().filter(meant).enumerate() {
            if index >= PLACES {
                more = true;
                break;
            }
            let arguments = json!({
                "host": place.host, "project": place.project, "page_size": RUNS,
            });
            let call = call(self.origin, "list_processes", arguments, usize::MAX, self.cancelled);
            let Ok(Told(told)) = looked::<OwnRuns>(self.gateway, call).await else { continue };
            more |= !told.next_page_token.is_empty();
            ids.extend(told.runs.into_iter().map(|run| run.run_id));
        }
        let proposed = matching(&self.value, ids);
        Proposed { more: proposed.more || more, ..proposed }
    }
}
