//! What lists for callers are made of, as of one moment, and what tells that it is
//! another since: rules, and the roster of hosts.
//!
//! Taken before anything else is done for whoever is to be told, so that no change in
//! between is missed.

use std::sync::Arc;

use tokio::sync::watch;

use crate::gateway::Gateway;
use crate::roster::Roster;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Changes {
    pub(crate) rules: watch::Receiver<()>,
    pub(crate) hosts: watch::Receiver<()>,
    /// The hosts and projects at that moment.
    pub(crate) roster: Arc<Roster>,
}

impl Changes {
    /// All that changes from now on.
    pub(crate) fn of(gateway: &Gateway) -> Self {
        // The roster is looked at last: a change in between is told, and is none.
        let (rules, hosts) = (gateway.policies().changes(), gateway.roster_changes());
        Self { rules, hosts, roster: gateway.roster() }
    }
}
