//! The three programs together: started one after the other, watched, ended.
//!
//! Invariant: when this is gone, so are they. Ended in order, each is waited
//! for; killed, the lifelines and the warden's socket end with the process.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use serde::Deserialize;
use tokio::net::unix::pipe::Receiver;
use tokio::signal::unix::{SignalKind, signal};

use super::child::{Child, ChildError, Starting, pipe};
use super::programs::Programs;
use super::standing::Standing;
use super::state::{State, StateError};

/// How long a program may take to become ready.
const READY: u64 = 30;
/// The longest line that a ready program says.
const MAX_LINE: usize = 4096;
/// How long after one end to look for another that caused it.
const AFTERMATH: Duration = Duration::from_millis(200);
/// How long programs may take to end in order, before they are killed.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long the warden may take after that: it waits for its cells.
const WARDEN_PATIENCE: Duration = Duration::from_secs(15);

/// The warden, and from [`Household::start_agent`] on the others.
#[derive(Debug)]
pub(super) struct Household {
    children: Vec<Child>,
    /// The agent's end of the warden's socket, until the agent has it.
    socket: Option<OwnedFd>,
}

/// What a ready agent says.
#[derive(Debug, Deserialize)]
struct AgentReady {
    address: SocketAddr,
}

/// What a ready gateway says.
#[derive(Debug, Deserialize)]
struct GatewayReady {
    mcp_url: String,
}

/// Why the household does not stand.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HouseholdError {
    /// A program failed.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// A log cannot be made.
    #[error(transparent)]
    State(#[from] StateError),
    /// No socket or pipe.
    #[error("cannot make a socket or a pipe: {0}")]
    Descriptor(#[from] std::io::Error),
}

impl Household {
    /// Starts the warden, as whoever this process is now.
    pub(super) fn with_warden(
        programs: &Programs,
        state: &State,
        standing: Standing,
        ceiling: &Path,
    ) -> Result<Self, HouseholdError> {
        let (ours, wardens) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .map_err(std::io::Error::from)?;
        let log = state.replace("log", "warden.log")?;
        let warden = Starting::new("warden", &programs.warden)
            .option("--ceiling", ceiling)
            .option("--agent-uid", standing.uid().to_string())
            .option("--leases", Standing::leases())
            .descriptor("--connected-fd", wardens)
            .start(log, state.at("log/warden.log"))?;
        Ok(Self { children: vec![warden], socket: Some(ours) })
    }

    /// Starts the network proxy; it ends when the agent's end of its socket does.
    fn start_proxy(
        &mut self,
        programs: &Programs,
        state: &State,
    ) -> Result<OwnedFd, HouseholdError> {
        let (agents, own) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .map_err(std::io::Error::from)?;
        let log = state.replace("log", "proxy.log")?;
        let proxy = Starting::new("proxy", &programs.proxy)
            .flag("--connected")
            .option("--ceiling", state.at("host/ceiling.toml"))
            .flag("--allow-degraded")
            .standard_input(own)
            .variable("COFFERDAM_LOG")
            .start(log, state.at("log/proxy.log"))?;
        self.children.push(proxy);
        Ok(agents)
    }

    /// Starts the agent; where it listens.
    pub(super) async fn start_agent(
        &mut self,
        programs: &Programs,
        state: &State,
    ) -> Result<SocketAddr, HouseholdError> {
        let mut agent = Starting::new("agent", &programs.agent)
            .option("--config", state.at("agent/agent.toml"))
            .variable("COFFERDAM_LOG")
            .lifeline()?;
        if let Some(socket) = self.socket.take() {
            agent = agent.descriptor("--warden-fd", socket);
        }
        let proxy = self.start_proxy(programs, state)?;
        let agent = agent.descriptor("--proxy-fd", proxy);
        let ready: AgentReady = self.start(agent, state, "agent").await?;
        Ok(ready.address)
    }

    /// Starts the gateway; its MCP URL.
    pub(super) async fn start_gateway(
        &mut self,
        programs: &Programs,
        state: &State,
    ) -> Result<String, HouseholdError> {
        let gateway = Starting::new("gateway", &programs.gateway)
            .option("--config", state.at("gateway/gateway.toml"))
            .variable("COFFERDAM_LOG")
            .lifeline()?;
        let ready: GatewayReady = self.start(gateway, state, "gateway").await?;
        Ok(ready.mcp_url)
    }

    async fn start<T: for<'de> Deserialize<'de>>(
        &mut self,
        starting: Starting<'_>,
        state: &State,
        name: &'static str,
    ) -> Result<T, HouseholdError> {
        let (said, say) = pipe()?;
        let log_name = format!("{name}.log");
        let log = state.replace("log", &log_name)?;
        let child =
            starting.descriptor("--ready-fd", say).start(log, state.at("log").join(log_name))?;
        self.children.push(child);
        let line = tokio::time::timeout(Duration::from_secs(READY), self.hear(said)).await;
        let child = &self.children[self.children.len() - 1];
        let line = line.map_err(|_| child.is_not_ready(READY))??;
        serde_json::from_str(&line).map_err(|_| ChildError::Answer { name, said: line }.into())
    }

    /// What the last child says until it closes the pipe, or that one ended.
    async fn hear(&mut self, said: OwnedFd) -> Result<String, HouseholdError> {
        let reader = Receiver::from_owned_fd(said)?;
        let mut bytes = Vec::new();
        loop {
            reader.readable().await?;
            let mut buffer = [0; 512];
            match reader.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(count) if bytes.len() + count <= MAX_LINE => {
                    bytes.extend_from_slice(&buffer[..count]);
                }
                Ok(_) => break,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        if bytes.is_empty() {
            // Only a program that is ending closes it without a word.
            return Err(self.one_has_ended().await);
        }
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    }

    /// Resolves when one of them has ended, which none should by itself.
    pub(super) async fn one_has_ended(&mut self) -> HouseholdError {
        let mut signals = match signal(SignalKind::child()) {
            Ok(signals) => signals,
            Err(error) => return error.into(),
        };
        loop {
            if self.children.iter_mut().any(Child::is_gone) {
                // The warden ends with the agent, and even before the agent is
                // reaped: the last one that was started is to blame.
                tokio::time::sleep(AFTERMATH).await;
                if let Some(error) = self.children.iter_mut().rev().find_map(Child::has_ended) {
                    return error.into();
                }
            }
            signals.recv().await;
        }
    }

    /// Ends all of them and waits; names those that do not end.
    pub(super) async fn end(mut self) -> Vec<&'static str> {
        self.socket = None;
        self.children.iter_mut().for_each(Child::let_go);
        if !self.gone_within(PATIENCE, |name| name != "warden").await {
            self.children.iter_mut().for_each(Child::kill);
        }
        // The warden ends with the agent's end of its socket.
        if !self.gone_within(WARDEN_PATIENCE, |_| true).await {
            self.children.iter_mut().for_each(Child::kill);
            self.gone_within(Duration::from_secs(1), |_| true).await;
        }
        self.children.retain_mut(|child| !child.is_gone());
        self.children.iter().map(|child| child.name).collect()
    }

    async fn gone_within(&mut self, limit: Duration, which: fn(&str) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            let mut waited_for = self.children.iter_mut().filter(|child| which(child.name));
            if waited_for.all(Child::is_gone) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
