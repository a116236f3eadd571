//! `cofferdam doctor` on gateways that lack one thing or another, and on one that
//! serves.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use cofferdam_authority::{Owner, Settings, State};
use cofferdam_gateway::tokens::{NewToken, Purpose, TokenStore};
use cofferdam_gateway::{Config, Service};
use cofferdam_trust::{Authority, Lifetime, PeerName, SigningKey};
use serde_json::Value;

const HOUR: Duration = Duration::from_hours(1);
const RULES: &str = "version = 1\n";

/// A gateway's files in a directory of their own.
struct Desk {
    directory: tempfile::TempDir,
    /// Stands in for a host's agent, which takes connections.
    host: TcpListener,
}

/// What was found, and the exit code.
struct Found(Value, i32);

impl Desk {
    /// With a certificate that began and will end by so much.
    fn new(began: Duration, ends: Duration) -> Self {
        let desk = Self::bare();
        let authority = Authority::create(&desk.path("pki")).unwrap();
        let name: PeerName = "spiffe://cofferdam/gateway/main".parse().unwrap();
        let now = SystemTime::now();
        let lifetime = Lifetime { not_before: now - began, not_after: now + ends };
        authority.issue(&name, lifetime).unwrap().write(&desk.path("pki")).unwrap();
        desk.configure(
            "[identity]\ncertificate = 'pki/main.crt'\nkey = 'pki/main.key'\n\
             authorities = 'pki/ca.crt'\n",
        );
        desk
    }

    fn bare() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let host = TcpListener::bind("127.0.0.1:0").unwrap();
        let desk = Self { directory, host };
        SigningKey::generate().unwrap().save(&desk.path("signing.key")).unwrap();
        std::fs::write(desk.path("rules.toml"), RULES).unwrap();
        desk
    }

    fn configure(&self, identity: &str) {
        let (free, metrics) = (free(), free());
        let host = self.host.local_addr().unwrap();
        let key = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        let text = format!(
            "name = 'main'\nlisten = '{free}'\nstate = 'state.sqlite'\nrules = 'rules.toml'\n\
             {identity}[signing]\nkey = 'signing.key'\n[journal]\ndirectory = 'journal'\n\
             [metrics]\nlisten = '{metrics}'\n[[host]]\nname = 'web-1'\naddress = '{host}'\n\
             agent = 'spiffe://cofferdam/agent/web-1'\nkey = '{key}'\n\
             [[project]]\nname = 'shop'\nworkspace = '/srv/shop'\n"
        );
        std::fs::write(self.path("gateway.toml"), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn token(&self) {
        let new = NewToken {
            purpose: Purpose::Client,
            name: "test".into(),
            user: "ada".into(),
            groups: Vec::new(),
            tenant: String::new(),
            claims: cofferdam_policy::Claims::default(),
            expires_at: None,
        };
        TokenStore::open(&self.path("state.sqlite")).unwrap().create(&new).unwrap();
    }

    /// Makes the file of an earlier version: its `user_version` is in the bytes 60 to 63
    /// (<https://www.sqlite.org/fileformat2.html>). Gives what is in it then.
    fn made_earlier(&self, file: &str) -> Vec<u8> {
        let path = self.path(file);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[63] -= 1;
        std::fs::write(&path, &bytes).unwrap();
        bytes
    }

    fn doctor(&self) -> Found {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
        let config = self.path("gateway.toml");
        let output = command.args(["doctor", "--json", "--config"]).arg(config).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let found = serde_json::from_str(&text).unwrap_or_else(|error| {
            panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr))
        });
        Found(found, output.status.code().unwrap())
    }
}

impl Found {
    fn state(&self, name: &str) -> String {
        self.line(name)["state"].as_str().unwrap().to_owned()
    }

    /// Detail and fix.
    fn words(&self, name: &str) -> String {
        let line = self.line(name);
        format!("{} / {}", line["detail"].as_str().unwrap(), line["fix"].as_str().unwrap_or(""))
    }

    fn line(&self, name: &str) -> &Value {
        let mut all = self.0["findings"].as_array().unwrap().iter();
        all.find(|it| it["name"] == name).unwrap_or_else(|| panic!("{name}: {:#}", self.0))
    }
}

fn free() -> std::net::SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_gateway_that_serves_with_everything_it_needs_is_well() {
    let desk = Desk::new(Duration::from_mins(5), HOUR);
    desk.token();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let config = Config::load(&desk.path("gateway.toml")).unwrap();
    let service = runtime.block_on(Service::start(config)).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = runtime.spawn(service.run(async {
        stopped.await.ok();
    }));
    let found = desk.doctor();
    assert_eq!(found.1, 0, "{:#}", found.0);
    assert!(found.words("port.clients").contains("a gateway serves"));
    assert_eq!(found.state("port.metrics"), "good");
    assert_eq!(found.state("host.web-1.reach"), "good");
    stop.send(()).unwrap();
    runtime.block_on(serving).unwrap().unwrap();
    // Stopped, it is as well as before, and somebody has to start it.
    let found = desk.doctor();
    assert_eq!(found.1, 3, "{:#}", found.0);
    assert!(found.words("port.clients").contains("systemctl start"));
    drop(desk.host);
}

