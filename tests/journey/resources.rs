//! Resources of a real host: read like the tools read, recorded like their calls, and
//! whoever subscribed hears of changes, in both eras.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use cofferdam_tests::dev::{Dev, until};
use cofferdam_tests::host::Host;
use serde_json::{Value, json};

use crate::content;
use crate::gateways::{Gateway, field};

const META: &str = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;

/// A request of 2025-11-25 that stands by itself.
fn ask(dev: &Dev, method: &str, params: &Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    dev.post(&body.to_string()).1
}

fn read(dev: &Dev, uri: &str) -> Value {
    ask(dev, "resources/read", &json!({ "uri": uri }))
}

fn contents(answer: &Value) -> &Vec<Value> {
    answer["result"]["contents"].as_array().unwrap_or_else(|| panic!("{answer:#}"))
}

/// The URI of the workspace.
fn workspace(dev: &Dev) -> String {
    let listed = ask(dev, "resources/list", &json!({}));
    listed["result"]["resources"][0]["uri"]
        .as_str()
        .unwrap_or_else(|| panic!("{listed:#}"))
        .to_owned()
}

/// A request to any gateway; gives the stream of its answer.
fn post(url: &str, token: &str, headers: &str, body: &Value) -> TcpStream {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         Authorization: Bearer {token}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    stream
}

/// The same of a request of 2025-11-25 that stands by itself; gives the answer.
fn ask_of(gateway: &Gateway, token: &str, method: &str, params: &Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let mut stream = post(gateway.url(), token, "", &body);
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let mut found = text.lines().filter_map(|line| {
        let line = line.strip_prefix("data:").unwrap_or(line);
        serde_json::from_str::<Value>(line.trim()).ok().filter(Value::is_object)
    });
    found.next_back().unwrap_or_else(|| panic!("{text}"))
}

/// Events as they come on a stream, each one JSON message.
struct Stream(BufReader<TcpStream>);

impl Stream {
    /// What a session of the older revisions is told besides answers.
    fn of_session(dev: &Dev, session: &str) -> Self {
        let url = dev.told("mcp_url").strip_prefix("http://").unwrap();
        let (address, path) = url.split_once('/').unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "GET /{path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\
             Authorization: Bearer {}\r\nMcp-Session-Id: {session}\r\n\r\n",
            dev.told("token")
        )
        .unwrap();
        Self::new(stream)
    }

    /// A stream of 2026-07-28 that hears of these.
    fn listening(dev: &Dev, notifications: &Value) -> Self {
        Self::listening_at(dev.told("mcp_url"), dev.told("token"), notifications)
    }

    fn listening_at(url: &str, token: &str, notifications: &Value) -> Self {
        let meta: Value = serde_json::from_str(META).unwrap();
        let params = json!({ "_meta": meta, "notifications": notifications });
        let method = "subscriptions/listen";
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let headers = format!("Mcp-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n");
        Self::new(post(url, token, &headers, &body))
    }

    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self(BufReader::new(stream))
    }

    /// The next message of this method, and how long it took.
    fn next(&mut self, method: &str) -> (Value, Duration) {
        let began = Instant::now();
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.0.read_line(&mut line).expect("it is told in time");
            // A stream is kept alive by lines that say nothing.
            assert!(began.elapsed() < Duration::from_secs(45), "{method} is not told");
            assert!(read > 0, "the stream ended before {method}");
            let Some(data) = line.strip_prefix("data:") else { continue };
            let Ok(message) = serde_json::from_str::<Value>(data.trim()) else { continue };
            if message["method"] == method {
                return (message, began.elapsed());
            }
        }
    }

    fn updated(&mut self, uri: &str) -> Duration {
        loop {
            let (told, took) = self.next("notifications/resources/updated");
            if told["params"]["uri"] == uri {
                return took;
            }
        }
    }
}

/// Opens a session and gives its id.
fn open_session(dev: &Dev) -> String {
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "t", "version": "1" },
    });
    let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    let token = format!("Authorization: Bearer {}\r\n", dev.told("token"));
    let stream = dev.open(&body.to_string(), &token);
    let mut session = None;
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("mcp-session-id")
        {
            session = Some(value.to_owned());
        }
    }
    let session = session.expect("a session");
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    in_session(dev, &session, &ready);
    session
}

