//! Globs of listings: `*` is any text, `?` one character, as the gateway's rules
//! read them. systemd is asked with the same glob and may answer with a unit's
//! primary name where another one matched, so each answer is held to it again.

/// Whether the glob matches the whole of a name. Names and globs are ASCII; at
/// most as many steps as the product of their lengths.
pub(super) fn matches(glob: &str, name: &str) -> bool {
    let (glob, name) = (glob.as_bytes(), name.as_bytes());
    let (mut at, mut done) = (0, 0);
    // Where the last star stood, and how far it reached.
    let mut star: Option<(usize, usize)> = None;
    while done < name.len() {
        match glob.get(at) {
            Some(b'*') => {
                star = Some((at, done));
                at += 1;
            }
            Some(b'?') => (at, done) = (at + 1, done + 1),
            Some(wanted) if *wanted == name[done] => (at, done) = (at + 1, done + 1),
            _ => {
                let Some((place, reached)) = star else { return false };
                star = Some((place, reached + 1));
                (at, done) = (place + 1, reached + 1);
            }
        }
    }
    glob[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_match_the_whole_name() {
        for (glob, name) in [
            ("*", "nginx.service"),
            ("*.service", "nginx.service"),
            ("app-?.service", "app-a.service"),
            ("a*b*c", "a-b-b-c"),
            ("a**", "a"),
            ("", ""),
        ] {
            assert!(matches(glob, name), "{glob} {name}");
        }
        for (glob, name) in [
            ("*.service", "nginx.service.d"),
            ("app-?.service", "app-ab.service"),
            ("a*b", "acbd"),
            ("", "a"),
            ("?", ""),
            ("nginx.service", "nginx2service"),
        ] {
            assert!(!matches(glob, name), "{glob} {name}");
        }
    }

    #[test]
    fn many_stars_end() {
        assert!(!matches(&"a*".repeat(100), &format!("{}b", "c".repeat(255))));
    }
}
