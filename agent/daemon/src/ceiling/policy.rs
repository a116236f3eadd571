//! `[policy]`: what the rules must be that decided in the gateway.
//!
//! With `require_signed` the agent does nothing for rules that no publisher of
//! `keys` signed, nor for a version below `minimum_version`, nor for one below
//! the highest that it has seen ([`cofferdam_trust::PolicyVersions`]). A captured gateway can
//! then still misuse the rules that are there, and neither write its own nor go
//! back to older ones.

use cofferdam_proto::intent::v1::Intent;
use cofferdam_trust::{PolicyWord, PolicyWordError, TrustedKeys, VerifyingKey, verify_policy};
use serde::Deserialize;

/// What the gateways' rules must be; by default anything.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "Table")]
pub struct RequiredPolicy(Option<Signed>);

/// Rules that a publisher signed.
#[derive(Debug, Clone)]
struct Signed {
    keys: TrustedKeys,
    minimum_version: u64,
}

/// The table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    require_signed: bool,
    #[serde(default)]
    keys: Vec<VerifyingKey>,
    minimum_version: Option<u64>,
}

/// Why the rules that decided do not count here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Plain files.
    #[error(
        "this host acts for signed rules only, and the gateway's are not signed: sign them with \
         `cofferdam policy sign` and name the bundle as the gateway's `rules`, or the host's owner \
         takes `policy.require_signed` out of its ceiling"
    )]
    Unsigned,
    /// Signed by nobody who counts, or not at all.
    #[error(
        "the signature of the gateway's rules does not count on this host: {0}; its owner would \
         add the publisher's key to `policy.keys` of its ceiling"
    )]
    Signature(#[from] PolicyWordError),
    /// The signature is for other rules.
    #[error(
        "the gateway decided by other rules than those whose signature it shows; load the signed \
         bundle into it again"
    )]
    OtherRules,
    /// Too old for the host's owner.
    #[error(
        "the gateway's rules are version {version}, and this host takes {minimum} and later \
         (`policy.minimum_version` of its ceiling); load a newer bundle into the gateway"
    )]
    Old {
        /// Which it is.
        version: u64,
        /// Which it must be at least.
        minimum: u64,
    },
}

impl TryFrom<Table> for RequiredPolicy {
    type Error = String;

    fn try_from(table: Table) -> Result<Self, String> {
        let Table { require_signed, keys, minimum_version } = table;
        match (require_signed, minimum_version) {
            (true, _) if keys.is_empty() => Err("`policy.keys` is empty: no rules could ever be \
                                                 signed by one of them"
                .to_owned()),
            (true, minimum) => Ok(Self(Some(Signed {
                keys: keys.into_iter().collect(),
                minimum_version: minimum.unwrap_or(1),
            }))),
            (false, None) => Ok(Self(None)),
            (false, Some(_)) => Err("`policy.minimum_version` says nothing without \
                                     `require_signed = true`: anybody can claim a version"
                .to_owned()),
        }
    }
}

impl RequiredPolicy {
    /// What the publisher of the rules that decided says about them; `None` where
    /// nothing is required.
    ///
    /// # Errors
    /// See [`PolicyError`].
    pub fn check(&self, intent: &Intent) -> Result<Option<PolicyWord>, PolicyError> {
        let Some(Signed { keys, minimum_version }) = &self.0 else { return Ok(None) };
        let signed = intent.policy.as_ref().ok_or(PolicyError::Unsigned)?;
        let word = verify_policy(keys, signed)?;
        if intent.policy_digest != word.digest {
            return Err(PolicyError::OtherRules);
        }
        if word.version < *minimum_version {
            let (version, minimum) = (word.version, *minimum_version);
            return Err(PolicyError::Old { version, minimum });
        }
        Ok(Some(word))
    }

    /// For a person who looks at the host; `None` where nothing is required.
    #[must_use]
    pub fn describe(&self) -> Option<String> {
        let Signed { keys, minimum_version } = self.0.as_ref()?;
        let keys: Vec<_> = keys.iter().map(ToString::to_string).collect();
        Some(format!("version {minimum_version} or later, signed by {}", keys.join(" or ")))
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use cofferdam_trust::{SigningKey, sign_policy};

    use super::*;

    fn required(key: &SigningKey, minimum: u64) -> RequiredPolicy {
        let key = key.public_key();
        let text = format!("require_signed = true\nkeys = ['{key}']\nminimum_version = {minimum}");
        toml::from_str(&text).unwrap()
    }

    fn intent(key: &SigningKey, version: u64) -> Intent {
        let policy = sign_policy(key, [1; 32], version, UNIX_EPOCH);
        Intent { policy_digest: vec![1; 32], policy: Some(policy), ..Intent::default() }
    }

    #[test]
    fn without_the_table_any_rules_will_do() {
        assert_eq!(RequiredPolicy::default().check(&Intent::default()), Ok(None));
        let lax: RequiredPolicy = toml::from_str("require_signed = false").unwrap();
        assert_eq!(lax.check(&Intent::default()), Ok(None));
    }

    #[test]
    fn rules_that_a_named_publisher_signed_count_from_the_minimum_on() {
        let key = SigningKey::generate().unwrap();
        let required = required(&key, 3);
        for (version, counts) in [(2, false), (3, true), (4, true)] {
            let checked = required.check(&intent(&key, version));
            assert_eq!(checked.is_ok(), counts, "{checked:?}");
        }
        let old = required.check(&intent(&key, 2)).unwrap_err().to_string();
        assert!(old.contains("version 2") && old.contains("3 and later"), "{old}");
    }

    #[test]
    fn unsigned_rules_strangers_and_signatures_of_other_rules_are_refused() {
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let required = required(&key, 1);
        let refused = |intent: &Intent| required.check(intent).unwrap_err();
        assert_eq!(refused(&Intent::default()), PolicyError::Unsigned);
        assert!(matches!(refused(&intent(&other, 1)), PolicyError::Signature(_)));
        let elsewhere = Intent { policy_digest: vec![2; 32], ..intent(&key, 1) };
        assert_eq!(refused(&elsewhere), PolicyError::OtherRules);
    }

    #[test]
    fn a_table_that_could_not_hold_is_an_error() {
        for (table, words) in [
            ("require_signed = true", "`policy.keys` is empty"),
            ("require_signed = false\nminimum_version = 2", "says nothing without"),
            ("minimum_version = 2", "missing field `require_signed`"),
            ("require_signed = true\nkeys = ['rsa:']", "is not a public key"),
            ("require_signed = true\nkey = []", "unknown field"),
        ] {
            let refused = toml::from_str::<RequiredPolicy>(table).unwrap_err().to_string();
            assert!(refused.contains(words), "{table}: {refused}");
        }
    }
}
