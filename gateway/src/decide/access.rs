//! What a caller may do, without a call: for tool lists and `describe_access`.

use std::collections::BTreeSet;

use cofferdam_policy::{Access, Host, Project, Timestamp};

use super::{Policy, host, project, subject};
use crate::call::Origin;
use crate::place::Place;

impl Policy {
    /// Whether some call of `tool` could be permitted to `origin` at one of the
    /// places, or at the gateway itself.
    pub(crate) fn could_use(&self, origin: &Origin, places: &[Place], tool: &str) -> bool {
        let (subject, now) = (subject(origin), Timestamp::now());
        let could = |project: &Project, host: &Host| {
            self.rules.could_use(&subject, project, host, tool, now)
        };
        match tool {
            // It is asked about without a place.
            "list_hosts" => could(&Project::default(), &Host::default()),
            _ => places.iter().any(|place| could(&project(place), &host(place))),
        }
    }

    /// Programs that `origin` may run at some of the places, with some arguments.
    pub(crate) fn programs(&self, origin: &Origin, places: &[Place]) -> BTreeSet<String> {
        let (subject, now) = (subject(origin), Timestamp::now());
        let at = |place| self.rules.programs(&subject, &project(place), &host(place), now);
        places.iter().flat_map(at).collect()
    }

    /// What `origin` may do there.
    pub(crate) fn access(&self, origin: &Origin, place: &Place) -> Access {
        self.rules.access(&subject(origin), &project(place), &host(place), Timestamp::now())
    }
}
