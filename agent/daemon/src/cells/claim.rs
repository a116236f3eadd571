//! How many cells each user has: `limits.cells_per_user` of the ceiling. How many
//! there are at all is the warden's to hold.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::registry::User;

/// The cells that users have.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims(Arc<Mutex<HashMap<User, u32>>>);

/// One of them. It goes with its cell.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Claims,
    user: User,
}

impl Claims {
    /// One more for `user`; `None` where they have `most`.
    pub(super) fn take(&self, user: &User, most: Option<u32>) -> Option<Claim> {
        let mut held = self.lock();
        let own = held.get(user).copied().unwrap_or_default();
        if most.is_some_and(|most| own >= most) {
            return None;
        }
        held.insert(user.clone(), own.saturating_add(1));
        Some(Claim { claims: self.clone(), user: user.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<User, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut held = self.claims.lock();
        if let Some(own) = held.get_mut(&self.user) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                held.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_cells_are_counted_until_they_go() {
        let user = |name: &str| User {
            gateway: String::new(),
            tenant: String::new(),
            user: name.to_owned(),
        };
        let claims = Claims::default();
        let first = claims.take(&user("a"), Some(1)).unwrap();
        assert!(claims.take(&user("a"), Some(1)).is_none());
        assert!(claims.take(&user("b"), Some(1)).is_some());
        assert!(claims.take(&user("b"), Some(0)).is_none());
        drop(first);
        drop(claims.take(&user("a"), Some(1)).unwrap());
        drop((claims.take(&user("c"), None), claims.take(&user("c"), None)));
        assert!(claims.lock().is_empty());
    }
}
