//! Globs: `*` is any text without a slash, `**` any text, `?` one character but
//! a slash; everything else is itself.
//!
//! Own code instead of expressions, because rule files hold globs by the
//! thousand. What stands before the first and behind the last wildcard is
//! compared; the rest takes time linear in the text for each of its steps, so
//! that no glob can blow up.

/// A glob with at least one wildcard.
#[derive(Debug, Clone)]
pub(super) struct Glob {
    head: String,
    steps: Vec<Step>,
    tail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Exactly this.
    Character(char),
    /// One character but a slash.
    One,
    /// Any number of characters or bytes, slashes too where `slash` says so.
    Many { slash: bool },
}

impl Glob {
    /// Reads a glob; `None` where it has no wildcard.
    pub(super) fn new(text: &str) -> Option<Self> {
        let first = text.find(['*', '?'])?;
        let behind = text.rfind(['*', '?'])? + 1;
        let mut steps = Vec::new();
        let mut characters = text[first..behind].chars().peekable();
        while let Some(character) = characters.next() {
            steps.push(match character {
                '*' => Step::Many { slash: characters.next_if_eq(&'*').is_some() },
                '?' => Step::One,
                other => Step::Character(other),
            });
        }
        Some(Self { head: text[..first].to_owned(), steps, tail: text[behind..].to_owned() })
    }

    /// What every text that it matches begins with.
    pub(super) fn head(&self) -> &str {
        &self.head
    }

    /// Whether it matches the whole of a text.
    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        let inner = text
            .strip_prefix(self.head.as_bytes())
            .and_then(|text| text.strip_suffix(self.tail.as_bytes()));
        match (inner, &self.steps[..]) {
            (None, _) => false,
            (Some(_), [Step::Many { slash: true }]) => true,
            (Some(inner), [Step::Many { slash: false }]) => !inner.contains(&b'/'),
            (Some(inner), _) => self.walk(inner),
        }
    }

    /// Keeps, for each piece of the text, which steps may come next.
    fn walk(&self, text: &[u8]) -> bool {
        let mut next = vec![false; self.steps.len() + 1];
        next[0] = true;
        self.skip(&mut next);
        for piece in pieces(text) {
            let mut then = vec![false; next.len()];
            for (at, step) in self.steps.iter().enumerate().filter(|(at, _)| next[*at]) {
                match (step, piece) {
                    (Step::Many { slash }, piece) => then[at] |= *slash || piece != Some('/'),
                    (Step::One, Some(character)) => then[at + 1] |= character != '/',
                    (Step::Character(wanted), Some(character)) => {
                        then[at + 1] |= *wanted == character;
                    }
                    (Step::One | Step::Character(_), None) => {}
                }
            }
            next = then;
            self.skip(&mut next);
            if !next.contains(&true) {
                return false;
            }
        }
        next[self.steps.len()]
    }

    /// What may be any number may be none.
    fn skip(&self, next: &mut [bool]) {
        for (at, step) in self.steps.iter().enumerate() {
            if matches!(step, Step::Many { .. }) {
                next[at + 1] |= next[at];
            }
        }
    }
}

/// Characters, and `None` for each stretch of bytes that is none.
fn pieces(text: &[u8]) -> impl Iterator<Item = Option<char>> {
    text.utf8_chunks().flat_map(|chunk| {
        let broken = (!chunk.invalid().is_empty()).then_some(None);
        chunk.valid().chars().map(Some).chain(broken)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::bytes::Regex;

    use super::*;

    /// Characters, slashes, and halves of characters.
    const PIECES: [&[u8]; 7] = [b"a", b"b", b"/", "é".as_bytes(), b"\xc3", b"\xa9", b"\n"];

    /// The same, said as an expression.
    fn expression(glob: &str) -> Regex {
        let text = regex::escape(glob)
            .replace(r"\*\*", "<any>")
            .replace(r"\*", "[^/]*")
            .replace(r"\?", "(?u:[^/])")
            .replace("<any>", ".*");
        Regex::new(&format!(r"(?s-u)\A(?:{text})\z")).unwrap()
    }

    proptest! {
        #[test]
        fn a_glob_matches_what_its_expression_matches(
            glob in "[ab/*?é]{0,8}[*?][ab/*?é]{0,8}",
            text in proptest::collection::vec(
                proptest::sample::select(&PIECES[..]),
                0..12,
            ),
        ) {
            let text = text.concat();
            let expected = expression(&glob).is_match(&text);
            prop_assert_eq!(Glob::new(&glob).unwrap().is_match(&text), expected, "{} on {:?}", glob, text);
        }
    }

    #[test]
    fn hostile_globs_take_no_longer_than_their_length() {
        let glob = Glob::new(&"**a*".repeat(200)).unwrap();
        assert!(!glob.is_match(&b"a/".repeat(2_000)));
        assert!(glob.is_match(&b"a".repeat(5_000)));
        assert!(!Glob::new("a*b?").unwrap().is_match(b"a"));
    }
}
