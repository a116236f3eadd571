//! Tools of the suite that ask their client for something by their result, and go on
//! when it calls again (multi round-trip requests of 2026-07-28).

use rmcp::model::InputResponses;
use serde_json::{Map, Value, json};

use super::answers::text;

/// What stands for what the server remembers; a client gives it back unchanged.
const STATE: &str = "of-the-first-round";

/// Somebody changed what they were to give back.
pub(super) struct Tampered;

/// The answer of such a tool; none: it is another one.
pub(super) fn answer(
    tool: &str,
    capabilities: &Value,
    state: Option<&str>,
    given: &InputResponses,
) -> Result<Option<Value>, Tampered> {
    let name = given.get("user_name").and_then(|it| it["content"]["name"].as_str());
    Ok(Some(match tool.trim_start_matches("test_input_required_result_") {
        "elicitation" => match name {
            Some(name) => text(&format!("Hello, {name}!")),
            None => ask(json!({ "user_name": form("What is your name?", "name", "string") }), None),
        },
        "sampling" => {
            if let Some(answer) = given.get("capital_question") {
                text(&answer["content"].to_string())
            } else {
                let question = sampling("What is the capital of France?");
                ask(json!({ "capital_question": question }), None)
            }
        }
        "list_roots" => match given.get("client_roots") {
            Some(answer) => text(&answer["roots"].to_string()),
            None => ask(json!({ "client_roots": roots() }), None),
        },
        "request_state" | "tampered_state" => match (given.get("confirm"), state) {
            (_, Some(state)) if state != STATE => return Err(Tampered),
            (Some(_), Some(_)) => text("state-ok"),
            _ => ask(json!({ "confirm": form("Please confirm", "ok", "boolean") }), Some(STATE)),
        },
        "multiple_inputs" => {
            if let (Some(name), Some(_), Some(_)) =
                (name, given.get("greeting"), given.get("client_roots"))
            {
                text(&format!("Hello, {name}!"))
            } else {
                let questions = json!({
                    "user_name": form("What is your name?", "name", "string"),
                    "greeting": sampling("Generate a greeting"),
                    "client_roots": roots(),
                });
                ask(questions, Some(STATE))
            }
        }
        "multi_round" => match (state, given.get("step1"), given.get("step2")) {
            (Some("two"), _, Some(_)) => text("Both steps are done."),
            (Some("one"), Some(_), _) => {
                let question = form("Step 2: What is your favorite color?", "color", "string");
                ask(json!({ "step2": question }), Some("two"))
            }
            _ => {
                let question = form("Step 1: What is your name?", "name", "string");
                ask(json!({ "step1": question }), Some("one"))
            }
        },
        "capabilities" if given.is_empty() => ask(of_its_abilities(capabilities), None),
        "capabilities" => text("Thank you."),
        "test_streaming_elicitation" => {
            ask(json!({ "user_name": form("What is your name?", "name", "string") }), None)
        }
        _ => return Ok(None),
    }))
}

/// What a prompt asks for first.
pub(super) fn context() -> Value {
    let question = form("What context should the prompt use?", "context", "string");
    ask(json!({ "user_context": question }), None)
}

/// Only what the client can do is asked of it.
fn of_its_abilities(capabilities: &Value) -> Value {
    let questions = [
        ("elicitation", "user_name", form("What is your name?", "name", "string")),
        ("sampling", "greeting", sampling("Generate a greeting")),
        ("roots", "client_roots", roots()),
    ];
    let can = questions.into_iter().filter(|(ability, _, _)| capabilities[*ability].is_object());
    Value::Object(can.map(|(_, key, question)| (key.to_owned(), question)).collect::<Map<_, _>>())
}

fn ask(questions: Value, state: Option<&str>) -> Value {
    let mut result = json!({ "resultType": "input_required" });
    result["inputRequests"] = questions;
    if let Some(state) = state {
        result["requestState"] = json!(state);
    }
    result
}

fn form(message: &str, field: &str, kind: &str) -> Value {
    json!({ "method": "elicitation/create", "params": {
        "mode": "form",
        "message": message,
        "requestedSchema": {
            "type": "object",
            "properties": { (field): { "type": kind } },
            "required": [field]
        }
    } })
}

fn sampling(question: &str) -> Value {
    json!({ "method": "sampling/createMessage", "params": {
        "messages": [{ "role": "user", "content": { "type": "text", "text": question } }],
        "maxTokens": 100
    } })
}

fn roots() -> Value {
    json!({ "method": "roots/list", "params": {} })
}
