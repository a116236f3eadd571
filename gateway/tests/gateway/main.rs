//! The gateway as a service: real sockets, real certificates, a real journal,
//! and a host that is down, or one that only plays its part. What needs an agent
//! is tested in `tests/journey`.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod access;
mod approvals;
mod bad_input;
mod completion;
mod ends;
mod eras;
mod host;
mod joining;
mod limits;
mod listening;
mod metrics;
mod offered;
mod prompts;
mod records;
mod reload;
mod resources;
mod runs;
mod service;
mod services;
mod sessions;
mod shadow;
mod signed;
mod stdio;
mod tls;

use serde_json::Value;

/// The words of a refusal, whether the tool or the protocol refused.
fn refusal(answer: &Value) -> &Value {
    if answer["error"].is_object() {
        return &answer["error"];
    }
    assert_eq!(answer["result"]["isError"], true, "{answer:#}");
    let error = &answer["result"]["structuredContent"]["error"];
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    let message = error["message"].as_str().unwrap();
    assert!(text.contains(message), "the text says the same: {answer:#}");
    error
}
