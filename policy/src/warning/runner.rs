//! Rules that permit a program which can run any other program or any code.
//!
//! The list is data, `policy/data/runners.toml`, with a reason for each entry.

use std::path::Path;

use serde::Deserialize;

use super::{Warning, WarningKind};
use crate::grant::Programs;
use crate::path::Directory;
use crate::rules::Surroundings;
use crate::rules::argument::{Arguments, Element, Value};
use crate::rules::matching::Match;
use crate::rules::place::file_name;
use crate::rules::program::{ProgramPattern, Which};
use crate::rules::rule::Rule;
use crate::rules::text::{Shape, TextPattern};
use crate::shell::Word;
use crate::text::shown;

const DATA: &str = include_str!("../../data/runners.toml");

/// The most programs of one rule that are told.
const MAX_TOLD: usize = 6;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    runner: Vec<RawRunner>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRunner {
    names: Vec<String>,
    why: String,
    words: Option<Vec<String>>,
    #[serde(default)]
    first: bool,
    #[serde(default)]
    script: bool,
}

/// A program that can run others.
#[derive(Debug)]
struct Runner {
    names: Vec<TextPattern>,
    why: String,
    /// Arguments by which it does; none: it always can.
    words: Vec<Word>,
    /// They count as the first argument only.
    first: bool,
    /// Those that are no options count as the first argument that is none.
    script: bool,
}

/// The list.
///
/// # Errors
/// Where it is not right, which tests see first.
fn runners() -> Result<Vec<Runner>, toml::de::Error> {
    let List { runner } = toml::from_str(DATA)?;
    let one = |RawRunner { names, why, words, first, script }| Runner {
        names: names.into_iter().map(TextPattern::glob).collect(),
        why,
        words: words.into_iter().flatten().map(|word| Word::Literal(word.into_bytes())).collect(),
        first,
        script,
    };
    Ok(runner.into_iter().map(one).collect())
}

pub(super) fn find(rules: &[Rule]) -> Vec<Warning> {
    // An empty list would tell nothing, so every rule is told about instead.
    let (runners, broken) = match runners() {
        Ok(runners) => (runners, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let positive = rules.iter().filter(|rule| rule.is_positive());
    positive
        .filter_map(|rule| {
            let why = match &broken {
                Some(error) => vec![format!("the list of such programs cannot be read: {error}")],
                None => reasons(rule, &runners),
            };
            (!why.is_empty()).then(|| warning(rule, &why))
        })
        .collect()
}

fn warning(rule: &Rule, why: &[String]) -> Warning {
    let more = match why.len().saturating_sub(MAX_TOLD) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let told = why[..why.len().min(MAX_TOLD)].join("; ");
    Warning {
        place: rule.place.clone(),
        kind: WarningKind::RunsAnything,
        key: format!("rule {}", rule.id),
        message: format!("it permits what can run anything: {told}{more}"),
        help: "write `args` that leave this out, or let the profile hold what runs; only the \
               cell's list of programs bounds it"
            .to_owned(),
        other: None,
    }
}

/// Which programs of a rule can run others, and why.
fn reasons(rule: &Rule, runners: &[Runner]) -> Vec<String> {
    let mut all = Vec::new();
    for pattern in &rule.programs {
        match &pattern.which {
            Which::Any => all.push("every program of the profile".to_owned()),
            Which::Under(directory) => {
                all.push(format!("every program beneath {}", shown(directory.as_bytes())));
            }
            Which::Path(path) => add(&mut all, file_name(path.as_bytes()), Some(pattern), runners),
            Which::Names(names) => {
                for name in names {
                    add(&mut all, name.as_bytes(), Some(pattern), runners);
                }
            }
        }
    }
    // What the cell may execute can be run by whatever runs in it.
    if let Programs::Only(paths) = &rule.gives.programs {
        for path in paths.iter().filter(|path| !path.is_directory()) {
            add(&mut all, file_name(path.as_str().as_bytes()), None, runners);
        }
    }
    all.dedup();
    all
}

fn add(all: &mut Vec<String>, name: &[u8], pattern: Option<&ProgramPattern>, runners: &[Runner]) {
    let runs = |runner: &&Runner| {
        runner.names.iter().any(|one| one.is_match(name)) && runner.is_open(pattern)
    };
    if let Some(runner) = runners.iter().find(runs) {
        let name = shown(name);
        let told = format!("{name}, because {}", runner.why);
        if !all.contains(&told) {
            all.push(told);
        }
    }
}

impl Runner {
    /// Whether this pattern lets it run something else; without a pattern: whether
    /// it always can.
    fn is_open(&self, pattern: Option<&ProgramPattern>) -> bool {
        let Some(pattern) = pattern else { return self.words.is_empty() };
        let Some(Arguments(elements)) = &pattern.arguments else { return true };
        if self.words.is_empty() {
            return true;
        }
        self.words.iter().any(|word| {
            let option = matches!(word, Word::Literal(text) if text.starts_with(b"-"));
            let about = match (self.first, self.script && !option) {
                (true, _) => up_to_one(elements),
                (false, true) => up_to_one(&elements[options(elements)..]),
                (false, false) => elements,
            };
            about.iter().any(|element| takes(element, word))
        })
    }
}

/// The elements that can be about the first argument.
fn up_to_one(elements: &[Element]) -> &[Element] {
    let skipped = |element: &&Element| matches!(element, Element::Optional(_) | Element::Rest(_));
    let skipped = elements.iter().take_while(skipped).count();
    &elements[..(skipped + 1).min(elements.len())]
}

/// How many elements at the beginning are options for sure.
fn options(elements: &[Element]) -> usize {
    elements.iter().take_while(|element| is_option(element)).count()
}

fn is_option(element: &Element) -> bool {
    match element {
        Element::Flag { .. } => true,
        Element::One(Value::Text(text)) => match text.shape() {
            Shape::Whole(text) | Shape::Head(text) => text.starts_with('-'),
        },
        Element::One(Value::OneOf(texts)) => texts.iter().all(|text| text.starts_with('-')),
        Element::One(_) | Element::Rest(_) => false,
        Element::Optional(inner) => is_option(inner),
    }
}

fn takes(element: &Element, word: &Word) -> bool {
    match element {
        Element::One(value) | Element::Rest(value) => may_be(value, word),
        Element::Optional(inner) => takes(inner, word),
        Element::Flag { name, value } => match word {
            Word::Literal(text) => text.starts_with(name.as_bytes()) || may_be(value, word),
            Word::Unknown { .. } => true,
        },
    }
}

fn may_be(value: &Value, word: &Word) -> bool {
    // Of paths it only matters that an option is none.
    let around = Surroundings { workspace: Path::new("/"), directory: Directory::Somewhere };
    value.matches(word, around) != Match::No
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_read_and_each_entry_says_why() {
        let runners = runners().unwrap();
        assert!(runners.len() > 20);
        assert!(runners.iter().all(|one| !one.why.is_empty() && !one.names.is_empty()));
    }
}
