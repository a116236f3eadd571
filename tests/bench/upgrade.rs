//! What a streaming reader sees of an agent's upgrade: the longest silence of a run that
//! prints all the time, read through the gateway by `cofferdam run`, while the agent is
//! restarted under it. The agent's descriptors are kept as systemd keeps them; what
//! systemd itself takes to start a process is not in it.

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cofferdam_tests::dev::{children_of, until};
use cofferdam_tests::host::{Host, SERVICE, Setup};
use cofferdam_tests::measure::Samples;
use cofferdam_tests::programs::{copy_program, program};
use cofferdam_tests::service_manager::ServiceManager;
use cofferdam_tests::warden::is_root;
use rustix::process::{Pid, Signal, kill_process};

/// Restarts of each kind.
const ROUNDS: usize = 10;
/// How long is looked at: without a restart, and from each of them on.
const WINDOW: Duration = Duration::from_secs(2);
/// Prints a number every ten milliseconds, for as long as it is let.
const COUNTING: &str = "i=0; while echo $i; do i=$((i+1)); sleep 0.01; done";
const RULES: &str = r#"
version = 1
profiles = ["default"]

[[rule]]
id = "run"
effect = "allow"
tools = ["execute_command", "start_process"]
programs = [{ any = true }]
shell = "opaque"
grant = { profile = "default", workspace_access = "write" }
"#;

/// The longest silence of each window.
pub(crate) struct Upgrades {
    quiet: Samples,
    ended: Samples,
    killed: Samples,
}

/// A host whose agent is restarted, and its gateway. All of it ends with this.
struct Installation {
    host: Host,
    manager: ServiceManager,
    warden: Child,
    agent: Option<Child>,
    gateway: Option<Child>,
    url: String,
}

/// A reader, and when which number came.
struct Reader {
    process: Child,
    came: Receiver<(Instant, u64)>,
    last: Option<(Instant, u64)>,
}

/// Restarts the agent again and again.
pub(crate) fn measure() -> anyhow::Result<Upgrades> {
    let mut installation = Installation::start()?;
    let mut reader = Reader::start(&installation)?;
    reader.longest_silence(WINDOW)?;
    let (mut quiet, mut ended, mut killed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (signal, silences) in [(Signal::TERM, &mut ended), (Signal::KILL, &mut killed)] {
            quiet.push(reader.longest_silence(WINDOW)?);
            installation.restart(signal)?;
            silences.push(reader.longest_silence(WINDOW)?);
        }
    }
    let [quiet, ended, killed] = [quiet, ended, killed].map(|all| all.into_iter().collect());
    Ok(Upgrades { quiet, ended, killed })
}

impl Installation {
    fn start() -> anyhow::Result<Self> {
        let host = Host::prepare(Setup::default());
        let place = host.place();
        for name in ["cofferdam-agent", "cofferdam-warden"] {
            copy_program(name, &place.join("programs").join(name));
        }
        let address = free_address()?;
        let (file, socket) = (place.join("agent/agent.toml"), place.join("warden.sock"));
        let text = fs::read_to_string(&file)?.replace("127.0.0.1:0", &address);
        fs::write(&file, format!("warden = \"{}\"\n{text}", socket.display()))?;
        let manager = ServiceManager::at(&place);
        let warden = start_warden(&place, &socket)?;
        let url = format!("http://{}/mcp", free_address()?);
        let mut it = Self { host, manager, warden, agent: None, gateway: None, url };
        it.start_agent()?;
        it.start_gateway(&address)?;
        Ok(it)
    }

    fn start_agent(&mut self) -> anyhow::Result<()> {
        let place = self.host.place();
        let arguments = ["--config", "agent/agent.toml", "--descriptor-store"];
        let started =
            self.manager.start(&place.join("programs/cofferdam-agent"), arguments, |command| {
                command.current_dir(&place).env("COFFERDAM_LOG", "error");
                if is_root() {
                    command.uid(SERVICE).gid(SERVICE);
                }
            });
        let (agent, line) = started?;
        self.agent = Some(agent);
        ensure!(line.contains("address"), "the agent does not become ready: {line:?}");
        Ok(())
    }

    /// Ends the agent and starts the next one, as an upgrade does or after a crash.
    fn restart(&mut self, signal: Signal) -> anyhow::Result<()> {
        let mut agent = self.agent.take().context("the agent runs")?;
        kill_process(Pid::from_child(&agent), signal)?;
        agent.wait()?;
        self.start_agent()
    }

