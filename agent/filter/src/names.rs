//! What system calls are called. For those who explain a refusal: the warden,
//! which installs filters, does without (feature `names`).

/// Name and number of a call a line, as the filters were compiled from.
const SYSCALLS: &str = include_str!("../data/syscalls-x86_64.txt");

/// The name of the x86-64 system call with this number.
#[must_use]
pub fn syscall_name(number: u32) -> Option<&'static str> {
    let calls = SYSCALLS.lines().filter_map(|line| line.split_once(' '));
    let mut named = calls.filter(|(_, digits)| digits.parse() == Ok(number));
    named.next().map(|(name, _)| name)
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
}
