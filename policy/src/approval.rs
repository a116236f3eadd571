//! Who has to agree before a call that a rule asks about may be done.
//!
//! Pure: whether votes are enough is decided here, by the rules that asked;
//! collecting and keeping votes is the gateway's matter. Only
//! [`Pending::approve`](crate::Pending::approve) turns votes into a permit.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The most people that one rule can demand.
pub const MAX_PEOPLE: u8 = 9;

/// How long a request stays open where the rule does not say.
pub const DEFAULT_OPEN: Duration = Duration::from_mins(15);

/// The longest that a request can stay open.
pub const MAX_OPEN: Duration = Duration::from_hours(7 * 24);

/// What one rule demands of those who agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demand {
    /// The rule's id.
    pub rule: String,
    /// How many different people, 1 to [`MAX_PEOPLE`].
    pub people: u8,
    /// Whether who asks may be one of them.
    pub own: bool,
    /// Whose agreement counts.
    pub approvers: Approvers,
    /// Whether they may agree to the same call for the rest of the session.
    pub session: bool,
    /// How long a request stays open, and what was agreed to can be used.
    pub open_seconds: u64,
    /// Whether the rule takes the calling client's word that a person sits at
    /// it and agreed (an MCP elicitation).
    pub attended: bool,
}

/// Whose agreement counts. Both lists empty: that of every approver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approvers {
    /// These users, by exact name.
    pub users: Vec<String>,
    /// Members of these groups, by exact name.
    pub groups: Vec<String>,
}

/// Somebody who agreed, as their own credential says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voter {
    /// The user.
    pub user: String,
    /// Their groups.
    pub groups: Vec<String>,
}

/// Why somebody's agreement does not count for a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Uncounted {
    /// The rule names others.
    #[error("rule `{rule}` counts only {wanted}, and {user} is none of them")]
    NotNamed {
        /// The rule.
        rule: String,
        /// Whose agreement counts, in words.
        wanted: String,
        /// Who is not.
        user: String,
    },
    /// Nobody approves their own request.
    #[error("rule `{rule}` wants somebody else to agree than {user}, who asks")]
    Own {
        /// The rule.
        rule: String,
        /// Who asks.
        user: String,
    },
}

impl Demand {
    /// What a rule demands that says nothing more than that it asks.
    #[must_use]
    pub fn plain(rule: &str) -> Self {
        Self {
            rule: rule.to_owned(),
            people: 1,
            own: false,
            approvers: Approvers::default(),
            session: true,
            open_seconds: DEFAULT_OPEN.as_secs(),
            attended: false,
        }
    }

    /// Whether the voter's agreement counts for a call of the user `asker`.
    ///
    /// # Errors
    /// Why it does not.
    pub fn counts(&self, asker: &str, voter: &Voter) -> Result<(), Uncounted> {
        let rule = || self.rule.clone();
        if !self.own && voter.user == asker {
            return Err(Uncounted::Own { rule: rule(), user: voter.user.clone() });
        }
        if !self.approvers.include(voter) {
            let (wanted, user) = (self.approvers.to_string(), voter.user.clone());
            return Err(Uncounted::NotNamed { rule: rule(), wanted, user });
        }
        Ok(())
    }

    /// How many different people are still missing.
    #[must_use]
    pub fn missing(&self, asker: &str, voters: &[Voter]) -> usize {
        let counted = voters.iter().filter(|voter| self.counts(asker, voter).is_ok());
        let people: std::collections::BTreeSet<&str> =
            counted.map(|voter| voter.user.as_str()).collect();
        usize::from(self.people.max(1)).saturating_sub(people.len())
    }
}

impl Approvers {
    fn include(&self, voter: &Voter) -> bool {
        let Self { users, groups } = self;
        (users.is_empty() && groups.is_empty())
            || users.contains(&voter.user)
            || voter.groups.iter().any(|group| groups.contains(group))
    }
}

/// `2 of bob, members of release, and not who asks`.
impl std::fmt::Display for Demand {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let own = if self.own { "who asks may be among them" } else { "not who asks" };
        write!(out, "{} of {}, {own}", self.people.max(1), self.approvers)
    }
}

/// `ann, bob, members of release`.
impl std::fmt::Display for Approvers {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let groups = self.groups.iter().map(|group| format!("members of {group}"));
        let all: Vec<String> = self.users.iter().cloned().chain(groups).collect();
        match all.as_slice() {
            [] => out.write_str("approvers"),
            all => out.write_str(&all.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voter(user: &str, groups: &[&str]) -> Voter {
        Voter { user: user.into(), groups: groups.iter().map(|&group| group.into()).collect() }
    }

    #[test]
    fn nobody_approves_their_own_request_unless_the_rule_says_so() {
        let mut demand = Demand::plain("push");
        assert!(matches!(demand.counts("ann", &voter("ann", &[])), Err(Uncounted::Own { .. })));
        assert_eq!(demand.missing("ann", &[voter("ann", &[])]), 1);
        assert_eq!(demand.missing("ann", &[voter("bob", &[])]), 0);
        demand.own = true;
        assert_eq!(demand.missing("ann", &[voter("ann", &[])]), 0);
    }

    #[test]
    fn two_votes_of_one_person_are_one() {
        let demand = Demand { people: 2, ..Demand::plain("push") };
        let twice = [voter("bob", &["a"]), voter("bob", &["b"])];
        assert_eq!(demand.missing("ann", &twice), 1);
        assert_eq!(demand.missing("ann", &[voter("bob", &[]), voter("eve", &[])]), 0);
    }

    #[test]
    fn only_whom_the_rule_names_counts() {
        let approvers = Approvers { users: vec!["bob".into()], groups: vec!["release".into()] };
        let demand = Demand { approvers, ..Demand::plain("push") };
        assert!(demand.counts("ann", &voter("bob", &[])).is_ok());
        assert!(demand.counts("ann", &voter("eve", &["release"])).is_ok());
        let error = demand.counts("ann", &voter("eve", &["web"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "rule `push` counts only bob, members of release, and eve is none of them"
        );
    }

    #[test]
    fn a_demand_of_nobody_still_wants_one() {
        let demand = Demand { people: 0, ..Demand::plain("push") };
        assert_eq!(demand.missing("ann", &[]), 1);
    }
}
