//! Patterns on names in the ceiling: `*` is any text, everything else is itself.
//!
//! One wildcard and no more, because a host's owner reads these lines before
//! anything else: no classes, no expressions. Bounded, and compared in time
//! linear in the name for each of its parts.

use std::fmt;

use serde::Deserialize;

/// The longest pattern, in bytes.
const MAX_LENGTH: usize = 256;

/// A pattern on the whole of a name, letter for letter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern(String);

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain = text.chars().all(|character| !character.is_control());
        match text.len() {
            1..=MAX_LENGTH if plain => Ok(Self(text)),
            _ => Err(format!(
                "{text:?} is no pattern: 1 to {MAX_LENGTH} bytes without control characters, where \
                 `*` is any text"
            )),
        }
    }
}

impl Pattern {
    /// As it is written.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches the whole of `name`. A name that is empty is nobody's.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        if name.is_empty() {
            return false;
        }
        let Some((head, rest)) = self.0.split_once('*') else { return self.0 == name };
        let Some(mut left) = name.strip_prefix(head) else { return false };
        let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
        for part in middle.split('*') {
            // The first place is as good as any: what follows may begin anywhere.
            let Some((_, behind)) = left.split_once(part) else { return false };
            left = behind;
        }
        left.ends_with(tail)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::try_from(pattern.to_owned()).unwrap().matches(name)
    }

    #[test]
    fn a_star_is_any_text_and_everything_else_is_itself() {
        for (pattern, name) in [
            ("alice", "alice"),
            ("*", "alice"),
            ("*@example.org", "alice@example.org"),
            ("ci-*", "ci-"),
            ("a*b*c", "abc"),
            ("a*b*c", "a-b-b-c"),
            ("*a*", "bab"),
            ("a**b", "ab"),
            ("ä*", "äb"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("alice", "Alice"),
            ("alice", "alice "),
            ("a*a", "a"),
            ("ab*ba", "aba"),
            ("*@example.org", "alice@example.org.evil"),
            ("a*b*c", "acb"),
            ("a?c", "abc"),
            ("*", ""),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_is_bounded_and_plain() {
        for text in [String::new(), "a\nb".to_owned(), "a".repeat(MAX_LENGTH + 1)] {
            assert!(Pattern::try_from(text.clone()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn many_stars_take_no_longer_than_few() {
        let pattern = format!("{}b", "a*".repeat(127));
        assert!(!matches(&pattern, &"a".repeat(100_000)));
    }
}
