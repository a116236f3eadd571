//! Whether rules that the caller gives can be taken: looked at when root is given up,
//! before the gateway starts, so that errors name the caller's own file.

use std::path::Path;

use cofferdam_policy::{Include, RuleErrors, RuleSet};
use cofferdam_trust::sha256;

/// Why rules are not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RulesError {
    /// They are wrong.
    #[error("the rules are not taken:\n{0}")]
    Wrong(#[from] RuleErrors),
    /// They are in several files.
    #[error(
        "{place}: dev takes rules from one plain file, read once, and this includes `{path}`: put \
         what is in there into it, or try the rules with `cofferdam policy test` and `simulate`, \
         which follow includes"
    )]
    Includes {
        /// `file:line:column`.
        place: String,
        /// What it names.
        path: String,
    },
}

/// Checks the rules of this file.
pub(super) fn check(path: &Path, text: &str) -> Result<(), RulesError> {
    let name = path.display().to_string();
    if let Some(Include { path, place }) = Include::of(&name, text)?.pop() {
        return Err(RulesError::Includes { place: place.to_string(), path });
    }
    RuleSet::parse(&[(&name, text)], sha256(text.as_bytes()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_include_others_are_refused_with_the_place_and_what_to_do() {
        let text = "version = 1\ninclude = [\"rules.d/*.toml\"]\n";
        let told = check(Path::new("r.toml"), text).unwrap_err().to_string();
        assert!(told.starts_with("r.toml:2:12: dev takes rules from one plain file"), "{told}");
        assert!(told.contains("`rules.d/*.toml`") && told.contains("policy test"), "{told}");
    }
}
