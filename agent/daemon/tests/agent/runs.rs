//! Commands: what they say, how they end, how they are ended.

use std::time::{Duration, Instant};

use cofferdam_proto::exec::v1::outcome::Ending;
use cofferdam_proto::exec::v1::{
    AttachRunRequest, CancelRunRequest, Command, DescribeRunRequest, EnvironmentVariable,
    ListRunsRequest, RunState,
};
use cofferdam_proto::intent::v1::Limits;
use tonic::Code;

use crate::gateway::{Followed, Gateway, limits, profile, reason, sh};
use crate::host::{Host, OWNER, is_root};

#[tokio::test]
async fn a_command_runs_in_its_workspace_and_its_output_comes_back() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    host.put("file", "content");
    let ran = gateway.sh("pwd; cat file; echo error >&2; exit 3").await;
    assert_eq!(ran.code(), 3, "{ran:?}");
    assert_eq!(ran.text(), format!("{}\ncontent", host.workspace.display()));
    assert_eq!(ran.stderr, b"error\n");
    let finished = ran.finished.unwrap();
    assert_eq!((finished.stdout_bytes, finished.stderr_bytes), (ran.stdout.len() as u64, 6));
    let layers = ran.started.unwrap().layers;
    assert!(layers.iter().any(|layer| layer.name == "landlock" && layer.effective), "{layers:?}");
    host.expect_records("intent", 1);
    host.expect_records("outcome", 1);
}

#[tokio::test]
async fn files_that_a_run_makes_belong_to_the_workspaces_owner() {
    use std::os::unix::fs::MetadataExt;
    let host = Host::start();
    let ran = Gateway::of(&host).sh("echo made > made && mkdir -p a/b && id -u").await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let made = std::fs::metadata(host.workspace.join("made")).unwrap();
    let owner = if is_root() { OWNER } else { rustix::process::geteuid().as_raw() };
    assert_eq!(made.uid(), owner);
    if is_root() {
        assert_ne!(ran.text().trim(), owner.to_string(), "the run has a user of its own");
    }
}

#[tokio::test]
async fn input_arguments_and_variables_arrive_byte_by_byte() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let stdin: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let cat = Command { program: b"/bin/cat".to_vec(), stdin: stdin.clone(), ..Command::default() };
    let ran = gateway.run(gateway.request(cat, |_| {})).await.unwrap();
    assert_eq!(ran.stdout, stdin);
    let printf = Command {
        program: b"printf".to_vec(),
        arguments: vec![b"%s|%s".to_vec(), b"a b\xff".to_vec(), b"$HOME".to_vec()],
        ..Command::default()
    };
    let ran = gateway.run(gateway.request(printf, |_| {})).await.unwrap();
    assert_eq!(ran.stdout, b"a b\xff|$HOME");
    let value = b"caf\xe9 'x'".to_vec();
    let environment = vec![EnvironmentVariable { name: "GREETING".into(), value: value.clone() }];
    let print = Command { environment, ..sh("printf %s \"$GREETING\"") };
    let ran = gateway.run(gateway.request(print, |_| {})).await.unwrap();
    assert_eq!(ran.stdout, value);
}

#[tokio::test]
async fn a_run_without_input_sees_no_pipe() {
    let host = Host::start();
    let ran = Gateway::of(&host).sh("readlink /proc/self/fd/0; cat").await;
    assert_eq!(ran.text(), "/dev/null\n", "{ran:?}");
}

#[tokio::test]
async fn what_cannot_start_says_at_which_step_and_why() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let start = async |program: &str, directory: &str| {
        let command = Command {
            program: program.into(),
            working_directory: directory.into(),
            ..Command::default()
        };
        let ran = gateway.run(gateway.request(command, |_| {})).await.unwrap();
        assert!(ran.started.is_none());
        match ran.ending() {
            Ending::FailedToStart(failed) => (failed.step, failed.errno),
            other => panic!("it started: {other:?}"),
        }
    };
    assert_eq!(start("no-such-program", "").await.0, "find program");
    assert_eq!(start("/usr/bin", "").await.0, "execute");
    assert_eq!(start("true", "missing").await, ("working directory".to_owned(), 2));
}

#[tokio::test]
async fn wall_time_and_output_are_limited() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let short = Limits { wall_millis: 300, ..Limits::default() };
    let late = gateway.request(sh("trap '' TERM; sleep 60 & sleep 60"), |i| limits(i, short));
    let began = Instant::now();
    let ran = gateway.run(late).await.unwrap();
    assert!(matches!(ran.ending(), Ending::TimedOut(_)), "{ran:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
    let little = Limits { output_bytes: 10_000, ..Limits::default() };
    let ran = gateway.run(gateway.request(sh("yes"), |i| limits(i, little))).await.unwrap();
    match ran.ending() {
        Ending::LimitHit(hit) => assert_eq!((hit.limit.as_str(), hit.value), ("output", 10_000)),
        other => panic!("{other:?}"),
    }
    assert_eq!(ran.stdout.len(), 10_000);
}

