//! What a token says of its bearer besides user, groups and tenant: names with
//! values, as the claims of an OpenID token are.
//!
//! Invariant: number and length are bounded, and no text holds a character that
//! could fake a line of a record, because claims come from outside and are kept
//! with every call.

use std::collections::BTreeMap;

/// The claims of one subject.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "BTreeMap<String, Vec<String>>")]
pub struct Claims(BTreeMap<String, Vec<String>>);

/// A claim that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// A name or value is of no use.
    #[error(
        "a claim's name and value have 1 to {} bytes each and no control characters; write others",
        Claims::MAX_BYTES
    )]
    Text,
    /// Too many of them.
    #[error(
        "a subject has at most {} claims with {} values each; leave out what no rule needs",
        Claims::MAX_NAMES,
        Claims::MAX_VALUES
    )]
    TooMany,
}

impl Claims {
    /// The most names of one subject.
    pub const MAX_NAMES: usize = 32;
    /// The most values of one name.
    pub const MAX_VALUES: usize = 64;
    /// The longest name or value, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Adds a value to the claim `name`; one that it has already is no error.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), ClaimError> {
        let good = |text: &str| {
            !text.is_empty() && text.len() <= Self::MAX_BYTES && !text.contains(char::is_control)
        };
        if !good(name) || !good(value) {
            return Err(ClaimError::Text);
        }
        if !self.0.contains_key(name) && self.0.len() == Self::MAX_NAMES {
            return Err(ClaimError::TooMany);
        }
        let values = self.0.entry(name.to_owned()).or_default();
        if values.iter().any(|known| known == value) {
            return Ok(());
        }
        if values.len() == Self::MAX_VALUES {
            return Err(ClaimError::TooMany);
        }
        values.push(value.to_owned());
        Ok(())
    }

    /// The values of the claim `name`; none where there is no such claim.
    #[must_use]
    pub fn values(&self, name: &str) -> &[String] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Each claim with its values, in the byte order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<BTreeMap<String, Vec<String>>> for Claims {
    type Error = ClaimError;
    fn try_from(all: BTreeMap<String, Vec<String>>) -> Result<Self, ClaimError> {
        let mut claims = Self::default();
        for (name, values) in &all {
            for value in values {
                claims.add(name, value)?;
            }
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_length_of_claims_are_bounded() {
        let mut claims = Claims::default();
        for bad in ["", "a\nb", &"x".repeat(256)] {
            assert_eq!(claims.add(bad, "v"), Err(ClaimError::Text));
            assert_eq!(claims.add("n", bad), Err(ClaimError::Text));
        }
        assert!(claims.is_empty());
        for count in 0..Claims::MAX_VALUES {
            claims.add("team", &count.to_string()).unwrap();
        }
        assert_eq!(claims.add("team", "0"), Ok(()));
        assert_eq!(claims.add("team", "one more"), Err(ClaimError::TooMany));
        for count in 1..Claims::MAX_NAMES {
            claims.add(&count.to_string(), "v").unwrap();
        }
        assert_eq!(claims.add("one more", "v"), Err(ClaimError::TooMany));
    }

    #[test]
    fn a_claim_without_a_value_is_none() {
        let all = BTreeMap::from([("team".to_owned(), Vec::new())]);
        assert!(Claims::try_from(all).unwrap().is_empty());
    }
}
