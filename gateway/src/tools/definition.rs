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

/// Tools whose one call can go to several hosts: those that run something, and those
/// that only look and whose answers are read side by side.
const ON_SEVERAL: [&str; 8] = [
    "execute_command",
    "read_file",
    "stat_file",
    "list_directory",
    "search_files",
    "get_system_info",
    "check_command_exists",
    "read_service",
];

/// Adds what a call is completed by before its tool sees it: a session, and where it
/// makes sense several hosts.
pub(super) fn in_session(mut tool: Tool) -> Tool {
    let is_on_several = ON_SEVERAL.contains(&&*tool.name);
    let input = Arc::make_mut(&mut tool.input_schema);
    let Some(Value::Object(arguments)) = input.get_mut("properties") else { return tool };
    if !arguments.contains_key("host") {
        return tool;
    }
    let described = json!({
        "type": ["string", "null"],
        "description": "The handle of a session of yours, as open_session gave it: what the call \
                        does not say itself (host, project, working directory, environment) is \
                        taken from there, and relative paths start at its working directory.",
    });
    arguments.insert("session".into(), described);
    if is_on_several {
        arguments.insert("hosts".into(), hosts_schema());
        arguments.insert("host_labels".into(), labels_schema());
        if let Some(output) = &mut tool.output_schema {
            or_results(Arc::make_mut(output));
        }
    }
    tool
}

fn hosts_schema() -> Value {
    json!({
        "type": ["array", "null"],
        "items": { "type": "string" },
        "description": "Several hosts of the project instead of `host`, at most 32: each is \
                        decided, recorded and answered by itself, under `results`.",
    })
}

fn labels_schema() -> Value {
    json!({
        "type": ["object", "null"],
        "additionalProperties": { "type": "string" },
        "description": "All hosts of the project that have these labels, instead of `host`.",
    })
}

/// The answer of several hosts.
fn or_results(schema: &mut JsonObject) {
    if let Some(Value::Array(any)) = schema.get_mut("anyOf") {
        any.push(json!({ "required": ["results"] }));
    }
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    let results = json!({
        "type": "array",
        "description": "Where several hosts were asked: what each of them answered.",
        "items": {
            "type": "object",
            "properties": {
                "host": { "type": "string" },
                "is_error": { "type": "boolean" },
                "result": { "type": "object", "description": "As of a call to this host alone." }
            },
            "required": ["host", "is_error", "result"]
        }
    });
    properties.insert("results".into(), results);
}

/// Whether a tool takes this argument.
pub(crate) fn takes(tool: &str, argument: &str) -> bool {
    let definition = super::definitions().iter().find(|it| it.name == tool);
    let properties = definition.and_then(|it| it.input_schema.get("properties"));
    properties.is_some_and(|properties| properties.get(argument).is_some())
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