fn in_session(dev: &Dev, session: &str, body: &Value) -> Value {
    let headers =
        format!("Authorization: Bearer {}\r\nMcp-Session-Id: {session}\r\n", dev.told("token"));
    dev.post_with(&body.to_string(), &headers).1
}

fn subscribe(dev: &Dev, session: &str, uri: &str) {
    let params = json!({ "uri": uri });
    let body =
        json!({ "jsonrpc": "2.0", "id": 3, "method": "resources/subscribe", "params": params });
    let answer = in_session(dev, session, &body);
    assert_eq!(answer["result"], json!({}), "{answer:#}");
}

fn start(dev: &Dev, line: &str) -> String {
    let started = dev.tool("start_process", &json!({ "command": line }));
    content(&started)["process"].as_str().unwrap().to_owned()
}

#[test]
fn files_are_text_or_blobs_directories_are_lists_and_any_name_has_a_uri() {
    let dev = Dev::start();
    let odd = OsStr::from_bytes(b"caf\xe9 100%?#.txt");
    std::fs::write(dev.workspace.join(odd), "odd").unwrap();
    std::fs::write(dev.workspace.join("main.rs"), "fn main() {}\n").unwrap();
    std::fs::write(dev.workspace.join("image.png"), b"\x89PNG\r\n\x1a\nrest\xff").unwrap();
    std::fs::create_dir(dev.workspace.join("sub")).unwrap();
    let root = workspace(&dev);
    let text = read(&dev, &format!("{root}main.rs"));
    let text = &contents(&text)[0];
    assert_eq!(
        (&text["text"], &text["mimeType"]),
        (&json!("fn main() {}\n"), &json!("text/x-rust"))
    );
    let image = read(&dev, &format!("{root}image.png"));
    let image = &contents(&image)[0];
    assert_eq!(
        (&image["blob"], &image["mimeType"]),
        (&json!("iVBORw0KGgpyZXN0/w=="), &json!("image/png"))
    );
    let listed = read(&dev, &root);
    let listed: Value =
        serde_json::from_str(contents(&listed)[0]["text"].as_str().unwrap()).unwrap();
    let entries = listed["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 4, "{listed:#}");
    let found = |name: &str| {
        entries.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("{listed:#}"))
    };
    assert_eq!(found("sub")["uri"], format!("{root}sub/"));
    let uri = found("caf\\xe9 100%?#.txt")["uri"].as_str().unwrap();
    assert_eq!(uri, format!("{root}caf%E9%20100%25%3F%23.txt"));
    assert_eq!(contents(&read(&dev, uri))[0]["text"], "odd");
    // What is not there, and what is no file.
    let told = read(&dev, &format!("{root}gone"));
    assert_eq!(
        (&told["error"]["code"], &told["error"]["data"]["reason"]),
        (&json!(-32002), &json!("FILE_NOT_FOUND"))
    );
    let told = read(&dev, &format!("{root}sub"));
    assert_eq!(told["error"]["data"]["reason"], "FILE_WRONG_KIND", "{told:#}");
}

#[test]
fn a_long_file_is_read_part_by_part_and_every_byte_comes_once() {
    let dev = Dev::start();
    let lines = (0..200_000).fold(String::new(), |text, it| text + &format!("línea {it}\n"));
    std::fs::write(dev.workspace.join("long"), &lines).unwrap();
    let mut next = Some(format!("{}long", workspace(&dev)));
    let mut whole = String::new();
    let mut parts = 0;
    while let Some(uri) = next {
        let answer = read(&dev, &uri);
        let contents = contents(&answer);
        whole += contents[0]["text"].as_str().unwrap();
        next = contents[0]["_meta"]["cofferdam/next"].as_str().map(str::to_owned);
        // It is said in words, too.
        assert_eq!(contents.len(), if next.is_some() { 2 } else { 1 });
        parts += 1;
    }
    assert_eq!(parts, lines.len().div_ceil(1 << 20));
    assert!(whole == lines, "{} bytes of {}", whole.len(), lines.len());
    let part = read(&dev, &format!("{}long?offset=7&length=3", workspace(&dev)));
    assert_eq!(contents(&part)[0]["text"], "0\nl", "{part:#}");
}

#[test]
fn what_a_run_printed_is_read_stream_by_stream_and_part_by_part() {
    let dev = Dev::start();
    let run = dev.tool("execute_command", &json!({ "command": "printf 'a\\0b'; echo err >&2" }));
    let handle = content(&run)["process"].as_str().unwrap().to_owned();
    let listed = ask(&dev, "resources/list", &json!({}));
    let resources = listed["result"]["resources"].as_array().unwrap();
    let own = resources
        .iter()
        .find(|it| it["name"] == handle.as_str())
        .unwrap_or_else(|| panic!("{listed:#}"));
    let uri = own["uri"].as_str().unwrap();
    let both = read(&dev, uri);
    let both = contents(&both);
    assert_eq!(
        (&both[0]["blob"], &both[1]["text"]),
        (&json!("YQBi"), &json!("err\n")),
        "{both:#?}"
    );
    let one = read(&dev, &uri.replace("/output", "/stderr?offset=1"));
    assert_eq!(contents(&one)[0]["text"], "rr\n");
    assert_eq!(contents(&one)[0]["_meta"]["cofferdam/state"], "ended", "{one:#}");
    let told = read(
        &dev,
        &uri.replace(handle.rsplit('/').next().unwrap(), "0b9c6a52-7d1e-4d0a-9c55-6f2f9d3f7a10"),
    );
    assert_eq!(told["error"]["data"]["reason"], "UNKNOWN_PROCESS", "{told:#}");
}

#[test]
fn a_session_hears_of_changed_files_of_output_and_of_the_end_of_a_run() {
    let dev = Dev::start();
    let file = dev.workspace.join("watched");
    std::fs::write(&file, "1").unwrap();
    let session = open_session(&dev);
    let mut stream = Stream::of_session(&dev, &session);
    let uri = format!("{}watched", workspace(&dev));
    subscribe(&dev, &session, &uri);
    // The watch is set a moment after the answer; what is missed is found when it ends.
    std::thread::sleep(Duration::from_secs(1));
    std::fs::write(&file, "22").unwrap();
    let took = stream.updated(&uri);
    assert!(took < Duration::from_secs(5), "{took:?}");
    // As editors do it: another file takes its place.
    std::thread::sleep(Duration::from_secs(2));
    std::fs::write(dev.workspace.join("new"), "333").unwrap();
    std::fs::rename(dev.workspace.join("new"), &file).unwrap();
    stream.updated(&uri);
    let process = start(&dev, "sleep 4; echo more; sleep 3");
    let run = process.rsplit('/').next().unwrap();
    let (told, _) = stream.next("notifications/resources/list_changed");
    assert!(told["params"].is_null() || told["params"].is_object());
    let host = process.split('/').next().unwrap();
    let output = format!("cofferdam://{host}/runs/{run}/stdout");
    subscribe(&dev, &session, &output);
    stream.updated(&output);
    assert_eq!(contents(&read(&dev, &output))[0]["text"], "more\n");
    stream.updated(&output);
    assert_eq!(contents(&read(&dev, &output))[0]["_meta"]["cofferdam/state"], "ended");
}

#[test]
fn who_listens_hears_of_what_was_acknowledged_and_of_nothing_else() {
    let dev = Dev::start();
    let file = dev.workspace.join("watched");
    std::fs::write(&file, "1").unwrap();
    let root = workspace(&dev);
    let (uri, gone) = (format!("{root}watched"), format!("{root}gone"));
    let wanted = json!({
        "resourceSubscriptions": [uri, gone, "cofferdam://nowhere/files/x/y", "file:///etc/passwd"],
        "resourcesListChanged": true,
    });
    let mut stream = Stream::listening(&dev, &wanted);
    let (told, _) = stream.next("notifications/subscriptions/acknowledged");
    let heard = &told["params"]["notifications"];
    assert_eq!(heard, &json!({ "resourceSubscriptions": [uri], "resourcesListChanged": true }));
    std::thread::sleep(Duration::from_secs(1));
    std::fs::write(&file, "22").unwrap();
    let (told, took) = stream.next("notifications/resources/updated");
    assert_eq!(told["params"]["uri"], uri.as_str());
    assert_eq!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 7, "{told:#}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    content(&dev.tool("execute_command", &json!({ "program": "true" })));
    stream.next("notifications/resources/list_changed");
    // A token that is no more is told nothing, and the stream ends.
    std::fs::remove_file(&file).unwrap();
    stream.updated(&uri);
}

#[test]
fn reading_and_watching_leave_the_records_of_the_tools_that_they_are() {
    let dev = Dev::start();
    std::fs::write(dev.workspace.join("there"), "x").unwrap();
    let root = workspace(&dev);
    let uri = format!("{root}there");
    contents(&read(&dev, &uri));
    contents(&read(&dev, &root));
    let mut stream = Stream::listening(&dev, &json!({ "resourceSubscriptions": [uri] }));
    stream.next("notifications/subscriptions/acknowledged");
    std::thread::sleep(Duration::from_secs(1));
    std::fs::write(dev.workspace.join("there"), "xx").unwrap();
    stream.updated(&uri);
    let shown = |journal: &str| -> Vec<Value> {
        let path = dev.state().join(journal);
        let output = dev.cofferdam(&["audit", "show", "--json", path.to_str().unwrap()]);
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let of = |records: &[Value], tool: &str| {
        let kinds = records.iter().filter(|it| it.to_string().contains(&format!("\"{tool}\"")));
        kinds.filter(|it| it["kind"] == "intent").count()
    };
    until("both journals have it", || {
        let (gateway, agent) = (shown("gateway/journal"), shown("agent/journal"));
        ["read_file", "list_directory", "stat_file", "watch_files"].iter().all(|tool| {
            let count = of(&gateway, tool);
            count > 0 && count == of(&agent, tool)
        })
    });
    let gateway = shown("gateway/journal");
    assert_eq!((of(&gateway, "read_file"), of(&gateway, "list_directory")), (1, 1));
}

#[test]
fn paths_and_runs_are_completed_within_a_moment() {
    let dev = Dev::start();
    std::fs::create_dir(dev.workspace.join("source")).unwrap();
    std::fs::write(dev.workspace.join("source/a b.txt"), "x").unwrap();
    for number in 0..150 {
        std::fs::write(dev.workspace.join(format!("file-{number:03}")), "x").unwrap();
    }
    let handle = start(&dev, "sleep 60");
    let run = handle.rsplit('/').next().unwrap();
    let complete = |template: &str, name: &str, value: &str| {
        let params = json!({
            "ref": { "type": "ref/resource", "uri": template },
            "argument": { "name": name, "value": value },
        });
        let began = Instant::now();
        let answer = ask(&dev, "completion/complete", &params);
        (answer["result"]["completion"].clone(), began.elapsed())
    };
    let files = "cofferdam://{host}/files/{project}/{+path}";
    // The first one may wait for the cell.
    content(&dev.tool("list_directory", &json!({})));
    let (found, took) = complete(files, "path", "so");
    assert_eq!(found["values"], json!(["source/"]), "{found:#}");
    assert!(took < Duration::from_millis(200), "{took:?}");
    assert_eq!(complete(files, "path", "source/a").0["values"], json!(["source/a%20b.txt"]));
    let (many, took) = complete(files, "path", "file-");
    assert_eq!((many["values"].as_array().unwrap().len(), &many["hasMore"]), (100, &json!(true)));
    assert!(took < Duration::from_millis(200), "{took:?}");
    let outputs = "cofferdam://{host}/runs/{run}/{stream}{?offset}";
    let (found, took) = complete(outputs, "run", &run[..5]);
    assert_eq!(found["values"], json!([run]), "{found:#}");
    assert!(took < Duration::from_millis(200), "{took:?}");
    let prompt = json!({
        "ref": { "type": "ref/prompt", "name": "find_disk_usage" },
        "argument": { "name": "path", "value": "" },
    });
    let found = ask(&dev, "completion/complete", &prompt);
    assert_eq!(found["result"]["completion"]["values"], json!(["source/"]), "{found:#}");
}

#[test]
fn nobody_reads_watches_or_lists_what_another_runs() {
    let host = Host::start();
    let gateway = Gateway::of(&host, "one");
    let (ann, bob) = (gateway.token("ann"), gateway.token("bob"));
    let arguments =
        json!({ "command": "echo mine; sleep 30", "project": "shop", "wait_seconds": 1 });
    let started = gateway.call(&ann, "start_process", &arguments);
    let process = field(&started, "process").as_str().unwrap().to_owned();
    let (of, run) = process.split_once('/').unwrap();
    let uri = format!("cofferdam://{of}/runs/{run}/output");
    until("its owner reads it", || {
        let own = ask_of(&gateway, &ann, "resources/read", &json!({ "uri": uri }));
        contents(&own)[0]["text"] == "mine\n"
    });
    let told = ask_of(&gateway, &bob, "resources/read", &json!({ "uri": uri }));
    let never = uri.replace(run, "0b9c6a52-7d1e-4d0a-9c55-6f2f9d3f7a10");
    let unknown = ask_of(&gateway, &bob, "resources/read", &json!({ "uri": never }));
    for told in [&told, &unknown] {
        assert_eq!(told["error"]["code"], -32002, "{told:#}");
        assert_eq!(told["error"]["data"]["reason"], "UNKNOWN_PROCESS");
    }
    let listed = |token: &str| ask_of(&gateway, token, "resources/list", &json!({})).to_string();
    assert!(listed(&ann).contains(run) && !listed(&bob).contains(run));
    let completed = |token: &str| {
        let params = json!({
            "ref": { "type": "ref/resource", "uri": "cofferdam://{host}/runs/{run}/{stream}{?offset}" },
            "argument": { "name": "run", "value": "" },
        });
        ask_of(&gateway, token, "completion/complete", &params).to_string()
    };
    assert!(completed(&ann).contains(run) && !completed(&bob).contains(run));
    // Only the owner's stream hears of it.
    let wanted = json!({ "resourceSubscriptions": [uri] });
    let mut stream = Stream::listening_at(gateway.url(), &bob, &wanted);
    let (told, _) = stream.next("notifications/subscriptions/acknowledged");
    assert_eq!(told["params"]["notifications"], json!({}), "{told:#}");
    gateway.call(&ann, "signal_process", &json!({ "process": process, "signal": "KILL" }));
}

#[test]
fn a_token_that_is_taken_back_hears_nothing_more_and_its_stream_ends() {
    let host = Host::start();
    let gateway = Gateway::of(&host, "one");
    let ann = gateway.token("ann");
    let line = "while sleep 0.3; do echo more; done";
    let arguments = json!({ "command": line, "project": "shop", "timeout_seconds": 120 });
    let started = gateway.call(&ann, "start_process", &arguments);
    let (of, run) = field(&started, "process").as_str().unwrap().split_once('/').unwrap();
    let uri = format!("cofferdam://{of}/runs/{run}/stdout");
    let wanted = json!({ "resourceSubscriptions": [uri] });
    let mut stream = Stream::listening_at(gateway.url(), &ann, &wanted);
    stream.updated(&uri);
    // What is printed all the time is told once in a while.
    let began = Instant::now();
    stream.updated(&uri);
    stream.updated(&uri);
    assert!(began.elapsed() > Duration::from_millis(1500), "{:?}", began.elapsed());
    gateway.revoke("ann");
    let began = Instant::now();
    let mut rest = String::new();
    stream.0.read_to_string(&mut rest).unwrap();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(rest.matches("resources/updated").count() <= 1, "{rest}");
}

#[test]
fn what_one_user_watches_is_bounded_and_ends_with_the_session() {
    let dev = Dev::start();
    for number in 0..9 {
        std::fs::write(dev.workspace.join(format!("f{number}")), "x").unwrap();
    }
    let root = workspace(&dev);
    let session = open_session(&dev);
    let mut stream = Stream::of_session(&dev, &session);
    for number in 0..8 {
        subscribe(&dev, &session, &format!("{root}f{number}"));
    }
    let again = open_session(&dev);
    let ninth = |session: &str| {
        let params = json!({ "uri": format!("{root}f8") });
        let body =
            json!({ "jsonrpc": "2.0", "id": 3, "method": "resources/subscribe", "params": params });
        in_session(&dev, session, &body)
    };
    assert_eq!(ninth(&again)["error"]["data"]["reason"], "TOO_MANY_SUBSCRIPTIONS");
    std::thread::sleep(Duration::from_secs(1));
    std::fs::write(dev.workspace.join("f7"), "changed").unwrap();
    stream.updated(&format!("{root}f7"));
    end_session(&dev, &session);
    // Once its watches have ended on the host, there is room for others.
    let began = Instant::now();
    while ninth(&again)["error"].is_object() {
        assert!(began.elapsed() < Duration::from_mins(1), "the places come back");
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Ends a session as its client does.
fn end_session(dev: &Dev, session: &str) {
    let url = dev.told("mcp_url").strip_prefix("http://").unwrap();
    let (address, path) = url.split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "DELETE /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Authorization: Bearer {}\r\nMcp-Session-Id: {session}\r\n\r\n",
        dev.told("token")
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
}
