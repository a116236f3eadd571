//! Canonical JSON: one text for each value, so that it can be hashed.
//!
//! Keys in byte order, no spaces, integers only, strings escaped as little as
//! JSON allows. Records are checked to be written exactly so.

use serde_json::Value;

/// The value has a number that is not an integer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an integer; canonical JSON has only integers")]
pub(crate) struct NotAnInteger(String);

/// The canonical text of `value`.
pub(crate) fn canonical(value: &Value) -> Result<String, NotAnInteger> {
    let mut text = String::new();
    write(value, &mut text)?;
    Ok(text)
}

/// Appends `text` as a JSON string.
fn write_string(text: &str, out: &mut String) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.extend(["\"", text, "\""]);
        return;
    }
    // `Value`'s `Display` is compact JSON, and a string's has one form only.
    out.push_str(&Value::from(text).to_string());
}

fn write(value: &Value, out: &mut String) -> Result<(), NotAnInteger> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
        Value::Number(number) if number.is_i64() || number.is_u64() => {
            out.push_str(&number.to_string());
        }
        Value::Number(number) => return Err(NotAnInteger(number.to_string())),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out)?;
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| key.as_bytes());
            out.push('{');
            for (index, (key, field)) in fields.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(key, out);
                out.push(':');
                write(field, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_and_nothing_is_spaced() {
        let value = json!({"b": [1, -2, null, true], "a": {"z": "é\n\"", "B": 18_446_744_073_709_551_615_u64}});
        assert_eq!(
            canonical(&value).unwrap(),
            r#"{"a":{"B":18446744073709551615,"z":"é\n\""},"b":[1,-2,null,true]}"#
        );
    }

    #[test]
    fn every_character_is_written_as_the_json_library_writes_it() {
        let characters = (0..=0x2fff).filter_map(char::from_u32);
        for text in characters.map(|character| format!("a{character}")) {
            let value = Value::from(text);
            assert_eq!(canonical(&value).unwrap(), value.to_string());
        }
    }

    #[test]
    fn a_fraction_is_refused() {
        assert!(canonical(&json!([0.5])).is_err());
    }
}
