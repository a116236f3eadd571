//! What system calls are called, and why a filter refuses them. For those who
//! explain a refusal: the warden, which installs filters, does without (feature
//! `names`).

/// Name and number of a call a line, as the filters were compiled from.
const SYSCALLS: &str = include_str!("../data/syscalls-x86_64.txt");

// Filter, call and reason, of each entry in the data.
include!(concat!(env!("OUT_DIR"), "/reasons.rs"));

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
    let its = move |entry: &&(&str, &str, &str)| entry.0 == filter && entry.1 == syscall;
    REASONS.iter().filter(its).map(|(_, _, reason)| *reason)
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
    fn a_refused_call_has_its_reasons_and_a_permitted_one_none() {
        assert_eq!(reasons("cell", "unshare").count(), 1);
        assert!(reasons("strict", "unshare").next().is_some(), "what it extends counts, too");
        assert_eq!(reasons("cell", "read").count(), 0);
        assert_eq!(reasons("no such filter", "unshare").count(), 0);
    }
}
