//! What stands at the other side: a name server with a script, servers that
//! count, HTTP over TLS with a test authority.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;

/// A name server whose answers are set per name: each question for addresses of
/// one family takes the next, and the last is kept. Time to live 0.
pub(crate) struct Dns {
    pub(crate) address: SocketAddr,
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    answers: HashMap<String, Vec<Vec<IpAddr>>>,
    asked: HashMap<String, u64>,
}

impl Dns {
    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script::default()));
        let own = Arc::clone(&script);
        std::thread::spawn(move || {
            let mut question = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                if let Some(answer) = answer(&question[..length], &own) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self { address, script }
    }

    /// Each inner list is the answer to one lookup.
    pub(crate) fn set(&self, name: &str, answers: &[&[&str]]) {
        let parse = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        let answers = answers.iter().map(parse).collect();
        self.script.lock().unwrap().answers.insert(name.to_owned(), answers);
    }

    /// How often IPv4 addresses of `name` were asked for.
    pub(crate) fn asked(&self, name: &str) -> u64 {
        self.script.lock().unwrap().asked.get(name).copied().unwrap_or_default()
    }
}

fn answer(question: &[u8], script: &Mutex<Script>) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut place = 12;
    loop {
        let length = usize::from(*question.get(place)?);
        place += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8(question.get(place..place + length)?.to_vec()).ok()?);
        place += length;
    }
    let kind = u16::from_be_bytes(question.get(place..place + 2)?.try_into().ok()?);
    let name = labels.join(".").to_lowercase();
    let mut script = script.lock().unwrap();
    let asked = script.asked.entry(name.clone()).or_default();
    let turn = usize::try_from(*asked).unwrap();
    *asked += u64::from(kind == 1);
    let lookups = script.answers.get(&name);
    let addresses = lookups.and_then(|all| all.get(turn).or(all.last())).cloned();
    let known = addresses.is_some();
    let records: Vec<Vec<u8>> = addresses
        .unwrap_or_default()
        .into_iter()
        .filter_map(|address| match (address, kind) {
            (IpAddr::V4(address), 1) => Some(address.octets().to_vec()),
            (IpAddr::V6(address), 28) => Some(address.octets().to_vec()),
            _ => None,
        })
        .collect();
    let mut out = question[..2].to_vec();
    out.extend([0x81, if known { 0x80 } else { 0x83 }]);
    let count = u16::try_from(records.len()).unwrap().to_be_bytes();
    out.extend([0, 1, count[0], count[1], 0, 0, 0, 0]);
    out.extend(&question[12..place + 4]);
    for record in records {
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 0]);
        out.extend(u16::try_from(record.len()).unwrap().to_be_bytes());
        out.extend(record);
    }
    Some(out)
}

/// A TCP server on loopback that counts what reached it.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicU64>,
    pub(crate) bytes: Arc<AtomicU64>,
}

impl Server {
    /// Each connection is given to `serve` in a thread of its own.
    pub(crate) fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicU64::new(0));
        let (counter, serve) = (Arc::clone(&connections), Arc::new(serve));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                std::thread::Builder::new()
                    .stack_size(128 * 1024)
                    .spawn(move || serve(stream))
                    .unwrap();
            }
        });
        Self { address, connections, bytes: Arc::default() }
    }

    /// Sends everything back.
    pub(crate) fn echo() -> Self {
        let bytes = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&bytes);
        let server = Self::start(move |mut stream| {
            let mut buffer = [0; 16384];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                counter.fetch_add(read as u64, Ordering::SeqCst);
                if stream.write_all(&buffer[..read]).is_err() {
                    break;
                }
            }
        });
        Self { bytes, ..server }
    }

    /// Answers every request with `answer`, and keeps what came.
    pub(crate) fn scripted(answer: &'static [u8]) -> (Self, Arc<Mutex<Vec<u8>>>) {
        let came = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&came);
        let server = Self::start(move |mut stream| {
            let mut buffer = [0; 16384];
            let mut answered = false;
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                kept.lock().unwrap().extend(&buffer[..read]);
                if !answered {
                    answered = true;
                    let _ = stream.write_all(answer);
                }
            }
        });
        (server, came)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn reached(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A test authority, and its certificate in a file.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub(crate) directory: tempfile::TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Another name than its certificates have, or they look self-signed.
        params.distinguished_name.push(DnType::CommonName, "Test authority");
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, directory }
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    fn server(&self, names: &[&str]) -> Arc<rustls::ServerConfig> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        Arc::new(config)
    }
}

/// Files by path, as an HTTP server gives them.
pub(crate) type Files = Arc<Mutex<HashMap<String, Vec<u8>>>>;

/// HTTP without TLS.
pub(crate) fn http(files: Files) -> Server {
    Server::start(move |stream| answer_requests(stream, &files))
}

/// HTTP over TLS for `names`.
pub(crate) fn https(authority: &Authority, names: &[&str], files: Files) -> Server {
    let config = authority.server(names);
    Server::start(move |stream| {
        let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        answer_requests(rustls::StreamOwned::new(session, stream), &files);
    })
}

/// GET and HEAD, one after the other on one connection.
fn answer_requests(mut stream: impl Read + Write, files: &Files) {
    let mut pending = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let head = loop {
            if let Some(end) = pending.windows(4).position(|w| w == b"\r\n\r\n") {
                break pending.drain(..end + 4).collect::<Vec<u8>>();
            }
            match stream.read(&mut buffer) {
                Ok(read @ 1..) => pending.extend(&buffer[..read]),
                _ => return,
            }
        };
        let line = String::from_utf8_lossy(&head);
        let mut words = line.split_whitespace();
        let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let path = path.split('?').next().unwrap_or("");
        let file = files.lock().unwrap().get(path).cloned();
        let (status, body) = match file {
            Some(body) => ("200 OK", body),
            None => ("404 Not Found", b"nothing here\n".to_vec()),
        };
        let kind = match path.rsplit_once('.').map_or(path, |(_, end)| end) {
            "json" => "application/json",
            "html" => "text/html",
            _ if path.ends_with('/') => "text/html",
            _ => "application/octet-stream",
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Type: {kind}\r\n\r\n",
            body.len()
        );
        let body = if method == "HEAD" { Vec::new() } else { body };
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).is_err() {
            return;
        }
        let _ = stream.flush();
    }
}
