//! All profiles of a host: the built-in ones, and those in its own directory.
//!
//! A host's profile may replace a built-in one by having its name. Built-in
//! profiles inherit from built-in ones only, so that replacing one changes
//! nothing but that one; a host's profile inherits from the host's profile of
//! that name if there is one, else from the built-in one. One that replaces a
//! built-in profile and inherits from its own name narrows the built-in one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File as OpenFile;
use std::io::Read as _;
use std::path::Path;

use crate::file::File;
use crate::resolve::resolve;
use crate::{Profile, ProfileError};

/// The largest profile file, in bytes.
const MAX_FILE: u64 = 64 * 1024;
/// The most profiles of a host's own.
const MAX_PROFILES: usize = 256;

/// By name; what one inherits from may come after it.
const BUILT_IN: [(&str, &str); 6] = [
    ("build", include_str!("../profiles/build.toml")),
    ("build-network", include_str!("../profiles/build-network.toml")),
    ("default", include_str!("../profiles/default.toml")),
    ("default-network", include_str!("../profiles/default-network.toml")),
    ("readonly", include_str!("../profiles/readonly.toml")),
    ("strict", include_str!("../profiles/strict.toml")),
];

/// All profiles of this host, by name.
#[derive(Debug, Clone)]
pub struct Profiles(BTreeMap<String, Profile>);

/// Files by the name of their profile.
type Files = BTreeMap<String, File>;
/// Profiles by their name.
type Resolved = BTreeMap<String, Profile>;

impl Profiles {
    /// The built-in profiles, and those in `directory`.
    ///
    /// # Errors
    /// Where one of them cannot be read or means nothing.
    pub fn load(directory: Option<&Path>) -> Result<Self, ProfileError> {
        let own = directory.map(read_directory).transpose()?.unwrap_or_default();
        Self::of(&own)
    }

    /// The built-in profiles, and those of `texts`: names with the text of their
    /// files.
    ///
    /// # Errors
    /// Where one of them means nothing.
    pub fn of(texts: &BTreeMap<String, String>) -> Result<Self, ProfileError> {
        let built_in = BUILT_IN.iter().map(|(name, text)| (*name, *text));
        let built_in = resolve_all(parse(built_in)?, &Resolved::new())?;
        let own = texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        let own = resolve_all(parse(own)?, &built_in)?;
        Ok(Self(built_in.into_iter().chain(own).collect()))
    }

    /// The profile `name` from the text of its file, which may inherit from a
    /// built-in one.
    ///
    /// # Errors
    /// Where it means nothing.
    pub fn parse(name: &str, text: &str) -> Result<Profile, ProfileError> {
        let Self(mut all) = Self::of(&[(name.to_owned(), text.to_owned())].into())?;
        all.remove(name).ok_or_else(|| unknown(name, name, &BTreeSet::new()))
    }

    /// The profile of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Profile> {
        self.0.get(name)
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// All of them, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.0.values()
    }
}

fn parse<'a>(texts: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Files, ProfileError> {
    let one = |(name, text): (&str, &str)| {
        let parsed = toml::from_str::<File>(text);
        let failed = |source| ProfileError::Parse { name: name.into(), source: Box::new(source) };
        parsed.map(|file| (name.to_owned(), file)).map_err(failed)
    };
    texts.map(one).collect()
}

/// Resolves `files`, parents before children; a parent that is not among them is
/// one of `base`.
fn resolve_all(mut files: Files, base: &Resolved) -> Result<Resolved, ProfileError> {
    let known: BTreeSet<_> = files.keys().chain(base.keys()).cloned().collect();
    let mut resolved = Resolved::new();
    while let Some(name) = files.keys().next().cloned() {
        for name in line(name, &files, base)?.into_iter().rev() {
            let Some(file) = files.remove(&name) else { continue };
            let parent = match &file.inherits {
                // One that replaces a built-in profile may narrow that one.
                Some(parent) if *parent == name => Some(base.get(parent)),
                Some(parent) => Some(resolved.get(parent).or_else(|| base.get(parent))),
                None => None,
            };
            let unknown = || unknown(&name, file.inherits.as_deref().unwrap_or_default(), &known);
            let parent = parent.map(|found| found.ok_or_else(unknown)).transpose()?;
            let profile = resolve(file, &name, parent)?;
            resolved.insert(name, profile);
        }
    }
    Ok(resolved)
}

/// `name`, its parent, and so on, as far as they are files that are not resolved.
fn line(name: String, files: &Files, base: &Resolved) -> Result<Vec<String>, ProfileError> {
    let mut line = vec![name];
    while let Some(last) = line.last()
        && let Some(parent) = files.get(last).and_then(|file| file.inherits.as_ref())
        && files.contains_key(parent)
        && !(parent == last && base.contains_key(parent))
    {
        let circle = line.contains(parent);
        line.push(parent.clone());
        if circle {
            return Err(ProfileError::Circle { chain: quoted(&line, " → ") });
        }
    }
    Ok(line)
}

fn unknown(child: &str, parent: &str, known: &BTreeSet<String>) -> ProfileError {
    ProfileError::UnknownParent {
        name: child.to_owned(),
        parent: parent.chars().take(64).collect(),
        known: quoted(known, ", "),
    }
}

fn quoted<'a>(names: impl IntoIterator<Item = &'a String>, between: &str) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(between)
}

/// The texts of `NAME.toml` in `directory`, by name.
fn read_directory(directory: &Path) -> Result<BTreeMap<String, String>, ProfileError> {
    let failed = |source| ProfileError::Read { path: directory.into(), source };
    let mut texts = BTreeMap::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let (name, text) = read_file(&path)?;
            texts.insert(name, text);
        }
        if texts.len() > MAX_PROFILES {
            let problem = "is one too many: a host has at most 256 profiles of its own";
            return Err(ProfileError::File { path, problem });
        }
    }
    Ok(texts)
}

fn read_file(path: &Path) -> Result<(String, String), ProfileError> {
    let failed = |source| ProfileError::Read { path: path.into(), source };
    let wrong = |problem| ProfileError::File { path: path.into(), problem };
    let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let is_name = (1..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !is_name {
        return Err(wrong("must be named with letters, digits, `-` and `_`, at most 63"));
    }
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(wrong("is not a regular file"));
    }
    let mut text = String::new();
    let file = OpenFile::open(path).map_err(failed)?;
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_FILE {
        return Err(wrong("is longer than 64 KiB"));
    }
    Ok((name.to_owned(), text))
}

#[cfg(test)]
mod tests;
