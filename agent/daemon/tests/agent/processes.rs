//! Runs that go on while nobody follows them: what they print, what they are given
//! to read, their terminals, signals, and whose they are.

use std::time::{Duration, Instant};

use cofferdam_proto::exec::v1::outcome::Ending;
use cofferdam_proto::exec::v1::{
    AttachRunRequest, Command, DescribeRunRequest, KeepRunRequest, ListRunsRequest,
    ResizeRunRequest, RunInput, RunOwner, RunSignal, RunSignalKind, RunSize, RunState, RunSummary,
    Sender, SignalRunRequest, Terminal, WriteRunRequest,
};
use tonic::{Code, Status};

use crate::gateway::{Followed, Gateway, profile, reason, sh};
use crate::host::{Host, is_root};

/// Starts a run, waits until it runs, and leaves it to itself.
async fn keep(gateway: &Gateway, command: Command) -> String {
    let request = gateway.request(command, |_| {});
    let mut events = gateway.exec().start_run(request).await.unwrap().into_inner();
    let mut followed = Followed::default();
    followed.take(events.message().await.unwrap().unwrap().event.unwrap());
    let run_id = followed.started.clone().unwrap_or_else(|| panic!("{followed:?}")).run_id;
    let kept =
        gateway.exec().keep_run(KeepRunRequest { run_id: run_id.clone(), hold: false }).await;
    kept.unwrap();
    run_id
}

async fn describe(gateway: &Gateway, run_id: &str) -> RunSummary {
    let request = DescribeRunRequest { run_id: run_id.to_owned() };
    gateway.exec().describe_run(request).await.unwrap().into_inner().run.unwrap()
}

/// Follows a run from the beginning until `enough`, or to its end.
async fn read(gateway: &Gateway, run_id: &str, enough: impl Fn(&Followed) -> bool) -> Followed {
    read_from(gateway, run_id, [0, 0], enough).await
}

async fn read_from(
    gateway: &Gateway,
    run_id: &str,
    [stdout_offset, stderr_offset]: [u64; 2],
    enough: impl Fn(&Followed) -> bool,
) -> Followed {
    let request =
        AttachRunRequest { run_id: run_id.to_owned(), stdout_offset, stderr_offset, hold: false };
    let mut events = gateway.exec().attach_run(request).await.unwrap().into_inner();
    let mut followed = Followed::default();
    let reading = async {
        while let Some(response) = events.message().await.unwrap() {
            followed.take(response.event.unwrap());
            if enough(&followed) {
                break;
            }
        }
    };
    let read = tokio::time::timeout(Duration::from_secs(20), reading).await;
    assert!(read.is_ok(), "waited 20 s: {:?}", String::from_utf8_lossy(&followed.stdout));
    followed
}

fn says(text: &str) -> impl Fn(&Followed) -> bool + '_ {
    move |followed| String::from_utf8_lossy(&followed.stdout).contains(text)
}

async fn write(
    gateway: &Gateway,
    run_id: &str,
    offset: Option<u64>,
    data: &[u8],
    end: bool,
) -> Result<(u64, u64), Status> {
    let input = RunInput { run_id: run_id.to_owned(), offset, data: data.to_vec(), end };
    let intent = Some(gateway.signed(&input, |_| {}));
    let request = WriteRunRequest { intent, input: Some(input) };
    let taken = gateway.exec().write_run(request).await?.into_inner().taken.unwrap();
    Ok((taken.offset, taken.bytes))
}

async fn signal(gateway: &Gateway, run_id: &str, signal: RunSignalKind) -> Result<(), Status> {
    let signal = RunSignal { run_id: run_id.to_owned(), signal: signal.into() };
    let intent = Some(gateway.signed(&signal, |_| {}));
    gateway.exec().signal_run(SignalRunRequest { intent, signal: Some(signal) }).await.map(drop)
}

fn open(line: &str) -> Command {
    Command { stdin_open: true, ..sh(line) }
}

fn on_terminal(line: &str) -> Command {
    Command { terminal: Some(Terminal { rows: 24, columns: 80 }), ..sh(line) }
}

#[tokio::test]
async fn a_run_that_is_kept_goes_on_and_each_reader_gets_all_of_it_once() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let run = keep(&gateway, sh("echo first; sleep 4; echo last; exit 7")).await;
    // Nobody follows it for longer than others are left alone.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(describe(&gateway, &run).await.state(), RunState::Running);
    let (one, other) =
        tokio::join!(read(&gateway, &run, |_| false), read(&gateway, &run, |_| false));
    for followed in [one, other, read(&gateway, &run, |_| false).await] {
        assert_eq!((followed.text().as_str(), followed.code()), ("first\nlast\n", 7));
        assert_eq!(followed.gaps, 0);
    }
    let summary = describe(&gateway, &run).await;
    assert!(summary.kept && summary.ended_at.is_some() && summary.project == "test");
    assert_eq!(summary.command, "echo first; sleep 4; echo last; exit 7");
}

