//! The server that the MCP conformance suite asks for: its own tools, prompts and
//! resources, behind this gateway's own endpoint. What is between a client and a tool
//! (sockets, tokens, sessions, streams, headers, limits) is the gateway's; what answers
//! is test data. It is compiled into the library's unit tests and into nothing else,
//! and `tests/scripts/conformance` runs it.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod answers;
mod asks;
mod reference;

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use cofferdam_trust::{Authority, Lifetime, PeerName, SigningKey};
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::gateway::Gateway;
use crate::http::{Listener, MCP_PATH, router};
use crate::tokens::{NewToken, Purpose, TokenStore};
use reference::Reference;

/// Names the file that gets one line of JSON once it serves: `mcp_url` and `token`.
const READY: &str = "COFFERDAM_FIXTURE_READY";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a server and no test: tests/scripts/conformance runs it until its input ends"]
async fn serves_what_the_conformance_suite_asks_for() {
    let directory = TempDir::new().unwrap();
    let token = prepare(directory.path());
    let config = Config::load(&directory.path().join("gateway.toml")).unwrap();
    let shutdown = CancellationToken::new();
    let (address, connections) = (config.listen, config.limits.connections.get());
    let listener = Listener::bind(address, None, connections).await.unwrap();
    let url = format!("http://{}{MCP_PATH}", listener.address());
    let stop = shutdown.clone();
    let opened = tokio::task::spawn_blocking(move || Gateway::open(config, &stop));
    let gateway = opened.await.unwrap().unwrap();
    let reference = Reference::default();
    let router = router(&gateway, move || reference.clone(), &shutdown);
    let serving = tokio::spawn(listener.serve(router, shutdown.clone()));
    let ready = json!({ "mcp_url": url, "token": token });
    std::fs::write(std::env::var(READY).unwrap(), format!("{ready}\n")).unwrap();
    let ended = || std::io::stdin().read_to_end(&mut Vec::new());
    tokio::task::spawn_blocking(ended).await.unwrap().unwrap();
    shutdown.cancel();
    serving.abort();
}

/// Writes all that a gateway needs; gives a token.
fn prepare(directory: &Path) -> String {
    let authority = Authority::create(directory).unwrap();
    let name: PeerName = "spiffe://cofferdam/gateway/main".parse().unwrap();
    let lifetime = Lifetime::from_now(Duration::from_hours(12));
    authority.issue(&name, lifetime).unwrap().write(directory).unwrap();
    SigningKey::generate().unwrap().save(&directory.join("signing.key")).unwrap();
    std::fs::write(directory.join("rules.toml"), "version = 1\nprofiles = []\n").unwrap();
    let key = SigningKey::generate().unwrap().public_key();
    let config = format!(
        r#"
name = "main"
listen = "127.0.0.1:0"
state = "state.sqlite"
rules = "rules.toml"
identity = {{ certificate = "main.crt", key = "main.key", authorities = "ca.crt" }}
signing = {{ key = "signing.key" }}
journal = {{ directory = "journal" }}

[[host]]
name = "none"
address = "127.0.0.1:1"
agent = "spiffe://cofferdam/agent/none"
key = "{key}"

[[project]]
name = "none"
workspace = "/none"
"#
    );
    std::fs::write(directory.join("gateway.toml"), config).unwrap();
    let store = TokenStore::open(&directory.join("state.sqlite")).unwrap();
    let new = NewToken {
        purpose: Purpose::Client,
        name: "suite".into(),
        user: "suite".into(),
        groups: Vec::new(),
        tenant: String::new(),
        claims: cofferdam_policy::Claims::default(),
        expires_at: None,
    };
    store.create(&new).unwrap().0.reveal().to_owned()
}
