//! The generations of the authority's certificate: which one certifies, which one the
//! listener shows, and which roots count, at any moment.
//!
//! A new generation is announced first: its root is in the trust list, and nothing is
//! certified by it. Then it certifies, and the one before counts besides until it
//! retires. All that time the listener shows the oldest that counts, because a host
//! that slept through the change knows no other.

use rusqlite::Connection;

use super::{Moment, StateError, digest};

/// One generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Generation {
    /// From 1.
    pub(crate) id: u32,
    /// Beneath the authority's directory; empty: the directory itself.
    pub(crate) directory: String,
    /// SHA-256 of its root's certificate.
    pub(crate) root: [u8; 32],
    pub(crate) issues_from: u64,
    /// None: not as long as no other follows.
    pub(crate) retires_at: Option<u64>,
    /// When its certificate ends: nothing that it certifies outlives that.
    pub(crate) ends_at: u64,
}

impl Generation {
    /// All of them, oldest first.
    pub(crate) fn all(connection: &Connection) -> Result<Vec<Self>, StateError> {
        let mut statement = connection.prepare_cached(
            "SELECT id, directory, root, issues_from, retires_at, ends_at FROM generation ORDER BY id",
        )?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(Self {
                id: row.get(0)?,
                directory: row.get(1)?,
                root: digest(&row.get::<_, Vec<u8>>(2)?)?,
                issues_from: row.get(3)?,
                retires_at: row.get(4)?,
                ends_at: row.get(5)?,
            });
        }
        Ok(all)
    }

    /// Writes it, in the place of what was there.
    pub(crate) fn save(&self, connection: &Connection) -> Result<(), StateError> {
        let Self { id, directory, root, issues_from, retires_at, ends_at } = self;
        connection.execute(
            "INSERT OR REPLACE INTO generation \
             (id, directory, root, issues_from, retires_at, ends_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (id, directory, root, issues_from, retires_at, ends_at),
        )?;
        Ok(())
    }

    /// Whether it counts still.
    pub(crate) fn counts(&self, now: Moment) -> bool {
        self.retires_at.is_none_or(|end| now.seconds() < end)
    }

    /// Which of them certifies: the newest that may.
    pub(crate) fn issuing(all: &[Self], now: Moment) -> Option<&Self> {
        let may = |it: &&Self| it.counts(now) && it.issues_from <= now.seconds();
        all.iter().rfind(may).or_else(|| all.iter().rfind(|it| it.counts(now)))
    }

    /// Which of them the listener shows, and join tokens name: the oldest that counts.
    pub(crate) fn shown(all: &[Self], now: Moment) -> Option<&Self> {
        all.iter().find(|it| it.counts(now))
    }

    /// When the next of this changes by itself.
    pub(crate) fn next_change(all: &[Self], now: Moment) -> Option<u64> {
        all.iter()
            .flat_map(|it| [Some(it.issues_from), it.retires_at])
            .flatten()
            .filter(|at| *at > now.seconds())
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generation(id: u32, issues_from: u64, retires_at: Option<u64>) -> Generation {
        let (directory, root, ends_at) = (String::new(), [0; 32], u64::MAX);
        Generation { id, directory, root, issues_from, retires_at, ends_at }
    }

    #[test]
    fn a_new_generation_is_announced_then_certifies_and_the_old_one_retires_last() {
        let all = [generation(1, 0, Some(100)), generation(2, 20, None)];
        let at = |seconds| {
            let now = Moment::from_seconds(seconds);
            let id = |it: Option<&Generation>| it.unwrap().id;
            let counting = all.iter().filter(|it| it.counts(now)).count();
            (id(Generation::issuing(&all, now)), id(Generation::shown(&all, now)), counting)
        };
        assert_eq!(at(10), (1, 1, 2));
        assert_eq!(at(20), (2, 1, 2));
        assert_eq!(at(99), (2, 1, 2));
        assert_eq!(at(100), (2, 2, 1));
        let next = |seconds| Generation::next_change(&all, Moment::from_seconds(seconds));
        assert_eq!((next(0), next(20), next(100)), (Some(20), Some(100), None));
    }
}
