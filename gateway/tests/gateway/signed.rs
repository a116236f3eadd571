//! Rules that a publisher signed.

use std::time::{Duration, Instant, SystemTime};

use cofferdam_gateway::approvals::{Scope, Verdict};
use cofferdam_gateway::client::{Answer, Approvals, Endpoint};
use cofferdam_gateway::rule_files::RuleFiles;
use cofferdam_gateway::signed_rules::SignedRules;
use cofferdam_gateway::tokens::{NewToken, Purpose};
use cofferdam_gateway::{Config, Service};
use cofferdam_trust::{PolicyWord, SigningKey, TrustedKeys, verify_policy};
use serde_json::{Value, json};

use crate::host::{Script, TestHost};
use crate::records::bodies;
use crate::refusal;
use crate::service::Served;

/// Signs what stands in `rules.toml`.
fn publish(served: &Served, key: &SigningKey, version: u64) {
    replace(served, &bundle(served, "rules.toml", key, version));
}

/// What stands in this file, signed.
fn bundle(served: &Served, file: &str, key: &SigningKey, version: u64) -> String {
    let files = RuleFiles::load(&[&served.directory.path().join(file)]).unwrap();
    SignedRules::sign(&files, key, version, SystemTime::now()).unwrap().0.to_text()
}

fn replace(served: &Served, text: &str) {
    put(served, "policy.bundle", text);
}

