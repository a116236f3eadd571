//! One gateway and many hosts that dial it. All of it ends with what started it.
//!
//! The agents have no warden: what they are asked needs no cell.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cofferdam_trust::{Authority, PeerName, SigningKey};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::agent::hour;
use crate::dev::{parse_answer, until};
use crate::programs::{copy_program, program};
use crate::warden::is_root;

/// Whom agents run as where root starts them.
const SERVICE: u32 = 61_001;
const CEILING: &str = include_str!("../../packaging/config/ceiling.toml");
const RULES: &str = r#"
version = 1
profiles = ["default"]

[sets]
fleet = ["host-*"]

[[rule]]
id = "what-there-is"
effect = "allow"
tools = ["list_hosts"]

[[rule]]
id = "look-at-the-fleet"
effect = "allow"
tools = ["get_system_info"]
hosts = { names = ["@fleet"] }

[[rule]]
id = "run"
effect = "allow"
tools = ["execute_command"]
programs = [{ any = true }]
grant = { profile = "default" }

[[rule]]
id = "not-the-odd-ones"
effect = "deny"
reason = "odd hosts are not looked at"
hosts = { labels = { parity = "odd" } }
tools = ["get_system_info"]
subjects = { users = ["careful"] }
"#;

/// A gateway and its hosts.
pub struct Fleet {
    gateway: Option<Child>,
    agents: Vec<Agent>,
    address: SocketAddr,
    /// Where hosts dial in.
    pub hosts_address: SocketAddr,
    token: String,
    /// Who certifies all of them.
    pub authority: Authority,
    directory: TempDir,
}

/// One agent; it ends when its lifeline closes.
struct Agent {
    process: Child,
    lifeline: Option<OwnedFd>,
}

impl Fleet {
    /// A gateway with `count` hosts, which all dial in and have not been started.
    pub fn prepare(count: usize) -> Self {
        let directory = TempDir::new().unwrap();
        let place = directory.path().canonicalize().unwrap();
        std::fs::set_permissions(&place, PermissionsExt::from_mode(0o755)).unwrap();
        let authority = Authority::create(&place.join("authority")).unwrap();
        let [address, hosts_address] = free_addresses();
        copy_program("cofferdam-agent", &place.join("cofferdam-agent"));
        std::fs::write(place.join("ceiling.toml"), CEILING).unwrap();
        let mut fleet = Self {
            gateway: None,
            agents: Vec::new(),
            address,
            hosts_address,
            token: String::new(),
            authority,
            directory,
        };
        let gateway_key = fleet.prepare_gateway();
        let mut tables = String::new();
        for number in 0..count {
            let key = fleet.prepare_agent(number, &gateway_key);
            let parity = if number % 2 == 0 { "even" } else { "odd" };
            write!(
                tables,
                "[[host]]\nname = \"host-{number}\"\nkey = \"{key}\"\n\
                 agent = \"spiffe://cofferdam/agent/host-{number}\"\n\
                 labels = {{ parity = \"{parity}\" }}\n"
            )
            .unwrap();
        }
        fleet.configure_gateway(&tables);
        fleet.token = fleet.make_token("ann");
        fleet
    }

    /// Where all of it lies: `gateway`, `host-0` and so on.
    pub fn place(&self) -> PathBuf {
        self.directory.path().canonicalize().unwrap()
    }

    fn prepare_gateway(&self) -> String {
        let place = self.place().join("gateway");
        std::fs::create_dir(&place).unwrap();
        let name: PeerName = "spiffe://cofferdam/gateway/main".parse().unwrap();
        self.authority.issue(&name, hour()).unwrap().write(&place).unwrap();
        std::fs::write(place.join("ca.crt"), self.authority.certificate_pem()).unwrap();
        std::fs::write(place.join("rules.toml"), RULES).unwrap();
        let key = SigningKey::generate().unwrap();
        key.save(&place.join("signing.key")).unwrap();
        key.public_key().to_string()
    }

    fn configure_gateway(&self, tables: &str) {
        let text = format!(
            "name = \"main\"\nlisten = \"{}\"\nstate = \"state.sqlite\"\nrules = \"rules.toml\"\n\
             identity = {{ certificate = \"main.crt\", key = \"main.key\", authorities = \"ca.crt\" }}\n\
             signing = {{ key = \"signing.key\" }}\njournal = {{ directory = \"journal\" }}\n\
             hosts_listen = {{ address = \"{}\", strangers_per_address = 128 }}\n{tables}\n\
             [[project]]\nname = \"all\"\nworkspace = \"/srv\"\n",
            self.address, self.hosts_address,
        );
        std::fs::write(self.config(), text).unwrap();
    }

    /// gateway.toml.
    pub fn config(&self) -> PathBuf {
        self.place().join("gateway/gateway.toml")
    }

