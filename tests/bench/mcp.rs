//! Calls through the gateway, as an MCP client of 2026-07-28 makes them: over
//! one HTTP connection that stays, without a session.
//!
//! Written by hand over a blocking socket, because on a machine with two cores
//! a client of its own weight would be measured, too.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use cofferdam_tests::dev::Dev;
use cofferdam_tests::measure::spawn::TRUE;
use serde_json::{Value, json};

const REVISION: &str = "2026-07-28";

/// One connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    address: String,
    path: String,
    token: String,
}

/// A request that can be sent again and again.
pub(crate) struct Prepared(Vec<u8>);

/// What a run told about where it ran.
pub(crate) struct Seen {
    /// The project.
    pub(crate) project: String,
    /// The profile that the rules gave.
    pub(crate) profile: String,
}

impl Client {
    pub(crate) fn connect(dev: &Dev) -> anyhow::Result<Self> {
        let url = dev.told("mcp_url").strip_prefix("http://").context("no plain URL")?;
        let (address, path) = url.split_once('/').context("the URL has no path")?;
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_mins(2)))?;
        Ok(Self {
            stream: BufReader::new(stream),
            address: address.to_owned(),
            path: path.to_owned(),
            token: dev.told("token").to_owned(),
        })
    }

    /// A call of the program that the turns measure.
    pub(crate) fn run(&self) -> Prepared {
        self.prepare("execute_command", &json!({ "program": TRUE }))
    }

    /// A call that the gateway answers by itself.
    pub(crate) fn list_hosts(&self) -> Prepared {
        self.prepare("list_hosts", &json!({}))
    }

    /// A call that a host answers without doing anything in a cell.
    pub(crate) fn empty(&self) -> Prepared {
        self.prepare("get_system_info", &json!({}))
    }

    /// A small read; see [`crate::files`].
    pub(crate) fn read_file(&self) -> Prepared {
        self.prepare("read_file", &json!({ "path": crate::files::SMALL }))
    }

    /// A search of the whole workspace.
    pub(crate) fn search(&self, pattern: &str) -> Prepared {
        let arguments = json!({ "content": pattern, "fixed_string": true, "max_matches": 10_000 });
        self.prepare("search_files", &arguments)
    }

    fn prepare(&self, tool: &str, arguments: &Value) -> Prepared {
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {
                "name": tool,
                "arguments": arguments,
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": REVISION,
                    "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1" },
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        })
        .to_string();
        let Self { address, path, token, .. } = self;
        let length = body.len();
        let head = format!(
            "POST /{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             MCP-Protocol-Version: {REVISION}\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        Prepared((head + &body).into_bytes())
    }

    /// Sends it and waits for the result, which must not be an error.
    pub(crate) fn call(&mut self, request: &Prepared) -> anyhow::Result<Value> {
        self.stream.get_mut().write_all(&request.0)?;
        let (status, body) = self.answer()?;
        let text = String::from_utf8(body)?;
        ensure!(status == 200, "HTTP status {status}: {text}");
        let events = text.lines().rev().find_map(|line| line.strip_prefix("data:"));
        let mut answer: Value = serde_json::from_str(events.unwrap_or(&text))
            .with_context(|| format!("not a JSON-RPC message: {text}"))?;
        let result = answer["result"].take();
        if result.is_null() {
            bail!("the protocol refused: {answer}");
        }
        if result["isError"] == true {
            bail!("the tool failed: {}", result["structuredContent"]["error"]["message"]);
        }
        Ok(result)
    }

    /// The same, and how long it took.
    pub(crate) fn timed(&mut self, request: &Prepared) -> anyhow::Result<Duration> {
        let began = Instant::now();
        self.call(request)?;
        Ok(began.elapsed())
    }

    /// One run, to learn where calls run.
    pub(crate) fn look_around(&mut self) -> anyhow::Result<Seen> {
        let result = self.call(&self.run())?;
        let content = &result["structuredContent"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Ok(Seen {
            project: text(&content["project"]).context("the result names no project")?,
            profile: text(&content["decision"]["profile"])
                .context("the result names no profile")?,
        })
    }

    fn answer(&mut self) -> anyhow::Result<(u16, Vec<u8>)> {
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.context("the answer has no status")?;
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(": ") {
                Some(("content-length", value)) => length = value.parse()?,
                Some(("transfer-encoding", value)) => chunked = value == "chunked",
                Some(_) => {}
                None => break,
            }
        }
        let mut body = Vec::new();
        if !chunked {
            self.take(length, &mut body)?;
            return Ok((status, body));
        }
        loop {
            let size = usize::from_str_radix(&self.line()?, 16)?;
            self.take(size, &mut body)?;
            self.line()?;
            if size == 0 {
                return Ok((status, body));
            }
        }
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line)?;
        ensure!(read > 0, "the gateway closed the connection");
        line.truncate(line.trim_end().len());
        Ok(line)
    }

    fn take(&mut self, length: usize, body: &mut Vec<u8>) -> anyhow::Result<()> {
        let start = body.len();
        body.resize(start + length, 0);
        Ok(self.stream.read_exact(&mut body[start..])?)
    }
}