fn put(served: &Served, file: &str, text: &str) {
    let [new, path] = ["new", file].map(|name| served.directory.path().join(name));
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

/// A gateway that takes what this key signed, version 2 to begin with.
async fn trusting(key: &SigningKey) -> (Served, TestHost) {
    let (served, host) = Served::start_with_host(None, Script::default()).await;
    publish(&served, key, 2);
    let path = served.directory.path().join("gateway.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let signed = format!("rules = \"policy.bundle\"\nrules_keys = [\"{}\"]", key.public_key());
    std::fs::write(&path, text.replace("rules = \"rules.toml\"", &signed)).unwrap();
    (served.restart().await, host)
}

/// What the host is told of the rules that permitted a call.
async fn word(served: &Served, host: &TestHost, key: &SigningKey) -> PolicyWord {
    let answer = served.call("execute_command", json!({ "program": "ls" })).await;
    assert_eq!(answer["result"]["isError"], json!(false), "{answer:#}");
    let (intent, _) = host.asked().pop().unwrap();
    let keys = TrustedKeys::from_iter([key.public_key()]);
    let word = verify_policy(&keys, intent.policy.as_ref().unwrap()).unwrap();
    assert_eq!(intent.policy_digest, word.digest);
    word
}

async fn until(served: &Served, step: &str, count: usize) -> Value {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let steps = bodies(served, "policy");
        let mut steps: Vec<_> = steps.into_iter().filter(|it| it["step"] == step).collect();
        if steps.len() == count {
            return steps.remove(count - 1);
        }
        assert!(Instant::now() < deadline, "{steps:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_signed_bundle_decides_and_its_signature_reaches_the_host() {
    let key = SigningKey::generate().unwrap();
    let (mut served, host) = trusting(&key).await;
    assert_eq!(word(&served, &host, &key).await.version, 2);
    // The same rules under a higher version are another word for hosts.
    publish(&served, &key, 3);
    let taken = until(&served, "loaded", 3).await;
    assert_eq!((&taken["signed_version"], &taken["signed_by"]), (&json!(3), &json!(key.key_id())));
    assert_eq!(word(&served, &host, &key).await.version, 3);
    served.stop().await;
}

#[tokio::test]
async fn an_older_changed_or_strange_bundle_changes_nothing() {
    let key = SigningKey::generate().unwrap();
    let (mut served, host) = trusting(&key).await;
    publish(&served, &key, 1);
    let refused = until(&served, "refused", 1).await;
    let why = refused["error"].as_str().unwrap();
    assert!(why.contains("version 1, and version 2 was taken here already"), "{why}");
    assert_eq!(word(&served, &host, &key).await.version, 2, "those before decide");
    publish(&served, &SigningKey::generate().unwrap(), 9);
    let refused = until(&served, "refused", 2).await;
    assert!(refused["error"].as_str().unwrap().contains("not among the trusted keys"));
    publish(&served, &key, 4);
    let text = std::fs::read_to_string(served.directory.path().join("policy.bundle")).unwrap();
    replace(&served, &text.replace("nobody becomes root here", "changed"));
    let refused = until(&served, "refused", 3).await;
    assert!(refused["error"].as_str().unwrap().contains("not those that were signed"));
    assert_eq!(word(&served, &host, &key).await.version, 2);
    served.stop().await;
    // Nor does a gateway start with one.
    publish(&served, &key, 1);
    let config = Config::load(&served.directory.path().join("gateway.toml")).unwrap();
    let refused = Service::start(config).await.map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("rules do not go back"), "{refused}");
}

#[tokio::test]
async fn plain_files_are_refused_where_a_bundle_is_wanted_and_the_other_way_round() {
    let key = SigningKey::generate().unwrap();
    let (mut served, _host) = trusting(&key).await;
    served.stop().await;
    let path = served.directory.path().join("gateway.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let keys = format!("rules_keys = [\"{}\"]", key.public_key());
    for (from, to, words) in [
        ("policy.bundle", "rules.toml", "must be a bundle that ends with `.bundle`"),
        (keys.as_str(), "", "nobody is named who may sign"),
    ] {
        let config = Config::parse(&path, &text.replace(from, to)).unwrap();
        let refused = Service::start(config).await.map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    }
    let empty = Config::parse(&path, &text.replace(&keys, "rules_keys = []")).unwrap_err();
    assert!(empty.to_string().contains("the list is empty"), "{empty}");
}

#[tokio::test]
async fn who_agrees_is_told_the_version_of_the_rules_and_agrees_to_that_one_only() {
    let key = SigningKey::generate().unwrap();
    let (served, host) = trusting(&key).await;
    patience(&served, 1);
    let mut served = served.restart().await;
    let push = json!({ "program": "git", "arguments": ["push"] });
    let pending = served.call("execute_command", push.clone()).await;
    assert_eq!(refusal(&pending)["reason"], "APPROVAL_PENDING");
    let bob = approver(&served, "bob");
    let request = bob.list(false).await.unwrap().pop().unwrap();
    assert_eq!(request.question.signed_version, Some(2));
    // The same rules under a higher version are asked about anew.
    publish(&served, &key, 3);
    until(&served, "loaded", 4).await;
    let binding = request.question.binding.clone();
    let answer =
        Answer { verdict: Verdict::Approve, binding, scope: Scope::Session, note: String::new() };
    let told = bob.answer(&request.id, &answer).await.unwrap();
    assert_eq!(told.question.signed_version, Some(2));
    let again = served.call("execute_command", push).await;
    assert_eq!(refusal(&again)["reason"], "APPROVAL_PENDING", "{again:#}");
    assert_ne!(refusal(&again)["approval"], json!(request.id));
    assert!(host.asked().is_empty());
    served.stop().await;
    let steps = bodies(&served, "approval");
    let versions: Vec<_> = steps.iter().map(|step| &step["signed_version"]).collect();
    assert_eq!(versions, [2, 2, 3], "{steps:#?}");
    assert!(steps.iter().all(|step| step["call"]["policy_version"].is_u64()), "{steps:#?}");
}

#[tokio::test]
async fn shadow_rules_can_be_a_bundle_of_any_version_and_of_the_same_publishers_only() {
    let key = SigningKey::generate().unwrap();
    let (served, _host) = trusting(&key).await;
    let nothing = "version = 1\nprofiles = [\"readonly\", \"build\"]\n";
    put(&served, "shadow.toml", nothing);
    put(&served, "shadow.bundle", &bundle(&served, "shadow.toml", &key, 1));
    let path = served.directory.path().join("gateway.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("rules_shadow = \"shadow.bundle\"\n{text}")).unwrap();
    let mut served = served.restart().await;
    let list = async |served: &Served| {
        let answer = served.call("list_hosts", json!({})).await;
        assert_eq!(answer["result"]["isError"], json!(false), "{answer:#}");
        bodies(served, "intent").pop().unwrap()["call"]["shadow"].clone()
    };
    assert_eq!(list(&served).await["difference"], "narrower");
    let looks_on = |it: &Value| it["shadow"] == json!(true) && it["step"] == "loaded";
    let taken = bodies(&served, "policy").into_iter().rfind(looks_on).unwrap();
    assert_eq!((&taken["signed_version"], &taken["signed_by"]), (&json!(1), &json!(key.key_id())));
    // A stranger's is refused and changes nothing; a version that decides is taken, too.
    put(&served, "shadow.bundle", &bundle(&served, "shadow.toml", &stranger(), 2));
    let refused = until(&served, "refused", 1).await;
    assert!(refused["error"].as_str().unwrap().contains("not among the trusted keys"));
    assert_eq!(list(&served).await["difference"], "narrower");
    put(&served, "shadow.bundle", &bundle(&served, "rules.toml", &key, 2));
    until(&served, "loaded", 5).await;
    assert!(list(&served).await.is_null(), "the same is not told");
    served.stop().await;
}

fn stranger() -> SigningKey {
    SigningKey::generate().unwrap()
}

/// How many seconds callers wait for people from the next start on.
fn patience(served: &Served, seconds: u64) {
    let path = served.directory.path().join("gateway.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}\n[approvals]\npatience_seconds = {seconds}\n")).unwrap();
}

fn approver(served: &Served, user: &str) -> Approvals {
    let new = NewToken {
        purpose: Purpose::Approver,
        name: user.into(),
        user: user.into(),
        groups: Vec::new(),
        tenant: String::new(),
        claims: cofferdam_policy::Claims::default(),
        expires_at: None,
    };
    let token = served.tokens().create(&new).unwrap().0.reveal().to_owned();
    let endpoint = Endpoint { url: served.url.clone(), token: token.into(), authorities: None };
    Approvals::new(endpoint).unwrap()
}
