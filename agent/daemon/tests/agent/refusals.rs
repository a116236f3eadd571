//! What is refused leaves a record and no process.

use std::time::Duration;

use cofferdam_proto::exec::v1::outcome::Ending;
use cofferdam_proto::intent::v1::Intent;
use cofferdam_trust::{SigningKey, sign_intent};
use tonic::Code;

use crate::gateway::{Followed, Gateway, profile, reason, sh};
use crate::host::Host;

#[tokio::test]
async fn an_intent_that_is_not_for_this_call_is_refused() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let refused = async |change: fn(&mut Intent)| {
        let refused = gateway.run(gateway.request(sh("touch made"), change)).await.unwrap_err();
        reason(&refused)
    };
    assert_eq!(refused(|i| i.host = "other".to_owned()).await, "INTENT_OTHER_HOST");
    assert_eq!(refused(|i| i.gateway = "x".to_owned()).await, "INTENT_OTHER_GATEWAY");
    assert_eq!(refused(|i| i.action_digest = vec![0; 32]).await, "INTENT_OTHER_ACTION");
    assert_eq!(refused(|i| i.run_id = "1".to_owned()).await, "INTENT_MALFORMED");
    assert_eq!(refused(|i| i.nonce = vec![1]).await, "INTENT_MALFORMED");
    assert_eq!(refused(|i| shift(i, -3600)).await, "INTENT_TIME");
    assert_eq!(refused(|i| shift(i, 3600)).await, "INTENT_TIME");
    assert_eq!(refused(|i| i.expires_at.as_mut().unwrap().seconds += 3600).await, "INTENT_TIME");
    assert!(!host.workspace.join("made").exists());
    host.expect_records("denial", 6);
    host.expect_records("failure", 2);
    host.expect_records("intent", 0);
}

fn shift(intent: &mut Intent, seconds: i64) {
    for time in [&mut intent.issued_at, &mut intent.expires_at] {
        time.as_mut().unwrap().seconds += seconds;
    }
}

#[tokio::test]
async fn a_strangers_signature_is_refused() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let mut request = gateway.request(sh("touch made"), |_| {});
    let stranger = SigningKey::generate().unwrap();
    let intent = gateway.intent([0; 32]);
    request.intent = Some(sign_intent(&stranger, &intent));
    let refused = gateway.run(request).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::PermissionDenied, "INTENT_SIGNATURE")
    );
    let mut request = gateway.request(sh("touch made"), |_| {});
    request.intent.as_mut().unwrap().intent.push(0);
    assert_eq!(reason(&gateway.run(request).await.unwrap_err()), "INTENT_SIGNATURE");
    let mut request = gateway.request(sh("touch made"), |_| {});
    request.intent = None;
    let refused = gateway.exec().start_run(request).await.unwrap_err();
    assert_eq!(reason(&refused), "INTENT_MISSING");
    assert!(!host.workspace.join("made").exists());
}

#[tokio::test]
async fn the_ceiling_holds_whatever_the_gateway_signs() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let refused = async |change: fn(&mut Intent)| {
        let refused = gateway.run(gateway.request(sh("true"), change)).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        reason(&refused)
    };
    assert_eq!(refused(|i| profile(i, "root")).await, "PROFILE_UNKNOWN");
    let elsewhere = |i: &mut Intent| i.grant.as_mut().unwrap().workspace = "/etc".to_owned();
    assert_eq!(refused(elsewhere).await, "ABOVE_CEILING");
    let programs =
        |i: &mut Intent| i.grant.as_mut().unwrap().programs = vec!["/root/evil".to_owned()];
    assert_eq!(refused(programs).await, "ABOVE_CEILING");
    host.expect_records("denial", 3);
}

#[tokio::test]
async fn an_edit_of_the_ceiling_counts_at_the_next_call() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    assert_eq!(gateway.sh("true").await.code(), 0);
    let ceiling = host.directory.path().join("host/ceiling.toml");
    let text = std::fs::read_to_string(&ceiling).unwrap();
    std::fs::write(&ceiling, text.replace("gateway/main", "gateway/other")).unwrap();
    let refused = gateway.run(gateway.request(sh("true"), |_| {})).await.unwrap_err();
    assert_eq!(reason(&refused), "PEER_NOT_ALLOWED");
    std::fs::write(&ceiling, "nonsense").unwrap();
    let refused = gateway.run(gateway.request(sh("true"), |_| {})).await.unwrap_err();
    assert_eq!(reason(&refused), "CEILING_UNUSABLE");
}

#[tokio::test]
async fn without_a_warden_calls_say_so_and_the_record_has_an_end() {
    let mut host = Host::start();
    let gateway = Gateway::of(&host);
    host.kill_warden();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let ran = gateway.sh("true").await;
    assert!(format!("{:?}", ran.ending()).contains("warden"), "{ran:?}");
    host.expect_records("outcome", 1);
}

#[tokio::test]
async fn a_run_whose_warden_dies_is_lost_and_gone() {
    let mut host = Host::start();
    let gateway = Gateway::of(&host);
    let request = gateway.request(sh("echo begun; sleep 61.75"), |_| {});
    let mut events = gateway.exec().start_run(request).await.unwrap().into_inner();
    let mut followed = Followed::default();
    while followed.stdout.is_empty() {
        followed.take(events.message().await.unwrap().unwrap().event.unwrap());
    }
    host.kill_warden();
    while let Some(response) = events.message().await.unwrap() {
        followed.take(response.event.unwrap());
    }
    assert!(matches!(followed.ending(), Ending::Lost(_)), "{followed:?}");
    let survivors = || {
        let processes = std::fs::read_dir("/proc").unwrap();
        processes.flatten().any(|process| {
            let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            line == b"sleep\x0061.75\x00"
        })
    };
    for _ in 0..100 {
        if !survivors() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!survivors());
}

#[test]
fn the_agent_is_confined() {
    let host = Host::start();
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.agent_pid())).unwrap();
    let of = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_once(':').unwrap().1.trim().to_owned()
    };
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(of(set), "0000000000000000", "{set}");
    }
    assert_eq!((of("NoNewPrivs"), of("Seccomp")), ("1".to_owned(), "2".to_owned()));
    assert_ne!(of("Uid").split('\t').next(), Some("0"));
}
