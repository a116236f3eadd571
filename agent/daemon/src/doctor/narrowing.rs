//! What the ceiling says of callers and of the gateways' rules, where it says
//! anything: a host that refuses everybody is easier to find here than in a log.

use cofferdam_abilities::Ability;

use super::prerequisites::{partial, there};
use crate::ceiling::{Callers, Current};

/// One line for each table that is there.
pub(super) fn lines(current: &Current) -> Vec<Ability> {
    let Current { ceiling: _, peers: _, callers, policy, services: _, digest: _ } = current;
    let policy = policy.describe().map(|told| {
        there("agent.policy", told).means("calls that other rules permitted are refused")
    });
    callers_line(callers).into_iter().chain(policy).collect()
}

fn callers_line(callers: &Callers) -> Option<Ability> {
    const NAME: &str = "agent.callers";
    if callers.is_nobody() {
        let line = partial(NAME, callers.describe())
            .means("nobody may be acted for: every call is refused")
            .fix("name somebody in `users` or `groups` of `[callers]` of the ceiling");
        return Some(line);
    }
    let line = there(NAME, callers.describe());
    (*callers != Callers::default()).then(|| line.means("calls for anybody else are refused"))
}

#[cfg(test)]
mod tests {
    use cofferdam_abilities::State;

    use super::*;

    #[test]
    fn callers_are_told_where_the_ceiling_names_them() {
        let line = |table: &str| callers_line(&toml::from_str::<Callers>(table).unwrap());
        assert!(callers_line(&Callers::default()).is_none());
        let some = line("users = ['alice']").unwrap();
        assert_eq!((some.state, some.detail.as_str()), (State::Full, "users: alice"));
        assert_eq!(line("users = []").unwrap().state, State::Partial);
    }
}
