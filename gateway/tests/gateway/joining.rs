//! Hosts that join by the gateway's own authority: from a token to a call, and out
//! again.

use std::path::Path;
use std::time::Duration;

use cofferdam_authority::{Invitation, Owner, Project, Settings, State};
use cofferdam_proto::join::v1::join_service_client::JoinServiceClient;
use cofferdam_proto::join::v1::{Enrolment, enrol_response::Answer};
use cofferdam_trust::{
    JoinToken, PeerKey, Recognise, SigningKey, connect, joining_client_config, sign_enrolment,
};
use rmcp::model::{ServerNotification, SubscriptionFilter};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::host::{Script, TestHost};
use crate::listening::{LONG, change_rules, connect as connect_client};
use crate::metrics::{metrics, value};
use crate::records::bodies;
use crate::service::{Served, prepare};

/// A gateway whose authority is the one of the test, at an address of its own.
async fn served(more: &str) -> (Served, String) {
    let directory = TempDir::new().unwrap();
    let token = prepare(directory.path(), "");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let path = directory.path().join("gateway.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let without = text.lines().filter(|line| !line.starts_with("identity"));
    let text = without.collect::<Vec<_>>().join("\n");
    let authority =
        format!("[authority]\nlisten = \"{free}\"\ndirectory = \".\"\napproval = \"none\"\n{more}");
    std::fs::write(&path, format!("{text}\n{authority}")).unwrap();
    let state = state(directory.path());
    Owner::new(&state, "tester").begin(&settings(directory.path()), None).unwrap();
    (Served::serve(directory, token).await, free.to_string())
}

fn settings(directory: &Path) -> Settings {
    Settings::new(directory.to_owned(), directory.join("authority.sqlite"))
}

fn state(directory: &Path) -> State {
    State::open(&settings(directory).state).unwrap()
}

/// A host of this name that plays its part, enrolled by a token.
async fn joined(served: &Served, authority: &str, name: &str) -> TestHost {
    let script = Script { stdout: "hello from there\n", ..Script::default() };
    joined_with(served, authority, name, script).await
}

/// The same with this part.
async fn joined_with(served: &Served, authority: &str, name: &str, script: Script) -> TestHost {
    let directory = served.directory.path();
    let file = directory.join(format!("{name}.signing.key"));
    let key = SigningKey::generate().unwrap();
    key.save(&file).unwrap();
    let signing = SigningKey::load(&file).unwrap();
    let host = TestHost::start_signing(name, directory, script, signing).await;
    let invitation = Invitation {
        host: name.to_owned(),
        labels: [("role".to_owned(), "joined".to_owned())].into(),
        projects: vec![Project { name: "site".to_owned(), workspace: None }],
        address: Some(host.address.clone()),
        valid: Duration::from_hours(1),
    };
    let state = state(directory);
    let token = Owner::new(&state, "tester").invite(&invitation).unwrap().token;
    enrol(authority, &token, &key).await;
    host
}

async fn enrol(authority: &str, token: &JoinToken, key: &SigningKey) {
    let config = joining_client_config(Recognise::Root(token.authority())).unwrap();
    let mut client = JoinServiceClient::new(connect(authority, config).unwrap());
    let enrolment = Enrolment {
        host: token.host().to_owned(),
        token: token.secret().to_vec(),
        request: PeerKey::generate().unwrap().request().unwrap(),
        signing_key: key.public_key().to_string(),
        address: String::new(),
        agent_version: "0.1.0".to_owned(),
        at: Some(std::time::SystemTime::now().into()),
    };
    let answer = client.enrol(sign_enrolment(key, &enrolment)).await.unwrap().into_inner();
    assert!(matches!(answer.answer, Some(Answer::Credentials(_))), "{answer:?}");
}

async fn run(served: &Served, host: &str) -> Value {
    run_waiting(served, host, Value::Null).await
}

/// The same for who waits so many seconds for it.
async fn run_waiting(served: &Served, host: &str, seconds: Value) -> Value {
    let mut arguments = json!({ "command": "uname -a", "project": "site", "host": host });
    if !seconds.is_null() {
        arguments["wait_seconds"] = seconds;
    }
    served.call("execute_command", arguments).await
}

/// Calls until it comes out as it should; a few seconds at most.
async fn until(served: &Served, host: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let mut answer = Value::Null;
    for _ in 0..100 {
        answer = run(served, host).await;
        if is_so(&answer) {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{answer:#}");
}

fn went_well(answer: &Value) -> bool {
    answer["result"]["isError"] == json!(false)
}

fn journal(served: &Served) -> String {
    let files = std::fs::read_dir(served.journal()).unwrap();
    let read = |file: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(file.unwrap().path()).unwrap_or_default()
    };
    files.map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_joined_is_called_and_one_that_was_revoked_is_not() {
    let (served, authority) = served("").await;
    let host = joined(&served, &authority, "joined").await;
    until(&served, "joined", went_well).await;
    assert_eq!(host.asked()[0].0.host, "joined");

    let state = state(served.directory.path());
    Owner::new(&state, "tester").revoke("joined", "broken into").unwrap();
    until(&served, "joined", |answer| !went_well(answer)).await;
    let asked = host.asked().len();
    assert!(!went_well(&run(&served, "joined").await));
    assert_eq!(host.asked().len(), asked, "a revoked host is asked for nothing");
    let journal = journal(&served);
    for step in ["invited", "enrolled", "certified", "revoked"] {
        assert!(journal.contains(&format!("\"step\":\"{step}\"")), "{step}: {journal}");
    }
    assert!(journal.contains("broken into"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_of_a_run_that_was_left_to_itself_ends_where_its_host_is_revoked() {
    let (served, authority) = served("").await;
    let script = Script { goes_on: true, never_ends: true, ..Script::default() };
    let _host = joined_with(&served, &authority, "joined", script).await;
    let within = Duration::from_secs(30);
    let left = async {
        while !went_well(&run_waiting(&served, "joined", json!(0)).await) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(within, left).await.unwrap();
    let state = state(served.directory.path());
    Owner::new(&state, "tester").revoke("joined", "").unwrap();
    let ended = async {
        loop {
            let lost = |it: &Value| it["ending"]["kind"] == "lost";
            if let Some(outcome) = bodies(&served, "outcome").into_iter().find(lost) {
                return outcome;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let outcome = tokio::time::timeout(within, ended).await.unwrap();
    let reason = outcome["ending"]["reason"].as_str().unwrap();
    assert!(reason.contains("not one of this gateway's any more"), "{outcome:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_called_all_along_while_the_gateways_certificate_renews_itself() {
    let more = "certificate_seconds = 3\noverlap_seconds = 3\n";
    let (served, authority) = served(more).await;
    let host = joined(&served, &authority, "joined").await;
    until(&served, "joined", went_well).await;
    let began = std::time::Instant::now();
    let mut calls = 0;
    // Long enough for three certificates, one after the other.
    while began.elapsed() < Duration::from_secs(8) {
        let answer = run(&served, "joined").await;
        assert!(went_well(&answer), "after {:?}: {answer:#}", began.elapsed());
        calls += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(host.asked().len() > calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_joined_is_there_after_a_restart() {
    let (served, authority) = served("").await;
    let host = joined(&served, &authority, "joined").await;
    until(&served, "joined", went_well).await;
    let served = served.restart().await;
    until(&served, "joined", went_well).await;
    assert!(host.asked().len() >= 2);
}

#[allow(clippy::float_cmp, reason = "counts are whole, and compared as they are written")]
#[tokio::test(flavor = "multi_thread")]
async fn what_the_authority_does_and_what_of_it_lapses_is_told_to_collectors() {
    let (served, authority) = served("[metrics]\nlisten = \"127.0.0.1:0\"\n").await;
    let _kept = joined(&served, &authority, "kept").await;
    let _gone = joined(&served, &authority, "gone").await;
    until(&served, "gone", went_well).await;
    let state = state(served.directory.path());
    Owner::new(&state, "tester").revoke("gone", "").unwrap();
    until(&served, "gone", |answer| !went_well(answer)).await;
    let text = metrics(&served).await;
    let left = |sample: &str| value(&text, sample);
    assert!((3500.0..=3600.0).contains(&left("cofferdam_lapse_left_seconds{what=\"own\"}")));
    let list = left("cofferdam_lapse_left_seconds{what=\"trust_list\"}");
    assert!((604_000.0..=604_800.0).contains(&list), "{list}");
    for what in ["authority", "root"] {
        let sample = format!("cofferdam_lapse_left_seconds{{what=\"{what}\",generation=\"1\"}}");
        assert!(left(&sample) > 3e8, "{text}");
    }
    let host = left("cofferdam_host_lapse_left_seconds{host=\"kept\"}");
    assert!((3500.0..=3600.0).contains(&host), "{host}");
    assert_eq!(left("cofferdam_host_reattestations_left{host=\"kept\"}"), 5.0);
    assert_eq!(left("cofferdam_host_alarm{host=\"kept\"}"), 0.0);
    assert!(!text.contains("host_alarm{host=\"gone\"}"), "{text}");
    assert_eq!(left("cofferdam_revoked{kind=\"host\"}"), 1.0);
    assert_eq!(left("cofferdam_revoked{kind=\"certificate\"}"), 1.0);
    let answered = "cofferdam_join_requests_total{request=\"enrol\",outcome=\"answered\"}";
    assert_eq!(left(answered), 2.0);
    assert_eq!(left("cofferdam_peer_steps_total{step=\"revoked\"}"), 1.0);
    assert_eq!(left("cofferdam_peer_steps_total{step=\"alarmed\"}"), 0.0);
}

fn lists() -> SubscriptionFilter {
    SubscriptionFilter::builder().tools_list_changed().resources_list_changed().build()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_hears_that_hosts_came_and_left_where_that_changes_what_they_see() {
    let (served, authority) = served("").await;
    let client = connect_client(&served, &served.token).await;
    let mut stream = client.listen(lists()).await.unwrap();
    let _host = joined(&served, &authority, "joined").await;
    let told = tokio::time::timeout(LONG, stream.next()).await.unwrap().unwrap().unwrap();
    // The same tools, one more workspace.
    assert!(matches!(told, ServerNotification::ResourceListChangedNotification(_)), "{told:?}");
    let resources = client.list_all_resources().await.unwrap();
    assert!(resources.iter().any(|it| it.uri.starts_with("cofferdam://joined/")), "{resources:?}");
    let state = state(served.directory.path());
    Owner::new(&state, "tester").revoke("joined", "").unwrap();
    let told = tokio::time::timeout(LONG, stream.next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(told, ServerNotification::ResourceListChangedNotification(_)), "{told:?}");
    // The journal's commands know the host of then, the next one its name's.
    let config = cofferdam_gateway::Config::load(&served.directory.path().join("gateway.toml"));
    let config = config.unwrap();
    assert!(!config.roster.hosts.contains_key("joined"));
    let roster = cofferdam_gateway::roster::with_joined(&config).unwrap();
    assert_eq!(roster.hosts["joined"].labels["role"], "joined");
    assert!(roster.projects["site"].hosts.contains(&"joined".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_do_nothing_on_a_host_hears_nothing_of_it() {
    let (served, authority) = served("").await;
    let path = served.directory.path().join("rules.toml");
    let rules = "version = 1\nprofiles = [\"readonly\"]\n[[rule]]\nid = \"look\"\n\
                 effect = \"allow\"\ntools = [\"list_directory\", \"get_system_info\"]\n\
                 hosts = { names = [\"down\"] }\npaths = [{ beneath = \"workspace\", mode = \"read\" }]\n\
                 grant = { profile = \"readonly\" }\n";
    std::fs::write(&path, rules).unwrap();
    let offers = async || served.request("tools/list", json!({})).await.1.to_string();
    while offers().await.contains("execute_command") {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let client = connect_client(&served, &served.token).await;
    let mut stream = client.listen(lists()).await.unwrap();
    let _host = joined(&served, &authority, "joined").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    // What is heard first is of the rules, and nothing came before it.
    change_rules(&served);
    let told = tokio::time::timeout(LONG, stream.next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(told, ServerNotification::ToolListChangedNotification(_)), "{told:?}");
}
