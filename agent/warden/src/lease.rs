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

/// Whom cells run under. A uid is taken as long as a cell has it: until its processes
/// are reaped and its PID, IPC and mount namespaces, and with them all that it owned
/// outside the workspace, are gone.
#[derive(Debug)]
pub(crate) struct Leases {
    range: LeaseRange,
    /// Where the search starts, so that a uid rests before it is used again.
    next: u32,
}

impl Leases {
    /// Begins beyond the leases of a warden before this one: each of those took more than
    /// one process id, and this process has a later one, until they come around.
    pub(crate) fn new(range: LeaseRange) -> Self {
        Self { range, next: range.first + std::process::id() % (range.last - range.first + 1) }
    }

    /// A uid that is not `taken`, and the gid of the same number; `None` when all are.
    pub(crate) fn next(&mut self, taken: &BTreeSet<u32>) -> Option<Ids> {
        let LeaseRange { first, last } = self.range;
        let mut all = (self.next..=last).chain(first..self.next);
        let free = all.find(|candidate| !taken.contains(candidate))?;
        self.next = if free == last { first } else { free + 1 };
        Some(Ids { uid: free, gid: free })
    }

    /// Whether it is one of those that are leased.
    pub(crate) fn includes(&self, uid: u32) -> bool {
        (self.range.first..=self.range.last).contains(&uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_leased_once_and_rests_before_it_is_leased_again() {
        let mut leases = Leases::new(LeaseRange::parse("70000-70002").unwrap());
        let mut next = |taken: &[u32]| leases.next(&taken.iter().copied().collect());
        // Where it begins, is a matter of chance.
        let [a, b, c] = [next(&[]), next(&[]), next(&[])].map(|ids| ids.unwrap().uid);
        assert_eq!(BTreeSet::from([a, b, c]), BTreeSet::from([70_000, 70_001, 70_002]));
        assert_eq!(next(&[a]).unwrap(), Ids { uid: b, gid: b });
        assert_eq!(next(&[a, c]).unwrap().uid, b);
        assert_eq!(next(&[70_000, 70_001, 70_002]), None);
    }

    #[test]
    fn only_the_range_is_leased() {
        let leases = Leases::new(LeaseRange::parse("70000-70002").unwrap());
        let all = [0, 69_999, 70_000, 70_002, 70_003, u32::MAX];
        assert_eq!(all.map(|uid| leases.includes(uid)), [false, false, true, true, false, false]);
    }

    #[test]
    fn ranges_with_system_users_are_refused() {
        for text in ["0-10", "65535-70000", "70001-70000", "70000", "70000-4294967295", "a-b"] {
            assert_eq!(LeaseRange::parse(text), None, "{text}");
        }
    }
}
