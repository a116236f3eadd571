//! A gateway with everything that it needs, and a client that speaks raw HTTP.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_gateway::tokens::{NewToken, Purpose, TokenStore};
use cofferdam_gateway::{Config, Service};
use cofferdam_trust::{Authority, Lifetime, PeerName, SigningKey};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::host::{Script, TestHost};

/// What every call of 2026-07-28 carries.
pub(crate) const STATELESS: &str = "2026-07-28";

/// A gateway that serves, with one project on one host that is down.
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) token: String,
    /// Where metrics are asked for.
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) directory: TempDir,
    client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

/// Rules that allow everything in the project but one program.
const RULES: &str = r#"
version = 1
profiles = ["readonly", "build"]

[[rule]]
id = "work"
effect = "allow"
tools = ["execute_command"]
programs = [{ any = true }]
paths = [{ beneath = "workspace", mode = "write" }]
shell = "parsed"
environment = ["*"]
grant = { profile = "build", workspace_access = "write" }

[[rule]]
id = "files"
effect = "allow"
tools = [
    "read_file", "read_files", "write_file", "edit_file", "stat_file", "make_directory", "move_file",
    "copy_file", "delete_file", "list_directory", "search_files", "watch_files",
]
paths = [{ beneath = "workspace", mode = "write" }]
grant = { profile = "build", workspace_access = "write" }

[[rule]]
id = "look"
effect = "allow"
tools = ["get_system_info", "check_command_exists", "list_hosts"]
programs = [{ any = true }]
grant = { profile = "readonly" }

[[rule]]
id = "units"
effect = "allow"
services = ["*.service"]
journal = true
grant = { profile = "readonly" }

[[rule]]
id = "no-sudo"
effect = "deny"
reason = "nobody becomes root here"
programs = [{ names = ["sudo"] }]

[[rule]]
id = "push"
effect = "ask"
reason = "what is pushed is public"
programs = [{ name = "git", args = ["push"] }]
grant = { profile = "build", workspace_access = "write" }
"#;

impl Served {
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// Starts with a host that answers, and with these rules instead of the usual.
    pub(crate) async fn start_with_host(rules: Option<&str>, script: Script) -> (Self, TestHost) {
        Self::start_with_host_and(rules, script, "").await
    }

    /// The same, with more lines at the end of the configuration.
    pub(crate) async fn start_with_host_and(
        rules: Option<&str>,
        script: Script,
        more: &str,
    ) -> (Self, TestHost) {
        let directory = TempDir::new().unwrap();
        let token = prepare(directory.path(), more);
        if let Some(rules) = rules {
            std::fs::write(directory.path().join("rules.toml"), rules).unwrap();
        }
        let host = TestHost::start(directory.path(), script).await;
        let path = directory.path().join("gateway.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let point = |line: &str| match line.split_once(" = \"") {
            Some(("address", _)) => format!("address = \"{}\"\n", host.address),
            Some(("key", _)) => format!("key = \"{}\"\n", host.key),
            _ => format!("{line}\n"),
        };
        let text = text.lines().map(point).collect::<Vec<_>>().concat();
        std::fs::write(&path, text).unwrap();
        (Self::serve(directory, token).await, host)
    }

    /// Starts with more lines at the end of the configuration.
    pub(crate) async fn start_with(more: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let token = prepare(directory.path(), more);
        Self::serve(directory, token).await
    }

    /// Starts with these rules and no others.
    pub(crate) async fn with_rules(rules: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let token = prepare(directory.path(), "");
        std::fs::write(directory.path().join("rules.toml"), rules).unwrap();
        Self::serve(directory, token).await
    }

    pub(crate) async fn serve(directory: TempDir, token: String) -> Self {
        let config = Config::load(&directory.path().join("gateway.toml")).unwrap();
        let service = Service::start(config).await.unwrap();
        let (url, metrics) = (service.mcp_url(), service.metrics_address());
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            let stopped = async {
                stopped.await.ok();
            };
            service.run(stopped).await.unwrap();
        });
        let client = http_client(directory.path());
        Self { url, token, metrics, directory, client, stop: Some(stop), serving }
    }

    /// Ends it in order, if it was not ended yet.
    pub(crate) async fn stop(&mut self) {
        if self.stop.take().is_some() {
            (&mut self.serving).await.unwrap();
        }
    }

    /// Ends it and starts another in the same directory.
    pub(crate) async fn restart(mut self) -> Self {
        self.stop().await;
        let Self { directory, token, .. } = self;
        Self::serve(directory, token).await
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.directory.path().join("journal")
    }

    pub(crate) fn tokens(&self) -> TokenStore {
        TokenStore::open(&self.directory.path().join("state.sqlite")).unwrap()
    }

    /// A request with the token and the headers that MCP wants.
    pub(crate) fn post(&self, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        self.client
            .post(&self.url)
            .bearer_auth(&self.token)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(body)
    }

    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// A call of 2026-07-28, complete in itself.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        self.request("tools/call", params).await.1
    }

    /// Any request of 2026-07-28.
    pub(crate) async fn request(&self, method: &str, mut params: Value) -> (u16, Value) {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": STATELESS,
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let name =
            params["name"].as_str().or(params["uri"].as_str()).unwrap_or_default().to_owned();
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut request = self
            .post(body.to_string())
            .header("mcp-protocol-version", STATELESS)
            .header("mcp-method", method);
        if !name.is_empty() {
            request = request.header("mcp-name", name);
        }
        answer(request.send().await.unwrap()).await
    }
}

/// Status and message of an answer, the last one where it is a stream.
pub(crate) async fn answer(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let data = text.lines().rev().find_map(|line| line.strip_prefix("data:"));
    let message = data.map_or(text.as_str(), str::trim);
    (status, serde_json::from_str(message).unwrap_or(Value::String(text.clone())))
}

fn http_client(directory: &Path) -> reqwest::Client {
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let mut builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30));
    if let Ok(pem) = std::fs::read(directory.join("front.crt")) {
        let authority = reqwest::Certificate::from_pem(&pem).unwrap();
        builder = builder.tls_certs_only([authority]);
    }
    builder.build().unwrap()
}

/// Writes certificates, keys, rules and configuration; gives a token.
pub(crate) fn prepare(directory: &Path, more: &str) -> String {
    let authority = Authority::create(directory).unwrap();
    let name: PeerName = "spiffe://cofferdam/gateway/main".parse().unwrap();
    let issued = authority.issue(&name, Lifetime::from_now(Duration::from_hours(1))).unwrap();
    issued.write(directory).unwrap();
    SigningKey::generate().unwrap().save(&directory.join("signing.key")).unwrap();
    let host_key = SigningKey::generate().unwrap().public_key();
    std::fs::write(directory.join("rules.toml"), RULES).unwrap();
    let address = closed_address();
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
name = "down"
address = "{address}"
agent = "spiffe://cofferdam/agent/down"
key = "{host_key}"
labels = {{ role = "test" }}

[[project]]
name = "site"
workspace = "/srv/site"
{more}
"#
    );
    std::fs::write(directory.join("gateway.toml"), config).unwrap();
    let store = TokenStore::open(&directory.join("state.sqlite")).unwrap();
    let new = NewToken {
        purpose: Purpose::Client,
        name: "test".into(),
        user: "ada".into(),
        groups: vec!["developers".into()],
        tenant: String::new(),
        claims: cofferdam_policy::Claims::default(),
        expires_at: None,
    };
    store.create(&new).unwrap().0.reveal().to_owned()
}

/// An address that refuses connections: it was free a moment ago.
fn closed_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
