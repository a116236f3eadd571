//! Hosts that enrol with a real authority, renew their certificates in seconds instead
//! of an hour, and heed whom it revokes.

mod authority;
mod credential;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use cofferdam_authority::Approval;
use cofferdam_proto::exec::v1::AttachRunRequest;
use cofferdam_trust::{JoinToken, client_config, connect};
use serde_json::Value;
use tonic::Code;

use crate::gateway::{Followed, Gateway, reason, sh};
use crate::host::{AGENT, AGENT_NAME, Host, is_root, own};
use authority::Authority;

/// A configuration with a directory for its identity in place of files.
fn use_identity(place: &Path) {
    let path = place.join("agent/agent.toml");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("certificate = ").unwrap();
    let (_, after) = rest.split_once("[signing]").unwrap();
    let (after, rest) = after.split_once("keys = [").unwrap();
    let (_, rest) = rest.split_once(']').unwrap();
    let text = format!("{before}directory = \"identity\"\n[signing]{after}keys = []{rest}");
    fs::write(&path, text.replace("name = \"test\"\n", "")).unwrap();
    let ceiling = place.join("host/ceiling.toml");
    let text = fs::read_to_string(&ceiling).unwrap();
    let (before, rest) = text.split_once("gateways = [").unwrap();
    let (_, after) = rest.split_once(']').unwrap();
    fs::write(&ceiling, format!("{before}enrolled = true{after}")).unwrap();
    if is_root() {
        own(&place.join("agent"), AGENT);
    }
}

