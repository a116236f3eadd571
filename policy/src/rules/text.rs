//! Patterns on one text: exact, glob, or regular expression, always on the
//! whole of it.
//!
//! Globs become regular expressions, and those run in time linear in the text,
//! so that no pattern can blow up.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

use crate::text::shown;

/// The most memory that one compiled expression may take, in bytes.
const MAX_COMPILED: usize = 256 * 1024;

/// A pattern on the whole of a text.
#[derive(Debug, Clone)]
pub(crate) struct TextPattern {
    written: String,
    matcher: Matcher,
}

#[derive(Debug, Clone)]
enum Matcher {
    Exact,
    Expression(Regex),
}

impl TextPattern {
    /// Exactly this text.
    pub(crate) fn exact(text: String) -> Self {
        Self { written: text, matcher: Matcher::Exact }
    }

    /// `*` is any text without a slash, `**` any text, `?` one character but a
    /// slash; everything else is itself.
    pub(crate) fn glob(text: String) -> Result<Self, String> {
        if !text.contains(['*', '?']) {
            return Ok(Self::exact(text));
        }
        let mut expression = String::from(r"(?s-u)\A(?:");
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '*' if characters.next_if_eq(&'*').is_some() => expression.push_str(".*"),
                '*' => expression.push_str("[^/]*"),
                '?' => expression.push_str("(?u:[^/])"),
                other => {
                    expression.push_str(&regex::escape(other.encode_utf8(&mut [0; 4])));
                }
            }
        }
        expression.push_str(r")\z");
        let matcher = Matcher::Expression(compile(&expression)?);
        Ok(Self { written: text, matcher })
    }

    /// A regular expression of the crate `regex`, anchored at both ends.
    pub(crate) fn expression(text: String) -> Result<Self, String> {
        // Alone first: `a)|(b` would undo the anchors.
        compile(&text)?;
        let matcher = Matcher::Expression(compile(&format!(r"\A(?:{text})\z"))?);
        Ok(Self { written: text, matcher })
    }

    pub(crate) fn is_match(&self, text: &[u8]) -> bool {
        match &self.matcher {
            Matcher::Exact => self.written.as_bytes() == text,
            Matcher::Expression(expression) => expression.is_match(text),
        }
    }

    /// Whether it names one text only.
    pub(crate) fn is_exact(&self) -> bool {
        matches!(self.matcher, Matcher::Exact)
    }
}

impl fmt::Display for TextPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&shown(self.written.as_bytes()))
    }
}

fn compile(expression: &str) -> Result<Regex, String> {
    RegexBuilder::new(expression)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_COMPILED)
        .nest_limit(32)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                format!("the expression takes more than {MAX_COMPILED} bytes; make it smaller")
            }
            other => told(&other.to_string()),
        })
}

/// The reason out of an error that draws its own picture over several lines.
fn told(error: &str) -> String {
    let reason = error.lines().last().unwrap_or_default();
    let reason = reason.strip_prefix("error: ").unwrap_or(reason);
    format!("it is no regular expression: {reason}; see docs.rs/regex for what there is")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_the_whole_text_and_stars_stop_at_slashes() {
        let matches = |glob: &str, text: &str| {
            TextPattern::glob(glob.to_owned()).unwrap().is_match(text.as_bytes())
        };
        assert!(matches("*.rs", "main.rs"));
        assert!(!matches("*.rs", "src/main.rs"));
        assert!(matches("**.rs", "src/main.rs"));
        assert!(matches("web-?", "web-1"));
        assert!(!matches("web-?", "web-12"));
        assert!(matches("a.b", "a.b") && !matches("a.b", "axb"));
        assert!(!matches("*.rs", "main.rs\n"));
        assert!(TextPattern::glob("**".to_owned()).unwrap().is_match(&[0xff, 0, b'\n']));
    }

    #[test]
    fn expressions_are_anchored_whatever_they_hold() {
        let matches = |text: &str, on: &str| {
            TextPattern::expression(text.to_owned()).map(|found| found.is_match(on.as_bytes()))
        };
        assert_eq!(matches("a|b", "ab"), Ok(false));
        assert_eq!(matches("v[0-9]+", "v12"), Ok(true));
        assert_eq!(matches("v[0-9]+", "xv12"), Ok(false));
        assert_eq!(matches("(?m)^a$", "a\nb"), Ok(false));
        assert!(matches("a)|(b", "b").is_err());
        assert!(matches("(?x)a #", "b").is_err());
        assert!(matches("(((a{1000}){1000}){1000}", "a").is_err());
        assert!(matches(&"(".repeat(10_000), "a").is_err());
    }
}
