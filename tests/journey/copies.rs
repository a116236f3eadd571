//! `cofferdam cp` and the files' HTTP endpoint: the whole way, and what goes wrong on
//! it.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cofferdam_tests::dev::Dev;
use cofferdam_tests::programs::program;
use serde_json::{Value, json};

use crate::{content, text};

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect()
}

/// The name of the host, as `list_hosts` tells it.
fn host(dev: &Dev) -> String {
    let hosts = dev.tool("list_hosts", &json!({}));
    content(&hosts)["hosts"][0]["name"].as_str().unwrap().to_owned()
}

fn cp(dev: &Dev, arguments: &[&str]) -> Output {
    dev.cofferdam(&[&["cp"], arguments].concat())
}

fn copied(dev: &Dev, arguments: &[&str]) -> Value {
    let output = cp(dev, &[&["--json"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_file_goes_there_and_comes_back_with_its_mode_and_its_digest() {
    let dev = Dev::start();
    let (host, here) = (host(&dev), dev.directory.path().join("here"));
    fs::create_dir(&here).unwrap();
    let data = bytes(9 << 20);
    let file = here.join("a");
    fs::write(&file, &data).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o750)).unwrap();
    let up = copied(&dev, &[file.to_str().unwrap(), &format!("{host}:b")]);
    assert_eq!(up["bytes"], 9 << 20, "{up:#}");
    let there = dev.workspace.join("b");
    assert!(fs::read(&there).unwrap() == data);
    assert_eq!(there.metadata().unwrap().permissions().mode() & 0o777, 0o750);
    let down = copied(&dev, &[&format!("{host}:b"), here.to_str().unwrap()]);
    assert_eq!(down["files"][0]["sha256"], up["files"][0]["sha256"], "{down:#}");
    assert!(fs::read(here.join("b")).unwrap() == data);
    assert_eq!(here.join("b").metadata().unwrap().permissions().mode() & 0o777, 0o750);
    // From a host to the same one, by way of here.
    copied(&dev, &[&format!("{host}:b"), &format!("{host}:c")]);
    assert!(fs::read(dev.workspace.join("c")).unwrap() == data);
    // Nothing but the files is left.
    assert_eq!(fs::read_dir(&dev.workspace).unwrap().count(), 2);
    assert_eq!(fs::read_dir(&here).unwrap().count(), 2);
    for journal in ["gateway", "agent"] {
        let records = records(&dev, journal);
        for tool in ["upload_file", "download_file"] {
            assert!(records.contains(tool), "no {tool} in the journal of the {journal}");
        }
    }
}

/// All records of one side.
fn records(dev: &Dev, side: &str) -> String {
    let mut all = String::new();
    let mut waiting = vec![dev.state()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.to_string_lossy().contains(side) {
                all.push_str(&String::from_utf8_lossy(&fs::read(path).unwrap_or_default()));
            }
        }
    }
    all
}

#[test]
fn standard_input_and_output_are_ends_too() {
    let dev = Dev::start();
    let host = host(&dev);
    let mut child = Command::new(program("cofferdam"))
        .args(["cp", "-", &format!("{host}:in")])
        .env("COFFERDAM_URL", dev.told("mcp_url"))
        .env("COFFERDAM_TOKEN", dev.told("token"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"piped").unwrap();
    assert!(child.wait().unwrap().success());
    let output = cp(&dev, &[&format!("{host}:in"), "-"]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"piped"[..]));
}

#[test]
fn a_directory_is_copied_but_for_its_links() {
    let dev = Dev::start();
    let (host, here) = (host(&dev), dev.directory.path().join("here"));
    let odd = std::ffi::OsStr::from_bytes(b"caf\xe9");
    fs::create_dir_all(here.join("deep/er")).unwrap();
    fs::create_dir(here.join("empty")).unwrap();
    fs::write(here.join("deep/er/a"), "a").unwrap();
    fs::write(here.join(odd), "odd").unwrap();
    symlink("/etc/passwd", here.join("link")).unwrap();
    let up = cp(&dev, &["-r", "--json", here.to_str().unwrap(), &format!("{host}:tree")]);
    assert_eq!(up.status.code(), Some(1), "a link was left out: {up:?}");
    let told: Value = serde_json::from_slice(&up.stdout).unwrap();
    assert!(told["left_out"][0].as_str().unwrap().ends_with("link"), "{told:#}");
    assert!(dev.workspace.join("tree/empty").is_dir());
    symlink("/etc/passwd", dev.workspace.join("tree/there")).unwrap();
    let back = dev.directory.path().join("back");
    let down = cp(&dev, &["-r", "--json", &format!("{host}:tree"), back.to_str().unwrap()]);
    assert_eq!(down.status.code(), Some(1), "{down:?}");
    assert_eq!(fs::read(back.join("deep/er/a")).unwrap(), b"a");
    assert_eq!(fs::read(back.join(odd)).unwrap(), b"odd");
    assert!(back.join("empty").is_dir() && !back.join("there").exists());
}

#[test]
fn what_is_refused_says_why_and_has_its_exit_code() {
    let dev = Dev::start();
    let (host, here) = (host(&dev), dev.directory.path().join("a"));
    fs::write(&here, bytes(5 << 20)).unwrap();
    let here = here.to_str().unwrap();
    fs::create_dir(dev.workspace.join("dir")).unwrap();
    for (arguments, code, told) in [
        (vec![here, "/tmp/b"], 1, "neither end"),
        (vec!["/does/not/exist", "HOST:a"], 1, "cannot open"),
        (vec!["/etc", "HOST:a"], 1, "-r"),
        (vec!["HOST:missing", "-"], 126, "No such file"),
        (vec!["HOST:/etc/shadow", "-"], 126, "rule"),
        (vec![here, "HOST:/etc/cron.d/a"], 126, "rule"),
        (vec![here, "HOST:dir"], 126, "is a directory"),
        (vec![here, "HOST:no/such/directory"], 126, "No such file"),
        (vec!["HOST:../x", "-"], 126, ".."),
        (vec![here, "nowhere:a"], 126, "no host"),
    ] {
        let named: Vec<_> = arguments.iter().map(|it| it.replace("HOST", &host)).collect();
        let named: Vec<_> = named.iter().map(String::as_str).collect();
        let output = cp(&dev, &named);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        assert!(stderr(&output).contains(told), "{arguments:?}: {}", stderr(&output));
    }
    let existing = cp(&dev, &["--new", here, &format!("{host}:new")]);
    assert!(existing.status.success(), "{existing:?}");
    let existing = cp(&dev, &["--new", here, &format!("{host}:new")]);
    assert_eq!(existing.status.code(), Some(126), "{existing:?}");
    assert!(stderr(&existing).contains("exists already"), "{}", stderr(&existing));
    let parents = cp(&dev, &["-p", here, &format!("{host}:no/such/directory")]);
    assert!(parents.status.success(), "{parents:?}");
}

/// Stands between and cuts each of the first connections after so many bytes.
struct Cutter {
    address: String,
    cut: Arc<AtomicUsize>,
}

impl Cutter {
    fn before(target: &str, connections: usize, after: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (cut, target) = (Arc::new(AtomicUsize::new(0)), target.to_owned());
        let counted = Arc::clone(&cut);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (ours, theirs) = (stream.unwrap(), TcpStream::connect(&target).unwrap());
                let left = if number < connections { after } else { usize::MAX };
                let counted = Arc::clone(&counted);
                std::thread::spawn(move || carry(&ours, &theirs, left, &counted));
            }
        });
        Self { address, cut }
    }
}

