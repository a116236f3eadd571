//! Patterns on one text: exact, glob, or regular expression, always on the
//! whole of it. All of them run in time linear in the text.

mod expression;
mod glob;

use std::fmt;

use regex::bytes::Regex;

pub(super) use expression::Expressions;
use expression::in_one_line;
use glob::Glob;

use crate::text::shown;

/// A pattern on the whole of a text.
#[derive(Debug, Clone)]
pub(crate) struct TextPattern {
    written: String,
    matcher: Matcher,
}

#[derive(Debug, Clone)]
enum Matcher {
    Exact,
    Glob(Glob),
    Expression(Regex),
}

/// What all texts that a pattern matches have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape<'a> {
    /// There is only this one.
    Whole(&'a str),
    /// They begin so.
    Head(&'a str),
}

impl TextPattern {
    /// Exactly this text.
    pub(crate) fn exact(text: String) -> Self {
        Self { written: text, matcher: Matcher::Exact }
    }

    /// `*` is any text without a slash, `**` any text, `?` one character but a
    /// slash; everything else is itself.
    pub(crate) fn glob(text: String) -> Self {
        let matcher = Glob::new(&text).map_or(Matcher::Exact, Matcher::Glob);
        Self { written: text, matcher }
    }

    /// An expression that [`Expressions`] compiled.
    fn expression(text: String, compiled: Regex) -> Self {
        Self { written: text, matcher: Matcher::Expression(compiled) }
    }

    pub(crate) fn is_match(&self, text: &[u8]) -> bool {
        match &self.matcher {
            Matcher::Exact => self.written.as_bytes() == text,
            Matcher::Glob(glob) => glob.is_match(text),
            Matcher::Expression(expression) => expression.is_match(text),
        }
    }

    /// All of it and its kind, for telling two patterns apart.
    pub(crate) fn told(&self) -> String {
        match &self.matcher {
            Matcher::Exact => format!("{:?}", self.written),
            Matcher::Glob(_) => self.written.clone(),
            Matcher::Expression(_) => format!("/{}/", self.written),
        }
    }

    /// As it is written.
    pub(crate) fn written(&self) -> &str {
        &self.written
    }

    /// Whether every text matches.
    pub(crate) fn is_everything(&self) -> bool {
        matches!(&self.matcher, Matcher::Glob(_)) && self.written == "**"
    }

    /// Whether it names one text only.
    pub(crate) fn is_exact(&self) -> bool {
        matches!(self.matcher, Matcher::Exact)
    }

    /// What can be looked up instead of tried.
    pub(crate) fn shape(&self) -> Shape<'_> {
        match &self.matcher {
            Matcher::Exact => Shape::Whole(&self.written),
            Matcher::Glob(glob) => Shape::Head(glob.head()),
            Matcher::Expression(_) => Shape::Head(""),
        }
    }
}

impl fmt::Display for TextPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = match &self.matcher {
            Matcher::Expression(_) => in_one_line(&self.written),
            _ => (&*self.written).into(),
        };
        out.write_str(&shown(written.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_the_whole_text_and_stars_stop_at_slashes() {
        let matches =
            |glob: &str, text: &str| TextPattern::glob(glob.to_owned()).is_match(text.as_bytes());
        assert!(matches("*.rs", "main.rs"));
        assert!(!matches("*.rs", "src/main.rs"));
        assert!(matches("**.rs", "src/main.rs"));
        assert!(matches("web-?", "web-1"));
        assert!(!matches("web-?", "web-12"));
        assert!(matches("a.b", "a.b") && !matches("a.b", "axb"));
        assert!(!matches("*.rs", "main.rs\n"));
        assert!(TextPattern::glob("**".to_owned()).is_match(&[0xff, 0, b'\n']));
    }

    #[test]
    fn expressions_are_anchored_whatever_they_hold() {
        let matches = |text: &str, on: &str| {
            Expressions::default()
                .compile(text.to_owned())
                .map(|found| found.is_match(on.as_bytes()))
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