#[tokio::test]
async fn memory_is_limited_where_there_is_a_controller() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let little = Limits { memory_bytes: 64 << 20, ..Limits::default() };
    let hungry = sh("exec perl -e '$x = \"a\" x (1 << 29); sleep 1'");
    let ran = gateway.run(gateway.request(hungry, |i| limits(i, little))).await.unwrap();
    let counted = ran
        .started
        .as_ref()
        .unwrap()
        .layers
        .iter()
        .any(|layer| layer.name == "cgroup" && layer.effective);
    match ran.ending() {
        Ending::OutOfMemory(out) => assert!(out.peak_bytes > 32 << 20, "{out:?}"),
        other => assert!(!counted, "{other:?}"),
    }
    if counted {
        let usage = gateway.sh("true").await.finished.unwrap().usage.unwrap();
        assert!(usage.peak_memory_bytes > 0);
    }
}

#[tokio::test]
async fn a_tree_that_outlives_its_first_process_is_ended_with_it() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let began = Instant::now();
    let ran = gateway.sh("setsid sh -c 'sleep 30' & echo gone").await;
    assert_eq!((ran.code(), ran.text().as_str()), (0, "gone\n"));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn the_same_run_attaches_and_another_action_is_refused() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let request = gateway.request(sh("echo once >> count; sleep 1; echo done"), |_| {});
    let (first, second) = tokio::join!(gateway.run(request.clone()), gateway.run(request.clone()));
    assert_eq!(first.unwrap().text(), "done\n");
    assert_eq!(second.unwrap().text(), "done\n");
    // Long after its end, too.
    assert_eq!(gateway.run(request.clone()).await.unwrap().text(), "done\n");
    assert_eq!(std::fs::read_to_string(host.workspace.join("count")).unwrap(), "once\n");
    let intent = cofferdam_trust::verify_intent(
        &cofferdam_trust::TrustedKeys::from_iter([gateway.key.public_key()]),
        &request.intent.unwrap(),
    );
    let run_id = intent.unwrap().run_id;
    let other = gateway.request(sh("echo other"), |intent| intent.run_id = run_id);
    let refused = gateway.run(other).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::AlreadyExists, "RUN_ID_USED"));
}

#[tokio::test]
async fn a_run_can_be_described_attached_to_and_cancelled() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let mut exec = gateway.exec();
    let request = gateway.request(sh("echo begun; sleep 60"), |_| {});
    let mut events = exec.start_run(request).await.unwrap().into_inner();
    let mut followed = Followed::default();
    while followed.stdout.is_empty() {
        followed.take(events.message().await.unwrap().unwrap().event.unwrap());
    }
    let run_id = followed.started.as_ref().unwrap().run_id.clone();
    let described = DescribeRunRequest { run_id: run_id.clone() };
    let run = exec.describe_run(described.clone()).await.unwrap().into_inner().run.unwrap();
    assert_eq!(run.state(), RunState::Running);
    assert_eq!(run.subject.unwrap().user, "alice");
    let listed = exec.list_runs(ListRunsRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.runs.len(), 1);
    let attach = AttachRunRequest {
        run_id: run_id.clone(),
        stdout_offset: 2,
        stderr_offset: 0,
        hold: false,
    };
    let mut attached = exec.attach_run(attach).await.unwrap().into_inner();
    exec.cancel_run(CancelRunRequest { run_id }).await.unwrap();
    let mut seen = Vec::new();
    while let Some(response) = attached.message().await.unwrap() {
        seen.push(response.event.unwrap());
    }
    while let Some(response) = events.message().await.unwrap() {
        followed.take(response.event.unwrap());
    }
    match followed.ending() {
        Ending::Cancelled(cancelled) => assert_eq!(cancelled.by, "caller"),
        other => panic!("{other:?}"),
    }
    assert!(format!("{seen:?}").contains("Cancelled"), "{seen:?}");
    let run = exec.describe_run(described).await.unwrap().into_inner().run.unwrap();
    assert_eq!(run.state(), RunState::Ended);
}

