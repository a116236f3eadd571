//! Whether the uids that cells are leased are nobody else's.

use std::ops::RangeInclusive;

use cofferdam_abilities::Ability;

use super::prerequisites::{missing, partial, there};

/// What `cofferdam-warden` leases unless it is told otherwise.
pub const LEASES: RangeInclusive<u64> = 1_900_000_000..=1_900_065_535;

/// Looks at subuid(5), subgid(5), passwd(5) and this user namespace's map.
pub(super) fn line() -> Ability {
    let text = |path| std::fs::read_to_string(path).unwrap_or_default();
    let taken = [
        ("/etc/subuid", overlaps(&text("/etc/subuid"))),
        ("/etc/subgid", overlaps(&text("/etc/subgid"))),
        ("/etc/passwd", users(&text("/etc/passwd"))),
    ];
    let name = "agent.leases";
    let shown = format!("uids {} to {}", LEASES.start(), LEASES.end());
    if let Some((file, who)) = taken.iter().find_map(|(file, who)| Some((file, who.as_ref()?))) {
        return missing(name, format!("{shown}: {file} gives some of them to `{who}`"))
            .means("a cell could share its uid with a container or a user")
            .fix("start cofferdam-warden with --leases FIRST-LAST, a range that nobody has");
    }
    if is_mapped(&text("/proc/self/uid_map")) {
        there(name, format!("{shown}: nobody else's, and clear of systemd's ranges"))
            .means("each cell has a uid that no other process has")
    } else {
        partial(name, format!("{shown}: not in this container's user namespace"))
            .means("cells have no user of their own here, only rootless ones")
            .fix("give the container more uids, or run the warden on the host")
    }
}

/// The first owner of `name:start:count` that has some of the range.
fn overlaps(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let (name, start, count) = (fields.next()?, fields.next()?, fields.next()?);
        let (start, count): (u64, u64) = (start.parse().ok()?, count.parse().ok()?);
        let after = start.saturating_add(count);
        (count > 0 && start <= *LEASES.end() && after > *LEASES.start()).then(|| name.to_owned())
    })
}

/// The first user of passwd(5) with a uid or gid of the range.
fn users(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let mut ids = fields.skip(1).take(2).filter_map(|id| id.parse::<u64>().ok());
        ids.any(|id| LEASES.contains(&id)).then(|| name.to_owned())
    })
}

/// Whether a user namespace has the whole range, by user_namespaces(7)'s map.
fn is_mapped(map: &str) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(first)), Some(Ok(count))) = (numbers.next(), numbers.nth(1)) else {
            return false;
        };
        first <= *LEASES.start() && first.saturating_add(count) > *LEASES.end()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_range_that_touches_the_leases_is_found() {
        assert_eq!(overlaps("alice:100000:65536\nbob:165536:65536\n"), None);
        assert_eq!(overlaps("alice:1900065535:1"), Some("alice".to_owned()));
        assert_eq!(overlaps("huge:524288:4000000000"), Some("huge".to_owned()));
        assert_eq!(overlaps("odd\n:\na:b:c\nnone:1900000000:0\n"), None);
        assert_eq!(users("a:x:1900000000:5\n"), Some("a".to_owned()));
        assert_eq!(users("a:x:1000:1000:::\nb:x:many"), None);
    }

    #[test]
    fn a_small_user_namespace_has_no_leases() {
        assert!(is_mapped("         0          0 4294967295\n"));
        assert!(!is_mapped("0 100000 65536\n"));
        assert!(!is_mapped("") && !is_mapped("0\n"));
    }

    proptest! {
        #[test]
        fn no_text_confuses_the_readers(text in "([a-z0-9: \\n]{0,60}|.{0,60})") {
            let _ = (overlaps(&text), users(&text), is_mapped(&text));
        }
    }
}