#[test]
fn what_ends_soon_or_has_ended_is_told_with_what_mends_it() {
    let found = Desk::new(10 * HOUR, HOUR).doctor();
    assert_eq!(found.state("certificate.own"), "see_to");
    assert!(found.words("certificate.own").contains("ends in 59 min"), "{:#}", found.0);
    assert_eq!(found.state("certificate.root"), "good");
    assert_eq!(found.1, 3);
    let desk = Desk::new(10 * HOUR, Duration::from_secs(1));
    std::thread::sleep(Duration::from_millis(2100));
    let found = desk.doctor();
    assert_eq!(found.state("certificate.own"), "wrong");
    assert!(found.words("certificate.own").contains("pki issue"), "{:#}", found.0);
    assert_eq!(found.1, 1);
}

#[test]
fn keys_of_a_wrong_mode_missing_files_and_wrong_rules_are_each_told_with_a_fix() {
    let desk = Desk::new(Duration::ZERO, HOUR);
    let signing = desk.path("signing.key");
    std::fs::set_permissions(&signing, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::remove_file(desk.path("pki/main.key")).unwrap();
    std::fs::write(desk.path("rules.toml"), "version = 1\n[[rule]]\nid = 7\n").unwrap();
    let found = desk.doctor();
    for name in ["key.signing", "key.identity", "rules"] {
        assert_eq!(found.state(name), "wrong", "{:#}", found.0);
    }
    assert!(found.words("key.signing").contains("chmod 600"), "{:#}", found.0);
    assert!(found.words("rules").contains("policy check"), "{:#}", found.0);
    assert_eq!(found.state("tokens"), "see_to");
    assert_eq!(found.1, 1);
    // Looking made nothing.
    assert!(!desk.path("state.sqlite").exists() && !desk.path("journal").exists());
    std::fs::remove_file(desk.path("gateway.toml")).unwrap();
    let found = desk.doctor();
    assert_eq!((found.state("configuration").as_str(), found.1), ("wrong", 1));
}

#[test]
fn a_port_that_something_else_has_and_a_host_that_takes_no_connections_are_told() {
    let desk = Desk::new(Duration::ZERO, HOUR);
    let text = std::fs::read_to_string(desk.path("gateway.toml")).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let metrics = text.lines().rfind(|line| line.starts_with("listen")).unwrap();
    let text = text.replace(metrics, &format!("listen = '{}'", taken.local_addr().unwrap()));
    let host = desk.host.local_addr().unwrap();
    let text = text.replace(&host.to_string(), &free().to_string());
    std::fs::write(desk.path("gateway.toml"), text).unwrap();
    let found = desk.doctor();
    assert_eq!(found.state("port.metrics"), "wrong", "{:#}", found.0);
    assert!(found.words("host.web-1.reach").contains("refused"), "{:#}", found.0);
    assert!(found.words("host.web-1.reach").contains("systemctl status"), "{:#}", found.0);
}

#[test]
fn an_authority_that_is_missing_is_told_and_one_that_was_made_is_looked_at() {
    let desk = Desk::bare();
    let listen = free();
    desk.configure(&format!("[authority]\nlisten = '{listen}'\ndirectory = 'authority'\n"));
    let found = desk.doctor();
    assert!(found.words("authority").contains("authority init"), "{:#}", found.0);
    let settings = Settings::new(desk.path("authority"), desk.path("authority.sqlite"));
    let state = State::open(&settings.state).unwrap();
    Owner::new(&state, "tester").begin(&settings, None).unwrap();
    let found = desk.doctor();
    for name in ["authority.certificate", "authority.root"] {
        assert_eq!(found.state(name), "good", "{:#}", found.0);
    }
    assert_eq!(found.state("authority.trust-list"), "see_to");
    assert_eq!(found.state("port.authority"), "good");
    std::fs::remove_file(desk.path("authority/ca.key")).unwrap();
    let found = desk.doctor();
    assert_eq!(found.state("authority.certificate"), "wrong", "{:#}", found.0);
}

#[test]
fn files_of_an_earlier_version_are_told_and_left_as_the_running_gateway_needs_them() {
    let desk = Desk::bare();
    let listen = free();
    desk.configure(&format!("[authority]\nlisten = '{listen}'\ndirectory = 'authority'\n"));
    desk.token();
    let settings = Settings::new(desk.path("authority"), desk.path("authority.sqlite"));
    let state = State::open(&settings.state).unwrap();
    Owner::new(&state, "tester").begin(&settings, None).unwrap();
    drop(state);
    let files = ["state.sqlite", "authority.sqlite"];
    let before = files.map(|file| desk.made_earlier(file));
    let names = || std::fs::read_dir(desk.directory.path()).unwrap().count();
    let count = names();
    let found = desk.doctor();
    for name in ["tokens", "authority"] {
        assert_eq!(found.state(name), "see_to", "{:#}", found.0);
        assert!(found.words(name).contains("the next start"), "{:#}", found.0);
    }
    assert_eq!(files.map(|file| std::fs::read(desk.path(file)).unwrap()), before);
    assert_eq!(names(), count, "nothing is left beside them");
}
