//! A host whose signing key the service manager gives, and who keeps none of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use cofferdam_trust::SigningKey;

use super::authority::Authority;
use super::{put_token, told, use_identity};
use crate::host::{AGENT, Host, is_root, own};

/// The agent's command as a service of the host at `place` is given credentials.
fn given(place: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam-agent"));
    command.args(arguments).arg("--config").arg(place.join("agent/agent.toml"));
    command.env("CREDENTIALS_DIRECTORY", place.join("credentials")).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signing_key_that_is_given_is_the_hosts_and_none_is_made_where_it_is_missing() {
    let authority = Authority::start(|_| {}).await;
    let host = Host::prepare(|place| {
        use_identity(place);
        let path = place.join("agent/agent.toml");
        let text = fs::read_to_string(&path).unwrap();
        let (before, rest) = text.split_once("[signing]\nkey = \"").unwrap();
        let (_, rest) = rest.split_once('\n').unwrap();
        let text = format!("{before}[signing]\ncredential = \"signing.key\"\n{rest}");
        fs::write(&path, text).unwrap();
    });
    let place = host.path();
    let token = put_token(place, &authority.invite("test"));
    let token = token.to_str().unwrap();
    let enroll = ["enroll", "--gateway", &authority.address, "--token-file", token];
    let output = given(place, &enroll);
    assert!(!output.status.success() && told(&output).contains("signing.key"), "{}", told(&output));
    assert!(!place.join("agent/identity/signing.key").exists());

    let credentials = place.join("credentials");
    fs::create_dir(&credentials).unwrap();
    let key = SigningKey::generate().unwrap();
    key.save(&credentials.join("signing.key")).unwrap();
    if is_root() {
        own(&credentials, AGENT);
    }
    let output = given(place, &enroll);
    assert!(output.status.success(), "{}", told(&output));
    let named = String::from_utf8_lossy(&output.stdout).into_owned() + &told(&output);
    assert!(named.contains(&key.public_key().to_string()), "{named}");
    let kept: Vec<_> = fs::read_dir(place.join("agent/identity")).unwrap().collect();
    assert_eq!(kept.len(), 1, "the identity, and no key besides: {kept:?}");
    let doctor = given(place, &["doctor"]);
    let doctor = String::from_utf8(doctor.stdout).unwrap();
    assert!(doctor.contains(&key.key_id()), "{doctor}");
}
