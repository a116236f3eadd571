//! Units of services. Globs are compared by names that stand for all: of the
//! few that the random rules and calls know, each pair that shares a name shares
//! one of [`NAMES`].

use toml::Table;

use super::{Rules, Sure, glob, strings};

const NAMES: [&str; 7] = [
    "nginx.service",
    "app-a.service",
    "app-.service",
    "app-ab.service",
    "app-a.timer",
    "a.timer",
    "a.mount",
];

/// What the wildcards of a listing may stand for.
const TEXTS: [&str; 3] = ["", "~", "~~~"];

/// Whether it names a unit, or as a glob may name some.
pub(crate) fn is_right(unit: &str, is_glob: bool) -> bool {
    let wild = unit.contains('*') || unit.contains('?');
    if wild { is_glob && unit != "*.conf" } else { unit.contains('.') }
}

impl Rules {
    pub(crate) fn guards_units(&self, rule: &Table, unit: &str, journal: bool) -> Sure {
        if says_journal(rule) && !journal {
            return Sure::No;
        }
        let one = |named: &String| match () {
            () if covers(named, unit) => Sure::Yes,
            () if NAMES
                .iter()
                .any(|name| glob::matches(named, name) && glob::matches(unit, name)) =>
            {
                Sure::Perhaps
            }
            () => Sure::No,
        };
        self.units(rule).iter().map(one).max().unwrap_or(Sure::No)
    }

    /// How specifically: the characters that are no wildcards, and whether all
    /// are.
    pub(crate) fn permits_units(
        &self,
        rule: &Table,
        unit: &str,
        journal: bool,
    ) -> Option<(u8, usize, bool)> {
        if journal && !says_journal(rule) {
            return None;
        }
        let narrowness = |named: &String| {
            let fixed = named.chars().filter(|one| !['*', '?'].contains(one)).count();
            (0, fixed, fixed == named.len())
        };
        self.units(rule).iter().filter(|named| covers(named, unit)).map(narrowness).max()
    }

    fn units(&self, rule: &Table) -> Vec<String> {
        rule.get("services").map(|list| self.expand(&strings(list))).unwrap_or_default()
    }
}

fn says_journal(rule: &Table) -> bool {
    rule.get("journal").is_some_and(|journal| journal.as_bool().unwrap())
}

/// Whether every name that the listing may show is named.
fn covers(named: &str, unit: &str) -> bool {
    let mut all = vec![String::new()];
    for character in unit.chars() {
        let texts: &[&str] = match character {
            '*' => &TEXTS,
            '?' => &["~"],
            _ => &[""],
        };
        let plain = if "*?".contains(character) { String::new() } else { character.to_string() };
        let mut longer = Vec::new();
        for head in &all {
            longer.extend(texts.iter().map(|text| format!("{head}{text}{plain}")));
        }
        all = longer;
    }
    all.iter().all(|name| glob::matches(named, name))
}
