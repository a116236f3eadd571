//! One rule file: from text to raw tables, each read by itself, so that one
//! wrong rule does not hide the next.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::{Deserialize, DeserializeOwned, IntoDeserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Report, Source, choices};
use super::raw::{RawPack, RawRule, RawSubjects, RawTest};

/// The largest rule file, in bytes.
pub(crate) const MAX_FILE: usize = 4 * 1024 * 1024;
/// The most rules, and the most tests, of all files together.
pub(super) const MAX_RULES: usize = 20_000;

/// What may stand at the top of a file.
pub(super) const KEYS: [&str; 9] =
    ["version", "include", "profiles", "sets", "roles", "packs", "pack", "rule", "test"];

/// A file's tables.
pub(super) struct File<'a> {
    pub(super) source: Source<'a>,
    pub(super) sets: Vec<(Spanned<String>, Vec<String>)>,
    /// Each with its alternatives.
    pub(super) roles: Vec<(Spanned<String>, Vec<RawSubjects>)>,
    pub(super) profiles: Option<Spanned<Vec<String>>>,
    /// Which other files belong to the rules.
    pub(super) includes: Vec<Spanned<String>>,
    /// Packs for everybody.
    pub(super) packs: Vec<Spanned<String>>,
    pub(super) uses: Vec<RawPack>,
    pub(super) rules: Vec<(Range<usize>, RawRule)>,
    pub(super) tests: Vec<(Range<usize>, RawTest)>,
}

/// Reads one file; what is wrong goes into `report`.
pub(super) fn read<'a>(source: Source<'a>, report: &mut Report) -> File<'a> {
    let mut file = File {
        source,
        sets: Vec::new(),
        roles: Vec::new(),
        profiles: None,
        includes: Vec::new(),
        packs: Vec::new(),
        uses: Vec::new(),
        rules: Vec::new(),
        tests: Vec::new(),
    };
    if source.text.len() > MAX_FILE {
        report.add(
            source,
            0..0,
            "the file",
            format!("it is longer than {MAX_FILE} bytes; split it"),
        );
        return file;
    }
    let (document, errors) = DeTable::parse_recoverable(source.text);
    for error in &errors {
        report.add_parsed(source, error.span().unwrap_or(0..0), "TOML", error.message());
    }
    if !errors.is_empty() {
        return file;
    }
    let mut version = false;
    for (key, value) in document.into_inner() {
        version |= key.get_ref() == "version";
        file.entry(&key, value, report);
    }
    if !version {
        report.add(source, 0..0, "version", "it is missing; write `version = 1` as the first line");
    }
    file
}

impl<'a> File<'a> {
    fn entry(
        &mut self,
        key: &Spanned<Cow<'a, str>>,
        value: Spanned<DeValue<'a>>,
        report: &mut Report,
    ) {
        match key.get_ref().as_ref() {
            "version" => {
                let span = value.span();
                if let Some(version) = self.typed::<u32>("version", value, report)
                    && version != 1
                {
                    let message =
                        format!("version {version} is unknown; this program reads version 1");
                    report.add(self.source, span, "version", message);
                }
            }
            "profiles" => self.profiles = self.typed("profiles", value, report),
            "sets" => self.set_table(value, report),
            "roles" => self.role_table(value, report),
            "include" => {
                self.includes = self.typed("include", value, report).unwrap_or_default();
            }
            "packs" => self.packs = self.typed("packs", value, report).unwrap_or_default(),
            "pack" => {
                let uses = self.array("pack", "name", value, report);
                self.uses = uses.into_iter().map(|(_, raw)| raw).collect();
            }
            "rule" => self.rules = self.array("rule", "id", value, report),
            "test" => self.tests = self.array("test", "name", value, report),
            other => {
                let message = format!("it is unknown; {}", choices(other, KEYS));
                report.add(self.source, key.span(), other, message);
            }
        }
    }

    /// Reads one value; `None` where it is wrong.
    fn typed<T: DeserializeOwned>(
        &self,
        key: &str,
        value: Spanned<DeValue<'a>>,
        report: &mut Report,
    ) -> Option<T> {
        let span = value.span();
        T::deserialize(value.into_deserializer())
            .map_err(|error| {
                report.add_parsed(self.source, error.span().unwrap_or(span), key, error.message());
            })
            .ok()
    }

    fn set_table(&mut self, value: Spanned<DeValue<'a>>, report: &mut Report) {
        let span = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            let message = "it is a table of lists; write `[sets]`, then `devs = [\"ann\", \"bo\"]`";
            return report.add(self.source, span, "sets", message);
        };
        for (name, value) in table {
            let key = Spanned::new(name.span(), name.get_ref().clone().into_owned());
            if let Some(members) = self.typed(&format!("sets.{}", key.get_ref()), value, report) {
                self.sets.push((key, members));
            }
        }
    }

    fn role_table(&mut self, value: Spanned<DeValue<'a>>, report: &mut Report) {
        let span = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            let message =
                "it is a table of roles; write `[roles]`, then `ops = { users = [\"ann\"] }`";
            return report.add(self.source, span, "roles", message);
        };
        for (name, value) in table {
            let name = Spanned::new(name.span(), name.get_ref().clone().into_owned());
            let key = format!("roles.{}", name.get_ref());
            let span = value.span();
            let alternatives = match value.into_inner() {
                DeValue::Array(alternatives) => alternatives.into_iter().collect(),
                one => vec![Spanned::new(span, one)],
            };
            let read: Vec<_> = alternatives
                .into_iter()
                .filter_map(|one| self.typed::<RawSubjects>(&key, one, report))
                .collect();
            self.roles.push((name, read));
        }
    }

    /// Reads an array of tables, each by itself; `name` is the key that names one.
    fn array<T: for<'de> Deserialize<'de>>(
        &self,
        what: &str,
        name: &str,
        value: Spanned<DeValue<'a>>,
        report: &mut Report,
    ) -> Vec<(Range<usize>, T)> {
        let span = value.span();
        let DeValue::Array(elements) = value.into_inner() else {
            report.add(
                self.source,
                span,
                what,
                format!("it is no list of tables; write `[[{what}]]` above each {what}"),
            );
            return Vec::new();
        };
        if elements.len() > MAX_RULES {
            report.add(
                self.source,
                span,
                what,
                format!("there are more than {MAX_RULES}; use sets and globs, and write fewer"),
            );
            return Vec::new();
        }
        let mut out = Vec::with_capacity(elements.len());
        for (index, element) in elements.into_iter().enumerate() {
            let span = element.span();
            let named = element.get_ref().get(name).and_then(|value| value.get_ref().as_str());
            let key = match named {
                Some(named) => format!("{what} {named}"),
                None => format!("{what} number {}", index + 1),
            };
            if let Some(read) = self.typed(&key, element, report) {
                out.push((span, read));
            }
        }
        out
    }
}
