//! Argument patterns: typed, ordered, matched against the argument array.
//!
//! The match runs over a table of patterns by arguments, so that no pattern can
//! blow up. An argument that is not known before running matches everything
//! perhaps and only «any» surely.

mod failure;

use std::fmt;
use std::path::Path;

pub(crate) use failure::Failure;

use super::matching::Match;
use super::place::Root;
use super::text::TextPattern;
use crate::path::{Directory, locate};
use crate::shell::Word;
use crate::text::shown;

/// The most patterns of one list; it bounds the table.
pub(crate) const MAX_PATTERNS: usize = 64;

/// A list of argument patterns, which must use up all arguments.
#[derive(Debug, Clone)]
pub(crate) struct Arguments(pub(crate) Vec<Element>);

/// One entry of a list.
#[derive(Debug, Clone)]
pub(crate) enum Element {
    /// One argument.
    One(Value),
    /// `--flag VALUE` or `--flag=VALUE`; `-f VALUE` or `-fVALUE`.
    Flag { name: String, value: Value },
    /// Present or not.
    Optional(Box<Element>),
    /// Any number of arguments, none included.
    Rest(Value),
}

/// What one argument may be.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Any,
    OneOf(Vec<String>),
    /// What one of these matches.
    AnyOf(Vec<Value>),
    /// What none of these matches, for sure.
    NoneOf(Vec<Value>),
    Text(TextPattern),
    /// A path beneath a root; never something that starts with `-`.
    Beneath(Root),
    /// A decimal number without a sign before it but `-`.
    Number {
        min: i64,
        max: i64,
    },
}

/// What arguments are seen against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) workspace: &'a Path,
    pub(crate) directory: Directory<'a>,
}

impl Arguments {
    pub(crate) fn matches(&self, words: &[Word], around: Surroundings<'_>) -> Match {
        // next[w]: how the patterns after the one at hand match words[w..].
        let mut next: Vec<Match> = vec![Match::No; words.len() + 1];
        for (at, slot) in next.iter_mut().enumerate() {
            *slot = remaining(&words[at..]);
        }
        for element in self.0.iter().rev() {
            let mut row = vec![Match::No; words.len() + 1];
            for at in (0..=words.len()).rev() {
                row[at] = element.matches(words, at, &row, &next, around);
            }
            next = row;
        }
        next[0]
    }
}

/// How nothing at all matches `words`.
fn remaining(words: &[Word]) -> Match {
    match words {
        [] => Match::Yes,
        words if words.iter().all(|word| matches!(word, Word::Unknown { splits: true })) => {
            Match::Perhaps
        }
        _ => Match::No,
    }
}

impl Element {
    /// How this and the patterns after it match `words[at..]`. `row` is this
    /// pattern's own row, filled from the end; `next` the row after it.
    fn matches(
        &self,
        words: &[Word],
        at: usize,
        row: &[Match],
        next: &[Match],
        around: Surroundings<'_>,
    ) -> Match {
        let direct = match self {
            Self::One(value) => one(value, words, at, next, around),
            Self::Flag { name, value } => flag(name, value, words, at, next, around),
            Self::Optional(inner) => next[at].max(inner.matches(words, at, row, next, around)),
            Self::Rest(value) => next[at].max(one(value, words, at, row, around)),
        };
        // A word that may become none or several: perhaps it vanishes, perhaps a
        // part of it is what this pattern wants.
        match words.get(at) {
            Some(Word::Unknown { splits: true }) if matches!(self, Self::Rest(Value::Any)) => {
                direct.max(row[at + 1])
            }
            Some(Word::Unknown { splits: true }) => {
                direct.max(row[at + 1].doubtful()).max(next[at].doubtful())
            }
            _ => direct,
        }
    }
}

/// `value` on the word at `at`, and `then` on what follows.
fn one(
    value: &Value,
    words: &[Word],
    at: usize,
    then: &[Match],
    around: Surroundings<'_>,
) -> Match {
    words.get(at).map_or(Match::No, |word| value.matches(word, around).min(then[at + 1]))
}

