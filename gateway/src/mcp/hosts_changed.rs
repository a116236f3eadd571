//! Whether a caller's lists are others now, because hosts came, left, or got other
//! labels or projects.
//!
//! Only places that are others are asked about first, so that a host that this caller
//! may do nothing on costs little and tells them nothing, not even that it came.

use std::collections::BTreeSet;

use cofferdam_policy::TOOLS;

use crate::call::Origin;
use crate::decide::Policy;
use crate::place::Place;
use crate::roster::Difference;

/// Which lists of a caller are others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Others {
    /// Tools, or the programs that they name; and the prompts, which rest on them.
    pub(super) tools: bool,
    /// Workspaces, among the resources.
    pub(super) resources: bool,
}

/// Sees the difference between two rosters with the eyes of `origin`.
pub(super) fn others(policy: &Policy, origin: &Origin, difference: &Difference) -> Others {
    let Difference { before, now, changed } = difference;
    let usable: Vec<&str> =
        TOOLS.into_iter().filter(|tool| policy.could_use(origin, changed, tool)).collect();
    if usable.is_empty() {
        return Others::default();
    }
    let offered = |places: &[Place]| -> BTreeSet<&str> {
        let could = |tool: &&&str| policy.could_use(origin, places, tool);
        usable.iter().filter(could).copied().collect()
    };
    let programs = |places: &[Place]| policy.programs(origin, places);
    Others {
        tools: offered(before) != offered(now) || programs(before) != programs(now),
        resources: usable.contains(&"list_directory"),
    }
}
