//! What it costs to let a host join and to renew its certificate, at a gateway with an
//! authority of its own. Hosts ask as agents do, each on a connection of its own; their
//! keys are made before. Beside both stands what neither can do without: a TLS handshake
//! with the same listener, a certificate made in memory, a record made durable.

use std::fmt;
use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail, ensure};
use cofferdam_proto::join::v1::enrol_response::Answer;
use cofferdam_proto::join::v1::join_service_client::JoinServiceClient;
use cofferdam_proto::join::v1::{Enrolment, Renewal};
use cofferdam_tests::agent::hour;
use cofferdam_tests::dev::until;
use cofferdam_tests::measure::Samples;
use cofferdam_tests::programs::program;
use cofferdam_trust::{
    Authority, JoinToken, PeerKey, PeerName, Recognise, SigningKey, connect, joining_client_config,
    sign_enrolment, sign_renewal,
};
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tonic::transport::Channel;
use uuid::Uuid;

use crate::disk::Disk;

/// Hosts one after the other, in turns with what they are compared with.
const ROUNDS: usize = 100;
/// Hosts that come together, and how many of them at a time.
const MANY: usize = 400;
const AT_ONCE: usize = 16;
/// Ticks of a CPU's clock in a second (USER_HZ, proc_pid_stat(5)).
const TICKS: u64 = 100;

/// What it costs.
pub(crate) struct Enrolments {
    handshake: Samples,
    issue: Samples,
    disk: Samples,
    enrol: Samples,
    renew: Samples,
    /// All that came together: how long, and the gateway's processor time.
    enrolled: (Duration, Duration),
    renewed: (Duration, Duration),
}

/// A gateway that certifies its hosts. It ends with this.
struct Office {
    gateway: Child,
    listener: String,
    directory: TempDir,
}

/// A host.
struct Host {
    name: String,
    token: JoinToken,
    key: PeerKey,
    signing: SigningKey,
    counter: u64,
}

/// Lets hosts join and renew.
pub(crate) fn measure() -> anyhow::Result<Enrolments> {
    let office = Office::open()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let authority = Authority::create(&office.place().join("in-memory"))?;
    let issued: PeerName = "spiffe://cofferdam/agent/web-1".parse()?;
    let disk = Disk::beside(&office.place())?;
    let mut rounds = Vec::with_capacity(ROUNDS);
    for number in 0..ROUNDS {
        let mut host = Host::invited(&office, &format!("one-{number}"))?;
        rounds.push([
            timed(|| office.greet(&host.token))?,
            timed(|| authority.issue(&issued, hour()).map(drop).map_err(Into::into))?,
            disk.append()?,
            timed(|| runtime.block_on(host.enrol(&office.listener)))?,
            timed(|| runtime.block_on(host.renew(&office.listener)))?,
        ]);
    }
    let of = |at: usize| rounds.iter().map(|round| round[at]).collect::<Samples>();
    let hosts = (0..MANY).map(|number| Host::invited(&office, &format!("many-{number}")));
    let hosts: Vec<Host> = hosts.collect::<anyhow::Result<_>>()?;
    let (hosts, enrolled) = together(&runtime, &office, hosts, What::Enrol)?;
    let (_, renewed) = together(&runtime, &office, hosts, What::Renew)?;
    Ok(Enrolments {
        handshake: of(0),
        issue: of(1),
        disk: of(2),
        enrol: of(3),
        renew: of(4),
        enrolled,
        renewed,
    })
}

/// What all hosts ask together.
#[derive(Debug, Clone, Copy)]
enum What {
    Enrol,
    Renew,
}

/// All of them, so many at a time.
fn together(
    runtime: &Runtime,
    office: &Office,
    hosts: Vec<Host>,
    what: What,
) -> anyhow::Result<(Vec<Host>, (Duration, Duration))> {
    let (before, began) = (office.processor_time()?, Instant::now());
    let mut groups: Vec<Vec<Host>> = (0..AT_ONCE).map(|_| Vec::new()).collect();
    for (number, host) in hosts.into_iter().enumerate() {
        groups[number % AT_ONCE].push(host);
    }
    let tasks: Vec<_> = (groups.into_iter())
        .map(|mut group| {
            let listener = office.listener.clone();
            runtime.spawn(async move {
                for host in &mut group {
                    match what {
                        What::Enrol => host.enrol(&listener).await?,
                        What::Renew => host.renew(&listener).await?,
                    }
                }
                anyhow::Ok(group)
            })
        })
        .collect();
    let mut asked = Vec::new();
    for task in tasks {
        asked.extend(runtime.block_on(task)??);
    }
    let took = began.elapsed();
    Ok((asked, (took, office.processor_time()?.saturating_sub(before))))
}

