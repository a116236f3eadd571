//! Rules as they lie on the disk: read first, then judged as a whole.
//!
//! All rules that decide or look on come through here, at the start as later:
//! either all that belongs to them could be read, is right and passes its own
//! tests, or there is an error that says what is wrong.

use std::path::Path;

use cofferdam_policy::RuleSet;

use super::PolicyError;
use crate::rule_files::RuleFiles;

/// What was read, not judged yet.
#[derive(Debug, Clone)]
pub(crate) struct Source(RuleFiles);

impl Source {
    /// Reads what is at `path`.
    ///
    /// # Errors
    /// Something that belongs to it cannot be read.
    pub(crate) fn read(path: &Path) -> Result<Self, PolicyError> {
        Ok(Self(RuleFiles::load(&[path])?))
    }

    /// Whether both say the same, however often they were written anew.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        self.0.says_the_same(&other.0)
    }

    /// Checks it, and runs the tests that stand in it: rules that do not decide
    /// what their author expects are not taken.
    ///
    /// # Errors
    /// All that is wrong, or each test that fails.
    pub(crate) fn judge(&self) -> Result<RuleSet, PolicyError> {
        let rules = self.0.parse()?;
        match rules.check_tests() {
            Ok(()) => Ok(rules),
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
