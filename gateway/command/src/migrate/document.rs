//! One of the old files while it is read: keys that were understood, and a line
//! for each.

use serde_json::Value;

use super::found::Line;

/// The longest value that is shown, in characters.
const SHOWN: usize = 80;

/// An old file.
pub(super) struct Document<'a> {
    pub(super) file: &'a str,
    pub(super) lines: &'a mut Vec<Line>,
}

impl Document<'_> {
    /// It is there under another name.
    pub(super) fn became(&mut self, key: &str, value: &Value, what: impl Into<String>) {
        self.line(key, shown(value), Some(what.into()), "");
    }

    /// The same, with something to know about it.
    pub(super) fn became_with(
        &mut self,
        key: &str,
        value: &Value,
        what: impl Into<String>,
        note: &str,
    ) {
        self.line(key, shown(value), Some(what.into()), note);
    }

    /// Nothing here does that.
    pub(super) fn lost(&mut self, key: &str, value: &Value, why: &str) {
        self.line(key, shown(value), None, why);
    }

    /// A secret: neither shown nor copied.
    pub(super) fn secret(&mut self, key: &str, note: &str) {
        self.line(key, String::new(), None, note);
    }

    fn line(&mut self, key: &str, value: String, became: Option<String>, note: &str) {
        let (file, key, note) = (self.file.to_owned(), key.to_owned(), note.to_owned());
        self.lines.push(Line { file, key, value, became, note });
    }
}

/// Whether a key names a secret, whatever it holds.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["token", "secret", "password", "api_key", "apikey", "bearer", "credential", "authorization"]
        .iter()
        .any(|word| key.contains(word))
}

/// A value in one line, without what is secret in it.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => without_secrets(other).to_string(),
    };
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

fn without_secrets(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, value)| {
                    let value = if is_secret(key) { Value::Null } else { without_secrets(value) };
                    (key.clone(), value)
                })
                .collect(),
        ),
        Value::Array(items) => items.iter().map(without_secrets).collect(),
        other => other.clone(),
    }
}