#[tokio::test]
async fn what_a_kept_run_printed_too_much_is_a_gap_and_holds_up_nothing() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let run = keep(&gateway, sh("head -c 600000 /dev/zero; echo end")).await;
    while describe(&gateway, &run).await.state() != RunState::Ended {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let followed = read(&gateway, &run, |_| false).await;
    assert_eq!(followed.gaps + followed.stdout.len() as u64, 600_004);
    // The spool of this host holds 128 KiB of each stream, and beyond that what was
    // left in the pipe when the run ended.
    assert!(followed.gaps >= 600_004 - (128 + 64) * 1024, "{}", followed.gaps);
    assert!(followed.stdout.ends_with(b"end\n"));
}

#[tokio::test]
async fn what_a_run_prints_before_its_first_reader_comes_waits_for_it() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let mut request = gateway.request(sh("head -c 600000 /dev/zero; echo end"), |_| {});
    request.hold = true;
    let mut events = gateway.exec().start_run(request).await.unwrap().into_inner();
    let mut followed = Followed::default();
    followed.take(events.message().await.unwrap().unwrap().event.unwrap());
    let run_id = followed.started.unwrap().run_id;
    // As long as it would take to print all of it, while this one reads. It may get at
    // once all that is printed until it leaves, so it waits for no second piece.
    drop(events.message().await.unwrap());
    tokio::time::sleep(Duration::from_millis(300)).await;
    let kept = KeepRunRequest { run_id: run_id.clone(), hold: true };
    gateway.exec().keep_run(kept).await.unwrap();
    drop(events);
    let followed = read(&gateway, &run_id, |_| false).await;
    assert_eq!((followed.gaps, followed.stdout.len()), (0, 600_004));
}

#[tokio::test]
async fn input_is_taken_in_order_and_each_byte_once() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let run = keep(&gateway, open("cat; echo over")).await;
    assert_eq!(write(&gateway, &run, Some(0), b"one ", false).await.unwrap(), (4, 4));
    assert_eq!(write(&gateway, &run, Some(0), b"one ", false).await.unwrap(), (4, 4));
    assert_eq!(write(&gateway, &run, None, b"two ", false).await.unwrap(), (8, 4));
    let ahead = write(&gateway, &run, Some(20), b"x", false).await.unwrap_err();
    assert_eq!((ahead.code(), reason(&ahead)), (Code::OutOfRange, "INPUT_AHEAD".to_owned()));
    write(&gateway, &run, None, b"three\n", true).await.unwrap();
    let followed = read(&gateway, &run, |_| false).await;
    assert_eq!(followed.text(), "one two three\nover\n");
    let late = write(&gateway, &run, None, b"x", false).await.unwrap_err();
    assert_eq!(late.code(), Code::FailedPrecondition, "{late:?}");
    let journal = host.journal();
    assert!(journal.contains("write_run") && !journal.contains("three"), "{journal}");
}

#[tokio::test]
async fn a_run_that_does_not_read_takes_a_bounded_amount_and_blocks_nobody() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let run = keep(&gateway, open("sleep 20")).await;
    let chunk = vec![b'x'; 200_000];
    let mut taken = 0;
    for _ in 0..4 {
        let began = Instant::now();
        (taken, _) = write(&gateway, &run, Some(taken), &chunk, false).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    // What waits at the agent, what a pipe holds, and a bit on the way.
    assert!((200_000..450_000).contains(&taken), "{taken}");
    let closed = keep(&gateway, sh("sleep 20")).await;
    let refused = write(&gateway, &closed, None, b"x", false).await.unwrap_err();
    assert_eq!(reason(&refused), "INPUT_CLOSED");
    for run in [run, closed] {
        signal(&gateway, &run, RunSignalKind::Kill).await.unwrap();
        let ended = read(&gateway, &run, |_| false).await;
        assert!(matches!(ended.ending(), Ending::Cancelled(_)), "{ended:?}");
    }
}

