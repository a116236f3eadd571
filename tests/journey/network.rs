//! The way out of a cell: real clients in cells, the proxy outside, servers that
//! the tests start; and everything beside that way, which must be closed.
//!
//! The servers listen on 127.0.0.2. The same address in a cell is the cell's own
//! loopback, where nobody listens: what reaches a server came through the proxy.

mod clients;
mod endings;
mod walls;

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use cofferdam_tests::dev::Dev;
use cofferdam_tests::servers::{Authority, Files, Server, http, https};
use serde_json::{Value, json};

/// Where servers listen; not in a run's NO_PROXY.
const AWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Two servers with the same files, and a `cofferdam dev` whose cells may reach
/// them and nothing else.
struct Net {
    plain: Server,
    tls: Server,
    files: Files,
    dev: Dev,
}

impl Net {
    fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more destinations.
    fn start_with(more: &[String]) -> Self {
        let (authority, files) = (Authority::create(), Files::default());
        let plain = http(AWAY, files.clone());
        // npm asks for `localhost` where a URL has an address and a proxy leads
        // to it.
        let certified = [&*AWAY.to_string(), "localhost"];
        let tls = https(AWAY, &authority, &certified, files.clone());
        let named = [&plain, &tls].map(|server| server.address.to_string());
        let allow: Vec<&str> =
            named.iter().chain(more).flat_map(|to| ["--allow", to.as_str()]).collect();
        let prepare = |workspace: &std::path::Path| {
            std::fs::create_dir(workspace).unwrap();
            std::fs::write(workspace.join("ca.pem"), authority.pem()).unwrap();
        };
        let dev = Dev::start_with(prepare, &allow);
        Self { plain, tls, files, dev }
    }

    /// `http://…` of the server without TLS.
    fn http(&self) -> String {
        format!("http://{}", self.plain.address)
    }

    /// `https://…` of the server with TLS.
    fn https(&self) -> String {
        format!("https://{}", self.tls.address)
    }

    /// Runs a command line in the session's cell.
    fn run(&self, line: &str) -> Ran {
        self.run_with(line, json!({}))
    }

    /// With more arguments of `execute_command`.
    fn run_with(&self, line: &str, more: Value) -> Ran {
        run(&self.dev, line, more)
    }
}

/// What a command line came to.
struct Ran(Value);

fn run(dev: &Dev, line: &str, more: Value) -> Ran {
    let mut arguments = more;
    arguments["command"] = line.into();
    arguments["timeout_seconds"] = 50.into();
    let mut answer = dev.tool("execute_command", &arguments);
    Ran(answer["result"]["structuredContent"].take())
}

impl Ran {
    /// What it printed, if it did what it was asked to.
    fn output(&self) -> &str {
        assert!(self.succeeded(), "{:#}", self.0);
        self.stdout()
    }

    fn succeeded(&self) -> bool {
        self.0["outcome"] == json!({ "kind": "exited", "code": 0 })
    }

    fn stdout(&self) -> &str {
        self.0["stdout"].as_str().unwrap_or_default()
    }

    /// Whether this host could not give a layer.
    fn lacks(&self, layer: &str) -> bool {
        let degraded = self.0["degraded"].as_array();
        degraded.is_some_and(|layers| layers.iter().any(|it| it["layer"] == layer))
    }

    /// What it printed to stderr, if it failed by itself.
    fn failure(&self) -> &str {
        assert_eq!(self.0["outcome"]["kind"], "exited", "{:#}", self.0);
        assert_ne!(self.0["outcome"]["code"], 0, "{:#}", self.0);
        self.0["stderr"].as_str().unwrap_or_default()
    }

    /// What it reached, or was refused, by destination.
    fn network(&self) -> &[Value] {
        self.0["network"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// Its only destination is `server`, which it reached `server.reached()`
    /// times: what the record counts is what came.
    fn reached_only(&self, server: &Server) {
        let [one] = self.network() else { panic!("{:#}", self.0) };
        assert_eq!(one["destination"], server.address.to_string(), "{:#}", self.0);
        assert_eq!(one["connections"], server.reached(), "{:#}", self.0);
        assert_eq!(one["refused"], Value::Null, "{:#}", self.0);
    }
}

/// Skips a test where this user has no such program.
fn missing(test: &str, program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success());
    if !there {
        cofferdam_tests::skip(test, &format!("{program} is not installed for this user"));
    }
    !there
}
