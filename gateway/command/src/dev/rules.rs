//! Rules that the caller gives: read with all that they include when root is still
//! held, and checked before the gateway starts, so that errors name the caller's own
//! files.
//!
//! One plain file is handed to the gateway as it is. Several become one bundle, which
//! a key signs that is thrown away: the gateway reads them as they were read here.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cofferdam_gateway::rule_files::{RuleFiles, RuleFilesError};
use cofferdam_gateway::signed_rules::{SignedRules, SignedRulesError};
use cofferdam_policy::{RuleErrors, RuleSet};
use cofferdam_trust::{KeyError, SigningKey, sha256};

/// Why rules are not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RulesError {
    /// They cannot be read, or what they include cannot.
    #[error("the rules are not taken: {0}")]
    Files(#[from] RuleFilesError),
    /// They are wrong.
    #[error("the rules are not taken:\n{0}")]
    Wrong(#[from] RuleErrors),
    /// The system gives no key to put several files together with.
    #[error("cannot make a key for the bundle of the rules: {0}")]
    Key(#[from] KeyError),
    /// Several files do not go into one bundle.
    #[error("the rules cannot be put together: {0}")]
    Bundle(#[from] SignedRulesError),
}

/// The rules that were given.
#[derive(Debug)]
pub(super) struct GivenRules {
    path: PathBuf,
    /// Of the one file that was named.
    text: String,
    files: RuleFiles,
}

/// Rules as the gateway reads them.
#[derive(Debug)]
pub(super) struct Placed {
    /// The name of the file, beside the gateway's configuration.
    pub(super) name: &'static str,
    pub(super) text: String,
    /// The key that signed it, of a bundle.
    pub(super) key: Option<String>,
}

impl Placed {
    /// One plain file.
    pub(super) fn plain(text: String) -> Self {
        Self { name: "rules.toml", text, key: None }
    }
}

impl GivenRules {
    /// Reads what the file includes; `text` is the file's own.
    ///
    /// # Errors
    /// Something of it cannot be read.
    pub(super) fn read(path: &Path, text: String) -> Result<Self, RulesError> {
        Ok(Self { path: path.to_owned(), text, files: RuleFiles::load(&[path])? })
    }

    /// Checks them, and says how the gateway shall read them.
    ///
    /// # Errors
    /// They are wrong.
    pub(super) fn place(&self) -> Result<Placed, RulesError> {
        let Self { path, text, files } = self;
        files.parse()?;
        let key = SigningKey::generate()?;
        // A later one is taken in place of what a kept directory has seen.
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let version = since.unwrap_or(Duration::ZERO).as_secs().max(1);
        let (bundle, _) = SignedRules::sign(files, &key, version, SystemTime::now())?;
        if bundle.file_count() > 1 {
            let key = Some(key.public_key().to_string());
            return Ok(Placed { name: "rules.bundle", text: bundle.to_text(), key });
        }
        // What was read before is what is handed over.
        RuleSet::parse(&[(&path.display().to_string(), text)], sha256(text.as_bytes()))?;
        Ok(Placed::plain(text.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn given(files: &[(&str, &str)]) -> Result<GivenRules, RulesError> {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let first = directory.path().join(files[0].0);
        GivenRules::read(&first, files[0].1.to_owned())
    }

    const RULE: &str =
        "version = 1\n[[rule]]\nid = 'ls'\neffect = 'allow'\nprograms = [{ name = 'ls' }]\n";

    #[test]
    fn one_file_is_handed_over_as_it_is() {
        let placed = given(&[("r.toml", RULE)]).unwrap().place().unwrap();
        assert_eq!((placed.name, placed.text.as_str()), ("rules.toml", RULE));
        assert!(placed.key.is_none());
    }

    #[test]
    fn rules_that_include_others_become_one_bundle_that_the_gateway_takes() {
        let first = "version = 1\ninclude = [\"rules.d/*.toml\"]\n";
        let placed =
            given(&[("r.toml", first), ("rules.d/a.toml", RULE)]).unwrap().place().unwrap();
        assert_eq!(placed.name, "rules.bundle");
        assert!(placed.text.contains("rules.d/a.toml"), "{}", placed.text);
        assert!(placed.key.unwrap().starts_with("ed25519:"));
    }

    #[test]
    fn an_include_that_is_missing_or_wrong_refuses_the_rules_with_its_place() {
        let first = "version = 1\ninclude = [\"more.toml\"]\n";
        let told = given(&[("r.toml", first)]).unwrap_err().to_string();
        assert!(told.contains("r.toml:2:12: include: `more.toml` cannot be read"), "{told}");
        let wrong = given(&[("r.toml", first), ("more.toml", "version = 1\ncolour = 1\n")]);
        let told = wrong.unwrap().place().unwrap_err().to_string();
        assert!(told.contains("more.toml:2:1"), "{told}");
    }
}
