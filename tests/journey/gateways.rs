//! Processes live on their hosts: a gateway that is killed and started again, and
//! another one beside it, find them by their handles, and no byte is missing.

use std::io::BufRead;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use cofferdam_tests::dev::until;
use cofferdam_tests::host::Host;
use cofferdam_tests::programs::program;
use serde_json::{Value, json};

const RULES: &str = r#"
version = 1
profiles = ["default"]

[[rule]]
id = "run"
effect = "allow"
tools = ["execute_command", "start_process", "write_file"]
programs = [{ any = true }]
paths = [{ beneath = "/", mode = "write" }]
shell = "opaque"
environment = ["WHO"]
grant = { profile = "default", workspace_access = "write" }

[[rule]]
id = "no-signals"
effect = "deny"
reason = "whoever watches does not end"
tools = ["signal_process"]
subjects = { users = ["watcher"] }
"#;

/// One gateway of a host, with a journal and tokens of its own.
pub(crate) struct Gateway {
    process: Option<Child>,
    pub(crate) place: PathBuf,
    url: String,
}

impl Gateway {
    pub(crate) fn of(host: &Host, name: &str) -> Self {
        Self::of_all(&[host], name)
    }

    /// Of hosts beside each other, at the place of the first, and of one that is away.
    pub(crate) fn of_all(hosts: &[&Host], name: &str) -> Self {
        let first = hosts[0];
        let place = first.place().join(name);
        let tables: String = hosts.iter().map(|host| table(host)).collect();
        let names: Vec<&str> = hosts.iter().map(|host| host.name()).collect();
        let configuration = format!(
            r#"
identity = {{ certificate = "../gateway/main.crt", key = "../gateway/main.key", authorities = "../gateway/ca.crt" }}
signing = {{ key = "../gateway/signing.key" }}
{tables}
[[host]]
name = "away"
address = "127.0.0.1:1"
agent = "spiffe://cofferdam/agent/away"
key = "{key}"

[[project]]
name = "shop"
workspace = "{workspace}"
hosts = {with_away:?}

[[project]]
name = "other"
workspace = "{workspace}"
hosts = {names:?}
"#,
            key = first.signing_key().public_key(),
            workspace = first.workspace("shop").display(),
            with_away = [&names[..], &["away"]].concat(),
        );
        let mut gateway = Self::prepare(place, &configuration);
        gateway.start();
        gateway
    }

    /// One at `place` with these lines in its configuration; it is not started.
    pub(crate) fn prepare(place: PathBuf, lines: &str) -> Self {
        std::fs::create_dir(&place).unwrap();
        std::fs::write(place.join("rules.toml"), RULES).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let configuration = format!(
            "name = \"main\"\nlisten = \"127.0.0.1:{port}\"\nstate = \"state.sqlite\"\n\
             rules = \"rules.toml\"\njournal = {{ directory = \"journal\" }}\n{lines}"
        );
        std::fs::write(place.join("gateway.toml"), configuration).unwrap();
        Self { process: None, place, url: format!("http://127.0.0.1:{port}/mcp") }
    }

    /// The person's command, working on this gateway.
    pub(crate) fn cofferdam(&self, words: &[&str]) -> Output {
        let mut command = Command::new(program("cofferdam"));
        command.args(words).arg("--config").arg(self.place.join("gateway.toml")).output().unwrap()
    }

    pub(crate) fn start(&mut self) {
        self.start_with(&("COFFERDAM_TESTED".to_owned(), "yes".to_owned()));
    }

    /// The same with a variable.
    pub(crate) fn start_with(&mut self, (name, value): &(String, String)) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.place.join("log"))
            .unwrap();
        let process = Command::new(program("cofferdam-gateway"))
            .arg("--config")
            .arg(self.place.join("gateway.toml"))
            .env(name, value)
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        self.process = Some(process);
        let address = self.url.trim_start_matches("http://").trim_end_matches("/mcp").to_owned();
        until("the gateway serves", || TcpStream::connect(&address).is_ok());
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// pid of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn token(&self, user: &str) -> String {
        let made = Command::new(program("cofferdam"))
            .args(["token", "create", user, "--user", user, "--config"])
            .arg(self.place.join("gateway.toml"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        made.stdout.lines().next().unwrap().unwrap()
    }

    /// Takes a token back.
    pub(crate) fn revoke(&self, name: &str) {
        let revoked = Command::new(program("cofferdam"))
            .args(["token", "revoke", name, "--config"])
            .arg(self.place.join("gateway.toml"))
            .output()
            .unwrap();
        assert!(revoked.status.success(), "{}", String::from_utf8_lossy(&revoked.stderr));
    }

    /// What a tool answers, as a client of the official SDK gets it.
    pub(crate) fn call(&self, token: &str, tool: &str, arguments: &Value) -> Value {
        let called = Command::new(program("cofferdam"))
            .args(["call", "--json", "--url", &self.url, tool, "--args", &arguments.to_string()])
            .env("COFFERDAM_TOKEN", token)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&called.stdout).into_owned();
        serde_json::from_str(&said).unwrap_or_else(|error| {
            panic!("{tool}: {error}: {said}{}", String::from_utf8_lossy(&called.stderr))
        })
    }
}

