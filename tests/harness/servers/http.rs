//! HTTP as far as downloads need it: GET and HEAD of files by path, one after
//! the other on a connection.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use super::{Authority, Server};

/// Files by path, as a server gives them. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Files(Arc<Mutex<HashMap<String, Vec<u8>>>>);

impl Files {
    /// Gives `body` at `path`, which begins with a slash, from now on.
    ///
    /// # Panics
    /// When a server's thread has panicked.
    pub fn put(&self, path: impl Into<String>, body: impl Into<Vec<u8>>) {
        self.0.lock().expect("nobody panicked").insert(path.into(), body.into());
    }

    fn get(&self, path: &str) -> Option<Vec<u8>> {
        self.0.lock().expect("nobody panicked").get(path).cloned()
    }
}

/// HTTP without TLS on an address of this host.
#[must_use]
pub fn http(at: IpAddr, files: Files) -> Server {
    Server::start_at(at, move |stream| answer_requests(stream, &files))
}

/// HTTP over TLS, with a certificate for `names`.
///
/// # Panics
/// When a certificate cannot be made, or it cannot listen.
#[must_use]
pub fn https(at: IpAddr, authority: &Authority, names: &[&str], files: Files) -> Server {
    let config = authority.server(names);
    Server::start_at(at, move |stream| {
        let session = rustls::ServerConnection::new(Arc::clone(&config)).expect("a session");
        answer_requests(rustls::StreamOwned::new(session, stream), &files);
    })
}

fn answer_requests(mut stream: impl Read + Write, files: &Files) {
    let mut pending = Vec::new();
    while let Some(head) = read_head(&mut stream, &mut pending) {
        let line = String::from_utf8_lossy(&head);
        let mut words = line.split_whitespace();
        let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let path = path.split('?').next().unwrap_or("");
        let (status, body) = match files.get(path) {
            Some(body) => ("200 OK", body),
            None => ("404 Not Found", b"nothing here\n".to_vec()),
        };
        let (length, kind) = (body.len(), kind(path));
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nContent-Type: {kind}\r\n\r\n"
        );
        let body = if method == "HEAD" { Vec::new() } else { body };
        let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        if sent.and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
}

/// Bytes up to an empty line; what came behind them stays in `pending`.
fn read_head(stream: &mut impl Read, pending: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut buffer = [0; 8192];
    loop {
        if let Some(end) = pending.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            return Some(pending.drain(..end + 4).collect());
        }
        match stream.read(&mut buffer) {
            Ok(read @ 1..) => pending.extend(&buffer[..read]),
            _ => return None,
        }
    }
}

fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or(path, |(_, end)| end) {
        "json" => "application/json",
        "html" => "text/html",
        _ if path.ends_with('/') => "text/html",
        _ => "application/octet-stream",
    }
}
