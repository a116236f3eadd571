//! Arguments of a call, from what was typed: `name=value`, a JSON object, or a
//! program after `--`.

use std::ffi::OsString;
use std::io::{self, Read};

use serde_json::{Map, Value};

/// The longest JSON from standard input, in bytes; a gateway takes no longer one.
const MAX_JSON: u64 = 12 * 1024 * 1024;

/// What was typed.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) values: Vec<String>,
    pub(super) json: Option<String>,
    pub(super) program: Vec<OsString>,
}

/// Why it is no arguments.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InputError {
    /// Not `name=value`.
    #[error("`{0}` is not NAME=VALUE; a program and its arguments stand after `--`")]
    NotAnAssignment(String),
    /// A name that the tool does not take.
    #[error("the tool takes no `{name}`; it takes {known}")]
    UnknownName {
        /// What was given.
        name: String,
        /// What there is.
        known: String,
    },
    /// A value of the wrong kind.
    #[error("`{name}` is {expected}, and `{value}` is none")]
    Kind {
        /// The argument.
        name: String,
        /// What it is.
        expected: &'static str,
        /// What was given.
        value: String,
    },
    /// Not a JSON object.
    #[error("--args is not a JSON object: {0}")]
    Json(String),
    /// A program for a tool that starts none.
    #[error("`-- PROGRAM` is for execute_command; {0} takes NAME=VALUE")]
    Program(String),
    /// MCP carries text.
    #[error("`{0}` is not UTF-8; arguments travel as text")]
    NotText(String),
}

/// The longest that the gateway takes, in seconds.
const LONGEST_WAIT: u64 = 3600;

impl Given {
    /// The arguments, of the kinds that the tool's schema says.
    pub(super) fn arguments(
        self,
        tool: &str,
        schema: &Map<String, Value>,
    ) -> Result<Map<String, Value>, InputError> {
        let mut arguments = match self.json {
            Some(text) => parse_json(&text)?,
            None => Map::new(),
        };
        for assignment in &self.values {
            let (name, value) = assignment
                .split_once('=')
                .ok_or_else(|| InputError::NotAnAssignment(assignment.clone()))?;
            set(&mut arguments, schema, name, value)?;
        }
        // A person waits for the end, and for the exit code.
        let can_wait = schema.get("properties").and_then(|known| known.get("wait_seconds"));
        if tool == "execute_command" && can_wait.is_some() {
            arguments.entry("wait_seconds").or_insert(LONGEST_WAIT.into());
        }
        if self.program.is_empty() {
            return Ok(arguments);
        }
        if tool != "execute_command" {
            return Err(InputError::Program(tool.to_owned()));
        }
        let mut words = self.program.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
        let program = words.remove(0);
        arguments.insert("program".to_owned(), program);
        arguments.insert("arguments".to_owned(), words.into());
        Ok(arguments)
    }
}

fn text(word: OsString) -> Result<Value, InputError> {
    let text = word.into_string();
    text.map(Value::String).map_err(|word| InputError::NotText(word.display().to_string()))
}

fn parse_json(text: &str) -> Result<Map<String, Value>, InputError> {
    let wrong = |error: &dyn std::fmt::Display| InputError::Json(error.to_string());
    let mut read = String::new();
    let text = match text {
        "-" => {
            io::stdin().take(MAX_JSON).read_to_string(&mut read).map_err(|error| wrong(&error))?;
            &read
        }
        text => text,
    };
    serde_json::from_str(text).map_err(|error| wrong(&error))
}