fn flag(
    name: &str,
    value: &Value,
    words: &[Word],
    at: usize,
    next: &[Match],
    around: Surroundings<'_>,
) -> Match {
    let Some(word) = words.get(at) else { return Match::No };
    let apart = |sure: Match| match words.get(at + 1) {
        Some(word) => value.matches(word, around).min(next[at + 2]).min(sure),
        None => Match::No,
    };
    match word {
        Word::Unknown { .. } => apart(Match::Perhaps).max(next[at + 1].doubtful()),
        Word::Literal(text) if text == name.as_bytes() => apart(Match::Yes),
        Word::Literal(text) => match attached(name, text) {
            Some(inner) => value.matches(&Word::Literal(inner.to_vec()), around).min(next[at + 1]),
            None => Match::No,
        },
    }
}

/// The value in `--flag=VALUE` or `-fVALUE`.
fn attached<'a>(name: &str, text: &'a [u8]) -> Option<&'a [u8]> {
    let inner = text.strip_prefix(name.as_bytes())?;
    if name.starts_with("--") { inner.strip_prefix(b"=") } else { Some(inner) }
}

impl Value {
    pub(crate) fn matches(&self, word: &Word, around: Surroundings<'_>) -> Match {
        let each = |all: &[Self]| all.iter().map(|one| one.matches(word, around)).max();
        let text = match (word, self) {
            (_, Self::AnyOf(all)) => return each(all).unwrap_or(Match::No),
            (_, Self::NoneOf(all)) => return each(all).unwrap_or(Match::No).opposite(),
            (Word::Unknown { splits: false }, Self::Any) => return Match::Yes,
            (Word::Unknown { .. }, _) => return Match::Perhaps,
            (Word::Literal(text), _) => text,
        };
        match self {
            Self::Any => Match::Yes,
            Self::AnyOf(_) | Self::NoneOf(_) => Match::Perhaps,
            Self::OneOf(all) => all.iter().any(|one| one.as_bytes() == text).into(),
            Self::Text(pattern) => pattern.is_match(text).into(),
            Self::Beneath(root) => beneath(root, text, around),
            Self::Number { min, max } => {
                number(text).is_some_and(|number| (*min..=*max).contains(&number)).into()
            }
        }
    }
}

fn beneath(root: &Root, text: &[u8], around: Surroundings<'_>) -> Match {
    // An option is no path, whatever file of that name there may be.
    if text.starts_with(b"-") {
        return Match::No;
    }
    match locate(text, around.directory, around.workspace) {
        Ok(location) => root.covers(&location, around.workspace),
        Err(_) => Match::No,
    }
}

fn number(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| plain)?.parse().ok()
}

impl fmt::Display for Arguments {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, element) in self.0.iter().take(8).enumerate() {
            write!(out, "{}{element}", if count == 0 { "" } else { " " })?;
        }
        out.write_str(if self.0.len() > 8 { " …" } else { "" })
    }
}

impl fmt::Display for Element {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(value) => write!(out, "{value}"),
            Self::Flag { name, value } => write!(out, "{name} {value}"),
            Self::Optional(inner) => write!(out, "[{inner}]"),
            Self::Rest(Value::Any) => out.write_str("…"),
            Self::Rest(value) => write!(out, "{value}…"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => out.write_str("<any>"),
            Self::OneOf(all) => {
                let names: Vec<String> =
                    all.iter().take(12).map(|text| shown(text.as_bytes())).collect();
                out.write_str(&names.join("|"))?;
                out.write_str(if all.len() > 12 { "|…" } else { "" })
            }
            Self::AnyOf(all) => write!(out, "({})", listed(all, "|")),
            Self::NoneOf(all) => write!(out, "<not {}>", listed(all, ", ")),
            Self::Text(pattern) => write!(out, "{pattern}"),
            Self::Beneath(root) => write!(out, "<path beneath {root}>"),
            Self::Number { min, max } => write!(out, "<{min} to {max}>"),
        }
    }
}

/// The first twelve of some patterns.
fn listed(all: &[Value], between: &str) -> String {
    let told: Vec<String> = all.iter().take(12).map(ToString::to_string).collect();
    let more = if all.len() > 12 { "…" } else { "" };
    format!("{}{more}", told.join(between))
}

#[cfg(test)]
mod tests;
