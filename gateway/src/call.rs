//! A tool call as the protocol layer hands it over: who calls what, from where,
//! with which arguments.

use std::sync::Arc;

use rmcp::model::JsonObject;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::caller::Caller;
use crate::elicit::Person;
use crate::progress::Progress;
use crate::trace::TraceContext;

/// A call.
pub(crate) struct Call {
    pub(crate) origin: Origin,
    /// As they were sent, with what their session carries.
    pub(crate) arguments: Option<JsonObject>,
    /// A profile that may narrow what the rules give: its session's.
    pub(crate) profile: Option<String>,
    /// Bytes that its answer may show; of a call that goes to several hosts each has a
    /// share.
    pub(crate) budget: usize,
    /// Fires when the caller cancels or goes away.
    pub(crate) cancelled: CancellationToken,
    pub(crate) progress: Progress,
    /// Who may sit at the client.
    pub(crate) person: Option<Person>,
    /// Its client takes a task for an answer that takes its time.
    pub(crate) takes_task: bool,
}

/// Where a call comes from; the part of it that every record has.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The call's own id, which becomes the run's.
    pub(crate) run_id: String,
    pub(crate) caller: Arc<Caller>,
    /// The MCP client's name and version, as it says.
    pub(crate) client: String,
    /// The working context, from which a host keeps sandboxes between calls:
    /// that of an MCP session, or the one that each token has besides. No two
    /// tokens ever have the same, whatever user they are for.
    pub(crate) session: String,
    /// The tool's name, as it was called.
    pub(crate) tool: String,
    /// Where it stands in its caller's trace.
    pub(crate) trace: Option<TraceContext>,
}

/// Bytes of a text that records keep as it is.
const MAX_TEXT: usize = 4096;
/// Bytes of a long text that records keep of its beginning.
const HEAD: usize = 256;
/// Bytes that records keep of one call, about.
const MAX_RECORDED: usize = 128 * 1024;

/// What a text, a number or an element costs besides its bytes.
const PART: usize = 16;
/// Fields that records keep of one object.
pub(crate) const MAX_FIELDS: usize = 256;

/// Fields that hold a file's content: records keep only their digest.
const CONTENT: [&str; 3] = ["content", "stdin", "patch"];
/// Fields that do so in elements of an array: those of `edit_file`.
const PARTS: [&str; 2] = ["old_text", "new_text"];

/// Fields that hold what is typed: likewise.
const TYPED: [&str; 2] = ["text", "base64"];

/// The arguments as records keep them: contents and long texts as size and
/// digest, numbers as integers or text, because canonical JSON has no others.
pub(crate) fn for_record(tool: &str, arguments: Option<&JsonObject>) -> Value {
    let Some(arguments) = arguments else { return Value::Null };
    // Each field has its share, so that a long one does not hide the others.
    let share = MAX_RECORDED / arguments.len().clamp(1, MAX_FIELDS);
    let is_content = |key: &str| match tool {
        "search_files" => false,
        "write_process" => TYPED.contains(&key),
        _ => CONTENT.contains(&key),
    };
    let kept = arguments.iter().map(|(key, value)| match value {
        Value::String(text) if is_content(key) => (key.clone(), digested(text, 0)),
        value => (key.clone(), short(value, &mut { share })),
    });
    Value::Object(kept.take(MAX_FIELDS).collect())
}

/// Stands for elements that a record does not keep.
pub(crate) const AND_MORE: &str = "… and more";

/// Takes what it keeps from `room`; where that is used up, says so once.
fn short(value: &Value, room: &mut usize) -> Value {
    let text_size = value.as_str().map_or(0, |text| text.len().min(MAX_TEXT));
    let size = text_size + PART;
    if *room < size {
        *room = 0;
        return json!(AND_MORE);
    }
    *room -= size;
    match value {
        Value::String(text) if text.len() > MAX_TEXT => digested(text, HEAD),
        Value::Number(number) if number.as_i64().is_none() && number.as_u64().is_none() => {
            json!(number.to_string())
        }
        Value::Array(elements) => {
            let mut kept = Vec::new();
            for element in elements {
                kept.push(short(element, room));
                if *room == 0 {
                    break;
                }
            }
            Value::Array(kept)
        }
        Value::Object(fields) => {
            let kept = fields.iter().take(MAX_FIELDS).map(|(key, value)| {
                if let (true, Value::String(text)) = (PARTS.contains(&key.as_str()), value) {
                    return (key.clone(), digested(text, 0));
                }
                let key = key.chars().take(HEAD).collect::<String>();
                (key, short(value, room))
            });
            Value::Object(kept.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

fn digested(text: &str, head: usize) -> Value {
    let digest = cofferdam_journal::Digest::of(text.as_bytes()).to_string();
    let mut end = head.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    match &text[..end] {
        "" => json!({ "bytes": text.len(), "sha256": digest }),
        head => json!({ "bytes": text.len(), "sha256": digest, "head": head }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(tool: &str, arguments: Value) -> Value {
        let Value::Object(arguments) = arguments else { panic!("an object") };
        for_record(tool, Some(&arguments))
    }

    #[test]
    fn short_arguments_are_kept_as_they_are() {
        let arguments =
            json!({"program": "git", "arguments": ["log", "-n1"], "timeout_seconds": 5});
        assert_eq!(recorded("execute_command", arguments.clone()), arguments);
    }

    #[test]
    fn contents_are_kept_as_size_and_digest() {
        let kept = recorded("write_file", json!({"path": "a", "content": "abc"}));
        assert_eq!(kept["content"]["bytes"], 3);
        assert_eq!(kept["content"]["sha256"].as_str().unwrap().len(), 64);
        let edits = json!({"edits": [{"old_text": "secret", "new_text": "b"}], "patch": "-secret"});
        assert!(!recorded("edit_file", edits).to_string().contains("secret"));
        let search = json!({"content": "fn main"});
        assert_eq!(recorded("search_files", search.clone()), search);
    }

    #[test]
    fn however_much_is_sent_the_record_stays_small() {
        let many = json!({
            "program": "x".repeat(1_000_000),
            "arguments": vec!["y".repeat(4000); 100_000],
            "a": {"b": [1.5, -2, 3e40]},
        });
        let kept = recorded("execute_command", many);
        assert_eq!(kept["program"]["head"].as_str().unwrap().len(), 256);
        assert_eq!(kept["a"]["b"], json!(["1.5", -2, "3e+40"]));
        assert!(kept.to_string().len() < 200_000, "{}", kept.to_string().len());
        let last = kept["arguments"].as_array().unwrap().last().unwrap();
        assert_eq!(last, "… and more");
    }
}
