//! Argument patterns: typed, ordered, matched against the argument array.
//!
//! The match goes through the arguments once, with all places in the list that it
//! may have reached, so that no pattern can blow up. An argument that is not known before running matches everything
//! perhaps and only «any» surely.

mod failure;
mod opened;

use std::fmt;
use std::path::Path;

pub(crate) use failure::Failure;

use super::matching::Match;
use super::place::{Opening, Root};
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
    /// A path beneath a root; never something that starts with `-`. With how the
    /// program opens it, where the rule says that.
    Beneath(Root, Option<Opening>),
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
    /// How `words` match, all of them. From the first word on, and only where the
    /// words before it led: what a caller makes long costs nothing where its
    /// beginning does not fit.
    pub(crate) fn matches(&self, words: &[Word], around: Surroundings<'_>) -> Match {
        // ways[step][p]: how the patterns before p match the words before the one
        // that is `step` after the one at hand; an attached value takes one word, one
        // apart two.
        let mut ways = [(); 3].map(|()| vec![Match::No; self.0.len() + 1]);
        ways[0][0] = Match::Yes;
        for at in 0..=words.len() {
            let ahead = &words[at..];
            for (pattern, element) in self.0.iter().enumerate() {
                let so_far = ways[0][pattern];
                if so_far != Match::No {
                    element.go_on(ahead, around, &mut |step, skips, sure| {
                        let way = &mut ways[step][pattern + usize::from(skips)];
                        *way = (*way).max(sure.min(so_far));
                    });
                }
            }
            let all = self.0.len();
            match ahead.first() {
                None => break,
                // It may become nothing at all.
                Some(Word::Unknown { splits: true }) => {
                    ways[1][all] = ways[1][all].max(ways[0][all].doubtful());
                }
                Some(_) => {}
            }
            ways.rotate_left(1);
            ways[2].fill(Match::No);
            if ways[..2].iter().flatten().all(|way| *way == Match::No) {
                return Match::No;
            }
        }
        ways[0].last().copied().unwrap_or(Match::No)
    }
}

impl Element {
    /// The ways on from this pattern with `words` ahead: how many of them are used
    /// up, whether the pattern is done with, and how sure that is.
    fn go_on(
        &self,
        words: &[Word],
        around: Surroundings<'_>,
        way: &mut dyn FnMut(usize, bool, Match),
    ) {
        match self {
            Self::One(value) => one(value, words, around, &mut |sure| way(1, true, sure)),
            Self::Rest(value) => {
                way(0, true, Match::Yes);
                one(value, words, around, &mut |sure| way(1, false, sure));
            }
            Self::Optional(inner) => {
                way(0, true, Match::Yes);
                inner.go_on(words, around, way);
            }
            Self::Flag { name, value } => flag(name, value, words, around, way),
        }
        // A word that may become none or several: perhaps it vanishes, perhaps a
        // part of it is what this pattern wants.
        if let Some(Word::Unknown { splits: true }) = words.first() {
            let sure = matches!(self, Self::Rest(value) if value.is_any());
            way(1, false, if sure { Match::Yes } else { Match::Perhaps });
            way(0, true, Match::Perhaps);
        }
    }
}

/// `value` on the first of `words`.
fn one(value: &Value, words: &[Word], around: Surroundings<'_>, way: &mut dyn FnMut(Match)) {
    if let Some(word) = words.first() {
        way(value.matches(word, around));
    }
}

fn flag(
    name: &str,
    value: &Value,
    words: &[Word],
    around: Surroundings<'_>,
    way: &mut dyn FnMut(usize, bool, Match),
) {
    let Some(word) = words.first() else { return };
    let apart = |sure: Match| words.get(1).map(|word| value.matches(word, around).min(sure));
    match word {
        Word::Unknown { .. } => {
            way(1, true, Match::Perhaps);
            if let Some(sure) = apart(Match::Perhaps) {
                way(2, true, sure);
            }
        }
        Word::Literal(text) if text == name.as_bytes() => {
            if let Some(sure) = apart(Match::Yes) {
                way(2, true, sure);
            }
        }
        Word::Literal(text) => {
            if let Some(inner) = attached(name, text) {
                way(1, true, value.matches(&Word::Literal(inner.to_vec()), around));
            }
        }
    }
}

/// The value in `--flag=VALUE` or `-fVALUE`.
fn attached<'a>(name: &str, text: &'a [u8]) -> Option<&'a [u8]> {
    let inner = text.strip_prefix(name.as_bytes())?;
    if name.starts_with("--") { inner.strip_prefix(b"=") } else { Some(inner) }
}

impl Value {
    /// Whether it takes every argument, however many it may become.
    fn is_any(&self) -> bool {
        match self {
            Self::Any => true,
            Self::AnyOf(all) => all.iter().any(Self::is_any),
            _ => false,
        }
    }

    pub(crate) fn matches(&self, word: &Word, around: Surroundings<'_>) -> Match {
        let text = match (word, self) {
            // Whatever they hold.
            (Word::Unknown { splits: true }, Self::AnyOf(_) | Self::NoneOf(_)) => {
                return Match::Perhaps;
            }
            (_, Self::AnyOf(all)) => return any_of(all, word, around),
            (_, Self::NoneOf(all)) => return any_of(all, word, around).opposite(),
            (Word::Unknown { splits: false }, Self::Any) => return Match::Yes,
            (Word::Unknown { .. }, _) => return Match::Perhaps,
            (Word::Literal(text), _) => text,
        };
        match self {
            Self::Any => Match::Yes,
            Self::AnyOf(_) | Self::NoneOf(_) => Match::Perhaps,
            Self::OneOf(all) => all.iter().any(|one| one.as_bytes() == text).into(),
            Self::Text(pattern) => pattern.is_match(text).into(),
            Self::Beneath(root, _) => beneath(root, text, around),
            Self::Number { min, max } => {
                number(text).is_some_and(|number| (*min..=*max).contains(&number)).into()
            }
        }
    }
}

/// The surest match; after a sure one no other is tried.
fn any_of(all: &[Value], word: &Word, around: Surroundings<'_>) -> Match {
    let mut best = Match::No;
    for one in all {
        best = best.max(one.matches(word, around));
        if best == Match::Yes {
            break;
        }
    }
    best
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
            Self::Beneath(root, None) => write!(out, "<path beneath {root}>"),
            Self::Beneath(root, Some(opening)) if root.is_everything() => {
                write!(out, "<path ({opening})>")
            }
            Self::Beneath(root, Some(opening)) => write!(out, "<path beneath {root} ({opening})>"),
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