/// What a gateway's configuration says of a host; each is labelled with its own name.
fn table(host: &Host) -> String {
    format!(
        "\n[[host]]\nname = \"{name}\"\naddress = \"{address}\"\nagent = \"{agent}\"\n\
         key = \"{key}\"\nlabels = {{ named = \"{name}\", kind = \"real\" }}\n",
        name = host.name(),
        address = host.address(),
        agent = host.agent(),
        key = host.signing_key().public_key(),
    )
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
        if std::thread::panicking() {
            eprintln!("{}", std::fs::read_to_string(self.place.join("log")).unwrap_or_default());
        }
    }
}

/// The answer itself, whatever stands around it.
pub(crate) fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    match value.get("structuredContent") {
        Some(structured) => &structured[name],
        None => &value[name],
    }
}

#[test]
fn a_gateway_that_is_killed_and_another_one_read_on_without_loss() {
    let host = Host::start();
    let (mut one, other) = (Gateway::of(&host, "one"), Gateway::of(&host, "other"));
    let (token, others) = (one.token("ann"), other.token("ann"));
    let line = "for i in $(seq 1 40); do echo line $i; sleep 0.2; done; exit 4";
    let started = one.call(&token, "start_process", &json!({ "command": line, "project": "shop" }));
    let process = field(&started, "process").as_str().unwrap_or_else(|| panic!("{started:#}"));
    let read = |gateway: &Gateway, token: &str, offset: u64, until: &str| {
        let arguments = json!({ "process": process, "stdout_offset": offset, "until": until });
        let answer = gateway.call(token, "read_process", &arguments);
        let text = field(&answer, "stdout").as_str().unwrap_or_else(|| panic!("{answer:#}"));
        (text.to_owned(), field(&answer, "next_stdout_offset").as_u64().unwrap(), answer.clone())
    };
    let (mut text, mut offset, _) = read(&one, &token, 0, "output");
    assert!(text.starts_with("line 1\n"), "{text}");
    one.kill();
    let (more, next, _) = read(&other, &others, offset, "output");
    (text, offset) = (text + &more, next);
    one.start();
    let (more, _, ended) = read(&one, &token, offset, "end");
    text += &more;
    let lines: Vec<String> = (1..=40).map(|number| format!("line {number}")).collect();
    let expected = lines.join("\n") + "\n";
    assert_eq!(text, expected);
    assert_eq!(field(&ended, "outcome"), &json!({ "kind": "exited", "code": 4 }), "{ended:#}");
    // The gateway that was killed has the end of what it started.
    let journals = [one.place.join("journal"), host.place().join("agent/journal")];
    until("the journals agree", || {
        let reconciled = Command::new(program("cofferdam"))
            .args(["audit", "reconcile", "--gateway"])
            .arg(&journals[0])
            .arg("--agent")
            .arg(&journals[1])
            .output()
            .unwrap();
        reconciled.status.success()
    });
}

#[test]
fn a_process_of_another_caller_is_answered_as_one_that_there_is_not() {
    let host = Host::start();
    let gateway = Gateway::of(&host, "one");
    let (ann, bob) = (gateway.token("ann"), gateway.token("bob"));
    let arguments = json!({ "command": "cat", "stdin_open": true, "project": "shop" });
    let started = gateway.call(&ann, "start_process", &arguments);
    let process = field(&started, "process").as_str().unwrap().to_owned();
    let none = "test/00000000-0000-4000-8000-000000000000";
    for (tool, more) in [
        ("read_process", json!({})),
        ("wait_process", json!({})),
        ("write_process", json!({ "text": "x" })),
        ("signal_process", json!({ "signal": "KILL" })),
        ("resize_process", json!({ "rows": 1, "columns": 1 })),
    ] {
        let ask = |handle: &str| {
            let mut arguments = more.clone();
            arguments["process"] = json!(handle);
            let answer = gateway.call(&bob, tool, &arguments);
            let error = field(&answer, "error");
            let message = error["message"].as_str().unwrap_or_else(|| panic!("{answer:#}"));
            (error["reason"].clone(), message.replace(handle, ""))
        };
        assert_eq!(ask(&process), ask(none), "{tool}");
    }
    let list = |token: &str, project: &str| {
        let answer = gateway.call(token, "list_processes", &json!({ "project": project }));
        field(&answer, "processes").as_array().unwrap_or_else(|| panic!("{answer:#}")).len()
    };
    assert_eq!((list(&ann, "shop"), list(&ann, "other"), list(&bob, "shop")), (1, 0, 0));
}

#[test]
fn a_rule_that_denies_a_tool_for_processes_leaves_the_others() {
    let host = Host::start();
    let gateway = Gateway::of(&host, "one");
    let watcher = gateway.token("watcher");
    let arguments =
        json!({ "command": "echo begun; sleep 30", "project": "shop", "wait_seconds": 0 });
    let started = gateway.call(&watcher, "start_process", &arguments);
    let process = field(&started, "process").as_str().unwrap().to_owned();
    let signal = json!({ "process": process, "signal": "TERM" });
    let refused = gateway.call(&watcher, "signal_process", &signal);
    let error = field(&refused, "error");
    assert_eq!((&error["reason"], &error["rules"]), (&json!("DENIED"), &json!(["no-signals"])));
    let read = json!({ "process": process, "pattern": "begun", "wait_seconds": 30 });
    let read = gateway.call(&watcher, "read_process", &read);
    assert_eq!(field(&read, "state"), "running", "{read:#}");
}
