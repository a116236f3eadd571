//! Sessions: what lasts from run to run, for whom, and for how long.

use std::time::Duration;

use cofferdam_proto::exec::v1::Command;
use cofferdam_proto::intent::v1::{Intent, Limits};

use crate::gateway::{Followed, Gateway, limits, profile, reason, sh};
use crate::host::{Host, is_root};

/// Runs a shell line in a session of the given name.
async fn within(gateway: &Gateway, session: &str, line: &str) -> Followed {
    let change = |intent: &mut Intent| session.clone_into(&mut intent.session);
    gateway.run(gateway.request(sh(line), change)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sessions_runs_share_their_scratch_places_and_no_other_session_does() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let left = within(&gateway, "one", "echo secret > /tmp/left; echo x > ~/left").await;
    assert_eq!(left.code(), 0);
    assert_eq!(within(&gateway, "one", "cat /tmp/left ~/left").await.text(), "secret\nx\n");
    assert_ne!(within(&gateway, "two", "cat /tmp/left ~/left").await.code(), 0);
    for change in [
        (|intent: &mut Intent| intent.subject.as_mut().unwrap().user = "bob".to_owned())
            as fn(&mut Intent),
        |intent| intent.subject.as_mut().unwrap().tenant = "other".to_owned(),
        |intent| intent.project = "other".to_owned(),
    ] {
        let change = |intent: &mut Intent| {
            "one".clone_into(&mut intent.session);
            change(intent);
        };
        let run = gateway.run(gateway.request(sh("cat /tmp/left"), change)).await.unwrap();
        assert_ne!(run.code(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_one_shot_run_shares_nothing_with_its_session() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    gateway.sh("echo x > /tmp/left").await;
    let alone = Command { one_shot: true, ..sh("cat /tmp/left; echo y > /tmp/other") };
    let alone = gateway.run(gateway.request(alone, |_| {})).await.unwrap();
    assert_eq!(alone.text(), "");
    assert_eq!(gateway.sh("cat /tmp/left; ls /tmp").await.text(), "x\nleft\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_background_run_leaves_serves_later_runs_until_its_session_is_idle() {
    if !is_root() {
        // Without cgroups nothing can be told apart, and nothing is left.
        return;
    }
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let short = |intent: &mut Intent| profile(intent, "short");
    let server = "setsid python3 -c 'import socket; s=socket.socket(); s.bind((\"127.0.0.1\",7000)); \
                  s.listen(); exec(\"while True: s.accept()[0].send(b\\\"served\\\")\")' >&- 2>&- &";
    let command = Command { background: true, ..sh(server) };
    let started = gateway.run(gateway.request(command, short)).await.unwrap();
    assert_eq!(started.code(), 0);
    let ask = "for i in 1 2 3 4 5 6 7 8 9; do python3 -c 'import socket; \
               print(socket.create_connection((\"127.0.0.1\",7000)).recv(9).decode())' && break; \
               sleep 0.1; done 2>&-";
    let asked = gateway.run(gateway.request(sh(ask), short)).await.unwrap();
    assert_eq!(asked.text(), "served\n");
    // The profile's `session.idle` is a second, and the agent looks each second.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let asked = gateway.run(gateway.request(sh("pgrep -c python3"), short)).await.unwrap();
    assert_eq!(asked.text(), "0\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_background_nothing_outlives_its_run() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    gateway.sh("setsid sleep 1000 >&- 2>&- &").await;
    assert_eq!(gateway.sh("pgrep -c sleep").await.text(), "0\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn background_is_refused_where_the_profile_does_not_allow_it() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let command = Command { background: true, ..sh("true") };
    let change = |intent: &mut Intent| profile(intent, "alone");
    let refused = gateway.run(gateway.request(command, change)).await.unwrap_err();
    assert_eq!(reason(&refused), "INVALID_FIELD");
    assert!(refused.message().contains("session.background"), "{}", refused.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_one_session_go_on_beside_each_other() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let slow = within(&gateway, "s", "sleep 1; echo slow");
    let quick = within(&gateway, "s", "echo quick");
    let (slow, quick) = tokio::join!(slow, quick);
    assert_eq!((slow.text().as_str(), quick.text().as_str()), ("slow\n", "quick\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrower_grant_gets_less_in_the_same_session() {
    if !is_root() {
        return;
    }
    let host = Host::start();
    let gateway = Gateway::of(&host);
    gateway.sh("echo x > /tmp/left").await;
    let fewer = |intent: &mut Intent| {
        let programs = ["/usr/bin/sh", "/usr/bin/cat"].map(str::to_owned).to_vec();
        intent.grant.as_mut().unwrap().programs = programs;
        limits(intent, Limits { processes: 4, ..Limits::default() });
    };
    let line = "cat /tmp/left; ls; cat & cat & cat & cat & cat & wait";
    let run = gateway.run(gateway.request(sh(line), fewer)).await.unwrap();
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(run.text(), "x\n", "{said}");
    assert!(said.contains("ls: Permission denied"), "{said}");
    assert!(said.contains("fork"), "{said}");
    assert_eq!(gateway.sh("ls > /dev/null").await.code(), 0);
    let told = run.finished.unwrap().sandbox.unwrap().denials;
    assert!(told.iter().any(|denial| denial.setting == "limits.processes"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_sessions_than_cells_take_turns_and_each_begins_anew() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    // The ceiling allows 32 cells.
    for number in 0..40 {
        let session = format!("session {number}");
        let run = within(&gateway, &session, "ls /tmp; echo x > /tmp/left").await;
        assert_eq!((run.code(), run.text().as_str()), (0, ""), "{session}");
    }
    // The oldest had to make room.
    assert_eq!(within(&gateway, "session 0", "ls /tmp").await.text(), "");
    assert_eq!(within(&gateway, "session 39", "ls /tmp").await.text(), "left\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_that_is_killed_from_outside_is_replaced() {
    if !is_root() {
        return;
    }
    let host = Host::start();
    let gateway = Gateway::of(&host);
    gateway.sh("echo x > /tmp/left").await;
    for pid in host.pids_of_cells() {
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(gateway.sh("ls /tmp; echo new").await.text(), "new\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_run_ends_at_its_limit() {
    use cofferdam_proto::exec::v1::outcome::Ending;
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let change = |intent: &mut Intent| profile(intent, "short");
    let line = "for i in 1 2 3 4; do echo $i; sleep 0.4; done; sleep 1000";
    let run = gateway.run(gateway.request(sh(line), change)).await.unwrap();
    assert_eq!(run.text(), "1\n2\n3\n4\n");
    let Ending::LimitHit(hit) = run.ending() else { panic!("{:?}", run.ending()) };
    assert!(hit.limit.contains("idle"), "{hit:?}");
}
