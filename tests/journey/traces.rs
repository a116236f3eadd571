//! A caller's trace stands in both journals and in the gateway's log.

use std::path::Path;

use cofferdam_tests::dev::{Dev, until};
use serde_json::{Value, json};

use crate::stdio::Stdio;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// The calls that a journal has intents, denials and failures of.
fn calls(dev: &Dev, journal: &str) -> Vec<Value> {
    let journal = dev.state().join(journal);
    let shown = dev.cofferdam(&["audit", "show", "--json", journal.to_str().unwrap()]);
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let text = String::from_utf8(shown.stdout).unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.map(|record| record["body"]["call"].clone()).filter(Value::is_object).collect()
}

fn traces(dev: &Dev, journal: &str, run_id: &str) -> Vec<Value> {
    let calls = calls(dev, journal);
    calls.iter().filter(|it| it["run_id"] == run_id).map(|it| it["trace"].clone()).collect()
}

#[test]
fn both_journals_name_the_callers_trace_and_the_gateways_span() {
    let dev = Dev::start();
    let mut client = Stdio::of(dev.told("mcp_url"), dev.told("token"));
    client.capabilities = json!({});
    client.meta = json!({ "traceparent": format!("00-{TRACE}-{SPAN}-01"), "tracestate": "a=1" });
    for (tool, arguments) in [
        ("execute_command", json!({ "program": "true" })),
        ("write_file", json!({ "path": "a", "content": "x" })),
        ("get_system_info", json!({})),
    ] {
        let answer = client.call(tool, &arguments);
        let run_id = answer["result"]["structuredContent"]["run_id"].as_str();
        let run_id = run_id.unwrap_or_else(|| panic!("{answer:#}"));
        until("both journals have it", || {
            let sides = ["gateway/journal", "agent/journal"];
            sides.iter().all(|side| !traces(&dev, side, run_id).is_empty())
        });
        let at_gateway = traces(&dev, "gateway/journal", run_id).remove(0);
        let at_agent = traces(&dev, "agent/journal", run_id).remove(0);
        assert_eq!(
            (&at_gateway["trace_id"], &at_gateway["parent_id"]),
            (&json!(TRACE), &json!(SPAN))
        );
        let span = at_gateway["span_id"].as_str().unwrap();
        assert!(span.len() == 16 && span != SPAN, "{at_gateway:#}");
        assert_eq!(at_agent, json!({ "trace_id": TRACE, "span_id": span }));
    }
}

#[test]
fn a_trace_that_is_not_right_is_passed_over_and_the_call_is_not() {
    let dev = Dev::start();
    let mut client = Stdio::of(dev.told("mcp_url"), dev.told("token"));
    client.capabilities = json!({});
    for wrong in [
        json!(format!("00-{}-{SPAN}-01", "0".repeat(32))),
        json!(format!("00-{TRACE}-{SPAN}-01-{}", "x".repeat(100_000))),
        json!(format!("00-{}-{SPAN}-01", TRACE.to_uppercase())),
        json!("\u{0}\n; rm -rf /"),
        json!(7),
        json!({ "trace": TRACE }),
    ] {
        client.meta = json!({ "traceparent": wrong, "tracestate": "a=1" });
        let answer = client.call("execute_command", &json!({ "program": "true" }));
        let run_id = answer["result"]["structuredContent"]["run_id"].as_str();
        let run_id = run_id.unwrap_or_else(|| panic!("{answer:#}"));
        for side in ["gateway/journal", "agent/journal"] {
            until("it is recorded", || !traces(&dev, side, run_id).is_empty());
            assert_eq!(traces(&dev, side, run_id)[0], Value::Null);
        }
    }
}

#[test]
fn lines_of_the_gateways_log_name_the_trace_of_their_call() {
    let prepare = |workspace: &Path| std::fs::create_dir(workspace).unwrap();
    let dev = Dev::start_with(prepare, &["--ask", "touch"]);
    let mut client = Stdio::of(dev.told("mcp_url"), dev.told("token"));
    client.meta = json!({ "traceparent": format!("00-{TRACE}-{SPAN}-01") });
    client.task("execute_command", &json!({ "program": "touch", "arguments": ["a"] }));
    let line = |text: &str| text.contains("waits for people") && text.contains(TRACE);
    until("the log names it", || {
        let log = dev.state().join("log/gateway.log");
        std::fs::read_to_string(log).is_ok_and(|text| text.lines().any(line))
    });
}
