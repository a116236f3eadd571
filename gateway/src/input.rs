//! Turns a call's arguments into a tool's typed input, or into an error that
//! says which field is wrong and what would be right.

use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What is wrong with a call's arguments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct BadInput {
    /// A stable word.
    pub(crate) reason: &'static str,
    /// The field's path, such as `arguments[2]`; empty: the arguments as a whole.
    pub(crate) field: String,
    /// What is wrong, and what would be right.
    pub(crate) message: String,
}

impl BadInput {
    /// A field that has a value which cannot be taken.
    pub(crate) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason: "INVALID_ARGUMENT", field: field.into(), message: message.into() }
    }

    /// A field or a request above a limit.
    pub(crate) fn too_large(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason: "TOO_LARGE", field: field.into(), message: message.into() }
    }
}

/// Reads the arguments of one call.
pub(crate) fn parse<I: DeserializeOwned>(arguments: Option<JsonObject>) -> Result<I, BadInput> {
    let value = Value::Object(arguments.unwrap_or_default());
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { String::new() } else { path };
        let problem = error.into_inner();
        let message = match field.as_str() {
            "" => format!("the arguments are not right: {problem}"),
            field => format!("`{field}` is not right: {problem}"),
        };
        BadInput { reason: "INVALID_ARGUMENT", field, message }
    })
}

/// Refuses NUL bytes, which no path, program or argument on Linux can hold.
pub(crate) fn refuse_nul(field: &str, text: &str) -> Result<(), BadInput> {
    match text.find('\0') {
        Some(position) => Err(BadInput::field(
            field,
            format!("`{field}` has a NUL byte at {position}; Linux ends texts there; leave it out"),
        )),
        None => Ok(()),
    }
}

/// The longest path on Linux, PATH_MAX with its NUL: see limits.h(0p).
pub(crate) const MAX_PATH: usize = 4095;

/// Checks a path: absolute, or relative to the workspace; no `..`, because a
/// link could make it mean another place than the one that was decided on.
pub(crate) fn check_path(field: &str, path: &str) -> Result<(), BadInput> {
    refuse_nul(field, path)?;
    if path.is_empty() {
        return Err(BadInput::field(
            field,
            format!("`{field}` is empty; give a path, absolute or relative to the workspace"),
        ));
    }
    if path.len() > MAX_PATH {
        return Err(BadInput::too_large(
            field,
            format!("`{field}` has {} bytes; Linux takes at most {MAX_PATH}", path.len()),
        ));
    }
    if path.split('/').any(|part| part == "..") {
        return Err(BadInput::field(
            field,
            format!(
                "`{field}` has `..` in it, which a link could turn into another place; give the \
                 absolute path, or one relative to the workspace without `..`"
            ),
        ));
    }
    Ok(())
}

/// `value`, or `default` where it was not given; refused outside of `range`.
pub(crate) fn bounded(
    field: &str,
    value: Option<u64>,
    default: u64,
    range: std::ops::RangeInclusive<u64>,
) -> Result<u64, BadInput> {
    let value = value.unwrap_or(default);
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(BadInput::field(
            field,
            format!("`{field}` is {value}; it must be {} to {}", range.start(), range.end()),
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only its shape is tested")]
    struct Example {
        program: Option<String>,
        arguments: Option<Vec<String>>,
    }

    fn error(value: Value) -> BadInput {
        let Value::Object(arguments) = value else { panic!("an object") };
        parse::<Example>(Some(arguments)).unwrap_err()
    }

    #[test]
    fn a_wrong_type_is_named_with_its_path() {
        let wrong = error(json!({"arguments": ["a", 2]}));
        assert_eq!(wrong.field, "arguments[1]");
        assert!(wrong.message.contains("expected a string"), "{wrong}");
    }

    #[test]
    fn an_unknown_field_is_named_with_those_that_there_are() {
        let wrong = error(json!({"programm": "ls"}));
        assert!(
            wrong.message.contains("programm") && wrong.message.contains("arguments"),
            "{wrong}"
        );
    }

    #[test]
    fn parent_directories_nul_and_long_paths_are_refused() {
        assert!(check_path("path", "src/main.rs").is_ok());
        assert!(check_path("path", "/srv/a..b").is_ok());
        for path in ["", "..", "../x", "/srv/../etc/passwd", "a\0b", &"x".repeat(5000)] {
            assert_eq!(check_path("path", path).unwrap_err().field, "path");
        }
    }

    #[test]
    fn a_number_outside_its_range_is_refused_with_the_range() {
        let wrong = bounded("timeout_seconds", Some(0), 120, 1..=86_400).unwrap_err();
        assert!(wrong.message.contains("1 to 86400"), "{wrong}");
        assert_eq!(bounded("timeout_seconds", None, 120, 1..=86_400), Ok(120));
    }
}