/// Both ways, until `left` bytes went through one of them.
fn carry(ours: &TcpStream, theirs: &TcpStream, left: usize, cut: &AtomicUsize) {
    let one_way = |mut from: &TcpStream, mut to: &TcpStream| {
        let (mut buffer, mut moved) = (vec![0; 64 * 1024], 0);
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            moved += read;
            if moved > left {
                cut.fetch_add(1, Ordering::SeqCst);
                break;
            }
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        for stream in [ours, theirs] {
            drop(stream.shutdown(std::net::Shutdown::Both));
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| one_way(ours, theirs));
        one_way(theirs, ours);
    });
}

#[test]
fn a_copy_goes_on_by_itself_after_its_connection_broke() {
    let dev = Dev::start();
    let host = host(&dev);
    let data = bytes(24 << 20);
    let file = dev.directory.path().join("a");
    fs::write(&file, &data).unwrap();
    let url = dev.told("mcp_url");
    let target = url.trim_start_matches("http://").trim_end_matches("/mcp");
    for (from, to) in [
        (file.to_str().unwrap().to_owned(), format!("{host}:a")),
        (format!("{host}:a"), dev.directory.path().join("b").to_str().unwrap().to_owned()),
    ] {
        let cutter = Cutter::before(target, 2, 9 << 20);
        let output = Command::new(program("cofferdam"))
            .args(["cp", &from, &to])
            .env("COFFERDAM_URL", format!("http://{}/mcp", cutter.address))
            .env("COFFERDAM_TOKEN", dev.told("token"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{from}: {output:?}");
        assert_eq!(cutter.cut.load(Ordering::SeqCst), 2, "{from}");
    }
    assert!(fs::read(dev.workspace.join("a")).unwrap() == data);
    assert!(fs::read(dev.directory.path().join("b")).unwrap() == data);
    // What was kept meanwhile has no name.
    assert_eq!(fs::read_dir(&dev.workspace).unwrap().count(), 1);
}

/// One request over plain HTTP, its status and all that came after its head.
fn request(dev: &Dev, head: &str, body: &[u8]) -> (u16, String) {
    let url = dev.told("mcp_url");
    let target = url.trim_start_matches("http://").trim_end_matches("/mcp");
    let mut stream = TcpStream::connect(target).unwrap();
    let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
    let headers = headers.lines().fold(String::new(), |all, header| all + header + "\r\n");
    let token = dev.told("token");
    let head = format!(
        "{line} HTTP/1.1\r\nhost: {target}\r\nconnection: close\r\nauthorization: Bearer \
         {token}\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // Who is refused does not read it.
    drop(stream.write_all(body));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
    (status, answer)
}

#[test]
fn the_endpoint_takes_ranges_and_refuses_in_json() {
    let dev = Dev::start();
    fs::write(dev.workspace.join("a"), "0123456789").unwrap();
    let (status, answer) = request(&dev, "GET /files?path=a\nte: trailers", b"");
    assert!(status == 200 && answer.contains("0123456789"), "{answer}");
    assert!(answer.contains("content-digest: sha-256=:"), "{answer}");
    let (status, answer) = request(&dev, "GET /files?path=%61\nrange: bytes=2-4", b"");
    assert!(status == 206 && answer.contains("content-range: bytes 2-4/10"), "{answer}");
    assert!(answer.contains("\r\n234\r\n") && !answer.contains("345"), "{answer}");
    let stale = "GET /files?path=a\nif-match: \"00000000000000000000000000000000\"";
    let digest = "repr-digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
    for (head, body, status, reason) in [
        (stale, &b""[..], 412, "FILE_PRECONDITION_FAILED"),
        ("GET /files?path=a\nrange: bytes=11-", b"", 400, "FILE_INVALID"),
        ("GET /files?path=a\nrange: lines=1", b"", 400, "INVALID_ARGUMENT"),
        ("GET /files", b"", 400, "INVALID_ARGUMENT"),
        ("GET /files?path=missing", b"", 404, "FILE_NOT_FOUND"),
        ("GET /files?path=/etc/shadow", b"", 403, "DENIED"),
        ("GET /files?path=a&host=nowhere", b"", 404, "UNKNOWN_HOST"),
        ("GET /files?path=a\norigin: http://evil.example", b"", 403, "FOREIGN_ORIGIN"),
        ("PUT /files?path=b", b"x", 400, "INVALID_ARGUMENT"),
        (&format!("PUT /files?path=b\n{digest}"), b"not empty", 412, "FILE_PRECONDITION_FAILED"),
        (&format!("PUT /files?path=b&size=9\n{digest}"), b"part", 409, "UPLOAD_INCOMPLETE"),
        (&format!("PUT /files?path=b&size=9&offset=9\n{digest}"), b"", 409, "\"kept\":4"),
        (&format!("PUT /files?path=b&size=1099511627776\n{digest}"), b"", 413, "FILE_TOO_LARGE"),
    ] {
        let (got, answer) = request(&dev, head, body);
        assert!(got == status && answer.contains(reason), "{head}: {answer}");
    }
    let (status, _) = request(&dev, &format!("PUT /files?path=b\n{digest}"), b"");
    assert_eq!(status, 201);
    assert_eq!(fs::read(dev.workspace.join("b")).unwrap(), b"");
    let listed = dev.tool("list_directory", &json!({ "include_hidden": true }));
    assert_eq!(content(&listed)["entries"].as_array().unwrap().len(), 2, "{}", text(&listed));
}
