//! Sessions that were closed lately.
//!
//! A run that was on its way when its session was closed must not start after it. Its
//! intent counts for minutes only, so a closed session is remembered for that long;
//! the gateway lets nothing new in.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use cofferdam_proto::exec::v1::RunOwner;

use super::Begin;
use crate::intent::{MAX_LIFETIME, SKEW};

/// As long as any intent counts that was signed before.
const KEPT: Duration = MAX_LIFETIME.saturating_add(SKEW).saturating_add(SKEW);

/// Gateway, tenant, user, project and name of a session.
type Name = [String; 5];

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Closed(HashMap<Name, Instant>);

impl Closed {
    /// One more; those that are too old to matter go.
    pub(super) fn add(&mut self, gateway: &str, owner: &RunOwner, session: &str) {
        let now = Instant::now();
        self.0.retain(|_, at| now.duration_since(*at) < KEPT);
        let RunOwner { tenant, user, project } = owner.clone();
        let (gateway, session) = (gateway.to_owned(), session.to_owned());
        self.0.insert([gateway, tenant, user, project, session], now);
    }

    /// Whether this run would begin in one of them.
    pub(super) fn holds(&self, begin: &Begin) -> bool {
        let subject = begin.subject.clone().unwrap_or_default();
        let Begin { gateway, project, session, .. } = begin;
        let [gateway, project, session] = [gateway, project, session].map(Clone::clone);
        self.0.contains_key(&[gateway, subject.tenant, subject.user, project, session])
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_proto::intent::v1::Subject;

    use super::*;

    #[test]
    fn only_the_owners_own_session_of_that_name_is_closed() {
        let begin = |user: &str, project: &str, session: &str| Begin {
            subject: Some(Subject { user: user.to_owned(), ..Subject::default() }),
            project: project.to_owned(),
            session: session.to_owned(),
            ..Begin::default()
        };
        let mut closed = Closed::default();
        let (user, project) = ("ada".to_owned(), "site".to_owned());
        closed.add("", &RunOwner { tenant: String::new(), user, project }, "session/1");
        assert!(closed.holds(&begin("ada", "site", "session/1")));
        for (user, project, session) in
            [("bob", "site", "session/1"), ("ada", "other", "session/1"), ("ada", "site", "")]
        {
            assert!(!closed.holds(&begin(user, project, session)), "{user} {project} {session}");
        }
    }
}
