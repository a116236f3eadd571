//! What tools answer is what they publish: a validator of JSON Schema that is not ours
//! holds every result to its tool's own output schema, errors too.

use std::path::Path;
use std::process::Command;

use cofferdam_tests::dev::Dev;

use crate::clients::clients;

#[test]
fn every_result_of_every_tool_is_as_its_output_schema_says() {
    let Some(folder) = clients("every_result_of_every_tool_is_as_its_output_schema_says") else {
        return;
    };
    // The script makes files there, as whoever runs the test.
    let prepare = |workspace: &Path| std::fs::create_dir(workspace).unwrap();
    let dev = Dev::start_with(prepare, &[]);
    let output = Command::new(folder.join("venv/bin/python"))
        .arg(folder.join("schemas.py"))
        .arg(dev.told("mcp_url"))
        .arg(&dev.workspace)
        .env("COFFERDAM_TOKEN", dev.told("token"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
