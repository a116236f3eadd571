//! Whatever ends, nothing is left behind and nothing goes unrecorded.

use cofferdam_tests::dev::{Dev, until};
use serde_json::json;

use crate::content;

fn exists(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

/// Directories of our wardens in the cgroup hierarchies.
fn cgroups_of(pids: &[u32]) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for root in
        ["/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/cpu"]
    {
        for pid in pids {
            let path = std::path::Path::new(root).join(format!("cofferdam-{pid}"));
            if path.exists() {
                found.push(path);
            }
        }
    }
    found
}

fn nothing_is_left_after(signal: i32) {
    let mut dev = Dev::start();
    content(&dev.tool("execute_command", &json!({ "program": "true" })));
    let children: Vec<u32> = dev.children().into_iter().map(|(pid, _)| pid).collect();
    assert_eq!(children.len(), 4, "{:?}", dev.children());
    dev.end(signal);
    until("its children end", || children.iter().all(|pid| !exists(*pid)));
    assert_eq!(cgroups_of(&children), Vec::<std::path::PathBuf>::new());
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(dev.directory.path().to_str().unwrap()), "{mounts}");
}

#[test]
fn ctrl_c_leaves_nothing_behind() {
    nothing_is_left_after(libc::SIGINT);
}

#[test]
fn kill_9_of_dev_leaves_nothing_behind() {
    nothing_is_left_after(libc::SIGKILL);
}

#[test]
fn when_the_agent_dies_dev_ends_and_the_journals_are_whole() {
    let mut dev = Dev::start();
    content(&dev.tool("execute_command", &json!({ "program": "true" })));
    let children = dev.children();
    let (agent, _) =
        children.iter().find(|(_, name)| name.contains("cofferdam-agent")).expect("the agent runs");
    let pid = rustix::process::Pid::from_raw(agent.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let code = dev.wait();
    assert!(code.is_some_and(|code| code != 0), "{code:?}");
    until("its children end", || children.iter().all(|(pid, _)| !exists(*pid)));
    for journal in ["gateway/journal", "agent/journal"] {
        let journal = dev.state().join(journal);
        let verified = dev.cofferdam(&["audit", "verify", journal.to_str().unwrap()]);
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    }
}
