//! A crash leaves no run without an end and no door for a replay; a stop ends
//! what runs.

use std::time::{Duration, Instant};

use cofferdam_proto::exec::v1::outcome::Ending;

use crate::gateway::{Followed, Gateway, sh};
use crate::host::Host;

#[tokio::test]
async fn a_call_that_the_agent_went_down_with_is_lost_and_not_replayed() {
    let mut host = Host::start();
    let gateway = Gateway::of(&host);
    let request = gateway.request(sh("echo begun; sleep 30; touch survived"), |_| {});
    let mut events = gateway.exec().start_run(request.clone()).await.unwrap().into_inner();
    let mut followed = Followed::default();
    while followed.stdout.is_empty() {
        followed.take(events.message().await.unwrap().unwrap().event.unwrap());
    }
    host.crash_and_restart();
    let gateway = Gateway::of(&host);
    let journal = host.journal();
    assert!(journal.contains("\"kind\":\"lost\""), "{journal}");
    // Who asks for the same again hears what became of it, and starts nothing.
    let mut events = gateway.exec().start_run(request.clone()).await.unwrap().into_inner();
    let mut again = Followed::default();
    while let Some(response) = events.message().await.unwrap() {
        again.take(response.event.unwrap());
    }
    match again.ending() {
        Ending::Lost(lost) => assert!(lost.reason.contains("agent"), "{lost:?}"),
        other => panic!("{other:?}"),
    }
    let mut another = request;
    another.command = Some(sh("touch survived"));
    assert!(gateway.run(another).await.is_err());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(gateway.sh("true").await.code(), 0);
    assert!(!host.workspace.join("survived").exists());
}

#[tokio::test]
async fn an_agent_that_stops_ends_its_runs_and_records_why() {
    let mut host = Host::start();
    let gateway = Gateway::of(&host);
    let request = gateway.request(sh("echo begun; sleep 30"), |_| {});
    let mut events = gateway.exec().start_run(request).await.unwrap().into_inner();
    let mut followed = Followed::default();
    while followed.stdout.is_empty() {
        followed.take(events.message().await.unwrap().unwrap().event.unwrap());
    }
    let began = Instant::now();
    let stopping = tokio::task::spawn_blocking(move || {
        host.stop();
        host
    });
    while let Some(response) = events.message().await.unwrap() {
        followed.take(response.event.unwrap());
    }
    let host = stopping.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(8));
    assert!(format!("{:?}", followed.ending()).contains("agent stopped"), "{followed:?}");
    assert!(host.journal().contains("agent stopped"));
}

#[tokio::test]
async fn an_agent_that_stops_waits_for_no_reader_that_does_not_read() {
    let mut host = Host::start_with(|directory| {
        let path = directory.join("host/ceiling.toml");
        let ceiling = std::fs::read_to_string(&path).unwrap();
        let raised = ceiling.replace("output = \"1MiB\"", "output = \"64MiB\"");
        assert_ne!(raised, ceiling);
        std::fs::write(path, raised).unwrap();
    });
    let gateway = Gateway::of(&host);
    let request = gateway.request(sh("exec yes"), |_| {});
    let mut events = gateway.exec().start_run(request).await.unwrap().into_inner();
    let mut followed = Followed::default();
    while followed.stdout.is_empty() {
        followed.take(events.message().await.unwrap().unwrap().event.unwrap());
    }
    // Until everything on the way is full, and the run is held up.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let began = Instant::now();
    let stopped = tokio::task::spawn_blocking(move || {
        host.stop();
        host
    });
    let host = stopped.await.unwrap();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    let journal = host.journal();
    assert!(
        journal.contains("agent stopped") && !journal.contains("\"kind\":\"lost\""),
        "{journal}"
    );
}