/// Sets `name`, or one member of it (`environment.CI`).
fn set(
    arguments: &mut Map<String, Value>,
    schema: &Map<String, Value>,
    name: &str,
    value: &str,
) -> Result<(), InputError> {
    let known = schema.get("properties").and_then(Value::as_object);
    let kind = |name: &str| known.and_then(|known| known.get(name)).map(kind);
    if let Some(kind) = kind(name) {
        let wrong = |expected| InputError::Kind {
            name: name.to_owned(),
            expected,
            value: value.to_owned(),
        };
        match (kind, arguments.get_mut(name)) {
            ("array", Some(Value::Array(elements))) => elements.push(value.into()),
            ("array", _) => {
                arguments.insert(name.to_owned(), vec![value].into());
            }
            (kind, _) => {
                arguments.insert(name.to_owned(), scalar(kind, value).map_err(wrong)?);
            }
        }
        return Ok(());
    }
    let known = || known.into_iter().flat_map(Map::keys).cloned().collect::<Vec<_>>().join(", ");
    let unknown = || InputError::UnknownName { name: name.to_owned(), known: known() };
    let (outer, inner) = name.split_once('.').ok_or_else(unknown)?;
    if kind(outer) != Some("object") {
        return Err(unknown());
    }
    let members = arguments.entry(outer).or_insert_with(|| Map::new().into());
    members[inner] = value.into();
    Ok(())
}

/// The JSON type that a property is of; one that may be left out says so with
/// `null` beside it.
fn kind(property: &Value) -> &str {
    match &property["type"] {
        Value::String(kind) => kind,
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("string")
        }
        _ => "string",
    }
}

fn scalar(kind: &str, value: &str) -> Result<Value, &'static str> {
    match kind {
        "integer" => value.parse::<i64>().map(Value::from).map_err(|_| "a whole number"),
        "number" => value.parse::<f64>().map(Value::from).map_err(|_| "a number"),
        "boolean" => value.parse::<bool>().map(Value::from).map_err(|_| "`true` or `false`"),
        "object" => {
            let parsed = serde_json::from_str::<Map<String, Value>>(value);
            parsed.map(Value::from).map_err(|_| "an object; set one member with NAME.MEMBER=VALUE")
        }
        _ => Ok(value.into()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arguments(values: &[&str]) -> Result<Value, InputError> {
        let schema = json!({ "properties": {
            "command": { "type": ["string", "null"] },
            "timeout_seconds": { "type": ["integer", "null"] },
            "regex": { "type": "boolean" },
            "arguments": { "type": ["array", "null"] },
            "environment": { "type": ["object", "null"] },
        }});
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        let given = Given { values, json: None, program: Vec::new() };
        given.arguments("some_tool", schema.as_object().unwrap()).map(Value::Object)
    }

    #[test]
    fn texts_become_what_the_schema_says() {
        let found = arguments(&["command=a=b", "timeout_seconds=30", "regex=true"]).unwrap();
        assert_eq!(found, json!({ "command": "a=b", "timeout_seconds": 30, "regex": true }));
        let found = arguments(&["arguments=-l", "arguments=x", "environment.A.B=1"]).unwrap();
        assert_eq!(found, json!({ "arguments": ["-l", "x"], "environment": { "A.B": "1" } }));
    }

    #[test]
    fn what_the_tool_does_not_take_is_named() {
        let message = |values: &[&str]| arguments(values).unwrap_err().to_string();
        assert!(message(&["comand=x"]).contains("takes no `comand`; it takes"));
        assert!(message(&["timeout_seconds=soon"]).contains("a whole number"));
        assert!(message(&["git"]).contains("after `--`"));
        assert!(message(&["command.x=1"]).contains("takes no `command.x`"));
    }

    #[test]
    fn a_program_after_two_dashes_is_for_execute_command() {
        let given = || Given {
            values: Vec::new(),
            json: Some(r#"{"timeout_seconds": 5}"#.to_owned()),
            program: vec!["git".into(), "log".into()],
        };
        let found = given().arguments("execute_command", &Map::new()).unwrap();
        let expected = json!({ "timeout_seconds": 5, "program": "git", "arguments": ["log"] });
        assert_eq!(Value::Object(found), expected);
        let refused = given().arguments("read_file", &Map::new());
        assert_eq!(refused, Err(InputError::Program("read_file".to_owned())));
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        for text in ["", "[]", "{", "null", "1"] {
            let given =
                Given { values: Vec::new(), json: Some(text.to_owned()), program: Vec::new() };
            assert!(
                matches!(given.arguments("t", &Map::new()), Err(InputError::Json(_))),
                "{text}"
            );
        }
    }
}