impl Office {
    fn open() -> anyhow::Result<Self> {
        let directory = TempDir::new()?;
        let place = directory.path();
        let free = || anyhow::Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string());
        let listener = free()?;
        let text = format!(
            "name = \"main\"\nlisten = \"127.0.0.1:0\"\nstate = \"state.sqlite\"\n\
             rules = \"rules.toml\"\nsigning = {{ key = \"signing.key\" }}\n\
             journal = {{ directory = \"journal\" }}\n\
             [authority]\nlisten = \"{listener}\"\ndirectory = \"authority\"\n\
             state = \"authority.sqlite\"\napproval = \"none\"\n",
        );
        fs::write(place.join("rules.toml"), "version = 1\nprofiles = []\n")?;
        fs::write(place.join("gateway.toml"), text)?;
        let log = fs::File::create(place.join("log"))?;
        owner(place, &["authority", "init"])?;
        let gateway = Command::new(program("cofferdam-gateway"))
            .arg("--config")
            .arg(place.join("gateway.toml"))
            .stderr(Stdio::from(log))
            .spawn()?;
        until("the authority serves", || TcpStream::connect(&listener).is_ok());
        Ok(Self { gateway, listener, directory })
    }

    fn place(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// A TLS handshake and nothing else.
    fn greet(&self, token: &JoinToken) -> anyhow::Result<()> {
        let config = joining_client_config(Recognise::Root(token.authority()))?;
        let anyone = ServerName::IpAddress(std::net::IpAddr::from([0, 0, 0, 0]).into());
        let mut session = rustls::ClientConnection::new(config, anyone)?;
        let mut stream = TcpStream::connect(&self.listener)?;
        stream.set_nodelay(true)?;
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        Ok(())
    }

    /// What the gateway's process has had of the processors.
    fn processor_time(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.gateway.id()))?;
        // Its name, in parentheses, may have spaces.
        let (_, fields) = stat.rsplit_once(')').context("a process has a name")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |at: usize| -> anyhow::Result<u64> {
            Ok(fields.get(at).context("a field is missing")?.parse()?)
        };
        let ticks = ticks(11)? + ticks(12)?;
        Ok(Duration::from_millis(ticks * 1000 / TICKS))
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        _ = self.gateway.kill();
        _ = self.gateway.wait();
    }
}

impl Host {
    fn invited(office: &Office, name: &str) -> anyhow::Result<Self> {
        let token = owner(office.directory.path(), &["host", "invite", name])?;
        Ok(Self {
            name: name.to_owned(),
            token: token.parse()?,
            key: PeerKey::generate()?,
            signing: SigningKey::generate()?,
            counter: 0,
        })
    }

    async fn enrol(&mut self, listener: &str) -> anyhow::Result<()> {
        let enrolment = Enrolment {
            host: self.name.clone(),
            token: self.token.secret().to_vec(),
            request: self.key.request()?,
            signing_key: self.signing.public_key().to_string(),
            address: "127.0.0.1:8461".to_owned(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            at: Some(SystemTime::now().into()),
        };
        let request = sign_enrolment(&self.signing, &enrolment);
        let answer = self.authority(listener)?.enrol(request).await?.into_inner().answer;
        ensure!(matches!(answer, Some(Answer::Credentials(_))), "{answer:?}");
        Ok(())
    }

    async fn renew(&mut self, listener: &str) -> anyhow::Result<()> {
        self.counter += 1;
        let renewal = Renewal {
            host: self.name.clone(),
            authority: "spiffe://cofferdam/authority/main".to_owned(),
            request: self.key.request()?,
            at: Some(SystemTime::now().into()),
            nonce: Uuid::new_v4().into_bytes().to_vec(),
            counter: self.counter,
            address: String::new(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let request = sign_renewal(&self.signing, &renewal);
        let answer = self.authority(listener)?.renew(request).await?.into_inner();
        ensure!(answer.credentials.is_some(), "no certificate came");
        Ok(())
    }

    /// A connection of its own, made when it is first used.
    fn authority(&self, listener: &str) -> anyhow::Result<JoinServiceClient<Channel>> {
        let config: Arc<_> = joining_client_config(Recognise::Root(self.token.authority()))?;
        Ok(JoinServiceClient::new(connect(listener, config)?))
    }
}

/// Does something as the gateway's owner; gives what it prints.
fn owner(place: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let mut asked = Command::new(program("cofferdam"))
        .args(arguments)
        .arg("--config")
        .arg(place.join("gateway.toml"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (mut printed, mut said) = (String::new(), String::new());
    asked.stdout.take().context("its output")?.read_to_string(&mut printed)?;
    asked.stderr.take().context("its errors")?.read_to_string(&mut said)?;
    if !asked.wait()?.success() {
        bail!("cofferdam {}: {said}", arguments.join(" "));
    }
    Ok(printed)
}

fn timed(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed())
}

impl fmt::Display for Enrolments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { handshake, issue, disk, enrol, renew, enrolled, renewed } = self;
        writeln!(f, "## Hosts that join\n")?;
        writeln!(
            f,
            "A gateway with its own authority. Each thing once in each of {ROUNDS} rounds, in turns; \
             hosts ask one\nafter the other, each on a connection of its own.\n"
        )?;
        writeln!(f, "| what | median | p10 | p90 | ratio to a handshake |\n|---|--:|--:|--:|--:|")?;
        for (what, samples) in [
            ("TLS handshake with the authority", handshake),
            ("a key and a certificate made in memory", issue),
            ("1 KiB appended and made durable (fdatasync)", disk),
            ("enrolment: connection, token, certificate, records", enrol),
            ("renewal: connection, signature, certificate, records", renew),
        ] {
            let [median, p10, p90] = [50, 10, 90].map(|of| milliseconds(samples.percentile(of)));
            let ratio = samples.median().as_secs_f64() / handshake.median().as_secs_f64();
            writeln!(f, "| {what} | {median} ms | {p10} | {p90} | {ratio:.2} |")?;
        }
        writeln!(
            f,
            "\n{MANY} hosts, {AT_ONCE} at a time; hosts and gateway share the processors:\n"
        )?;
        writeln!(f, "| what | a second | the gateway's processor time for each |\n|---|--:|--:|")?;
        for (what, (took, worked)) in [("enrolments", enrolled), ("renewals", renewed)] {
            let many = u32::try_from(MANY).unwrap_or(u32::MAX);
            let rate = f64::from(many) / took.as_secs_f64();
            writeln!(f, "| {what} | {rate:.0} | {} ms |", milliseconds(*worked / many))?;
        }
        writeln!(f)
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}