#[tokio::test]
async fn a_terminal_has_a_size_shows_what_is_typed_and_is_resized() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let line = "trap 'stty size' WINCH; stty size; test -t 0 && test -t 1 && echo tty $TERM; \
                while :; do read line || break; echo got $line; done; echo over";
    let run = keep(&gateway, on_terminal(line)).await;
    read(&gateway, &run, says("tty xterm-256color")).await;
    assert!(says("24 80\r\n")(&read(&gateway, &run, says("24 80")).await));
    write(&gateway, &run, None, b"word\r", false).await.unwrap();
    read(&gateway, &run, says("got word")).await;
    let size = RunSize { run_id: run.clone(), terminal: Some(Terminal { rows: 50, columns: 132 }) };
    let intent = Some(gateway.signed(&size, |_| {}));
    gateway.exec().resize_run(ResizeRunRequest { intent, size: Some(size) }).await.unwrap();
    read(&gateway, &run, says("50 132")).await;
    assert_eq!(describe(&gateway, &run).await.terminal.unwrap().columns, 132);
    // The end of the input is a key there.
    write(&gateway, &run, None, b"", true).await.unwrap();
    let followed = read(&gateway, &run, |_| false).await;
    assert!(says("over")(&followed) && followed.code() == 0, "{}", followed.text());
}

#[tokio::test]
async fn signals_reach_the_foreground_of_a_terminal() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    // An interactive shell gives each of its jobs a group of its own.
    let shell = Command {
        program: b"/bin/bash".to_vec(),
        arguments: [&b"--norc"[..], b"--noprofile", b"-i"].map(<[u8]>::to_vec).to_vec(),
        terminal: Some(Terminal { rows: 24, columns: 80 }),
        ..Command::default()
    };
    let run = keep(&gateway, shell).await;
    write(&gateway, &run, None, b"echo be\"gun\"; sleep 300; echo sta\"tus\" $?\r", false)
        .await
        .unwrap();
    read(&gateway, &run, says("begun\r\n")).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    signal(&gateway, &run, RunSignalKind::Int).await.unwrap();
    read(&gateway, &run, says("$ ")).await;
    // By key, as the terminal's line discipline has it.
    write(&gateway, &run, None, b"sleep 300\r", false).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    write(&gateway, &run, None, b"\x03", false).await.unwrap();
    write(&gateway, &run, None, b"echo al\"ive\"\r", false).await.unwrap();
    read(&gateway, &run, says("alive\r\n")).await;
    write(&gateway, &run, None, b"exit 3\r", false).await.unwrap();
    assert_eq!(read(&gateway, &run, |_| false).await.code(), 3);
}

#[tokio::test]
async fn a_signal_that_ends_a_run_is_the_callers_and_kill_ends_its_tree() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let run = keep(&gateway, sh("exec sleep 300")).await;
    signal(&gateway, &run, RunSignalKind::Usr1).await.unwrap();
    match read(&gateway, &run, |_| false).await.ending() {
        Ending::Signalled(signalled) => {
            assert_eq!(signalled.name, "SIGUSR1");
            assert_eq!(signalled.sender(), Sender::Caller, "{signalled:?}");
        }
        other => panic!("{other:?}"),
    }
    let ended = signal(&gateway, &run, RunSignalKind::Term).await.unwrap_err();
    assert_eq!(reason(&ended), "RUN_ENDED");
    let tree =
        "trap '' TERM INT HUP; (trap '' TERM HUP; echo child; sleep 5; touch survived) & wait";
    let run = keep(&gateway, sh(tree)).await;
    read(&gateway, &run, says("child")).await;
    signal(&gateway, &run, RunSignalKind::Kill).await.unwrap();
    let ended = read(&gateway, &run, |_| false).await;
    assert!(matches!(ended.ending(), Ending::Cancelled(_)), "{ended:?}");
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(!host.workspace.join("survived").exists());
}

