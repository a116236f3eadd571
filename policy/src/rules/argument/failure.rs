//! The first argument that does not fit a list of patterns, in words.

use std::fmt;

use super::{Arguments, Element, Surroundings};
use crate::rules::matching::Match;
use crate::shell::Word;
use crate::text::shown;

/// The most arguments that are looked at; the first that fails is soon found.
const MAX_WORDS: usize = 256;

/// Where arguments stop to fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// How many arguments fit.
    pub(crate) at: usize,
    /// The argument that does not; `None`: there should be one more.
    word: Option<String>,
    /// What would fit there; empty: nothing, there is one too many.
    wanted: Vec<String>,
}

impl Arguments {
    /// Where `words`, which do not fit, stop to.
    pub(crate) fn failure(&self, words: &[Word], around: Surroundings<'_>) -> Failure {
        let words = &words[..words.len().min(MAX_WORDS)];
        // reached[p]: the patterns before p fit the words before the one at hand.
        let mut reached = vec![vec![false; self.0.len() + 1]; words.len() + 2];
        reached[0][0] = true;
        for at in 0..=words.len() {
            for (pattern, element) in self.0.iter().enumerate() {
                if reached[at][pattern] {
                    for (step, skips) in element.steps(&words[at..], around) {
                        reached[at + step][pattern + usize::from(skips)] = true;
                    }
                }
            }
        }
        let at = (0..=words.len()).rev().find(|at| reached[*at].contains(&true)).unwrap_or(0);
        let wanted =
            self.0.iter().zip(&reached[at]).filter(|(_, is)| **is).map(|(one, _)| one.to_string());
        Failure { at, word: words.get(at).map(ToString::to_string), wanted: wanted.collect() }
    }
}

impl Element {
    /// The ways on from the first of `words`: how many of them are used up, and
    /// whether the pattern is done with.
    fn steps(&self, words: &[Word], around: Surroundings<'_>) -> Vec<(usize, bool)> {
        let fits = |value: &super::Value, word: Option<&Word>| {
            word.is_some_and(|word| value.matches(word, around) == Match::Yes)
        };
        match self {
            Self::One(value) => {
                fits(value, words.first()).then_some((1, true)).into_iter().collect()
            }
            Self::Rest(value) => {
                let more = fits(value, words.first()).then_some((1, false));
                more.into_iter().chain([(0, true)]).collect()
            }
            Self::Optional(inner) => {
                inner.steps(words, around).into_iter().chain([(0, true)]).collect()
            }
            Self::Flag { name, value } => match words.first() {
                Some(Word::Literal(text)) if text == name.as_bytes() => {
                    fits(value, words.get(1)).then_some((2, true)).into_iter().collect()
                }
                Some(Word::Literal(text)) => super::attached(name, text)
                    .filter(|inner| fits(value, Some(&Word::Literal(inner.to_vec()))))
                    .map(|_| (1, true))
                    .into_iter()
                    .collect(),
                _ => Vec::new(),
            },
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, word, wanted } = self;
        let place = at + 1;
        let wanted = match &wanted[..] {
            [] => None,
            some => Some(some.iter().take(4).cloned().collect::<Vec<_>>().join(" or ")),
        };
        match (word, wanted) {
            (Some(word), Some(wanted)) => {
                let word = shown(word.as_bytes());
                write!(out, "argument {place} `{word}` is not {wanted}")
            }
            (Some(word), None) => {
                write!(out, "argument {place} `{}` is one too many", shown(word.as_bytes()))
            }
            (None, Some(wanted)) => write!(out, "argument {place} is missing: {wanted}"),
            (None, None) => out.write_str("an argument is not known before running"),
        }
    }
}
