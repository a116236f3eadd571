//! What a client is told about a tool: name, title, description, annotations,
//! and the JSON Schemas of what goes in and what comes out.

use std::sync::Arc;

use rmcp::handler::server::tool::{schema_for_input, schema_for_output};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::result::Answer;

/// What a tool does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Only looks.
    Reads,
    /// Changes files; the same call again changes nothing more.
    Writes,
    /// Runs what the caller names.
    Executes,
}

/// What stands in a tool's definition besides its schemas.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    pub(crate) effect: Effect,
}

/// Makes a tool's definition from its input and output types.
pub(super) fn define<I: JsonSchema + 'static, O: Answer>(about: About) -> Tool {
    let About { name, title, description, effect } = about;
    let input = schema_for_input::<I>().unwrap_or_default();
    Tool::new(name, description, input)
        .with_title(title)
        .with_raw_output_schema(or_error(&schema_for_output::<O>()))
        .with_annotations(annotations(title, effect))
}

/// A cell has no network by default and shows the host read-only, so the world
/// of every tool is closed but for what a host's own profiles open.
fn annotations(title: &str, effect: Effect) -> ToolAnnotations {
    ToolAnnotations::with_title(title)
        .read_only(effect == Effect::Reads)
        .destructive(effect != Effect::Reads)
        .idempotent(effect != Effect::Executes)
        .open_world(effect == Effect::Executes)
}

/// Clients check `structuredContent` against the output schema even where the
/// result is an error, so the schema allows either: all that an answer must
/// have, or `error`.
fn or_error(answer: &JsonObject) -> Arc<JsonObject> {
    let mut schema = answer.clone();
    let required = schema.remove("required").unwrap_or_else(|| json!([]));
    schema.insert("anyOf".into(), json!([{ "required": required }, { "required": ["error"] }]));
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.insert("error".into(), error_schema());
    }
    Arc::new(schema)
}

fn error_schema() -> Value {
    json!({
        "type": "object",
        "description": "Why there is no answer.",
        "properties": {
            "reason": { "type": "string", "description": "A stable word, such as DENIED." },
            "message": { "type": "string", "description": "What is wrong and what would be right." },
            "field": { "type": "string", "description": "The argument that is wrong." },
            "rules": { "type": "array", "items": { "type": "string" } },
            "allowed": { "type": "array", "items": { "type": "string" } },
            "ask": { "type": "string", "description": "How to be allowed more." },
            "host": { "type": "string" },
            "run_id": { "type": "string" }
        },
        "required": ["reason", "message"]
    })
}