#[tokio::test]
async fn a_run_of_another_user_tenant_or_project_is_answered_as_none() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let run = keep(&gateway, open("cat")).await;
    let input = RunInput { run_id: run.clone(), data: b"x".to_vec(), ..RunInput::default() };
    let nobody = RunInput { run_id: uuid::Uuid::new_v4().to_string(), ..input.clone() };
    let none = {
        let intent = Some(gateway.signed(&nobody, |_| {}));
        let request = WriteRunRequest { intent, input: Some(nobody) };
        gateway.exec().write_run(request).await.unwrap_err()
    };
    for stranger in ["user", "tenant", "project"] {
        let intent = gateway.signed(&input, |intent| {
            let subject = intent.subject.as_mut().unwrap();
            match stranger {
                "user" => "mallory".clone_into(&mut subject.user),
                "tenant" => "other".clone_into(&mut subject.tenant),
                _ => "other".clone_into(&mut intent.project),
            }
        });
        let request = WriteRunRequest { intent: Some(intent), input: Some(input.clone()) };
        let refused = gateway.exec().write_run(request).await.unwrap_err();
        assert_eq!(
            (refused.code(), refused.message()),
            (none.code(), none.message()),
            "{stranger}"
        );
    }
    let listed = async |user: &str, project: &str| {
        let owner =
            RunOwner { user: user.to_owned(), project: project.to_owned(), ..RunOwner::default() };
        let request = ListRunsRequest { owner: Some(owner), ..ListRunsRequest::default() };
        gateway.exec().list_runs(request).await.unwrap().into_inner().runs.len()
    };
    assert_eq!(listed("alice", "test").await, 1);
    assert_eq!(listed("alice", "").await, 1);
    assert_eq!(listed("alice", "other").await + listed("mallory", "test").await, 0);
    let other = RunInput { data: b"y".to_vec(), ..input.clone() };
    let intent = Some(gateway.signed(&other, |_| {}));
    let request = WriteRunRequest { intent, input: Some(input) };
    let forged = gateway.exec().write_run(request).await.unwrap_err();
    assert_eq!(reason(&forged), "INTENT_OTHER_ACTION");
    write(&gateway, &run, None, b"", true).await.unwrap();
}

#[tokio::test]
async fn a_run_that_the_agent_went_down_with_says_that_it_was_lost_and_why() {
    let mut host = Host::start();
    let gateway = Gateway::of(&host);
    let run = keep(&gateway, sh("echo begun; sleep 60")).await;
    read(&gateway, &run, says("begun")).await;
    host.crash_and_restart();
    let gateway = Gateway::of(&host);
    let summary = describe(&gateway, &run).await;
    assert_eq!((summary.state(), summary.project.as_str()), (RunState::Ended, "test"));
    assert_eq!(summary.subject.unwrap().user, "alice");
    match read(&gateway, &run, |_| false).await.ending() {
        Ending::Lost(lost) => assert!(lost.reason.contains("the agent ended"), "{lost:?}"),
        other => panic!("{other:?}"),
    }
}

/// What the agent holds in memory, in bytes.
fn resident(host: &Host) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.agent_pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn two_hundred_runs_with_output_at_once_leave_the_agent_small() {
    if !is_root() {
        eprintln!("skipped: without cgroups each run needs a cell of its own");
        return;
    }
    let host = Host::start_with(|directory| {
        let change = |file: &str, from: &str, to: &str| {
            let path = directory.join(file);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{text}");
            std::fs::write(path, text.replace(from, to)).unwrap();
        };
        change("agent/agent.toml", "runs = 4", "runs = 256");
        change("agent/agent.toml", "spool = \"128KiB\"\n", "");
        change("host/ceiling.toml", "processes = 128", "processes = 2048");
        change("host/ceiling.toml", "output = \"1MiB\"", "output = \"64MiB\"");
        change("host/ceiling.toml", "memory = \"1GiB\"", "memory = \"4GiB\"");
    });
    let gateway = Gateway::of(&host);
    let before = resident(&host);
    let line = "head -c 3000000 /dev/zero; head -c 100000 /dev/zero >&2; echo; echo done; read end";
    let mut runs = Vec::new();
    for _ in 0..200 {
        let request = gateway.request(open(line), |intent| profile(intent, "default"));
        let mut events = gateway.exec().start_run(request).await.unwrap().into_inner();
        let first = events.message().await.unwrap().unwrap().event.unwrap();
        let mut followed = Followed::default();
        followed.take(first);
        let run_id = followed.started.clone().unwrap_or_else(|| panic!("{followed:?}")).run_id;
        gateway
            .exec()
            .keep_run(KeepRunRequest { run_id: run_id.clone(), hold: false })
            .await
            .unwrap();
        runs.push(run_id);
    }
    let mut most = 0;
    for run in &runs {
        loop {
            let summary = describe(&gateway, run).await;
            assert_eq!(summary.state(), RunState::Running, "{summary:?}");
            most = most.max(resident(&host));
            if summary.stdout.unwrap().end == 3_000_006 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let mib = |bytes: u64| bytes / (1 << 20);
    println!("agent: {} MiB before, at most {} MiB with 200 runs", mib(before), mib(most));
    assert!(most < 100 << 20, "the agent took {} MiB", mib(most));
    for run in &runs {
        write(&gateway, run, None, b"\n", true).await.unwrap();
    }
    // Without its standard error.
    let last = read_from(&gateway, &runs[199], [0, u64::MAX], |_| false).await;
    assert_eq!((last.code(), last.stderr.len()), (0, 0));
    assert_eq!(last.gaps + last.stdout.len() as u64, 3_000_006);
    assert!(last.stdout.ends_with(b"\ndone\n"));
}
