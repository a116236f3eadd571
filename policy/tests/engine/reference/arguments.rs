//! Argument patterns, in order, by trying every way. They have to use up all
//! arguments. A word that is not known matches everything perhaps; one that bash
//! splits may also be none or several.

use cofferdam_policy::Word;
use toml::Value;

use super::paths::{beneath, place, root};
use super::programs::Around;
use super::{Rules, Sure, glob, strings};

impl Rules {
    pub(crate) fn arguments(
        &self,
        patterns: &[Value],
        words: &[Word],
        around: &Around<'_>,
    ) -> Sure {
        let Some((first, rest)) = patterns.split_first() else { return nothing(words) };
        let sure = self.first(first, rest, words, around);
        let Some(Word::Unknown { splits: true }) = words.first() else { return sure };
        let gone = self.arguments(patterns, &words[1..], around);
        if first.get("rest").is_some_and(is_any) {
            return sure.max(gone);
        }
        let part = self.arguments(rest, words, around);
        sure.max(gone.min(Sure::Perhaps)).max(part.min(Sure::Perhaps))
    }

    fn first(&self, first: &Value, rest: &[Value], words: &[Word], around: &Around<'_>) -> Sure {
        let then = |skip: usize| self.arguments(rest, &words[skip..], around);
        if let Some(inner) = first.get("optional") {
            let with: Vec<Value> =
                [inner.clone()].into_iter().chain(rest.iter().cloned()).collect();
            return then(0).max(self.arguments(&with, words, around));
        }
        if let Some(each) = first.get("rest") {
            let Some(word) = words.first() else { return then(0) };
            let all = [first.clone()].into_iter().chain(rest.iter().cloned()).collect::<Vec<_>>();
            let more =
                self.value(each, word, around).min(self.arguments(&all, &words[1..], around));
            return then(0).max(more);
        }
        let Some(word) = words.first() else { return Sure::No };
        let Some(flag) = first.get("flag") else {
            return self.value(first, word, around).min(then(1));
        };
        let (flag, value) = (flag.as_str().unwrap(), &first["value"]);
        let apart = |sure: Sure| match words.get(1) {
            Some(word) => self.value(value, word, around).min(then(2)).min(sure),
            None => Sure::No,
        };
        match word {
            Word::Unknown { .. } => apart(Sure::Perhaps).max(then(1).min(Sure::Perhaps)),
            Word::Literal(text) if text == flag.as_bytes() => apart(Sure::Yes),
            Word::Literal(text) => {
                let attached = text.strip_prefix(flag.as_bytes()).and_then(|inner| {
                    if flag.starts_with("--") { inner.strip_prefix(b"=") } else { Some(inner) }
                });
                attached.map_or(Sure::No, |inner| {
                    self.value(value, &Word::Literal(inner.to_vec()), around).min(then(1))
                })
            }
        }
    }

    /// Whether one word is what one pattern wants. `true` is any.
    pub(crate) fn value(&self, pattern: &Value, word: &Word, around: &Around<'_>) -> Sure {
        let all = |list: &Value| {
            let each = list.as_array().unwrap().iter().map(|one| self.value(one, word, around));
            each.max().unwrap_or(Sure::No)
        };
        if let Some(list) = pattern.get("any_of") {
            return all(list);
        }
        if let Some(list) = pattern.get("none_of") {
            return match all(list) {
                Sure::Yes => Sure::No,
                Sure::Perhaps => Sure::Perhaps,
                Sure::No => Sure::Yes,
            };
        }
        let any = *pattern == Value::Boolean(true) || pattern.get("any").is_some();
        let text = match word {
            Word::Unknown { splits: false } if any => return Sure::Yes,
            Word::Unknown { .. } => return Sure::Perhaps,
            Word::Literal(text) => text,
        };
        if any {
            return Sure::Yes;
        }
        let Ok(text) = std::str::from_utf8(text) else { return Sure::No };
        let key = |key: &str| pattern.get(key);
        Sure::when(if let Some(exact) = pattern.as_str() {
            text == exact
        } else if let Some(all) = key("one_of") {
            self.expand(&strings(all)).iter().any(|one| one == text)
        } else if let Some(glob) = key("glob") {
            glob::matches(glob.as_str().unwrap(), text)
        } else if let Some(regex) = key("regex") {
            let regex = format!("^(?:{})$", regex.as_str().unwrap());
            regex::Regex::new(&regex).unwrap().is_match(text) && !text.ends_with('\n')
        } else if let Some(range) = key("number") {
            let plain = text.strip_prefix('-').unwrap_or(text);
            let digits = !plain.is_empty() && plain.chars().all(|one| one.is_ascii_digit());
            let (min, max) =
                (range["min"].as_integer().unwrap(), range["max"].as_integer().unwrap());
            digits && text.parse().is_ok_and(|number: i64| min <= number && number <= max)
        } else if let Some(path) = key("beneath") {
            return is_beneath(path.as_str().unwrap(), text, around);
        } else {
            panic!("{pattern:?}")
        })
    }
}

/// Whether every argument is wanted, however many there are.
fn is_any(pattern: &Value) -> bool {
    let one_is = |all: &Value| all.as_array().unwrap().iter().any(is_any);
    *pattern == Value::Boolean(true)
        || pattern.get("any").is_some()
        || pattern.get("any_of").is_some_and(one_is)
}

fn is_beneath(wanted: &str, text: &str, around: &Around<'_>) -> Sure {
    if text.starts_with('-') {
        return Sure::No;
    }
    let place = place(text.as_bytes(), around.directory.as_deref(), around.workspace);
    place.map_or(Sure::No, |place| {
        beneath(&place, &root(wanted, around.workspace), around.workspace)
    })
}

/// How no pattern at all matches these words.
fn nothing(words: &[Word]) -> Sure {
    match words {
        [] => Sure::Yes,
        words if words.iter().all(|word| *word == Word::Unknown { splits: true }) => Sure::Perhaps,
        _ => Sure::No,
    }
}
