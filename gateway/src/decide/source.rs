//! Rules as they lie on the disk: read first, then judged as a whole.
//!
//! All rules that decide or look on come through here, at the start as later:
//! either all that belongs to them could be read, is right and passes its own
//! tests, or there is an error that says what is wrong.

use std::path::Path;

use cofferdam_policy::RuleSet;
use cofferdam_trust::TrustedKeys;

use super::PolicyError;
use crate::rule_files::{RuleFiles, is_bundle};
use crate::signed_rules::{SignedRules, Verified};

/// What was read, not judged yet.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// As it lies there.
    Plain(RuleFiles),
    /// With a publisher's word, and those who may give it.
    Signed(SignedRules, TrustedKeys),
}

/// Rules that are right.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) rules: RuleSet,
    /// Whose they are; `None` for plain files.
    pub(crate) signed: Option<Verified>,
}

impl Source {
    /// Reads rules that are to decide: plain files where `keys` is empty, and a bundle
    /// that one of them signed where it is not.
    ///
    /// # Errors
    /// Something that belongs to it cannot be read.
    pub(crate) fn deciding(path: &Path, keys: &TrustedKeys) -> Result<Self, PolicyError> {
        match (keys.is_empty(), is_bundle(path)) {
            (true, true) => Err(PolicyError::KeysMissing(path.to_owned())),
            (true, false) => Ok(Self::Plain(RuleFiles::load(&[path])?)),
            (false, true) => Ok(Self::Signed(SignedRules::read(path)?, keys.clone())),
            (false, false) => Err(PolicyError::NoBundle(path.to_owned())),
        }
    }

    /// Reads rules that are to look on: plain files, since they change nothing, or a
    /// bundle that one of `keys` signed, as it would be asked for to decide.
    ///
    /// # Errors
    /// Something that belongs to it cannot be read.
    pub(crate) fn looking_on(path: &Path, keys: &TrustedKeys) -> Result<Self, PolicyError> {
        let keys = if is_bundle(path) { keys } else { &TrustedKeys::default() };
        Self::deciding(path, keys)
    }

    /// Whether both say the same, however often they were written anew.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain(one), Self::Plain(other)) => one.says_the_same(other),
            (Self::Signed(one, _), Self::Signed(other, _)) => one == other,
            _ => false,
        }
    }

    /// Checks it, and runs the tests that stand in it: rules that do not decide
    /// what their author expects are not taken.
    ///
    /// # Errors
    /// All that is wrong, or each test that fails.
    pub(crate) fn judge(&self) -> Result<Loaded, PolicyError> {
        let loaded = match self {
            Self::Plain(files) => Loaded { rules: files.parse()?, signed: None },
            Self::Signed(bundle, keys) => {
                let (rules, verified) = bundle.verify(keys)?;
                Loaded { rules, signed: Some(verified) }
            }
        };
        match loaded.rules.check_tests() {
            Ok(()) => Ok(loaded),
            Err(failed) => Err(PolicyError::Tests {
                failed: failed
                    .iter()
                    .map(|test| format!("{}: {}: {}", test.place, test.name, test.problem))
                    .collect::<Vec<_>>()
                    .join("\n"),
            }),
        }
    }
}