/// Writes a token as its owner would.
fn put_token(place: &Path, token: &str) -> PathBuf {
    let path = place.join("token");
    fs::write(&path, token).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn enroll(place: &Path, address: &str, token: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam-agent"));
    command.args(["enroll", "--gateway", address, "--token-file"]).arg(token);
    command.arg("--config").arg(place.join("agent/agent.toml")).args(more).output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A host that enrolled, and its gateway.
fn enrolled(authority: &Authority) -> (Host, Gateway) {
    let host = Host::start_with(|place| {
        use_identity(place);
        let token = put_token(place, &authority.invite("test"));
        let output = enroll(place, &authority.address, &token, &["--wait"]);
        assert!(output.status.success(), "{}", told(&output));
    });
    let gateway = gateway(authority, &host);
    (host, gateway)
}

/// The gateway, with the certificate that the authority has for it now.
fn gateway(authority: &Authority, host: &Host) -> Gateway {
    let config = client_config(&authority.gateway(), &AGENT_NAME.parse().unwrap()).unwrap();
    let channel = connect(&host.address, config).unwrap();
    Gateway { channel, key: authority.gateway_key(), ..Gateway::of(host) }
}

fn status(host: &Host) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam-agent"));
    let config = host.directory.path().join("agent/agent.toml");
    let output = command.args(["status", "--json", "--config"]).arg(config).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn metrics(host: &Host) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam-agent"));
    let config = host.directory.path().join("agent/agent.toml");
    let output = command.args(["metrics", "--config"]).arg(config).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < until, "waited 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_enrols_by_one_command_and_serves_the_gateways_of_its_authority() {
    let authority = Authority::start(|_| {}).await;
    let (host, gateway) = enrolled(&authority);
    assert_eq!(gateway.sh("echo hello").await.text(), "hello\n");
    let file = host.directory.path().join("agent/identity/identity.json");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!file.with_file_name("enrolling.key").exists());
    let status = status(&host);
    let enrolled = &status["certificate"]["enrolled"];
    assert_eq!(enrolled["address"], authority.address.as_str(), "{status}");
    assert!(status["certificate"]["problem"].is_null(), "{status}");
    assert!(!enrolled["renewed"].as_str().unwrap().is_empty(), "{status}");
    let text = metrics(&host);
    let list = "cofferdam_lapse_left_seconds{what=\"trust_list\"}";
    for sample in [list, "cofferdam_revoked{kind=\"gateway\"} 0.0", "cofferdam_gateways 1.0"] {
        assert!(text.lines().any(|line| line.starts_with(sample)), "{sample}: {text}");
    }
    // Somebody else's certificate of the same authority is not enough: it is the
    // list that names gateways.
    let other = authority.other_gateway();
    let config = client_config(&other, &AGENT_NAME.parse().unwrap()).unwrap();
    let stranger =
        Gateway { channel: connect(&host.address, config).unwrap(), ..Gateway::of(&host) };
    let refused = stranger.run(stranger.request(sh("true"), |_| {})).await.unwrap_err();
    assert_eq!(reason(&refused), "PEER_NOT_ALLOWED", "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_has_to_be_approved_asks_again_with_the_same_keys() {
    let authority = Authority::start(|settings| settings.approval = Approval::Required).await;
    let place = Host::prepare(use_identity);
    let token = put_token(place.path(), &authority.invite("test"));
    let ask = || enroll(place.path(), &authority.address, &token, &[]);
    for _ in 0..2 {
        assert_eq!(ask().status.code(), Some(75));
    }
    assert!(!place.path().join("agent/identity/identity.json").exists());
    authority.approve("test");
    let output = ask();
    assert!(output.status.success(), "{}", told(&output));
    // Once more is once too often.
    let output = ask();
    assert!(told(&output).contains("enrolled already"), "{}", told(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_token_or_an_authority_is_told_and_nothing_is_kept() {
    let authority = Authority::start(|_| {}).await;
    let other = Authority::start(|_| {}).await;
    let place = Host::prepare(use_identity);
    let identity = place.path().join("agent/identity/identity.json");
    let good = authority.invite("test");
    let refused = |token: &str, address: &str| {
        let token = put_token(place.path(), token);
        let output = enroll(place.path(), address, &token, &[]);
        assert!(!output.status.success());
        assert!(!identity.exists());
        told(&output)
    };
    let address = authority.address.as_str();
    assert!(refused("hello", address).contains("no join token"));
    assert!(refused(&good[..good.len() - 5], address).contains("cut or mistyped"));
    let unknown = JoinToken::generate("test", authority.root()).unwrap();
    let message = refused(&unknown.text(), address);
    assert!(message.contains("refuses"), "{message}");
    let expired = authority.invite_for("late", Duration::from_secs(1));
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let message = refused(&expired, address);
    assert!(message.contains("refuses") && message.contains("expired"), "{message}");
    let message = refused(&good, &other.address);
    assert!(message.contains("is not the authority"), "{message}");
    let message = refused(&good, "127.0.0.1:1");
    assert!(message.contains("does not answer"), "{message}");
    assert!(refused(&good, "nowhere").contains("HOST:PORT"));
    let path = put_token(place.path(), &good);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let output = enroll(place.path(), address, &path, &[]);
    assert!(told(&output).contains("0644"), "{}", told(&output));
    // The keys were kept meanwhile, and the token counts still.
    let path = put_token(place.path(), &good);
    let output = enroll(place.path(), address, &path, &[]);
    assert!(output.status.success(), "{}", told(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_another_host_used_first_is_refused() {
    let authority = Authority::start(|_| {}).await;
    let (first, second) = (Host::prepare(use_identity), Host::prepare(use_identity));
    let token = authority.invite("test");
    let ask = |place: &Path| {
        let path = put_token(place, &token);
        enroll(place, &authority.address, &path, &[])
    };
    assert!(ask(first.path()).status.success());
    let output = ask(second.path());
    assert!(!output.status.success() && told(&output).contains("refuses"), "{}", told(&output));
    assert!(authority.has_alarm("test"));
    assert!(!second.path().join("agent/identity/identity.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_that_is_killed_at_any_point_leaves_nothing_half_and_goes_on() {
    let authority = Authority::start(|_| {}).await;
    let place = Host::prepare(use_identity);
    let token = put_token(place.path(), &authority.invite("test"));
    let identity = place.path().join("agent/identity/identity.json");
    for pause in (0..40).map(|step| Duration::from_millis(step * 3)) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam-agent"));
        command.args(["enroll", "--gateway", &authority.address, "--token-file"]).arg(&token);
        command.arg("--config").arg(place.path().join("agent/agent.toml"));
        let mut child = command.spawn().unwrap();
        tokio::time::sleep(pause).await;
        child.kill().unwrap();
        child.wait().unwrap();
        if identity.exists() {
            break;
        }
    }
    if !identity.exists() {
        let output = enroll(place.path(), &authority.address, &token, &[]);
        assert!(output.status.success(), "{}", told(&output));
    }
    let text = fs::read_to_string(&identity).unwrap();
    assert!(serde_json::from_str::<Value>(&text).is_ok());
    assert!(!authority.has_alarm("test"));
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_renew_while_a_stream_goes_on_and_nothing_of_it_is_lost() {
    let lifetime = Duration::from_secs(6);
    let authority = Authority::start(|settings| settings.certificate_lifetime = lifetime).await;
    let (host, gateway) = enrolled(&authority);
    let before = authority.gateway().own().fingerprint;
    let line = "for i in $(seq 150); do echo line $i; sleep 0.1; done";
    let request = gateway.request(sh(line), |_| {});
    let run_id = gateway_run_id(&request);
    let mut followed = Followed::default();
    let mut attached = 0;
    let mut events = gateway.exec().start_run(request).await.unwrap().into_inner();
    // As a gateway does: where a stream ends, another one goes on at its offset.
    loop {
        match events.message().await {
            Ok(Some(response)) => followed.take(response.event.unwrap()),
            Ok(None) => break,
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status}");
                break;
            }
        }
    }
    while followed.finished.is_none() {
        attached += 1;
        assert!(attached < 20, "attaching leads nowhere");
        let gateway = self::gateway(&authority, &host);
        let request = AttachRunRequest {
            run_id: run_id.clone(),
            stdout_offset: followed.stdout.len() as u64,
            stderr_offset: followed.stderr.len() as u64,
            hold: false,
        };
        let mut events = gateway.exec().attach_run(request).await.unwrap().into_inner();
        while let Ok(Some(response)) = events.message().await {
            followed.take(response.event.unwrap());
        }
    }
    let lines: Vec<String> = (1..=150).map(|i| format!("line {i}")).collect();
    assert_eq!(followed.text().lines().collect::<Vec<_>>(), lines);
    assert_ne!(authority.gateway().own().fingerprint, before, "the gateway's was renewed, too");
    let journal = host.journal();
    assert!(journal.matches("\"step\":\"renewed\"").count() >= 2, "{journal}");
    let text = metrics(&host);
    let renewed = text
        .lines()
        .find_map(|line| line.strip_prefix("cofferdam_renewals_total{outcome=\"succeeded\"} "));
    assert!(renewed.unwrap().parse::<u64>().unwrap() >= 2, "{text}");
    assert!(attached >= 1, "the stream outlived the certificate that it began with");
    assert_eq!(self::gateway(&authority, &host).sh("echo still").await.text(), "still\n");
}

fn gateway_run_id(request: &cofferdam_proto::exec::v1::StartRunRequest) -> String {
    let signed = request.intent.as_ref().unwrap();
    let intent: cofferdam_proto::intent::v1::Intent =
        prost::Message::decode(signed.intent.as_slice()).unwrap();
    intent.run_id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_revoked_is_refused_within_seconds_also_in_the_middle_of_a_stream() {
    let authority = Authority::start(|_| {}).await;
    let (_host, gateway) = enrolled(&authority);
    let request = gateway.request(sh("while :; do echo tick; sleep 0.1; done"), |_| {});
    let mut events = gateway.exec().start_run(request).await.unwrap().into_inner();
    let mut followed = Followed::default();
    while followed.stdout.is_empty() {
        followed.take(events.message().await.unwrap().unwrap().event.unwrap());
    }
    // The authority sees to it that nobody locks themselves out, so another one is made
    // the gateway's in the list first.
    authority.revoke_gateway("main");
    let revoked = Instant::now();
    let status = loop {
        match events.message().await {
            Ok(Some(_)) => assert!(revoked.elapsed() < Duration::from_secs(10)),
            Ok(None) => panic!("the stream ended without a reason"),
            Err(status) => break status,
        }
    };
    assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "PEER_REVOKED"));
    assert!(revoked.elapsed() < Duration::from_secs(5), "{:?}", revoked.elapsed());
    let refused = gateway.run(gateway.request(sh("true"), |_| {})).await.unwrap_err();
    assert_eq!(reason(&refused), "PEER_REVOKED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_be_kept_is_not_taken_and_the_old_one_stays() {
    let lifetime = Duration::from_secs(8);
    let authority = Authority::start(|settings| settings.certificate_lifetime = lifetime).await;
    let (host, _) = enrolled(&authority);
    let identity = host.directory.path().join("agent/identity");
    let before = fs::read(identity.join("identity.json")).unwrap();
    // As on a full disk: nothing can be written there.
    fs::set_permissions(&identity, fs::Permissions::from_mode(0o500)).unwrap();
    until("trouble is told", || {
        status(&host)["certificate"]["problem"].as_str().is_some_and(|it| it.contains("kept"))
    })
    .await;
    assert_eq!(fs::read(identity.join("identity.json")).unwrap(), before);
    fs::set_permissions(&identity, fs::Permissions::from_mode(0o700)).unwrap();
    until("it is renewed", || host.journal().contains("\"step\":\"renewed\"")).await;
    assert_eq!(gateway(&authority, &host).sh("echo again").await.text(), "again\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_authority_was_away_past_its_certificates_end_comes_back() {
    let lifetime = Duration::from_secs(4);
    let mut authority = Authority::start(|settings| settings.certificate_lifetime = lifetime).await;
    let (mut host, _) = enrolled(&authority);
    authority.stop().await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let told = status(&host);
    assert!(told["certificate"]["seconds_left"].as_i64().unwrap() <= 0, "{told}");
    // Killed in the middle of trying, it goes on where it was.
    host.crash_and_restart();
    authority.restart().await;
    until("it is certified again", || {
        status(&host)["certificate"]["seconds_left"].as_i64().unwrap() > 0
    })
    .await;
    assert_eq!(gateway(&authority, &host).sh("echo back").await.text(), "back\n");
    assert!(!authority.has_alarm("test"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_killed_again_and_again_while_it_renews_keeps_its_identity() {
    let lifetime = Duration::from_secs(4);
    let authority = Authority::start(|settings| settings.certificate_lifetime = lifetime).await;
    let (mut host, _) = enrolled(&authority);
    for step in 0..8 {
        tokio::time::sleep(Duration::from_millis(600 + step * 170)).await;
        host.crash_and_restart();
    }
    assert!(!authority.has_alarm("test"), "no kill looks like a second host");
    until("it is renewed", || host.journal().contains("\"step\":\"renewed\"")).await;
    assert_eq!(gateway(&authority, &host).sh("echo here").await.text(), "here\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_identity_is_noticed_by_the_authority_and_told_by_the_agent() {
    let lifetime = Duration::from_secs(5);
    let authority = Authority::start(|settings| settings.certificate_lifetime = lifetime).await;
    let (mut host, _) = enrolled(&authority);
    let file = host.directory.path().join("agent/identity/identity.json");
    let copy = fs::read(&file).unwrap();
    until("it is renewed", || host.journal().contains("\"step\":\"renewed\"")).await;
    // What another machine with the copy would do.
    fs::write(&file, &copy).unwrap();
    host.crash_and_restart();
    until("there is an alarm", || authority.has_alarm("test")).await;
    until("the agent tells", || {
        status(&host)["certificate"]["problem"].as_str().is_some_and(|it| it.contains("refuses"))
    })
    .await;
}
