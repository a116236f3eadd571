//! The table of what a secret looks like: names whose values are secret, and
//! shapes that are secret wherever they stand.

use std::sync::LazyLock;

use regex::{Captures, Regex, RegexSet};

/// Parts of a name (lower case) whose value is a secret.
const NAME: &str = r"token|secret|passw(?:or)?d|passwd|passphrase|_pwd|credential|api[-_.]?key|access[-_.]?key|private[-_.]?key|signing[-_.]?key|encryption[-_.]?key|authorization|authentication|auth[-_]|[-_]auth\b|cookie|connection[-_]?string|\bdsn\b|\w_key\b|\w-key\b";

/// A value: quoted, or up to a space or a sign that ends a word in a shell,
/// a URL's query or a JSON text.
const VALUE: &str = r#""(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s"',;&|)}<>]+"#;

/// A word of a shell, which several quoted and bare parts may make up: a comma and
/// a brace are as good as a letter in it.
const WORD: &str = r#"(?:"(?:[^"\\]|\\[\s\S])*"?|'[^']*'?|\\[\s\S]|[^\s"'\\;&|)<>`])+"#;

/// Shapes that name themselves; the whole match is the secret.
const SHAPES: &str = r"(?x)
    -----BEGIN\ [A-Z0-9\ ]*PRIVATE\ KEY(?:\ BLOCK)?-----[\s\S]*?(?:-----END\ [A-Z0-9\ ]*-----|\z)
  | \bgh[pousr]_[A-Za-z0-9]{16,}
  | \bgithub_pat_[A-Za-z0-9_]{16,}
  | \bgl(?:pat|dt|rt|ptt)-[A-Za-z0-9_-]{16,}
  | \bsk-[A-Za-z0-9_-]{16,}
  | \b[srp]k_(?:live|test)_[A-Za-z0-9]{8,}
  | \b(?:AKIA|ASIA|AIDA|AROA)[A-Z0-9]{12,}
  | \bAIza[A-Za-z0-9_-]{30,}
  | \bya29\.[A-Za-z0-9_-]{10,}
  | \bxox[abeoprs]-[A-Za-z0-9-]{8,}
  | \bnpm_[A-Za-z0-9]{20,}
  | \bpypi-[A-Za-z0-9_-]{20,}
  | \bhf_[A-Za-z0-9]{16,}
  | \bdop_v1_[a-f0-9]{16,}
  | \bhvs\.[A-Za-z0-9_-]{16,}
  | \bcofferdam_[A-Za-z0-9_-]{20,}
  | \bcf[da]_[A-Za-z0-9_-]{20,}
  | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?
  | \bAGE-SECRET-KEY-1[A-Z0-9]{20,}
";

/// The rules of text: the group `secret` is replaced.
static TABLE: LazyLock<[String; 12]> = LazyLock::new(|| {
    [
        // NAME=word and --name=word of a shell: first, so that nothing within it is
        // taken for all of it.
        format!(r"(?i)[\w.-]*(?:{NAME})[\w.-]*=(?P<secret>{WORD})"),
        SHAPES.to_owned(),
        // A header to the end of its line or quote.
        r#"(?i)\b(?:proxy-)?authorization\s*[:=]\s*(?P<secret>[^"'\r\n]+)"#.to_owned(),
        r#"(?i)\b(?:set-)?cookie\s*:\s*(?P<secret>[^"'\r\n]+)"#.to_owned(),
        r"(?i)\b(?:bearer|basic)\s+(?P<secret>[A-Za-z0-9._~+/=-]{6,})".to_owned(),
        // scheme://user:password@host, and a long user that is a token.
        r#"(?i)\b[a-z][a-z0-9+.-]*://[^\s/:@"']*:(?P<secret>[^\s/"']+)@"#.to_owned(),
        r#"(?i)\b[a-z][a-z0-9+.-]*://(?P<secret>[^\s/:@"']{16,})@"#.to_owned(),
        // curl -u user:password
        r#"(?:^|\s)(?:-u|--user|--proxy-user)[\s=]*"[^:"]+:(?P<secret>[^"]+)"#.to_owned(),
        r"(?:^|\s)(?:-u|--user|--proxy-user)[\s=]*'[^:']+:(?P<secret>[^']+)".to_owned(),
        r#"(?:^|\s)(?:-u|--user|--proxy-user)[\s=]*["']?[^\s:"']+:(?P<secret>[^\s"']+)"#.to_owned(),
        // NAME = value, "name": "value"
        format!(r#"(?i)[\w.-]*(?:{NAME})[\w.-]*["']?\s*(?:=>|:=|==?|:)\s*(?P<secret>{VALUE})"#),
        // --name value
        format!(r"(?i)(?:^|\s)--?[\w-]*(?:{NAME})[\w-]*\s+(?P<secret>{WORD})"),
    ]
});

static RULES: LazyLock<Vec<Regex>> =
    LazyLock::new(|| TABLE.iter().filter_map(|rule| Regex::new(rule).ok()).collect());

/// All of them at once: most texts have no secret, and are passed over once instead
/// of once for each rule.
static ANY: LazyLock<Option<RegexSet>> = LazyLock::new(|| RegexSet::new(TABLE.iter()).ok());

static NAMES: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!(r"(?i)(?:{NAME})|^auth$|^pin$")).ok());

/// Whether the value under this name is a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    NAMES.as_ref().is_none_or(|names| names.is_match(name))
}

/// Whether the argument after this one is a secret.
pub(super) fn is_secret_flag(argument: &str) -> bool {
    if argument.contains(['=', ' ']) || !argument.starts_with('-') {
        return false;
    }
    matches!(argument, "-u" | "--user" | "--proxy-user") || is_secret_name(argument)
}

/// Replaces every secret in `text` by what `hide` makes of it.
pub(super) fn replace(text: &str, hide: &mut dyn FnMut(&str) -> String) -> String {
    let mut text = text.to_owned();
    // A text in which no rule finds anything stays as it is, whatever their order.
    if ANY.as_ref().is_some_and(|any| !any.is_match(&text)) {
        return text;
    }
    for rule in RULES.iter() {
        if rule.is_match(&text) {
            text = rule.replace_all(&text, |found: &Captures<'_>| swap(found, hide)).into_owned();
        }
    }
    text
}

/// The match with its secret replaced; what is replaced already stays.
fn swap(found: &Captures<'_>, hide: &mut dyn FnMut(&str) -> String) -> String {
    let whole = &found[0];
    let start = found.get(0).map_or(0, |it| it.start());
    let secret =
        found.name("secret").map_or(0..whole.len(), |it| it.start() - start..it.end() - start);
    let hidden = &whole[secret.clone()];
    if hidden.trim_start_matches(['"', '\'']).starts_with("[redacted") {
        return whole.to_owned();
    }
    [&whole[..secret.start], &hide(hidden), &whole[secret.end..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_the_table_compiles() {
        assert_eq!(RULES.len(), TABLE.len());
        assert!(ANY.is_some());
        assert!(NAMES.is_some());
    }
}
