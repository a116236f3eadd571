//! Host names in the one spelling that is compared: lower-case ASCII labels.
//!
//! Invariant: a [`HostName`] has no NUL, no trailing dot, no empty label, no
//! label above 63 bytes, at most 253 bytes (RFC 1035), no Unicode, and does not
//! end in a number, so that no resolver or URL parser takes it for an address
//! in an unusual spelling (`0x7f.1`, `2130706433`).

mod punycode;

use std::fmt;
use std::str::FromStr;

/// The longest name in its textual form (RFC 1035, without the final dot).
const MAX_NAME: usize = 253;
/// The longest label (RFC 1035).
const MAX_LABEL: usize = 63;

/// A name, lower-case, with internationalised labels as A-labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

/// Why a text is not a name that can be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing is there, or two dots follow each other.
    #[error("a label is empty; write the name without leading or doubled dots")]
    EmptyLabel,
    /// The name ends in a dot.
    #[error("the name ends in a dot; write it without")]
    TrailingDot,
    /// The name is longer than DNS takes.
    #[error("the name is {0} bytes long; DNS takes {MAX_NAME}")]
    TooLong(usize),
    /// A label is longer than DNS takes.
    #[error("a label is {0} bytes long; DNS takes {MAX_LABEL}")]
    LabelTooLong(usize),
    /// A name in Unicode, which looks like too many others.
    #[error("the name is not ASCII; write it as `{ascii}`")]
    Unicode {
        /// With its labels as A-labels (RFC 5890).
        ascii: String,
    },
    /// A character that no host name has.
    #[error(
        "{0:?} cannot stand in a host name; letters, digits, `-` and `_` can, and `*.` in front of a pattern"
    )]
    Character(char),
    /// A label begins or ends with a hyphen.
    #[error("a label begins or ends with a hyphen")]
    Hyphen,
    /// The last label is a number: some programs read the whole as an address.
    #[error(
        "the name ends in a number, which some read as an address; write addresses as `a.b.c.d`"
    )]
    Number,
}

impl HostName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this name has one or more labels in front of `parent`.
    #[must_use]
    pub fn is_beneath(&self, parent: &Self) -> bool {
        self.0.strip_suffix(&parent.0).is_some_and(|front| front.ends_with('.'))
    }
}

impl FromStr for HostName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if !text.is_ascii() {
            return Err(match text.chars().find(|c| c.is_control()) {
                Some(control) => NameError::Character(control),
                None => NameError::Unicode { ascii: punycode::ascii(text) },
            });
        }
        if text.len() > MAX_NAME {
            return Err(NameError::TooLong(text.len()));
        }
        if text.len() > 1 && text.ends_with('.') {
            return Err(NameError::TrailingDot);
        }
        let name = text.to_ascii_lowercase();
        name.split('.').try_for_each(check_label)?;
        let last = name.rsplit('.').next().unwrap_or_default();
        if is_number(last) {
            return Err(NameError::Number);
        }
        Ok(Self(name))
    }
}

fn check_label(label: &str) -> Result<(), NameError> {
    if label.is_empty() {
        return Err(NameError::EmptyLabel);
    }
    if label.len() > MAX_LABEL {
        return Err(NameError::LabelTooLong(label.len()));
    }
    let stands = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if let Some(other) = label.chars().find(|c| !stands(*c)) {
        return Err(NameError::Character(other));
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(NameError::Hyphen);
    }
    Ok(())
}

/// What the URL standard's IPv4 parser takes for a number: digits, or `0x` and
/// hexadecimal digits.
fn is_number(label: &str) -> bool {
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    match label.strip_prefix("0x") {
        Some(hexadecimal) => hexadecimal.chars().all(|c| c.is_ascii_hexdigit()),
        None => digits(label),
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
