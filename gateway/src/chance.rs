//! Some chance in waits, so that many who begin together do not go on together.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Four to six fifths of `wait`. Not for secrets: the standard library's hash keys
/// are random enough for this.
pub(crate) fn around(wait: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    let thousandth = u32::try_from(random % 401).unwrap_or(200) + 800;
    wait.saturating_mul(thousandth) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_stays_within_a_fifth_of_what_was_asked_and_is_not_always_the_same() {
        let wait = Duration::from_secs(10);
        let all: std::collections::BTreeSet<_> = (0..100).map(|_| around(wait)).collect();
        assert!(all.len() > 10);
        assert!(all.iter().all(|it| (8..=12).contains(&it.as_secs())), "{all:?}");
    }
}
