//! What filters refuse, as `data/*.toml` says it, and the numbers of system calls.
//!
//! Read by the build script, and by the tests of what it makes. Every entry has a
//! reason; every name is a system call of some architecture.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;

use serde::Deserialize;

use crate::arguments::{Comparison, Condition, Rule};

/// The refusals of one filter.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Data {
    /// The filter whose entries it has, too.
    pub(crate) extends: Option<String>,
    pub(crate) refuse: Vec<Refuse>,
    pub(crate) argument: Vec<Argument>,
}

/// Calls that are refused whatever their arguments.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refuse {
    pub(crate) errno: Errno,
    pub(crate) reason: String,
    pub(crate) syscalls: Vec<String>,
}

/// What a refused call answers.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errno {
    #[serde(rename = "EPERM")]
    Permission = 1,
    #[serde(rename = "ENOSYS")]
    NoSuchCall = 38,
}

/// Calls that are refused, with EPERM, for some arguments.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Argument {
    pub(crate) reason: String,
    pub(crate) syscalls: Vec<String>,
    any: Vec<Vec<RawCondition>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCondition {
    arg: u8,
    is: Word,
    value: u32,
    mask: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Eq,
    Ne,
    Masked,
}

impl Data {
    /// Reads the filter `name`, with the entries of what it extends before its own.
    pub(crate) fn read(directory: &Path, name: &str) -> Result<Self, Box<dyn Error>> {
        let path = directory.join(format!("{name}.toml"));
        let mut data: Self = toml::from_str(&std::fs::read_to_string(path)?)?;
        let reasons = data.refuse.iter().map(|entry| &entry.reason);
        if reasons.chain(data.argument.iter().map(|entry| &entry.reason)).any(String::is_empty) {
            return Err(format!("{name}: an entry without a reason").into());
        }
        if let Some(base) = &data.extends {
            let base = Self::read(directory, base)?;
            data.refuse.splice(0..0, base.refuse);
            data.argument.splice(0..0, base.argument);
        }
        Ok(data)
    }
}

impl Argument {
    /// Refused when one of these holds.
    pub(crate) fn rules(&self) -> Result<Vec<Rule>, String> {
        let rule = |all: &Vec<RawCondition>| all.iter().map(condition).collect::<Result<_, _>>();
        self.any.iter().map(rule).collect()
    }
}

fn condition(raw: &RawCondition) -> Result<Condition, String> {
    let RawCondition { arg, is, value, mask } = raw;
    let comparison = match (is, mask) {
        (Word::Eq, None) => Comparison::Equal(*value),
        (Word::Ne, None) => Comparison::NotEqual(*value),
        (Word::Masked, Some(mask)) if value & !mask != 0 => {
            return Err(format!("{value:#x} has bits that the mask {mask:#x} takes away"));
        }
        (Word::Masked, Some(mask)) => Comparison::Masked { mask: *mask, value: *value },
        _ => return Err("`mask` goes with `masked`, and only with it".into()),
    };
    match arg {
        0..=5 => Ok(Condition { argument: *arg, comparison }),
        _ => Err(format!("a system call has no argument {arg}; 0 to 5")),
    }
}

/// An architecture that filters can be compiled for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Architecture {
    pub(crate) name: &'static str,
    /// `AUDIT_ARCH_*`.
    pub(crate) audit: u32,
}

/// Where cells are built.
pub(crate) const X86_64: Architecture = Architecture { name: "x86_64", audit: 0xc000_003e };
/// Compiled and held to its digests; unbuilt.
pub(crate) const AARCH64: Architecture = Architecture { name: "aarch64", audit: 0xc000_00b7 };

/// System calls of one architecture by name.
pub(crate) struct Numbers {
    of: BTreeMap<String, u32>,
    /// Names of another: an entry may name a call that is not everywhere.
    elsewhere: BTreeSet<String>,
}

impl Numbers {
    pub(crate) fn read(directory: &Path, of: Architecture) -> Result<Self, Box<dyn Error>> {
        let elsewhere = [X86_64, AARCH64].map(|it| table(directory, it));
        let elsewhere = elsewhere.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            of: table(directory, of)?,
            elsewhere: elsewhere.into_iter().flat_map(BTreeMap::into_keys).collect(),
        })
    }

    /// The number of a call; none where this architecture has no such call. A name
    /// that no architecture knows is an error.
    pub(crate) fn get(&self, name: &str) -> Result<Option<u32>, String> {
        match self.of.get(name) {
            None if !self.elsewhere.contains(name) => {
                Err(format!("no system call is named `{name}`"))
            }
            number => Ok(number.copied()),
        }
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        self.of.values().copied()
    }
}

fn table(directory: &Path, of: Architecture) -> Result<BTreeMap<String, u32>, Box<dyn Error>> {
    let path = directory.join(format!("syscalls-{}.txt", of.name));
    let mut numbers = BTreeMap::new();
    for line in std::fs::read_to_string(&path)?.lines().filter(|line| !line.starts_with('#')) {
        let wrong = || format!("{}: `{line}` is no name with a number", path.display());
        let (name, number) = line.split_once(' ').ok_or_else(wrong)?;
        numbers.insert(name.to_owned(), number.parse()?);
    }
    Ok(numbers)
}
