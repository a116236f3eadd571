//! What a program opens, as the patterns say that its arguments fit.
//!
//! A word counts where it may stand for a path with a mode while all other words
//! fit too, on any way through the patterns. What cannot be told counts as a path
//! anywhere: only deny and ask rules ask for it, and they fire on a perhaps.

use std::collections::BTreeSet;

use super::{Arguments, Element, MAX_PATTERNS, Surroundings, Value, attached};
use crate::path::{Location, PathProblem, locate};
use crate::rules::matching::Match;
use crate::rules::place::{Opening, PathUse};
use crate::shell::Word;

/// The places in a list of patterns, one bit for each and one for its end.
type Places = u128;

const _: () = assert!(MAX_PATTERNS < 128);

impl Arguments {
    /// Whether a pattern says how a path is opened.
    pub(crate) fn open(&self) -> bool {
        self.0.iter().any(Element::opens)
    }

    /// Adds what `words` say is opened.
    pub(crate) fn opened(
        &self,
        words: &[Word],
        around: Surroundings<'_>,
        out: &mut BTreeSet<PathUse>,
    ) {
        let reached = self.reached(words, around);
        let end = 1 << self.0.len();
        // Backwards, so that only ways that lead to the end count: from a place,
        // no way leads to one before it.
        let mut good: Vec<Places> = vec![0; words.len() + 3];
        good[words.len()] = end;
        for at in (0..=words.len()).rev() {
            let ahead = &words[at..];
            if let Some(Word::Unknown { splits: true }) = ahead.first() {
                // It may become nothing at all.
                good[at] |= good[at + 1] & end;
            }
            for (pattern, element) in self.0.iter().enumerate().rev() {
                if reached[at] & (1 << pattern) == 0 {
                    continue;
                }
                element.go_on(ahead, around, &mut |step, skips, sure| {
                    let next = 1 << (pattern + usize::from(skips));
                    if sure != Match::No && good[at + step] & next != 0 {
                        good[at] |= 1 << pattern;
                        element.opened(step, ahead, around, out);
                    }
                });
            }
        }
    }

    /// For each number of words, the places in the list that they may lead to.
    fn reached(&self, words: &[Word], around: Surroundings<'_>) -> Vec<Places> {
        let mut reached: Vec<Places> = vec![0; words.len() + 3];
        reached[0] = 1;
        for at in 0..=words.len() {
            for (pattern, element) in self.0.iter().enumerate() {
                if reached[at] & (1 << pattern) != 0 {
                    element.go_on(&words[at..], around, &mut |step, skips, sure| {
                        if sure != Match::No {
                            reached[at + step] |= 1 << (pattern + usize::from(skips));
                        }
                    });
                }
            }
        }
        reached
    }
}

impl Element {
    fn opens(&self) -> bool {
        match self {
            Self::One(value) | Self::Rest(value) | Self::Flag { value, .. } => value.opens(),
            Self::Optional(inner) => inner.opens(),
        }
    }

    /// Adds what is opened where this pattern uses up so many of `words`.
    fn opened(
        &self,
        step: usize,
        words: &[Word],
        around: Surroundings<'_>,
        out: &mut BTreeSet<PathUse>,
    ) {
        match (self, words.first()) {
            (_, None) => {}
            (Self::Optional(inner), _) => inner.opened(step, words, around, out),
            // A part of it is what this pattern wants.
            (
                Self::One(value) | Self::Rest(value) | Self::Flag { value, .. },
                Some(word @ Word::Unknown { splits: true }),
            ) if step < 2 => value.opened(word, around, out),
            (_, _) if step == 0 => {}
            (Self::Flag { value, .. }, Some(word)) if step == 2 => {
                value.opened(words.get(1).unwrap_or(word), around, out);
            }
            (Self::Flag { name, value }, Some(Word::Literal(text))) => {
                let inner = attached(name, text).unwrap_or_default().to_vec();
                value.opened(&Word::Literal(inner), around, out);
            }
            (Self::One(value) | Self::Rest(value) | Self::Flag { value, .. }, Some(word)) => {
                value.opened(word, around, out);
            }
        }
    }
}

impl Value {
    /// Whether it says how a path is opened.
    pub(crate) fn opens(&self) -> bool {
        match self {
            Self::Beneath(_, opening) => opening.is_some(),
            Self::AnyOf(all) | Self::NoneOf(all) => all.iter().any(Self::opens),
            Self::Any | Self::OneOf(_) | Self::Text(_) | Self::Number { .. } => false,
        }
    }

    /// Adds what is opened where this pattern may stand for `word`.
    fn opened(&self, word: &Word, around: Surroundings<'_>, out: &mut BTreeSet<PathUse>) {
        match self {
            Self::AnyOf(all) => all.iter().for_each(|one| one.opened(word, around, out)),
            Self::Beneath(root, Some(Opening { mode, recursive })) => {
                let location = match word {
                    Word::Unknown { .. } => Location::Anywhere,
                    Word::Literal(text) if text.starts_with(b"-") => return,
                    Word::Literal(text) => {
                        match locate(text, around.directory, around.workspace) {
                            Ok(at) if root.covers(&at, around.workspace) == Match::No => return,
                            Ok(at) => at,
                            // It may lead back in.
                            Err(PathProblem::Escapes) => Location::Anywhere,
                            Err(PathProblem::Empty | PathProblem::Nul) => return,
                        }
                    }
                };
                out.insert(PathUse { location, mode: *mode, recursive: *recursive });
            }
            _ => {}
        }
    }
}
