//! Hosts that the gateway's owner holds back while the gateway runs.

use std::time::{Duration, Instant};

use cofferdam_tests::dev::until;
use cofferdam_tests::fleet::Fleet;
use serde_json::{Value, json};

fn reason(answer: &Value) -> &Value {
    &answer["result"]["structuredContent"]["error"]["reason"]
}

#[test]
fn a_drained_host_gets_no_run_and_a_frozen_one_no_call_within_a_second_and_on_record() {
    let mut fleet = Fleet::prepare(2);
    fleet.start_gateway();
    fleet.start_agent(0);
    fleet.start_agent(1);
    fleet.until_ready(2, Duration::from_secs(20));
    let run = json!({ "host": "host-0", "command": "true" });
    let look = json!({ "host": "host-0" });

    fleet.cofferdam(&["host", "drain", "host-0", "--reason", "new disks"]);
    let said = Instant::now();
    until("it is drained", || reason(&fleet.tool("execute_command", &run)) == "HOST_DRAINED");
    assert!(said.elapsed() < Duration::from_millis(1500), "{:?}", said.elapsed());
    let refused = fleet.tool("execute_command", &run);
    let words = refused["result"]["content"][0]["text"].as_str().unwrap();
    assert!(words.contains("new disks") && words.contains("undrain host-0"), "{words}");
    assert_eq!(fleet.host("host-0")["held"], "drained");
    assert_eq!(reason(&fleet.tool("get_system_info", &look)), &Value::Null);

    fleet.cofferdam(&["host", "freeze", "host-0"]);
    until("it is frozen", || reason(&fleet.tool("get_system_info", &look)) == "HOST_FROZEN");
    assert_eq!(fleet.host("host-0")["state"], "ready", "it is still looked after");
    let other = fleet.tool("get_system_info", &json!({ "host": "host-1" }));
    assert_eq!(reason(&other), &Value::Null);

    // It holds over a restart.
    fleet.kill_gateway();
    fleet.start_gateway();
    fleet.until_ready(2, Duration::from_secs(20));
    assert_eq!(reason(&fleet.tool("get_system_info", &look)), "HOST_FROZEN");

    fleet.cofferdam(&["host", "unfreeze", "host-0"]);
    until("it is let go", || reason(&fleet.tool("get_system_info", &look)) == &Value::Null);
    assert_eq!(reason(&fleet.tool("execute_command", &run)), "HOST_DRAINED");
    fleet.cofferdam(&["host", "undrain", "host-0"]);
    until("runs go there", || reason(&fleet.tool("execute_command", &run)) != "HOST_DRAINED");
    let journal = fleet.journal();
    for step in ["drained", "frozen", "unfrozen", "undrained"] {
        let recorded = journal.matches(&format!("\"step\":\"{step}\"")).count();
        assert_eq!(recorded, 1, "{step}: {journal}");
    }
    assert!(journal.contains("new disks"));
}
