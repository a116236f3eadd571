//! Rules that a publisher signed: a bundle, its seal, and the rules in it.
//!
//! Invariant: rules come out of a bundle only where a trusted key signed exactly
//! their digest; the digest covers every file and every pack that they use, as
//! this program has it. Which version is too old is not asked here: the gateway
//! and each host keep the highest that they took
//! ([`cofferdam_trust::PolicyVersions`]).

use std::path::Path;
use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cofferdam_policy::{Bundle, BundleError, RuleErrors, RuleSet, Seal};
use cofferdam_proto::intent::v1::SignedPolicyStatement;
use cofferdam_trust::{
    PolicyWord, PolicyWordError, SigningKey, TrustedKeys, sign_policy, verify_policy,
};

use crate::rule_files::{RuleFiles, RuleFilesError, read_bundle};

/// A bundle whose seal is there and not looked at yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRules {
    bundle: Bundle,
    statement: SignedPolicyStatement,
}

/// A publisher's word that is believed, and the proof of it for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What is said of the rules.
    pub word: PolicyWord,
    /// As it was signed.
    pub statement: SignedPolicyStatement,
}

/// Why there are no rules in a bundle, or no bundle of rules.
#[derive(Debug, thiserror::Error)]
pub enum SignedRulesError {
    /// It cannot be read.
    #[error(transparent)]
    Files(#[from] RuleFilesError),
    /// The rules cannot be put into one.
    #[error("the rules cannot be put into a bundle: {0}")]
    Bundle(#[from] BundleError),
    /// Its seal is not base64.
    #[error("the bundle's `seal.{0}` is not base64; sign the rules again")]
    Seal(&'static str),
    /// Nobody who is trusted signed it.
    #[error(
        "the bundle's publisher is not believed: {0}; trusted are the keys in `rules_keys` of the \
         gateway's configuration, or those named by --key"
    )]
    Word(#[from] PolicyWordError),
    /// The rules are not right.
    #[error("the rules in the bundle are not right:\n{0}")]
    Rules(#[from] RuleErrors),
    /// Its rules are others.
    #[error(
        "the bundle's rules are not those that were signed: a file was changed, or a pack that \
         they use is another one in this version of Cofferdam; sign them again with it"
    )]
    OtherRules,
}

impl SignedRules {
    /// Signs rules as this version, which must be right; whether they pass their own
    /// tests is for the caller to look at.
    ///
    /// # Errors
    /// What is wrong with the rules, or cannot be in a bundle.
    pub fn sign(
        files: &RuleFiles,
        key: &SigningKey,
        version: u64,
        now: SystemTime,
    ) -> Result<(Self, RuleSet), SignedRulesError> {
        let files = files.for_bundle();
        // The digest covers names, so it is taken of the files as they are in there.
        let unsealed = Bundle::new(&files, Seal::default())?;
        let rules = RuleFiles::of_bundle(&unsealed)?.parse()?;
        let statement = sign_policy(key, *rules.digest(), version, now);
        let seal = Seal {
            statement: BASE64_STANDARD.encode(&statement.statement),
            key_id: statement.key_id.clone(),
            signature: BASE64_STANDARD.encode(&statement.signature),
        };
        Ok((Self { bundle: Bundle::new(&files, seal)?, statement }, rules))
    }

    /// Reads the bundle at `path`.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Self, SignedRulesError> {
        Self::of(read_bundle(path)?)
    }

    /// The bundle with its seal decoded.
    fn of(bundle: Bundle) -> Result<Self, SignedRulesError> {
        let Seal { statement, key_id, signature } = bundle.seal();
        let decode = |name, text: &String| {
            BASE64_STANDARD.decode(text).map_err(|_| SignedRulesError::Seal(name))
        };
        let statement = SignedPolicyStatement {
            statement: decode("statement", statement)?,
            key_id: key_id.clone(),
            signature: decode("signature", signature)?,
        };
        Ok(Self { bundle, statement })
    }

    /// The rules in it, where one of `keys` signed them.
    ///
    /// # Errors
    /// See [`SignedRulesError`].
    pub fn verify(&self, keys: &TrustedKeys) -> Result<(RuleSet, Verified), SignedRulesError> {
        // The seal comes first: what nobody trusted signed is not even parsed.
        let word = verify_policy(keys, &self.statement)?;
        let rules = RuleFiles::of_bundle(&self.bundle)?.parse()?;
        if *rules.digest() != word.digest {
            return Err(SignedRulesError::OtherRules);
        }
        Ok((rules, Verified { word, statement: self.statement.clone() }))
    }

    /// How many files are in it.
    #[must_use]
    pub fn file_count(&self) -> usize {
        self.bundle.files().len()
    }

    /// The bundle as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.bundle.to_text()
    }
}

#[cfg(test)]
mod tests;
