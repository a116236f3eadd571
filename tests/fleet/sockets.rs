//! A host that no gateway can dial: it listens nowhere, and is served as any other.

use std::collections::BTreeSet;
use std::time::Duration;

use cofferdam_tests::fleet::Fleet;
use serde_json::json;

/// TCP_LISTEN in /proc/net/tcp (proc_pid_net(5)).
const LISTENS: &str = "0A";

#[test]
fn a_host_that_dials_in_listens_nowhere_and_is_called_on_its_own_connection() {
    let mut fleet = Fleet::prepare(1);
    fleet.start_gateway();
    fleet.start_agent(0);
    fleet.until_ready(1, Duration::from_secs(20));
    let host = fleet.host("host-0");
    assert_eq!((&host["dials_in"], &host["labels"]["parity"]), (&json!(true), &json!("even")));
    assert!(host["next_check_at"].as_str().is_some(), "{host:#}");

    let answer = fleet.tool("get_system_info", &json!({}));
    assert_eq!(answer["result"]["structuredContent"]["host"], "host-0", "{answer:#}");

    // Nobody but root sees what a process has open that is not dumpable.
    if cofferdam_tests::skip_unless_root("the sockets of a host that dials in") {
        return;
    }
    let pid = fleet.agent_pid(0);
    let own = sockets_of(pid);
    assert!(!own.is_empty(), "its descriptors can be seen");
    for table in ["tcp", "tcp6"] {
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (state, inode) = (fields[3], fields[9]);
            assert!(!(own.contains(inode) && state == LISTENS), "the agent listens: {line}");
        }
    }
}

/// The inodes of the sockets that a process has open.
fn sockets_of(pid: u32) -> BTreeSet<String> {
    let mut sockets = BTreeSet::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
        let Ok(target) = std::fs::read_link(entry.path()) else { continue };
        let target = target.to_string_lossy().into_owned();
        let inode = target.strip_prefix("socket:[").and_then(|it| it.strip_suffix(']'));
        sockets.extend(inode.map(str::to_owned));
    }
    sockets
}
