//! A client over stdio: `cofferdam mcp`, a line for each message.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{self as programs, Child, ChildStdin, ChildStdout, Command};
use std::time::{Duration, Instant};

use cofferdam_tests::programs::program;
use serde_json::{Value, json};

/// The revision without sessions.
pub(crate) const STATELESS: &str = "2026-07-28";

/// A client that is complete in each of its requests.
pub(crate) struct Stdio {
    process: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    next: u64,
    /// Answers that came while it waited for another one.
    answers: BTreeMap<u64, Value>,
    /// What it says of itself in each request.
    pub(crate) capabilities: Value,
    /// What it adds to `_meta`.
    pub(crate) meta: Value,
    /// Notifications that came while it waited for answers.
    pub(crate) told: Vec<Value>,
}

impl Stdio {
    pub(crate) fn of(url: &str, token: &str) -> Self {
        let mut process = Command::new(program("cofferdam"))
            .args(["mcp", "--url", url])
            .env("COFFERDAM_TOKEN", token)
            .stdin(programs::Stdio::piped())
            .stdout(programs::Stdio::piped())
            .spawn()
            .unwrap();
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().unwrap()).lines();
        let capabilities = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
        Self {
            process,
            input,
            output,
            next: 1,
            answers: BTreeMap::new(),
            capabilities,
            meta: json!({}),
            told: Vec::new(),
        }
    }

    /// A client that opened a session as those before 2026-07-28 do.
    pub(crate) fn in_session(url: &str, token: &str) -> Self {
        let mut client = Self::of(url, token);
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" } });
        let id = client.send_plain("initialize", &params);
        client.answer(id);
        client.write(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        client
    }

    /// Sends a request and leaves its answer to be read; gives its id.
    pub(crate) fn send(&mut self, method: &str, mut params: Value) -> u64 {
        let mut meta = json!({
            "io.modelcontextprotocol/protocolVersion": STATELESS,
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": self.capabilities,
        });
        for (key, value) in self.meta.as_object().unwrap() {
            meta[key] = value.clone();
        }
        params["_meta"] = meta;
        self.send_plain(method, &params)
    }

    /// The same with nothing added.
    pub(crate) fn send_plain(&mut self, method: &str, params: &Value) -> u64 {
        let id = self.next;
        self.next += 1;
        self.write(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    pub(crate) fn write(&mut self, message: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    /// The answer to a request; what else comes meanwhile is kept.
    pub(crate) fn answer(&mut self, id: u64) -> Value {
        loop {
            // Requests that are under way together are answered in any order.
            if let Some(answer) = self.answers.remove(&id) {
                return answer;
            }
            let line = self.output.next().expect("it goes on").unwrap();
            let message: Value = serde_json::from_str(&line).unwrap();
            match message["id"].as_u64().filter(|_| message.get("method").is_none()) {
                Some(answered) => drop(self.answers.insert(answered, message)),
                None => self.told.push(message),
            }
        }
    }

    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params);
        self.answer(id)
    }

    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        self.ask("tools/call", json!({ "name": tool, "arguments": arguments }))
    }

    /// The task that a call was answered with.
    pub(crate) fn task(&mut self, tool: &str, arguments: &Value) -> Value {
        let answer = self.call(tool, arguments);
        assert_eq!(answer["result"]["resultType"], "task", "{answer:#}");
        answer["result"].clone()
    }

    pub(crate) fn get(&mut self, task: &Value) -> Value {
        self.ask("tasks/get", json!({ "taskId": task }))
    }

    /// How a task stands once it is not `working` any more.
    pub(crate) fn ended(&mut self, task: &Value) -> Value {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let answer = self.get(task);
            let now = &answer["result"];
            assert!(now["status"].is_string(), "{answer:#}");
            if now["status"] != "working" {
                return now.clone();
            }
            assert!(Instant::now() < deadline, "it does not end: {now:#}");
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

impl Drop for Stdio {
    fn drop(&mut self) {
        // It ends with its input.
        self.input = None;
        self.process.wait().unwrap();
    }
}
