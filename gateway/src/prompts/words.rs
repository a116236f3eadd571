//! What a person said about a job, put into the words of a prompt.
//!
//! What was said stands in a prompt only as a JSON string: within the arguments of a
//! call, or quoted. It cannot end its place there and pass for words of ours.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Said by a person, checked.
pub(super) struct Given(BTreeMap<&'static str, String>);

impl Given {
    pub(super) fn new(given: BTreeMap<&'static str, String>) -> Self {
        Self(given)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// What was said, quoted.
    pub(super) fn quoted(&self, name: &str) -> Option<String> {
        self.get(name).map(|text| json!(text).to_string())
    }

    /// A call of `tool` with these arguments, and with the place where that was said.
    pub(super) fn call(&self, tool: &str, arguments: Value) -> String {
        let Value::Object(mut arguments) = arguments else { return format!("`{tool}`") };
        arguments.extend(self.place());
        format!("`{tool}` with {}", Value::Object(arguments))
    }

    fn place(&self) -> Map<String, Value> {
        let said = |name: &str| Some((name.to_owned(), json!(self.get(name)?)));
        ["host", "project"].into_iter().filter_map(said).collect()
    }

    /// What to add to every other call; nothing where no place was said.
    pub(super) fn everywhere(&self) -> String {
        let place = self.place();
        if place.is_empty() {
            return String::new();
        }
        format!("\nGive every call that takes them: {}.", Value::Object(place))
    }
}
