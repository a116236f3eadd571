//! An agent with its warden, of an authority that the test holds the key of, so
//! that it can be called by whomever the test certifies.

use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::fs::chown;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cofferdam_trust::{Authority, Identity, IssuedCertificate, Lifetime, PeerName, SigningKey};
use serde_json::Value;
use tempfile::TempDir;

use crate::programs::{copy_program, program};
use crate::warden::is_root;

/// Whom the agent of a test runs as where root starts it: an agent refuses root.
const SERVICE: u32 = 1_900_065_535;

/// The only gateway that the ceiling names; see `packaging/config/ceiling.toml`.
const GATEWAY: &str = "spiffe://cofferdam/gateway/main";
const CEILING: &str = include_str!("../../packaging/config/ceiling.toml");

/// A running agent.
pub struct Agent {
    process: Child,
    warden: Child,
    /// Issues whatever certificate a test asks for.
    pub authority: Authority,
    /// Where the agent listens.
    pub address: String,
    /// The agent's name.
    pub name: PeerName,
    /// Holds the agent's files.
    directory: TempDir,
}

impl Agent {
    /// Starts a warden and an agent.
    ///
    /// # Panics
    /// When one of them cannot be started.
    #[must_use]
    pub fn start() -> Self {
        let directory = TempDir::new().expect("a directory");
        let place = directory.path();
        let authority = Authority::create(&place.join("authority")).expect("an authority");
        let name: PeerName = "spiffe://cofferdam/agent/local".parse().expect("a name");
        prepare(place, &authority, &name);
        let (agent_end, warden_end) = UnixStream::pair().expect("a socket pair");
        let ceiling = place.join("ceiling.toml");
        // Each inherits what it needs as a standard stream, so that no other
        // child can; the agent wants it elsewhere, and a shell moves it there.
        let warden = Command::new(program("cofferdam-warden"))
            .args(["--ceiling".as_ref(), ceiling.as_os_str()])
            .args(["--agent-uid", "0", "--connected-fd", "0"])
            .stdin(Stdio::from(OwnedFd::from(warden_end)))
            .spawn()
            .expect("cofferdam-warden starts");
        let mut agent = Command::new("/bin/sh");
        agent
            .args(["-c", "exec 3<&0 4>&1 </dev/null >/dev/null && exec \"$@\"", "sh"])
            .arg(reachable_agent(place))
            .args(["--config".as_ref(), place.join("agent.toml").as_os_str()])
            .args(["--warden-fd", "3", "--ready-fd", "4"])
            .env("COFFERDAM_LOG", "error")
            .stdin(Stdio::from(OwnedFd::from(agent_end)))
            .stdout(Stdio::piped());
        if is_root() {
            agent.uid(SERVICE).gid(SERVICE);
        }
        let mut agent = agent.spawn().expect("cofferdam-agent starts");
        let address = address(&mut agent);
        Self { process: agent, warden, authority, address, name, directory }
    }

    /// A certificate of the agent's authority.
    ///
    /// # Panics
    /// When the name is none.
    #[must_use]
    pub fn issue(&self, name: &str, lifetime: Lifetime) -> IssuedCertificate {
        self.authority.issue(&name.parse().expect("a name"), lifetime).expect("a certificate")
    }

    /// The identity of the gateway that the ceiling names.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn gateway(&self) -> Identity {
        let place = TempDir::new().expect("a directory");
        let files = self.issue(GATEWAY, hour()).write(place.path()).expect("its files");
        let authorities = self.directory.path().join("ca.crt");
        Identity::load(&files.certificate, &files.key, &authorities).expect("an identity")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        _ = self.process.wait();
        // The warden ends with its agent.
        _ = self.warden.wait();
    }
}

/// From now on for an hour.
#[must_use]
pub fn hour() -> Lifetime {
    Lifetime::from_now(Duration::from_hours(1))
}

/// Writes what the agent reads, and gives it to whom it runs as.
fn prepare(place: &Path, authority: &Authority, name: &PeerName) {
    let signing = SigningKey::generate().expect("a signing key");
    signing.save(&place.join("signing.key")).expect("its file");
    let files = authority.issue(name, hour()).expect("a certificate").write(place).expect("files");
    let config = format!(
        "name = \"local\"\nlisten = \"127.0.0.1:0\"\nceiling = \"ceiling.toml\"\n\
         identity = {{ certificate = \"local.crt\", key = \"local.key\", authorities = \"ca.crt\" }}\n\
         signing = {{ key = \"signing.key\" }}\njournal = {{ directory = \"journal\" }}\n\
         gateways = {{ keys = [\"{}\"] }}\n",
        signing.public_key(),
    );
    // The ceiling stays root's.
    for (name, text) in [
        ("ceiling.toml", CEILING),
        ("ca.crt", authority.certificate_pem()),
        ("agent.toml", &config),
    ] {
        std::fs::write(place.join(name), text).expect("a file");
    }
    if is_root() {
        let given = [place.to_owned(), place.join("signing.key"), files.certificate, files.key];
        for path in given {
            chown(path, Some(SERVICE), Some(SERVICE)).expect("another owner");
        }
    }
}

/// The program itself, or for the service user, who may not reach the checkout,
/// a copy.
fn reachable_agent(place: &Path) -> PathBuf {
    if !is_root() {
        return program("cofferdam-agent");
    }
    let copy = place.join("cofferdam-agent");
    copy_program("cofferdam-agent", &copy);
    copy
}

fn address(agent: &mut Child) -> String {
    let mut line = String::new();
    let stdout = agent.stdout.take().expect("its standard output");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let ready: Value =
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("not ready: {error}: {line:?}"));
    ready["address"].as_str().expect("an address").to_owned()
}