    fn start_gateway(&mut self, agent: &str) -> anyhow::Result<()> {
        let place = self.host.place().join("gateway");
        let listen = self.url.trim_start_matches("http://").trim_end_matches("/mcp");
        let text = format!(
            "name = \"main\"\nlisten = \"{listen}\"\nstate = \"state.sqlite\"\n\
             rules = \"rules.toml\"\nsigning = {{ key = \"signing.key\" }}\n\
             journal = {{ directory = \"journal\" }}\n\
             identity = {{ certificate = \"main.crt\", key = \"main.key\", authorities = \"ca.crt\" }}\n\
             [[host]]\nname = \"{name}\"\naddress = \"{agent}\"\nagent = \"{uri}\"\n\
             key = \"{host_key}\"\n\
             [[project]]\nname = \"shop\"\nworkspace = \"{workspace}\"\n",
            name = self.host.name(),
            uri = self.host.agent(),
            host_key = self.host.signing_key().public_key(),
            workspace = self.host.workspace("shop").display(),
        );
        fs::write(place.join("rules.toml"), RULES)?;
        fs::write(place.join("gateway.toml"), text)?;
        let log = fs::File::create(place.join("log"))?;
        let gateway = Command::new(program("cofferdam-gateway"))
            .arg("--config")
            .arg(place.join("gateway.toml"))
            .stderr(Stdio::from(log))
            .spawn()?;
        self.gateway = Some(gateway);
        until("the gateway serves", || TcpStream::connect(listen).is_ok());
        Ok(())
    }

    fn token(&self) -> anyhow::Result<String> {
        let made = Command::new(program("cofferdam"))
            .args(["token", "create", "bench", "--user", "bench", "--config"])
            .arg(self.host.place().join("gateway/gateway.toml"))
            .output()?;
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let text = String::from_utf8(made.stdout)?;
        Ok(text.lines().next().context("a token")?.to_owned())
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        for child in [&mut self.gateway, &mut self.agent].into_iter().flatten() {
            _ = child.kill();
            _ = child.wait();
        }
        self.manager.let_all_go();
        let warden = self.warden.id();
        until("the cells end", || children_of(warden).is_empty());
        _ = self.warden.kill();
        _ = self.warden.wait();
    }
}

fn start_warden(place: &Path, socket: &PathBuf) -> anyhow::Result<Child> {
    let listener = UnixListener::bind(socket)?;
    fs::set_permissions(socket, PermissionsExt::from_mode(0o600))?;
    let uid = if is_root() { SERVICE } else { rustix::process::geteuid().as_raw() };
    if is_root() {
        chown(socket, Some(uid), Some(uid))?;
    }
    let warden = Command::new(place.join("programs/cofferdam-warden"))
        .arg("--ceiling")
        .arg(place.join("ceiling.toml"))
        .args(["--agent-uid", &uid.to_string(), "--listening-fd", "0"])
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .spawn()?;
    Ok(warden)
}

fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

impl Reader {
    fn start(installation: &Installation) -> anyhow::Result<Self> {
        let mut process = Command::new(program("cofferdam"))
            .args(["run", "--project", "shop", "-c", COUNTING])
            .env("COFFERDAM_URL", &installation.url)
            .env("COFFERDAM_TOKEN", installation.token()?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(process.stdout.take().context("its output")?);
        let (sender, came) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let Ok(number) = line.parse() else { break };
                if sender.send((Instant::now(), number)).is_err() {
                    break;
                }
            }
        });
        Ok(Self { process, came, last: None })
    }

    /// The longest time without a byte, from the last one that was seen on. Each number
    /// has to follow the one before it.
    fn longest_silence(&mut self, window: Duration) -> anyhow::Result<Duration> {
        let (end, mut longest) = (Instant::now() + window, Duration::ZERO);
        loop {
            let now = Instant::now();
            if now > end {
                break;
            }
            let waited = Duration::from_secs(30);
            let (at, number) = self.came.recv_timeout(waited).context("the reader's output")?;
            if let Some((before, last)) = self.last {
                ensure!(number == last + 1, "{number} follows {last}");
                longest = longest.max(at.duration_since(before));
            }
            self.last = Some((at, number));
        }
        Ok(longest)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

impl fmt::Display for Upgrades {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { quiet, ended, killed } = self;
        writeln!(f, "## An agent's upgrade under a reader\n")?;
        writeln!(
            f,
            "A run prints a number every 10 ms and `cofferdam run` reads it through the gateway, \
             while the\nagent is restarted {} times. No number was missing or came twice. The \
             longest silence within {} s:\n",
            2 * ROUNDS,
            WINDOW.as_secs(),
        )?;
        writeln!(f, "| | median | at most |\n|---|--:|--:|")?;
        for (what, silences) in [
            ("without a restart", quiet),
            ("from the end of an agent that is told to (SIGTERM)", ended),
            ("from the end of an agent that is killed (SIGKILL)", killed),
        ] {
            let [median, most] = [50, 100].map(|of| silences.percentile(of).as_millis());
            writeln!(f, "| {what} | {median} ms | {most} ms |")?;
        }
        writeln!(f)
    }
}
