//! The whole way, through real processes and sockets: MCP client, gateway,
//! agent, warden, cell, and back.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod approvals;
mod bad_input;
mod chaos;
mod clients;
mod coding_clients;
mod copies;
mod endings;
mod files;
mod gateways;
mod hosts;
mod joined;
mod mishaps;
mod network;
mod processes;
mod progress;
mod records;
mod resources;
mod schemas;
mod secrets;
mod services;
mod sessions;
mod stdio;
mod tasks;
mod terminal;
mod tools;
mod traces;

use serde_json::Value;

/// The structured content of a tool's result, which must not be an error.
fn content(answer: &Value) -> &Value {
    assert_ne!(answer["result"]["isError"], true, "{answer:#}");
    &answer["result"]["structuredContent"]
}

/// The text of a result.
fn text(answer: &Value) -> String {
    let blocks = answer["result"]["content"].as_array().cloned().unwrap_or_default();
    blocks.iter().filter_map(|block| block["text"].as_str()).collect()
}

/// The words of a refusal, whether the tool or the protocol refused.
fn refusal(answer: &Value) -> String {
    if answer["error"].is_object() {
        return answer["error"].to_string();
    }
    assert_eq!(answer["result"]["isError"], true, "{answer:#}");
    text(answer)
}
