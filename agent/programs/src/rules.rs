//! Helper rules: what no file says about itself. git starts its sub-commands by
//! name, gcc finds cc1 in a directory of its version, Python reads its standard
//! library. The rules are data (`data/helpers.toml`), each with its reason.
//!
//! Unknown keys are refused, so that a misspelt rule does not pass for an empty
//! one.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use serde::Deserialize;

pub(crate) mod pattern;

use pattern::Pattern;

/// What the names in a pattern stood for.
pub(crate) type Captures = BTreeMap<String, String>;

/// All helper rules.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    #[serde(rename = "rule", default)]
    pub(crate) rules: Vec<Rule>,
}

/// One rule. In paths, `{dir}` is the directory of the program's real file,
/// `{prefix}` the directory above it, `{name}` its real and `{asked}` its asked
/// name; a name that `programs` did not capture stands for anything; a name in
/// capitals is a variable of the resolver's, and a path with one that is not set
/// is left out. `*` stands for anything within one component.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// Its name, for the reader.
    pub(crate) name: String,
    /// Why it is there.
    pub(crate) reason: String,
    /// Patterns of a program's real file name. The first that matches counts.
    #[serde(default)]
    pub(crate) programs: Vec<Pattern>,
    /// Patterns of the name of a library that is needed.
    #[serde(default)]
    pub(crate) libraries: Vec<Pattern>,
    /// Helpers: programs, with all that they need in turn.
    #[serde(default)]
    pub(crate) execute: Vec<String>,
    /// File names among `execute` that are no helpers.
    #[serde(default)]
    pub(crate) except: Vec<Pattern>,
    /// File names of interpreters that helper scripts may bring along. A helper
    /// script of another interpreter is left out, unless that is granted too.
    #[serde(default)]
    pub(crate) interpreters: Vec<Pattern>,
    /// Helpers by name, looked for beside the program and on the search path;
    /// `a|b` is the first of them that is there.
    #[serde(default)]
    pub(crate) start: Vec<String>,
    /// Files that are read.
    #[serde(default)]
    pub(crate) read: Vec<String>,
    /// Directories that are read with all beneath them, but for the programs there.
    #[serde(default)]
    pub(crate) trees: Vec<String>,
    /// Directories whose names are listed, and those of all directories beneath.
    #[serde(default)]
    pub(crate) list: Vec<String>,
    /// What scripts with an execute bit are in these trees.
    #[serde(default)]
    pub(crate) scripts: Scripts,
    /// What nobody can know.
    #[serde(default)]
    pub(crate) note: Option<String>,
}

/// What a script with an execute bit is, in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scripts {
    /// A program that nobody granted: left out.
    #[default]
    Programs,
    /// A module that its interpreter reads: Python's library marks some that way.
    Modules,
}

/// Rules that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the helper rules cannot be read: {0}")]
pub struct RulesError(#[from] toml::de::Error);

impl Rules {
    /// The rules that come with Cofferdam.
    ///
    /// # Errors
    /// Never in a build whose tests passed.
    pub fn builtin() -> Result<Self, RulesError> {
        Self::parse(include_str!("../data/helpers.toml"))
    }

    /// Rules of the host's own.
    ///
    /// # Errors
    /// When the text is not TOML or has an unknown key.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        Ok(toml::from_str(text)?)
    }

    /// These rules and `more`.
    #[must_use]
    pub fn and(mut self, more: Self) -> Self {
        self.rules.extend(more.rules);
        self
    }
}

impl Rule {
    /// What the names in the pattern stood for, if the rule is for a program of
    /// this real file name.
    pub(crate) fn for_program(&self, name: &OsStr) -> Option<Captures> {
        let name = name.to_str()?;
        self.programs.iter().find_map(|pattern| pattern.captures(name))
    }

    /// The same for a library.
    pub(crate) fn for_library(&self, name: &OsStr) -> Option<Captures> {
        let name = name.to_str()?;
        self.libraries.iter().find_map(|pattern| pattern.captures(name))
    }

    /// Whether `name` is no helper.
    pub(crate) fn excepts(&self, name: &OsStr) -> bool {
        matches(&self.except, name)
    }

    /// Whether helper scripts may bring the interpreter `name` along.
    pub(crate) fn brings_interpreter(&self, name: &OsStr) -> bool {
        matches(&self.interpreters, name)
    }
}

fn matches(patterns: &[Pattern], name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    patterns.iter().any(|pattern| pattern.captures(&name).is_some())
}

/// Puts what names stand for into a path or file name: `None` for one with a
/// variable that is not set. A name that was not captured becomes `*`.
pub(crate) fn fill(template: &str, captures: &Captures) -> Option<String> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        filled.push_str(before);
        match captures.get(name) {
            Some(value) => filled.push_str(value),
            None if name.starts_with(|c: char| c.is_ascii_uppercase()) => return None,
            None => filled.push('*'),
        }
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

#[cfg(test)]
mod tests;