    fn prepare_agent(&self, number: usize, gateway_key: &str) -> String {
        let place = self.place().join(format!("host-{number}"));
        std::fs::create_dir(&place).unwrap();
        let name: PeerName = format!("spiffe://cofferdam/agent/host-{number}").parse().unwrap();
        let files = self.authority.issue(&name, hour()).unwrap().write(&place).unwrap();
        let key = SigningKey::generate().unwrap();
        key.save(&place.join("signing.key")).unwrap();
        std::fs::write(place.join("ca.crt"), self.authority.certificate_pem()).unwrap();
        let text = format!(
            "name = \"host-{number}\"\nceiling = \"../ceiling.toml\"\n\
             warden = \"no-warden.sock\"\ncontrol = \"control.sock\"\n\
             identity = {{ certificate = \"host-{number}.crt\", key = \"host-{number}.key\", authorities = \"ca.crt\" }}\n\
             signing = {{ key = \"signing.key\" }}\njournal = {{ directory = \"journal\" }}\n\
             gateways = {{ keys = [\"{gateway_key}\"] }}\ngateway = {{ dial = [\"{}\"] }}\n",
            self.hosts_address,
        );
        std::fs::write(place.join("agent.toml"), text).unwrap();
        if is_root() {
            for path in [&place, &place.join("signing.key"), &files.certificate, &files.key] {
                chown(path, Some(SERVICE), Some(SERVICE)).unwrap();
            }
        }
        key.public_key().to_string()
    }

    fn make_token(&self, user: &str) -> String {
        let made = self.cofferdam(&["token", "create", user, "--user", user]);
        made.lines().next().unwrap().to_owned()
    }

    /// Runs the person's command for this gateway.
    pub fn cofferdam(&self, arguments: &[&str]) -> String {
        let ran = Command::new(program("cofferdam"))
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    }

    /// Starts it, and waits until it serves clients.
    pub fn start_gateway(&mut self) {
        let log = self.place().join("gateway/log");
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let process = Command::new(program("cofferdam-gateway"))
            .arg("--config")
            .arg(self.config())
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        self.gateway = Some(process);
        until("the gateway serves", || TcpStream::connect(self.address).is_ok());
    }

    /// Ends it as a crash does.
    pub fn kill_gateway(&mut self) {
        let mut process = self.gateway.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Starts the agent of a host.
    pub fn start_agent(&mut self, number: usize) {
        let place = self.place();
        let (lifeline, hold) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map(|(r, w)| (w, r)).unwrap();
        let own = place.join(format!("host-{number}"));
        let log = std::fs::File::create(own.join("log")).unwrap();
        let mut command = Command::new("/bin/sh");
        command
            .args(["-ec", "exec 3<&0 </dev/null && exec \"$@\"", "sh"])
            .arg(place.join("cofferdam-agent"))
            .arg("--config")
            .arg(own.join("agent.toml"))
            .args(["--lifeline-fd", "3"])
            .stdin(Stdio::from(hold))
            .stdout(Stdio::null())
            .stderr(Stdio::from(log));
        if is_root() {
            command.uid(SERVICE).gid(SERVICE);
        }
        let process = command.spawn().unwrap();
        self.agents.push(Agent { process, lifeline: Some(lifeline) });
    }

    /// pid of an agent, in the order of their starts.
    pub fn agent_pid(&self, index: usize) -> u32 {
        self.agents[index].process.id()
    }

    /// Calls a tool over raw HTTP.
    pub fn tool(&self, name: &str, arguments: &Value) -> Value {
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": name, "arguments": arguments },
        })
        .to_string();
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             Authorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            self.token,
            body.len(),
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let (status, answer) = parse_answer(&String::from_utf8_lossy(&answer));
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// What `list_hosts` says of them.
    pub fn hosts(&self) -> Vec<Value> {
        let answer = self.tool("list_hosts", &json!({}));
        let hosts = answer["result"]["structuredContent"]["hosts"].as_array().cloned();
        hosts.unwrap_or_else(|| panic!("{answer:#}"))
    }

    /// What it says of one.
    pub fn host(&self, name: &str) -> Value {
        self.hosts().into_iter().find(|host| host["name"] == name).unwrap()
    }

    /// How long until so many answer.
    pub fn until_ready(&self, count: usize, patience: Duration) -> Duration {
        let began = Instant::now();
        loop {
            let hosts = self.hosts();
            let ready = hosts.iter().filter(|host| host["state"] == "ready").count();
            if ready >= count {
                return began.elapsed();
            }
            let waited = began.elapsed();
            assert!(waited < patience, "{ready} of {count} hosts after {waited:?}: {hosts:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The gateway's journal, as text.
    pub fn journal(&self) -> String {
        text_of(&self.place().join("gateway/journal"))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for agent in &mut self.agents {
            agent.lifeline = None;
        }
        for agent in &mut self.agents {
            let deadline = Instant::now() + Duration::from_secs(15);
            while agent.process.try_wait().is_ok_and(|ended| ended.is_none()) {
                if Instant::now() > deadline {
                    _ = agent.process.kill();
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        if let Some(gateway) = &mut self.gateway {
            _ = gateway.kill();
            _ = gateway.wait();
        }
        if std::thread::panicking() {
            let log = |path: &str| std::fs::read_to_string(self.place().join(path));
            let tail = |text: String| text[text.len().saturating_sub(4000)..].to_owned();
            eprintln!("gateway: {}", tail(log("gateway/log").unwrap_or_default()));
            eprintln!("host-0: {}", tail(log("host-0/log").unwrap_or_default()));
        }
    }
}

/// Two that nobody listens on a moment ago.
fn free_addresses() -> [SocketAddr; 2] {
    let sockets = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    sockets.map(|socket| socket.local_addr().unwrap())
}

fn text_of(directory: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
    text
}
