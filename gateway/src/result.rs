//! How an answer looks to an MCP client.
//!
//! Some clients show the model only `structuredContent`, others only the text.
//! So both hold the same complete information: the text is written from the
//! structured value, with long texts verbatim and everything else as
//! `key: value` lines.

use rmcp::model::{CallToolResult, ContentBlock};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// What a tool answers.
pub(crate) trait Answer: Serialize + JsonSchema + 'static {
    /// Fields that are shown verbatim, first; all others as lines after them.
    const VERBATIM: &'static [&'static str] = &[];

    /// What is told in words instead of lines, right after the verbatim fields.
    fn in_words(&self) -> Vec<InWords> {
        Vec::new()
    }

    /// Whether the model should take it for a failure.
    fn is_error(&self) -> bool {
        false
    }

    /// What the result shows besides its text: images.
    fn blocks(&self) -> Vec<ContentBlock> {
        Vec::new()
    }

    /// A first line that says the main thing.
    fn headline(&self) -> String;
}

/// Fields of an answer in words.
pub(crate) struct InWords {
    pub(crate) title: &'static str,
    /// The fields whose information the text holds, all of it.
    pub(crate) fields: &'static [&'static str],
    /// Empty: there is nothing to say, and the fields are shown as lines.
    pub(crate) text: String,
}

/// Makes the result of an answer.
pub(crate) fn present<A: Answer>(answer: &A) -> CallToolResult {
    match serde_json::to_value(answer) {
        Ok(value) => {
            let text = render(&answer.headline(), &value, A::VERBATIM, &answer.in_words());
            let mut result = finish(text, value, answer.is_error());
            result.content.extend(answer.blocks());
            result
        }
        // Answers are plain structs; a map with odd keys would be a mistake here.
        Err(error) => finish(format!("the answer cannot be shown: {error}"), Value::Null, true),
    }
}

/// Makes the result of a failure, `{"error": …}`.
pub(crate) fn present_error(headline: &str, error: &Value) -> CallToolResult {
    let text = render(headline, error, &[], &[]);
    finish(text, serde_json::json!({ "error": error }), true)
}

fn finish(text: String, structured: Value, is_error: bool) -> CallToolResult {
    let content = vec![ContentBlock::text(text)];
    let mut result =
        if is_error { CallToolResult::error(content) } else { CallToolResult::success(content) };
    result.structured_content = Some(structured);
    result
}

fn render(headline: &str, value: &Value, verbatim: &[&str], in_words: &[InWords]) -> String {
    let mut text = format!("{headline}\n");
    let bodies = verbatim.iter().map(|key| (*key, value[*key].as_str().unwrap_or_default()));
    let words = in_words.iter().map(|words| (words.title, words.text.as_str()));
    for (title, body) in bodies.chain(words).filter(|(_, body)| !body.is_empty()) {
        text += &["\n", title, ":\n", body].concat();
        if !body.ends_with('\n') {
            text.push('\n');
        }
    }
    let told = |key: &str| {
        in_words.iter().any(|words| !words.text.is_empty() && words.fields.contains(&key))
    };
    let mut lines = String::new();
    if let Value::Object(fields) = value {
        for (key, value) in fields {
            let shown = (verbatim.contains(&key.as_str()) && value != "") || told(key);
            if !shown {
                line(&mut lines, key, value);
            }
        }
    }
    if !lines.is_empty() {
        text.push('\n');
        text.push_str(&lines);
    }
    text
}

/// One `key: value` line, or one line for each element or member.
fn line(lines: &mut String, key: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (name, value) in fields {
                line(lines, &format!("{key}.{name}"), value);
            }
        }
        Value::Array(elements) if elements.iter().any(Value::is_object) => {
            *lines += &[key, ":\n"].concat();
            for element in elements {
                *lines += &["- ", &inline(element), "\n"].concat();
            }
        }
        other => *lines += &[key, ": ", &inline(other), "\n"].concat(),
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(elements) if elements.is_empty() => "none".to_owned(),
        Value::Array(elements) => elements.iter().map(inline).collect::<Vec<_>>().join(", "),
        Value::Object(fields) if fields.is_empty() => "none".to_owned(),
        Value::Object(fields) => {
            // What an element is comes before what it has.
            let (first, rest): (Vec<_>, Vec<_>) = fields
                .iter()
                .filter(|(_, value)| !value.is_null())
                .partition(|(key, _)| matches!(key.as_str(), "name" | "path" | "layer"));
            let parts: Vec<_> = first
                .into_iter()
                .chain(rest)
                .map(|(key, value)| format!("{key}: {}", inline(value)))
                .collect();
            parts.join(" | ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Every string and number inside `value`.
    fn leaves(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Array(elements) => elements.iter().for_each(|element| leaves(element, into)),
            Value::Object(fields) => fields.values().for_each(|value| leaves(value, into)),
            Value::String(text) => into.push(text.clone()),
            Value::Null => {}
            other => into.push(other.to_string()),
        }
    }

    #[test]
    fn the_text_holds_everything_that_the_structured_value_holds() {
        let value = json!({
            "outcome": {"kind": "exited", "code": 3},
            "stdout": "hello\nworld",
            "stderr": "",
            "usage": {"cpu_user_ms": 12, "peak_memory_bytes": 4096},
            "sandbox": ["landlock", "seccomp"],
            "degraded": [],
            "entries": [{"path": "src/main.rs", "size": 77}, {"path": "b", "target": null}],
        });
        let text = render("exited with code 3", &value, &["stdout", "stderr"], &[]);
        let mut all = Vec::new();
        leaves(&value, &mut all);
        for leaf in all {
            assert!(text.contains(&leaf), "{leaf:?} is missing in\n{text}");
        }
        assert!(text.starts_with("exited with code 3\n\nstdout:\nhello\nworld\n"));
    }

    #[test]
    fn a_failure_is_marked_and_structured_under_one_key() {
        let error = json!({"reason": "unknown_host", "message": "no host is named `x`"});
        let result = present_error("no host is named `x`", &error);
        assert_eq!(result.is_error, Some(true));
        assert_eq!(result.structured_content, Some(json!({ "error": error })));
    }
}
