//! One agent's connection: its requests, its listeners, its events.
//!
//! Invariant: a listener lives no longer than the connection that brought it.

use std::collections::HashMap;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use cofferdam_plan::channel::ChannelError;
use cofferdam_proxy_protocol::{ListenerId, Lists, ProxyEvent, ProxyRequest, ServeLimits};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use crate::ceiling::CeilingFile;
use crate::channel;
use crate::dial::Dialer;
use crate::listener::{Running, Served};

/// Listeners of one agent at once: more than a host has runs.
const MAX_LISTENERS: usize = 4096;
/// Events that wait for the agent. When it does not read, connections wait, and
/// so do the runs behind them.
const WAITING_EVENTS: usize = 256;

/// What every connection of an agent shares.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) dialer: Arc<Dialer>,
    /// What the host allows whatever the agent says.
    pub(crate) ceiling: Option<CeilingFile>,
    /// Connections of all listeners together.
    pub(crate) connections: Arc<tokio::sync::Semaphore>,
}

/// Serves an agent until it closes its end; all its listeners end with it.
pub(crate) async fn serve(socket: UnixStream, shared: Shared) -> Result<(), ChannelError> {
    let (mut requests, mut writer) = socket.into_split();
    let (events, mut waiting) = mpsc::channel::<ProxyEvent>(WAITING_EVENTS);
    let telling = tokio::spawn(async move {
        while let Some(event) = waiting.recv().await {
            channel::send(&mut writer, &event).await?;
        }
        Ok::<(), ChannelError>(())
    });
    let mut agent = Agent { shared, events, listeners: HashMap::new() };
    let end = loop {
        match channel::receive::<ProxyRequest>(&mut requests).await {
            Ok((request, descriptors)) => agent.act(request, descriptors).await,
            Err(ChannelError::Closed) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    telling.abort();
    end
}

struct Agent {
    shared: Shared,
    events: mpsc::Sender<ProxyEvent>,
    listeners: HashMap<ListenerId, Running>,
}

impl Agent {
    async fn act(&mut self, request: ProxyRequest, descriptors: Vec<OwnedFd>) {
        match request {
            ProxyRequest::Serve { listener, lists, limits } => {
                let event = match self.start(listener, lists, limits, descriptors) {
                    Ok(()) => ProxyEvent::Serving { listener },
                    Err(reason) => ProxyEvent::Refused { listener, reason },
                };
                // An agent that is gone ends the loop that called this.
                let _ = self.events.send(event).await;
            }
            // Dropped, it ends; what it did is told by its task.
            ProxyRequest::Stop { listener } => drop(self.listeners.remove(&listener)),
        }
    }

    fn start(
        &mut self,
        id: ListenerId,
        mut lists: Lists,
        limits: ServeLimits,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), String> {
        self.listeners.retain(|_, running| !running.has_ended());
        if self.listeners.contains_key(&id) {
            return Err(format!("listener {} is served already", id.0));
        }
        if self.listeners.len() >= MAX_LISTENERS {
            return Err(format!("{MAX_LISTENERS} listeners are served already"));
        }
        let listener = listening(descriptors)?;
        if let Some(ceiling) = &self.shared.ceiling {
            lists.0.push(ceiling.list().map_err(|error| error.to_string())?);
        }
        let served = Served::new(id, lists, limits, self.shared.clone(), self.events.clone());
        let running = served.start(listener).map_err(|error| error.to_string())?;
        self.listeners.insert(id, running);
        Ok(())
    }
}

/// The one socket of a request: TCP, listening, on loopback. A captured agent
/// could send others; serving them would open the proxy to the network.
fn listening(descriptors: Vec<OwnedFd>) -> Result<TcpListener, String> {
    use rustix::net::{SocketType, ipproto, sockopt};
    let [socket] = <[OwnedFd; 1]>::try_from(descriptors)
        .map_err(|others| format!("{} descriptors came along; it takes one", others.len()))?;
    let asked = |errno: rustix::io::Errno| format!("cannot look at the socket: {errno}");
    let right = sockopt::socket_type(&socket).map_err(asked)? == SocketType::STREAM
        && sockopt::socket_protocol(&socket).map_err(asked)? == Some(ipproto::TCP)
        && sockopt::socket_acceptconn(&socket).map_err(asked)?;
    if !right {
        return Err("the descriptor is not a listening TCP socket".to_owned());
    }
    let listener = TcpListener::from(socket);
    match listener.local_addr() {
        Ok(address) if address.ip().is_loopback() => Ok(listener),
        Ok(address) => Err(format!("the socket listens at {address}, not on loopback")),
        Err(error) => Err(format!("cannot look at the socket: {error}")),
    }
}
