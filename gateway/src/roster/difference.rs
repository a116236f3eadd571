//! Which places are others between two rosters.
//!
//! Found once for all who are told of it: a thousand sessions hear of the same change
//! in the same moment.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::Roster;
use crate::place::Place;

/// The places of two rosters, and those that only one of them has.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    pub(crate) before: Vec<Place>,
    pub(crate) now: Vec<Place>,
    /// Places that left or came; where a label is another one, both.
    pub(crate) changed: Vec<Place>,
}

/// The difference that was asked for last.
#[derive(Debug, Default)]
pub(crate) struct Differences(Mutex<Option<Found>>);

#[derive(Debug)]
struct Found {
    before: Arc<Roster>,
    now: Arc<Roster>,
    difference: Arc<Difference>,
}

impl Differences {
    /// The difference between these two.
    pub(crate) fn between(&self, before: &Arc<Roster>, now: &Arc<Roster>) -> Arc<Difference> {
        // What is kept is whole; others wait rather than find the same beside.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same =
            |found: &&Found| Arc::ptr_eq(&found.before, before) && Arc::ptr_eq(&found.now, now);
        if let Some(found) = last.as_ref().filter(same) {
            return Arc::clone(&found.difference);
        }
        let difference = Arc::new(Difference::of(before, now));
        let (before, now) = (Arc::clone(before), Arc::clone(now));
        *last = Some(Found { before, now, difference: Arc::clone(&difference) });
        difference
    }
}

impl Difference {
    fn of(before: &Roster, now: &Roster) -> Self {
        let (before, now) = (Place::all(before), Place::all(now));
        let sets = [&before, &now].map(|places| places.iter().collect::<BTreeSet<_>>());
        let changed = sets[0].symmetric_difference(&sets[1]).copied().cloned().collect();
        Self { before, now, changed }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{HostConfig, ProjectConfig};
    use super::*;

    fn roster(hosts: &[(&str, &str)]) -> Arc<Roster> {
        let key = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        let host = |(name, label): &(&str, &str)| {
            let host = HostConfig {
                address: None,
                labels: [("role".to_owned(), (*label).to_owned())].into(),
                agent: format!("spiffe://cofferdam/agent/{name}").parse().unwrap(),
                key: key.parse().unwrap(),
            };
            ((*name).to_owned(), host)
        };
        let names = hosts.iter().map(|(name, _)| (*name).to_owned()).collect();
        let project = ProjectConfig { workspace: "/srv/site".into(), hosts: names };
        Arc::new(Roster {
            hosts: hosts.iter().map(host).collect(),
            projects: [("site".to_owned(), project)].into(),
        })
    }

    #[test]
    fn places_that_came_left_or_got_other_labels_are_others_and_their_order_is_not() {
        let before = roster(&[("a", "web"), ("b", "web"), ("c", "web")]);
        let now = roster(&[("d", "web"), ("b", "mail"), ("a", "web")]);
        let found = Differences::default().between(&before, &now);
        let names: Vec<_> = found.changed.iter().map(|place| place.host.as_str()).collect();
        assert_eq!(names, ["b", "b", "c", "d"]);
        assert_eq!((found.before.len(), found.now.len()), (3, 3));
    }

    #[test]
    fn who_asks_for_the_same_difference_gets_what_was_found() {
        let (one, two, three) =
            (roster(&[("a", "web")]), roster(&[("a", "mail")]), roster(&[("a", "web")]));
        let differences = Differences::default();
        let first = differences.between(&one, &two);
        assert!(Arc::ptr_eq(&first, &differences.between(&one, &two)));
        // Alike is not the same; nothing is compared to find that out.
        assert!(!Arc::ptr_eq(&first, &differences.between(&two, &three)));
        assert!(!Arc::ptr_eq(&first, &differences.between(&one, &two)));
    }
}
