//! Leases: uids that belong to one cell at a time.
//!
//! The default range lies above systemd's dynamic and container ranges and
//! above what subuid(5) usually hands out.

use std::collections::BTreeSet;

/// The uids that may be leased, both ends included. Never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeaseRange {
    first: u32,
    last: u32,
}

impl LeaseRange {
    pub(crate) const DEFAULT: Self = Self { first: 1_900_000_000, last: 1_900_065_535 };

    /// `FIRST-LAST`; system users (below 65536) and the overflow ids are refused.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (65_536 <= first && first <= last && last < u32::MAX - 1).then_some(Self { first, last })
    }
}

/// A user and group, in the warden's user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Which uids are taken.
#[derive(Debug)]
pub(crate) struct Leases {
    range: LeaseRange,
    taken: BTreeSet<u32>,
    /// Where the search starts, so that a uid rests before it is used again.
    next: u32,
}

impl Leases {
    pub(crate) fn new(range: LeaseRange) -> Self {
        Self { range, taken: BTreeSet::new(), next: range.first }
    }

    /// A uid that no cell has, and the gid of the same number; `None` when all
    /// are taken.
    pub(crate) fn take(&mut self) -> Option<Ids> {
        let LeaseRange { first, last } = self.range;
        let free = (self.next..=last)
            .chain(first..self.next)
            .find(|candidate| !self.taken.contains(candidate))?;
        self.taken.insert(free);
        self.next = if free == last { first } else { free + 1 };
        Some(Ids { uid: free, gid: free })
    }

    /// Gives a uid back. Called when the cell's processes are reaped: its PID,
    /// IPC and mount namespaces, and with them all it owned outside the
    /// workspace, are gone then.
    pub(crate) fn give_back(&mut self, user: Ids) {
        self.taken.remove(&user.uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_leased_once_and_rests_before_it_is_leased_again() {
        let mut leases = Leases::new(LeaseRange::parse("70000-70002").unwrap());
        let first = leases.take().unwrap();
        let second = leases.take().unwrap();
        assert_eq!((first.uid, second.uid), (70_000, 70_001));
        leases.give_back(first);
        assert_eq!(leases.take().unwrap().uid, 70_002);
        assert_eq!(leases.take().unwrap().uid, 70_000);
        assert_eq!(leases.take(), None);
    }

    #[test]
    fn ranges_with_system_users_are_refused() {
        for text in ["0-10", "65535-70000", "70001-70000", "70000", "70000-4294967295", "a-b"] {
            assert_eq!(LeaseRange::parse(text), None, "{text}");
        }
    }
}
