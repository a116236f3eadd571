//! What programs open, as rules say that permit them: every way in which the words
//! fit the patterns, once more.

use cofferdam_policy::{Call, Word};
use toml::{Table, Value};

use super::conditions::is_in_time;
use super::parts::{Part, Parts};
use super::paths::{Place, Use, beneath, place, root};
use super::programs::Around;
use super::{Rules, Sure, effect, tables};

impl Rules {
    /// What the program of a part opens, whichever rule says so.
    pub(crate) fn opened(
        &self,
        meant: &[&Table],
        part: &Part,
        parts: &Parts<'_>,
        call: &Call,
    ) -> Vec<Use> {
        let Part::Program { name, words, .. } = part else { return Vec::new() };
        let around = &parts.around;
        let says = |rule: &&&Table| effect(rule) != "deny" && is_in_time(rule, call);
        let mut all = Vec::new();
        for rule in meant.iter().filter(says) {
            for pattern in [tables(rule, "programs"), tables(rule, "opened_by")].concat() {
                if self.program(pattern, name, words, around) == Sure::No {
                    continue;
                }
                for opening in tables(pattern, "opens") {
                    let at = match opening["beneath"].as_str().unwrap() {
                        "directory" => around.directory.clone().map_or(Place::Inside, Place::At),
                        wanted => Place::At(root(wanted, around.workspace)),
                    };
                    all.push(used(at, &Value::Table(opening.clone())));
                }
                if let Some(args) = pattern.get("args") {
                    let ways = self.ways(args.as_array().unwrap(), words, around);
                    all.extend(ways.unwrap_or_default());
                }
            }
        }
        all
    }

    /// What is opened on all ways together; `None`: there is no way.
    fn ways(&self, patterns: &[Value], words: &[Word], around: &Around<'_>) -> Option<Vec<Use>> {
        let splits = |word: &Word| *word == Word::Unknown { splits: true };
        let Some((first, rest)) = patterns.split_first() else {
            return words.iter().all(splits).then(Vec::new);
        };
        let on = |patterns: &[Value], skip: usize, mut uses: Vec<Use>| {
            let more = self.ways(patterns, words.get(skip..)?, around)?;
            uses.extend(more);
            Some(uses)
        };
        let fits = |value: &Value, word: &Word| self.value(value, word, around) != Sure::No;
        let mut all = Vec::new();
        if let Some(inner) = first.get("optional") {
            let with: Vec<Value> =
                [inner.clone()].into_iter().chain(rest.iter().cloned()).collect();
            all.extend([on(rest, 0, Vec::new()), on(&with, 0, Vec::new())]);
        } else if let Some(each) = first.get("rest") {
            all.push(on(rest, 0, Vec::new()));
            if let Some(word) = words.first().filter(|word| fits(each, word)) {
                all.push(on(patterns, 1, opens(each, word, around)));
            }
        } else if let Some(flag) = first.get("flag") {
            all.extend(
                self.flag_ways(flag.as_str().unwrap(), &first["value"], words, around)
                    .map(|(skip, uses)| on(rest, skip, uses)),
            );
        } else if let Some(word) = words.first().filter(|word| fits(first, word)) {
            all.push(on(rest, 1, opens(first, word, around)));
        }
        if let Some(word) = words.first().filter(|word| splits(word)) {
            // It is gone, or one of what it becomes is meant here.
            all.push(on(patterns, 1, opens(first, word, around)));
            all.push(on(rest, 0, opens(first, word, around)));
        }
        let found: Vec<Vec<Use>> = all.into_iter().flatten().collect();
        (!found.is_empty()).then(|| found.concat())
    }

    /// How many words a flag may take, and what they open.
    fn flag_ways(
        &self,
        flag: &str,
        value: &Value,
        words: &[Word],
        around: &Around<'_>,
    ) -> impl Iterator<Item = (usize, Vec<Use>)> {
        let apart = words
            .get(1)
            .filter(|word| self.value(value, word, around) != Sure::No)
            .map(|word| (2, opens(value, word, around)));
        let found = match words.first() {
            None => [None, None],
            Some(word @ Word::Unknown { .. }) => [apart, Some((1, opens(value, word, around)))],
            Some(Word::Literal(text)) if text == flag.as_bytes() => [apart, None],
            Some(Word::Literal(text)) => {
                let attached = text.strip_prefix(flag.as_bytes()).and_then(|inner| {
                    if flag.starts_with("--") { inner.strip_prefix(b"=") } else { Some(inner) }
                });
                let inner = attached.map(|inner| Word::Literal(inner.to_vec()));
                let inner = inner.filter(|word| self.value(value, word, around) != Sure::No);
                [inner.map(|word| (1, opens(value, &word, around))), None]
            }
        };
        found.into_iter().flatten()
    }
}

fn used(place: Place, opening: &Value) -> Use {
    let deep = opening.get("recursive").is_none_or(|deep| deep.as_bool().unwrap());
    Use { place, writes: opening["mode"].as_str().unwrap() == "write", deep }
}

/// What is opened where this pattern, or one in it, is meant by this word.
fn opens(pattern: &Value, word: &Word, around: &Around<'_>) -> Vec<Use> {
    for inner in ["optional", "rest", "value"] {
        if let Some(inner) = pattern.get(inner) {
            return opens(inner, word, around);
        }
    }
    if let Some(all) = pattern.get("any_of") {
        return all.as_array().unwrap().iter().flat_map(|one| opens(one, word, around)).collect();
    }
    let (Some(wanted), Some(_)) = (pattern.get("beneath"), pattern.get("mode")) else {
        return Vec::new();
    };
    let text = match word {
        Word::Unknown { .. } => return vec![used(Place::Anywhere, pattern)],
        Word::Literal(text) => std::str::from_utf8(text).unwrap(),
    };
    if text.is_empty() || text.starts_with('-') {
        return Vec::new();
    }
    let wanted = root(wanted.as_str().unwrap(), around.workspace);
    match place(text.as_bytes(), around.directory.as_deref(), around.workspace) {
        None => vec![used(Place::Anywhere, pattern)],
        Some(at) if beneath(&at, &wanted, around.workspace) == Sure::No => Vec::new(),
        Some(at) => vec![used(at, pattern)],
    }
}
