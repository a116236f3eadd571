//! What the agent asks of the proxy.

use cofferdam_plan::codec::{Decode, DecodeError, Encode, Frame, Reader, Writer};

use crate::destination::{Destination, MAX_TEXT};
use crate::lists::{AllowList, Lists};
use crate::refusal::plain;

/// Lists of one run, at most.
pub const MAX_LISTS: usize = 32;
/// Destinations of one list, at most.
pub const MAX_DESTINATIONS: usize = 512;
/// Bytes of a setting's name.
const MAX_SETTING: usize = 120;

/// What the agent calls a listener; never used twice on one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(pub u64);

/// How much one listener may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServeLimits {
    /// Connections at once; the next ones wait in the socket's queue.
    pub connections: u32,
    /// A tunnel in which nothing moves for so many seconds ends.
    pub idle_seconds: u32,
    /// Connections that are told one by one; later ones are only counted in
    /// the totals, so that a run cannot flood the records.
    pub reports: u32,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self { connections: 128, idle_seconds: 600, reports: 4096 }
    }
}

/// A request from the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyRequest {
    /// Serve the listening TCP socket that travels along.
    Serve {
        /// Its name from here on.
        listener: ListenerId,
        /// What can be reached through it.
        lists: Lists,
        /// How much of it.
        limits: ServeLimits,
    },
    /// Close the listener and all its connections.
    Stop {
        /// Which.
        listener: ListenerId,
    },
}

impl Frame for ProxyRequest {
    const MAX_FRAME: usize = MAX_LISTS * (MAX_SETTING + MAX_DESTINATIONS * (MAX_TEXT + 4)) + 1024;
}

impl Encode for ProxyRequest {
    fn encode(&self, w: &mut Writer) {
        match self {
            Self::Serve { listener, lists, limits } => {
                w.u8(1);
                w.u64(listener.0);
                w.list(&lists.0, |w, list| list.encode(w));
                limits.encode(w);
            }
            Self::Stop { listener } => {
                w.u8(2);
                w.u64(listener.0);
            }
        }
    }
}

impl Decode for ProxyRequest {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match r.u8("proxy request")? {
            1 => Ok(Self::Serve {
                listener: ListenerId(r.u64("listener")?),
                lists: Lists(r.list("lists", MAX_LISTS, AllowList::decode)?),
                limits: ServeLimits::decode(r)?,
            }),
            2 => Ok(Self::Stop { listener: ListenerId(r.u64("listener")?) }),
            other => Err(DecodeError::Unknown("proxy request", other.into())),
        }
    }
}

impl AllowList {
    fn encode(&self, w: &mut Writer) {
        let Self { setting, destinations } = self;
        w.bytes(plain(setting, MAX_SETTING).as_bytes());
        w.list(destinations, |w, destination| w.bytes(destination.to_string().as_bytes()));
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            setting: r.text("setting", MAX_SETTING)?,
            destinations: r.list("destinations", MAX_DESTINATIONS, destination)?,
        })
    }
}

/// A destination, only in the spelling in which it is sent.
fn destination(r: &mut Reader<'_>) -> Result<Destination, DecodeError> {
    let field = "destination";
    let text = r.text(field, MAX_TEXT)?;
    match text.parse::<Destination>() {
        Ok(destination) if destination.to_string() == text => Ok(destination),
        _ => Err(DecodeError::Text(field)),
    }
}

impl ServeLimits {
    fn encode(self, w: &mut Writer) {
        let Self { connections, idle_seconds, reports } = self;
        w.u32(connections);
        w.u32(idle_seconds);
        w.u32(reports);
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            connections: r.u32("connections")?,
            idle_seconds: r.u32("idle_seconds")?,
            reports: r.u32("reports")?,
        })
    }
}
