//! A bundle: rule files, and a publisher's word for them, in one text file.
//!
//! It is TOML that people can read and compare, `bundle = 1`: the seal (what the
//! publisher stated, by which key, and the signature) and the files with their
//! texts. This module knows the form and nothing of signatures: whoever loads a
//! bundle verifies the seal first, and then that the rules have the digest that
//! it states. So nothing here needs to be canonical.
//!
//! Invariant: a [`Bundle`] has at least one file, and each has a name of its own
//! that is a plain relative path.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::Deserialize;

/// The most bytes of a bundle.
pub const MAX_BUNDLE: usize = 32 * 1024 * 1024;
/// The most files of a bundle.
const MAX_FILES: usize = 256;
/// The longest name of a file, or part of a seal, in bytes.
const MAX_TEXT: usize = 1024;

/// Rule files with a publisher's word for them, as they are written; nothing of
/// it is verified.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Bundle {
    seal: Seal,
    files: Vec<BundledFile>,
}

/// A publisher's word, unverified. The binary parts are base64.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// What was signed.
    pub statement: String,
    /// The id of the key that is said to have signed.
    pub key_id: String,
    /// The signature.
    pub signature: String,
}

/// One rule file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct BundledFile {
    name: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    bundle: u32,
    seal: Seal,
    file: Vec<BundledFile>,
}

/// Why a text is no bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Too long to be looked at.
    #[error("the bundle has {0} bytes; at most {MAX_BUNDLE} are taken")]
    TooLong(usize),
    /// Not the TOML of a bundle; with line, column and key.
    #[error("this is no bundle of signed rules (`cofferdam policy sign` makes one): {0}")]
    Form(String),
}

impl TryFrom<Raw> for Bundle {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        let Raw { bundle, seal, file: files } = raw;
        if bundle != 1 {
            return Err(format!("`bundle = {bundle}` is unknown; this program reads 1"));
        }
        if !(1..=MAX_FILES).contains(&files.len()) {
            return Err(format!("it has {} files; 1 to {MAX_FILES} are taken", files.len()));
        }
        let Seal { statement, key_id, signature } = &seal;
        if [statement, key_id, signature].iter().any(|text| text.len() > MAX_TEXT) {
            return Err(format!("a part of its seal is longer than {MAX_TEXT} bytes"));
        }
        let mut names = BTreeSet::new();
        for BundledFile { name, .. } in &files {
            if !is_plain(name) {
                return Err(format!("{name:?} is no plain relative path"));
            }
            if !names.insert(name) {
                return Err(format!("two files are named `{name}`"));
            }
        }
        Ok(Self { seal, files })
    }
}

impl Bundle {
    /// Puts rule files, given as name and text, and a publisher's word together.
    ///
    /// # Errors
    /// What would be no bundle.
    pub fn new(files: &[(String, String)], seal: Seal) -> Result<Self, BundleError> {
        let file = |(name, text): &(String, String)| BundledFile {
            name: name.clone(),
            text: text.clone(),
        };
        let file = files.iter().map(file).collect();
        Raw { bundle: 1, seal, file }.try_into().map_err(BundleError::Form)
    }

    /// Reads a bundle.
    ///
    /// # Errors
    /// See [`BundleError`].
    pub fn parse(text: &str) -> Result<Self, BundleError> {
        if text.len() > MAX_BUNDLE {
            return Err(BundleError::TooLong(text.len()));
        }
        toml::from_str(text).map_err(|error| BundleError::Form(error.to_string()))
    }

    /// The publisher's word, unverified.
    #[must_use]
    pub fn seal(&self) -> &Seal {
        &self.seal
    }

    /// The files, as name and text.
    pub fn files(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.files.iter().map(|file| (file.name.as_str(), file.text.as_str()))
    }

    /// The text that [`parse`](Self::parse) reads.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Self { seal: Seal { statement, key_id, signature }, files } = self;
        let mut out = String::from(
            "# Signed rules. `cofferdam policy verify` says by whom; a change of the rules breaks the seal.\n\
             bundle = 1\n\n[seal]\n",
        );
        for (key, value) in [("statement", statement), ("key_id", key_id), ("signature", signature)]
        {
            // Writing to a String never fails.
            let _ = writeln!(out, "{key} = \"{}\"", escaped(value, false));
        }
        for BundledFile { name, text } in files {
            let name = escaped(name, false);
            let _ = write!(out, "\n[[file]]\nname = \"{name}\"\ntext = \"\"\"\n");
            out.push_str(&escaped(text, true));
            out.push_str("\"\"\"\n");
        }
        out
    }
}

/// A text as it stands in a TOML string; with `lines` in one of several lines.
fn escaped(text: &str, lines: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\n' | '\t' if lines => out.push(character),
            '\\' => out.push_str("\\\\"),
            // One alone can stand in several lines, so that rules stay readable.
            '"' if lines && characters.peek().is_some_and(|next| *next != '"') => out.push('"'),
            '"' => out.push_str("\\\""),
            control if control.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out
}

/// Whether a name is a relative path without `.`, `..`, `//` and control characters.
fn is_plain(name: &str) -> bool {
    (1..=MAX_TEXT).contains(&name.len())
        && !name.contains(char::is_control)
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seal() -> Seal {
        Seal { statement: "AQ==".into(), key_id: "ab".into(), signature: "Ag==".into() }
    }

    fn bundle(files: &[(&str, &str)]) -> Result<Bundle, BundleError> {
        let files: Vec<_> =
            files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Bundle::new(&files, seal())
    }

    #[test]
    fn rules_stay_readable_in_a_bundle() {
        let rules = "version = 1\n[[rule]]\nid = \"git\"\n";
        let text = bundle(&[("rules.toml", rules)]).unwrap().to_text();
        assert!(text.contains(rules), "{text}");
    }

    #[test]
    fn names_that_are_no_plain_relative_paths_are_refused() {
        for name in ["", "/etc/rules.toml", "../rules.toml", "a//b", "./a", "a\nb"] {
            assert!(bundle(&[(name, "")]).is_err(), "{name:?}");
        }
        assert!(bundle(&[("a", ""), ("a", "")]).is_err());
        assert!(bundle(&[]).is_err());
    }

    #[test]
    fn what_is_no_bundle_is_told_with_its_place() {
        let text = bundle(&[("rules.toml", "version = 1\n")]).unwrap().to_text();
        for (from, to, words) in [
            ("bundle = 1", "bundle = 2", "this program reads 1"),
            ("[seal]", "[sael]", "unknown field `sael`"),
            ("key_id", "key", "unknown field `key`"),
            ("\"rules.toml\"", "\"/rules.toml\"", "no plain relative path"),
        ] {
            let error = Bundle::parse(&text.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("policy sign"), "{error}");
        }
        let long = " ".repeat(MAX_BUNDLE + 1);
        assert_eq!(Bundle::parse(&long), Err(BundleError::TooLong(MAX_BUNDLE + 1)));
    }

    proptest! {
        #[test]
        fn whatever_the_files_say_is_read_back_to_the_letter(
            texts in proptest::collection::vec("(?s)[\"\\\\\r\n\t\u{0}\u{7f}\u{85}a']{0,40}|\\PC{0,40}", 1..4),
        ) {
            let files: Vec<_> =
                texts.iter().enumerate().map(|(at, text)| (format!("d/{at}"), text.clone())).collect();
            let bundle = Bundle::new(&files, seal()).unwrap();
            prop_assert_eq!(Bundle::parse(&bundle.to_text()), Ok(bundle));
        }
    }
}