#[tokio::test]
async fn a_run_that_nobody_follows_is_ended() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let request = gateway.request(sh("sleep 60"), |_| {});
    let mut events = gateway.exec().start_run(request).await.unwrap().into_inner();
    let mut followed = Followed::default();
    followed.take(events.message().await.unwrap().unwrap().event.unwrap());
    drop(events);
    let run_id = followed.started.unwrap().run_id;
    let began = Instant::now();
    loop {
        let describe = DescribeRunRequest { run_id: run_id.clone() };
        let run = gateway.exec().describe_run(describe).await.unwrap().into_inner().run.unwrap();
        if let Some(outcome) = run.outcome {
            assert!(matches!(outcome.ending, Some(Ending::Cancelled(_))), "{outcome:?}");
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(began.elapsed() > Duration::from_secs(1), "there was no grace");
}

#[tokio::test]
async fn a_slow_reader_holds_the_run_up_and_loses_nothing() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let request = gateway.request(sh("head -c 1000000 /dev/zero | tr '\\0' x"), |_| {});
    let mut events = gateway.exec().start_run(request).await.unwrap().into_inner();
    let mut followed = Followed::default();
    tokio::time::sleep(Duration::from_secs(1)).await;
    while let Some(response) = events.message().await.unwrap() {
        followed.take(response.event.unwrap());
    }
    assert_eq!((followed.stdout.len(), followed.gaps), (1_000_000, 0));
    assert_eq!(followed.code(), 0);
}

#[tokio::test]
async fn readers_that_do_not_read_stop_nobody_else_on_their_connection() {
    let host = Host::start_with(|directory| {
        let change = |file: &str, from: &str, to: &str| {
            let path = directory.join(file);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{text}");
            std::fs::write(path, text.replace(from, to)).unwrap();
        };
        change("agent/agent.toml", "runs = 4", "runs = 8");
        change("host/ceiling.toml", "output = \"1MiB\"", "output = \"1GiB\"");
    });
    let gateway = Gateway::of(&host);
    let much = |intent: &mut cofferdam_proto::intent::v1::Intent| {
        let limits = Limits { output_bytes: 1 << 30, ..Limits::default() };
        intent.grant.as_mut().unwrap().limits = Some(limits);
    };
    let mut stalled = Vec::new();
    for _ in 0..6 {
        let endless = gateway.request(sh("exec cat /dev/zero"), much);
        stalled.push(gateway.exec().start_run(endless).await.unwrap().into_inner());
    }
    // Until all that is between them and their runs is full.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let began = Instant::now();
    let other = gateway.run(gateway.request(sh("head -c 20000000 /dev/zero"), much)).await.unwrap();
    assert_eq!((other.stdout.len(), other.gaps, other.code()), (20_000_000, 0, 0));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    // And they lost nothing: what they come to later begins where they are.
    let mut followed = Followed::default();
    while followed.stdout.len() < 4 << 20 {
        followed.take(stalled[0].message().await.unwrap().unwrap().event.unwrap());
    }
    assert_eq!(followed.gaps, 0);
    // The connection tells that they left only while this thread lets it.
    drop(stalled);
    tokio::time::sleep(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn only_the_granted_programs_can_be_executed() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let line = "echo shell; /usr/bin/id; cp /usr/bin/env . ; ./env";
    let request = gateway.request(sh(line), |intent| {
        let programs = ["/bin/sh", "/usr/bin/dash", "/usr/bin/cp"];
        intent.grant.as_mut().unwrap().programs = programs.map(str::to_owned).to_vec();
    });
    let ran = gateway.run(request).await.unwrap();
    assert_eq!(ran.text(), "shell\n", "{ran:?}");
    let refused = String::from_utf8(ran.stderr).unwrap();
    assert!(refused.contains("id: Permission denied"), "{refused}");
    assert!(refused.contains("env"), "{refused}");
}

#[tokio::test]
async fn only_the_build_profile_executes_what_was_built() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let line = "printf '#!/bin/sh\\necho built\\n' > tool && chmod +x tool && ./tool";
    let with = |name: &'static str| gateway.request(sh(line), move |i| profile(i, name));
    assert_eq!(gateway.run(with("build")).await.unwrap().text(), "built\n");
    assert_eq!(gateway.run(with("default")).await.unwrap().code(), 126);
    let readonly = gateway.run(with("readonly")).await.unwrap();
    assert_ne!(readonly.code(), 0);
    assert!(String::from_utf8_lossy(&readonly.stderr).contains("ead-only"), "{readonly:?}");
}

#[tokio::test]
async fn more_calls_than_places_wait_a_while_and_are_then_refused() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let eight = |line: &'static str| {
        futures_join((0..8).map(|_| gateway.run(gateway.request(sh(line), |_| {}))))
    };
    // Twice as many as there are places: the second half waits for the first.
    for run in eight("sleep 0.3").await {
        assert_eq!(run.unwrap().code(), 0);
    }
    let all = eight("sleep 5").await;
    let refused: Vec<_> = all.iter().filter_map(|run| run.as_ref().err()).collect();
    assert_eq!(refused.len(), 4, "{refused:?}");
    for status in refused {
        assert_eq!(reason(status), "TOO_MANY_RUNS");
    }
    for _ in 0..20 {
        assert_eq!(gateway.sh("true").await.code(), 0);
    }
}

async fn futures_join<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|cx| {
        all.retain_mut(|future| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => {
                done.push(output);
                false
            }
            std::task::Poll::Pending => true,
        });
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}
