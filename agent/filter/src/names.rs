//! What system calls are called, and why a filter refuses them. For those who
//! explain a refusal: the warden, which installs filters, does without (feature
//! `names`).

/// Name and number of a call a line, as the filters were compiled from.
const SYSCALLS: &str = include_str!("../data/syscalls-x86_64.txt");

// Every entry of the data.
include!(concat!(env!("OUT_DIR"), "/refusals.rs"));

/// What a filter refuses for one reason.
#[derive(Debug)]
pub struct Refusal {
    filter: &'static str,
    /// How far it goes.
    pub extent: Extent,
    /// Why.
    pub reason: &'static str,
    /// Names of calls.
    pub syscalls: &'static [&'static str],
}

/// How far a refusal goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Whatever the arguments are, with EPERM.
    Always,
    /// Whatever the arguments are, with ENOSYS: programs fall back to another.
    NoSuchCall,
    /// With some arguments, with EPERM.
    SomeArguments,
}

impl crate::Filter {
    /// Whether this refuses all that `other` refuses.
    #[must_use]
    pub fn refines(&self, other: &Self) -> bool {
        let base = || self.extends.and_then(crate::by_name);
        self.name == other.name || base().is_some_and(|base| base.refines(other))
    }
}

/// What the filter of this name refuses, as its data lists it.
pub fn refusals(filter: &str) -> impl Iterator<Item = &'static Refusal> {
    REFUSALS.iter().filter(move |refusal| refusal.filter == filter)
}

/// The name of the x86-64 system call with this number.
#[must_use]
pub fn syscall_name(number: u32) -> Option<&'static str> {
    let calls = SYSCALLS.lines().filter_map(|line| line.split_once(' '));
    let mut named = calls.filter(|(_, digits)| digits.parse() == Ok(number));
    named.next().map(|(name, _)| name)
}

/// Why the filter of this name refuses a call of this name, with some arguments
/// or with all; nothing where it does not.
pub fn reasons(filter: &str, syscall: &str) -> impl Iterator<Item = &'static str> {
    let its = move |refusal: &&Refusal| refusal.syscalls.contains(&syscall);
    refusals(filter).filter(its).map(|refusal| refusal.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_named_by_their_number() {
        for (number, name) in [(0, "read"), (59, "execve"), (272, "unshare"), (319, "memfd_create")]
        {
            assert_eq!(syscall_name(number), Some(name));
        }
        assert_eq!(syscall_name(u32::MAX), None);
    }

    #[test]
    fn refusals_say_how_far_they_go() {
        let extent =
            |call| refusals("strict").find(|it| it.syscalls.contains(&call)).unwrap().extent;
        assert_eq!(extent("mount"), Extent::Always);
        assert_eq!(extent("clone3"), Extent::NoSuchCall);
        assert_eq!(extent("mmap"), Extent::SomeArguments);
    }

    #[test]
    fn a_refused_call_has_its_reasons_and_a_permitted_one_none() {
        assert_eq!(reasons("cell", "unshare").count(), 1);
        assert!(reasons("strict", "unshare").next().is_some(), "what it extends counts, too");
        assert_eq!(reasons("cell", "read").count(), 0);
        assert_eq!(reasons("no such filter", "unshare").count(), 0);
    }
}
