//! The host owner's hand, on a real agent with real cells.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use cofferdam_proto::exec::v1::outcome::Ending;
use cofferdam_proto::file::v1::{FileRead, FileWrite, ReadFileRequest, WriteFileRequest};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tonic::Streaming;

use crate::gateway::{Followed, Gateway, reason, sh};
use crate::host::Host;

fn config(host: &Host) -> PathBuf {
    host.directory.path().join("agent/agent.toml")
}

fn owner(config: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam-agent"));
    command.args(arguments).arg("--config").arg(config).output().unwrap()
}

fn json(config: &Path, command: &str) -> Value {
    let output = owner(config, &[command, "--json"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {text}"))
}

type Events = Streaming<cofferdam_proto::exec::v1::StartRunResponse>;

/// Starts a run that prints, and waits for its first byte.
async fn begun(gateway: &Gateway, line: &str) -> (Events, Followed) {
    let request = gateway.request(sh(line), |_| {});
    let mut events = gateway.exec().start_run(request).await.unwrap().into_inner();
    let mut followed = Followed::default();
    while followed.stdout.is_empty() {
        followed.take(events.message().await.unwrap().unwrap().event.unwrap());
    }
    (events, followed)
}

async fn ended(mut events: Events, mut followed: Followed) -> Option<Followed> {
    while let Ok(Some(response)) = events.message().await {
        followed.take(response.event.unwrap());
    }
    followed.finished.is_some().then_some(followed)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_sees_what_runs_for_whom_and_under_what() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let (events, _) = begun(&gateway, "echo begun; sleep 30").await;
    let status = json(&config(&host), "status");
    assert_eq!(status["agent"]["pid"], host.agent_pid(), "{status}");
    assert_eq!(status["runs"][0]["user"], "alice", "{status}");
    assert_eq!(status["callers"][0]["runs"], 1, "{status}");
    assert!(!status["cells"].as_array().unwrap().is_empty(), "{status}");
    assert!(status["certificate"]["seconds_left"].as_i64().unwrap() > 3000, "{status}");
    assert_eq!(status["ceiling"]["digest"].as_str().unwrap().len(), 64, "{status}");
    assert!(status["journal"]["free_mib"].as_u64().is_some() && status["frozen"].is_null());
    let shown = owner(&config(&host), &["status"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("alice") && shown.contains("default"), "{shown}");
    drop(events);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_host_starts_and_changes_nothing_also_after_a_restart_and_can_be_read() {
    let mut host = Host::start();
    let gateway = Gateway::of(&host);
    host.put("there.txt", "content");
    let (events, followed) = begun(&gateway, "echo begun; sleep 1; echo more").await;
    assert!(owner(&config(&host), &["freeze"]).status.success());
    let refused = gateway.run(gateway.request(sh("touch no"), |_| {})).await.unwrap_err();
    assert_eq!(reason(&refused), "HOST_FROZEN");
    let write = FileWrite { path: b"no".to_vec(), ..FileWrite::default() };
    let intent = Some(gateway.signed(&write, |_| {}));
    let request = WriteFileRequest { intent, write: Some(write) };
    let refused = gateway.files().write_file(request).await.unwrap_err();
    assert_eq!(reason(&refused), "HOST_FROZEN");
    let read = FileRead { path: b"there.txt".to_vec(), ..FileRead::default() };
    let intent = Some(gateway.signed(&read, |_| {}));
    let request = ReadFileRequest { intent, read: Some(read) };
    gateway.files().read_file(request).await.unwrap();
    let followed = ended(events, followed).await.unwrap();
    assert_eq!(followed.text(), "begun\nmore\n");
    host.crash_and_restart();
    let gateway = Gateway::of(&host);
    let refused = gateway.run(gateway.request(sh("touch no"), |_| {})).await.unwrap_err();
    assert_eq!(reason(&refused), "HOST_FROZEN");
    assert!(json(&config(&host), "status")["frozen"].as_str().unwrap().contains("owner"));
    assert!(owner(&config(&host), &["unfreeze"]).status.success());
    assert_eq!(gateway.sh("true").await.code(), 0);
    assert!(!host.workspace.join("no").exists());
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let journal = host.journal();
    assert!(journal.contains("\"step\":\"frozen\"") && journal.contains("\"step\":\"unfrozen\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_all_ends_every_run_and_cell_at_once_and_freezes_the_host() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let line = "trap '' TERM; echo begun; sleep 20 & wait; sleep 20";
    let (events, followed) = begun(&gateway, line).await;
    let config = config(&host);
    let before = Instant::now();
    let killing = {
        let config = config.clone();
        tokio::task::spawn_blocking(move || json(&config, "kill-all"))
    };
    let followed = ended(events, followed).await.unwrap();
    assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
    assert!(
        matches!(followed.ending(), Ending::Cancelled(_) | Ending::Lost(_)),
        "{:?}",
        followed.ending()
    );
    let end = killing.await.unwrap();
    assert_eq!((end["runs"].as_u64(), end["frozen"].as_bool()), (Some(1), Some(true)), "{end}");
    assert!(end["cells"].as_u64().unwrap() >= 1, "{end}");
    assert!(json(&config, "status")["runs"].as_array().unwrap().is_empty());
    let refused = gateway.run(gateway.request(sh("true"), |_| {})).await.unwrap_err();
    assert_eq!(reason(&refused), "HOST_FROZEN");
    assert!(owner(&config, &["unfreeze"]).status.success());
    assert_eq!(gateway.sh("true").await.code(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_all_ends_the_cells_of_an_agent_that_does_nothing_any_more() {
    let mut host = Host::start();
    let gateway = Gateway::of(&host);
    let line = "echo begun; sleep 25; touch survived";
    let (_events, _) = begun(&gateway, line).await;
    let pid = Pid::from_raw(host.agent_pid().cast_signed()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let status = json(&config(&host), "status");
    assert!(status["silent"].as_str().unwrap().contains("does not answer"), "{status}");
    let end = json(&config(&host), "kill-all");
    assert!(end["notes"][0].as_str().unwrap().contains("was killed"), "{end}");
    assert!(
        fs::read_to_string(format!("/proc/{}/status", host.agent_pid()))
            .map_or(true, |status| status.contains("zombie"))
    );
    host.crash_and_restart();
    assert!(host.journal().contains("\"kind\":\"lost\""));
    assert!(owner(&config(&host), &["unfreeze"]).status.success());
    let gateway = Gateway::of(&host);
    let running = gateway.sh("ls").await;
    assert!(!running.text().contains("survived"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owners_commands_tell_what_they_can_without_an_agent() {
    let mut host = Host::start();
    let config = config(&host);
    host.stop();
    for _ in 0..100 {
        if json(&config, "status")["agent"].is_null() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let status = json(&config, "status");
    assert!(status["agent"].is_null() && status["silent"].is_string(), "{status}");
    assert_eq!(status["certificate"]["name"], "spiffe://cofferdam/agent/test", "{status}");
    assert!(owner(&config, &["freeze"]).status.success());
    assert!(json(&config, "status")["frozen"].is_string());
    let shown = owner(&config, &["uninstall", "--show"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("journal") && shown.contains("workspaces"), "{shown}");
}

#[test]
fn unfreezing_takes_back_what_an_interrupted_kill_all_asked_of_systemd() {
    let host = Host::start();
    let (config, request) = (config(&host), host.directory.path().join("agent/kill-all"));
    assert!(owner(&config, &["freeze"]).status.success());
    fs::write(&request, "").unwrap();
    assert!(owner(&config, &["unfreeze"]).status.success());
    assert!(!request.exists());
    // One that stays is told of.
    fs::create_dir(&request).unwrap();
    let output = owner(&config, &["unfreeze"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && told.contains("warning") && told.contains("kill-all"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_at_the_local_socket_is_answered_with_nothing_and_ends_nothing() {
    let host = Host::start();
    let socket = host.directory.path().join("agent/control.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let long = vec![b'a'; 1 << 16];
    let parts: [&[u8]; 6] = [b"", b"\n", b"kill-al\n", b"status", b"\xff\x00\xfe\n", &long];
    // Those that say nothing at all hold places for two seconds at most.
    let silent: Vec<_> = (0..6).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    for part in parts {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // The agent may have hung up meanwhile.
        drop(stream.write_all(part));
        drop(stream.shutdown(Shutdown::Write));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        assert!(answer.is_empty(), "{:?}", String::from_utf8_lossy(&answer));
    }
    drop(silent);
    assert_eq!(json(&config(&host), "status")["agent"]["pid"], host.agent_pid());
}

#[test]
fn a_ceiling_is_checked_before_it_is_put_in_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ceiling.toml");
    let check = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam-agent"));
        command.args(["ceiling", "check"]).arg(&path).output().unwrap()
    };
    let example = include_str!("../../../../packaging/config/ceiling.toml");
    fs::write(&path, example).unwrap();
    let output = check();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && told.contains("is a ceiling"), "{output:?}");
    fs::write(&path, example.replace("cells = 64", "cels = 64")).unwrap();
    let output = check();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("cels"), "{told}");
}

/// What `cofferdam-agent metrics` prints.
fn metrics(host: &Host) -> String {
    let output = owner(&config(host), &["metrics"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn value(text: &str, sample: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{sample} is missing in\n{text}")).parse().unwrap()
}

#[allow(clippy::float_cmp, reason = "counts are whole, and compared as they are written")]
#[tokio::test(flavor = "multi_thread")]
async fn what_the_agent_counts_is_printed_and_what_files_say_where_none_answers() {
    let mut host = Host::start();
    let gateway = Gateway::of(&host);
    let (events, followed) = begun(&gateway, "echo begun; sleep 30").await;
    assert_eq!(gateway.sh("printf 1234; exit 3").await.text(), "1234");
    let text = metrics(&host);
    let of = |sample: &str| value(&text, &format!("cofferdam_{sample}"));
    assert_eq!((of("agent_up"), of("warden_up"), of("frozen")), (1.0, 1.0, 0.0));
    assert_eq!((of("runs"), of("outcomes_total{outcome=\"exited\"}")), (1.0, 1.0));
    assert!(of("cells") >= 1.0 && of("journal_sequence{state=\"durable\"}") > 2.0);
    assert_eq!(of("output_bytes_total{stream=\"stdout\"}"), 4.0);
    assert!((3000.0..=3600.0).contains(&of("lapse_left_seconds{what=\"own\"}")), "{text}");
    assert!(of("lapse_left_seconds{what=\"root\"}") > 1e8);
    assert_eq!(of("renewals_total{outcome=\"succeeded\"}"), 0.0);
    for said in ["alice", "sleep", "1234", "/srv"] {
        assert!(!text.contains(said), "{said} is told in\n{text}");
    }
    drop((events, followed));
    host.stop();
    let text = metrics(&host);
    let of = |sample: &str| value(&text, &format!("cofferdam_{sample}"));
    assert_eq!((of("agent_up"), of("frozen")), (0.0, 0.0));
    assert!(of("lapse_left_seconds{what=\"own\"}") > 3000.0 && text.ends_with("# EOF\n"));
}
