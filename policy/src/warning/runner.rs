//! Rules that permit a program which can run any other program or any code.
//!
//! The list is data, `policy/data/runners.toml`, with a reason for each entry.

use std::path::Path;
use std::sync::LazyLock;

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

/// Why a program that is called with exactly these arguments can run any other
/// program or any code, in words that follow «because»; none: nothing is known of
/// that. Where a text would have to be read as a program to tell (`awk`, `sed`),
/// it is told.
#[must_use]
pub fn runs_anything(program: &str, arguments: &[String]) -> Option<String> {
    let name = file_name(program.as_bytes());
    let runners = match &*RUNNERS {
        Ok(runners) => runners,
        Err(error) => return Some(unreadable(error)),
    };
    let named = |runner: &&Runner| runner.names.iter().any(|one| one.is_match(name));
    let mut named = runners.iter().filter(named);
    named.find(|runner| runner.is_used(arguments)).map(|runner| runner.why.clone())
}

/// The list; where it is not right, which tests see first, why not.
static RUNNERS: LazyLock<Result<Vec<Runner>, String>> =
    LazyLock::new(|| runners().map_err(|error| error.to_string()));

fn unreadable(error: &str) -> String {
    format!("the list of such programs cannot be read: {error}")
}

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
    let positive = rules.iter().filter(|rule| rule.is_positive());
    positive
        .filter_map(|rule| {
            let why = match &*RUNNERS {
                Ok(runners) => reasons(rule, runners),
                // An empty list would tell nothing, so every rule is told about instead.
                Err(error) => vec![unreadable(error)],
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

    /// Whether it may run something else with exactly these arguments: one of them
    /// begins as an option does that has it do so, or may be a program itself.
    fn is_used(&self, arguments: &[String]) -> bool {
        let about = if self.first { &arguments[..arguments.len().min(1)] } else { arguments };
        let begins = |word: &Word| match word {
            Word::Literal(text) => {
                let option = text.split(|byte| *byte == b'=').next().unwrap_or(text);
                about.iter().any(|argument| argument.as_bytes().starts_with(option))
            }
            Word::Unknown { .. } => true,
        };
        self.words.is_empty() || self.script || self.words.iter().any(begins)
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

    #[test]
    fn a_call_that_can_run_anything_is_told_by_its_name_and_arguments() {
        let told = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            let program = words.next().unwrap();
            runs_anything(&program, &words.collect::<Vec<_>>())
        };
        for line in [
            "/usr/bin/python3.11 x.py",
            "bash",
            "make",
            "env",
            "find . -exec rm",
            "find . -ok rm",
            "tar -xf x --to-command=rm",
            "git -c core.pager=x log",
            "git fetch --upload-pack=x",
            "sort -ofile x",
            "awk {print}",
            "sed s/a/b/",
        ] {
            assert!(told(line).is_some(), "{line}");
        }
        for line in ["ls -l", "git log -c", "find . -name x", "tar -tf x", "sort x", "rg x"] {
            assert_eq!(told(line), None, "{line}");
        }
    }
}
