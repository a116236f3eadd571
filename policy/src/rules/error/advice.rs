//! From what went wrong to what to do about it.
//!
//! Our own messages have the form «what is wrong; what to do». Those of the
//! parsers below say the first only, and this file adds the second.

use super::excerpt::escaped;
use super::similar::choices;

/// The longest message, in bytes; what callers wrote may stand in it.
const LONGEST: usize = 600;

/// A message, taken apart.
pub(super) struct Advice {
    /// What is wrong.
    pub(super) problem: String,
    /// What to do.
    pub(super) help: String,
}

/// Takes one of our own messages apart.
pub(super) fn split(message: &str) -> Advice {
    let message = bounded(&escaped(message.trim()));
    let (problem, help) = message.split_once("; ").unwrap_or((&message, ""));
    Advice { problem: problem.to_owned(), help: help.to_owned() }
}

/// Says what to do about a message of a parser. Some of those are ours too: our
/// types check themselves when they are read.
pub(super) fn advise(message: &str) -> Advice {
    let message = bounded(&escaped(message.trim()));
    if let Some((problem, listed)) = message.split_once(", expected ")
        && problem.starts_with("unknown ")
    {
        return Advice { problem: problem.to_owned(), help: choose(problem, listed) };
    }
    if let Some((problem, help)) = message.split_once("; ") {
        return Advice { problem: problem.to_owned(), help: help.to_owned() };
    }
    let help = parsers(&message);
    Advice { problem: message, help }
}

/// For ``unknown field `x` ``, of which those that there are follow.
fn choose(problem: &str, listed: &str) -> String {
    let known: Vec<&str> = listed.split('`').skip(1).step_by(2).collect();
    let wanted = problem.split('`').nth(1).unwrap_or_default();
    choices(wanted, known)
}

/// What to do about a message of the parsers of TOML and its values.
fn parsers(message: &str) -> String {
    let after = |text: &str| message.split_once(text).map(|(_, rest)| rest);
    if let Some(field) = after("missing field ") {
        let field = field.trim_matches('`');
        return format!("add `{field} = ...`");
    }
    if let Some(wanted) = after(", expected ") {
        return format!("write {} here", plain(wanted));
    }
    if let Some(example) = after(" such as ") {
        return format!("write one such as {example}");
    }
    if message.starts_with("duplicate ") {
        return "leave one of the two out".to_owned();
    }
    if message.contains("recurs") {
        return "nest less deep".to_owned();
    }
    "correct it; a text stands in quotes, a list in [ ], a table in { }".to_owned()
}

/// What a parser wants, in the words of rule files.
fn plain(wanted: &str) -> &str {
    match wanted {
        "a string" => "a text in quotes",
        "a sequence" => "a list in [ ]",
        "a boolean" => "true or false",
        "u8" | "u32" | "u64" | "i64" | "usize" => "a whole number",
        "a map" => "a table in { }",
        wanted if wanted.starts_with("struct ") => "a table in { }",
        wanted => wanted,
    }
}

fn bounded(message: &str) -> String {
    match message.get(..LONGEST) {
        Some(head) if head.len() < message.len() => format!("{head}..."),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_says_what_to_do() {
        for (message, problem, help) in [
            (
                "unknown field `program`, expected one of `programs`, `paths`",
                "unknown field `program`",
                "did you mean `programs`? there are programs, paths",
            ),
            (
                "unknown variant `x`, expected `aaa` or `bbb`",
                "unknown variant `x`",
                "there are aaa, bbb",
            ),
            ("it is empty; fill it", "it is empty", "fill it"),
            ("missing field `id`", "missing field `id`", "add `id = ...`"),
            (
                "invalid type: integer `3`, expected a string",
                "invalid type: integer `3`, expected a string",
                "write a text in quotes here",
            ),
            ("duplicate key", "duplicate key", "leave one of the two out"),
        ] {
            let advice = advise(message);
            assert_eq!((advice.problem.as_str(), advice.help.as_str()), (problem, help));
        }
    }

    #[test]
    fn a_message_is_one_bounded_line_of_ascii() {
        let advice = advise(&format!("a\n\u{1b}[2J{}", "\u{456}".repeat(10_000)));
        assert!(advice.problem.len() <= LONGEST + 3);
        assert!(advice.problem.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }
}
