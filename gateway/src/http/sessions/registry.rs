//! Who opened which session, and when it was last used.
//!
//! Clients open sessions and rarely end them. So that forgotten ones never keep
//! others out, the one that was idle longest makes room for a new one; a session
//! with a call under way is never idle.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rmcp::transport::streamable_http_server::session::SessionId;

/// What is known of all sessions.
#[derive(Debug, Clone, Default)]
pub(super) struct Registry(Arc<Mutex<HashMap<SessionId, Known>>>);

#[derive(Debug)]
struct Known {
    /// The id of the token that opened it.
    owner: String,
    user: String,
    last_used: Instant,
    /// Calls under way.
    calls: usize,
}

/// A call under way in a session; ends when it is dropped.
#[derive(Debug)]
pub(super) struct CallInSession {
    registry: Registry,
    session: SessionId,
}

impl Registry {
    pub(super) fn open(&self, session: SessionId, owner: String, user: String) {
        let known = Known { owner, user, last_used: Instant::now(), calls: 0 };
        self.lock().insert(session, known);
    }

    pub(super) fn close(&self, session: &str) {
        self.lock().remove(session);
    }

    /// Whether the session is this token's; if so, it was used now. An unknown
    /// session is nobody's.
    pub(super) fn touch(&self, session: &str, token: &str) -> bool {
        match self.lock().get_mut(session) {
            Some(known) if known.owner == token => {
                known.last_used = Instant::now();
                true
            }
            _ => false,
        }
    }

    pub(super) fn call(&self, session: SessionId) -> CallInSession {
        if let Some(known) = self.lock().get_mut(&session) {
            known.calls += 1;
        }
        CallInSession { registry: self.clone(), session }
    }

    /// How many sessions a user has.
    pub(super) fn count(&self, user: &str) -> usize {
        self.lock().values().filter(|known| known.user == user).count()
    }

    /// The session that was idle longest, of all or of one user, if for at least so
    /// long.
    pub(super) fn longest_idle(&self, at_least: Duration, user: Option<&str>) -> Option<SessionId> {
        let sessions = self.lock();
        let idle = sessions
            .iter()
            .filter(|(_, known)| known.calls == 0 && user.is_none_or(|user| known.user == user));
        let (session, known) = idle.min_by_key(|(_, known)| known.last_used)?;
        (known.last_used.elapsed() >= at_least).then(|| session.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CallInSession {
    fn drop(&mut self) {
        if let Some(known) = self.registry.lock().get_mut(&self.session) {
            known.calls = known.calls.saturating_sub(1);
            known.last_used = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_that_was_idle_longest_makes_room() {
        let registry = Registry::default();
        assert_eq!(registry.longest_idle(Duration::ZERO, None), None);
        registry.open("one".into(), "ada".into(), "ada".into());
        registry.open("two".into(), "ada".into(), "ada".into());
        assert_eq!(registry.longest_idle(Duration::ZERO, None).as_deref(), Some("one"));
        assert!(registry.touch("one", "ada"));
        assert_eq!(registry.longest_idle(Duration::ZERO, None).as_deref(), Some("two"));
        assert_eq!(registry.longest_idle(Duration::from_mins(1), None), None);
    }

    #[test]
    fn sessions_are_counted_by_user_and_a_users_own_make_room() {
        let registry = Registry::default();
        registry.open("one".into(), "token-a".into(), "ada".into());
        registry.open("two".into(), "token-b".into(), "bob".into());
        registry.open("three".into(), "token-c".into(), "bob".into());
        assert_eq!(
            [registry.count("ada"), registry.count("bob"), registry.count("eve")],
            [1, 2, 0]
        );
        assert_eq!(registry.longest_idle(Duration::ZERO, Some("bob")).as_deref(), Some("two"));
        registry.close("two");
        assert_eq!(registry.count("bob"), 1);
    }

    #[test]
    fn a_session_with_a_call_under_way_is_not_idle() {
        let registry = Registry::default();
        registry.open("one".into(), "ada".into(), "ada".into());
        let call = registry.call("one".into());
        assert_eq!(registry.longest_idle(Duration::ZERO, None), None);
        drop(call);
        assert_eq!(registry.longest_idle(Duration::ZERO, None).as_deref(), Some("one"));
    }

    #[test]
    fn a_session_belongs_to_the_token_that_opened_it() {
        let registry = Registry::default();
        registry.open("one".into(), "ada".into(), "ada".into());
        assert!(registry.touch("one", "ada"));
        assert!(!registry.touch("one", "eve"));
        assert!(!registry.touch("two", "ada"));
        registry.close("one");
        assert!(!registry.touch("one", "ada"));
    }
}
