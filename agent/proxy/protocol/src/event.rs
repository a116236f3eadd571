//! What the proxy tells the agent. The agent treats it as a claim of a process
//! that speaks with strangers: bounded, and trusted for the record only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cofferdam_plan::codec::{Decode, DecodeError, Encode, Frame, Reader, Writer};

use crate::refusal::{MAX_DETAIL, Refusal, plain};
use crate::request::ListenerId;

/// Bytes of a name as it was asked for.
const MAX_NAME: usize = 256;

/// How the run asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP CONNECT.
    Connect,
    /// Plain HTTP with an absolute URI.
    Http,
    /// SOCKS 5.
    Socks5,
    /// None of them, or not known yet.
    Unknown,
}

impl Protocol {
    const ALL: [Self; 4] = [Self::Connect, Self::Http, Self::Socks5, Self::Unknown];

    /// One word for records.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Http => "http",
            Self::Socks5 => "socks5",
            Self::Unknown => "unknown",
        }
    }
}

/// What became of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was made; it has ended since.
    Allowed,
    /// It was refused, or could not be made.
    Refused(Refusal),
}

/// One connection, told when it has ended. A plain HTTP request counts as one,
/// also where several share a client's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionReport {
    /// Whose.
    pub listener: ListenerId,
    /// How it was asked for.
    pub protocol: Protocol,
    /// The name or address that was asked for, as written: plain text of at
    /// most 256 bytes; empty if none was understood.
    pub name: String,
    /// The port; 0 if none was understood.
    pub port: u16,
    /// The address that was connected to.
    pub address: Option<IpAddr>,
    /// What became of it.
    pub verdict: Verdict,
    /// Bytes from the run to the target.
    pub sent: u64,
    /// Bytes from the target to the run.
    pub received: u64,
    /// From the first byte of the request to the end, in microseconds.
    pub micros: u64,
}

/// All that a listener did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Connections that were made.
    pub allowed: u64,
    /// Connections that were refused or failed.
    pub refused: u64,
    /// Connections that no report told.
    pub unreported: u64,
    /// Bytes from the run.
    pub sent: u64,
    /// Bytes to the run.
    pub received: u64,
}

/// An event for the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyEvent {
    /// The listener is served.
    Serving {
        /// Which.
        listener: ListenerId,
    },
    /// The listener is not served.
    Refused {
        /// Which.
        listener: ListenerId,
        /// Why: plain text of at most 1000 bytes.
        reason: String,
    },
    /// A connection has ended.
    Connection(ConnectionReport),
    /// The listener and all its connections are closed; nothing follows.
    Stopped {
        /// Which.
        listener: ListenerId,
        /// All that it did.
        totals: Totals,
    },
}

impl Frame for ProxyEvent {
    const MAX_FRAME: usize = 2048;
}

impl Encode for ProxyEvent {
    fn encode(&self, w: &mut Writer) {
        match self {
            Self::Serving { listener } => {
                w.u8(1);
                w.u64(listener.0);
            }
            Self::Refused { listener, reason } => {
                w.u8(2);
                w.u64(listener.0);
                w.bytes(plain(reason, MAX_DETAIL).as_bytes());
            }
            Self::Connection(report) => {
                w.u8(3);
                report.encode(w);
            }
            Self::Stopped { listener, totals } => {
                w.u8(4);
                w.u64(listener.0);
                totals.encode(w);
            }
        }
    }
}

impl Decode for ProxyEvent {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match r.u8("proxy event")? {
            1 => Ok(Self::Serving { listener: ListenerId(r.u64("listener")?) }),
            2 => Ok(Self::Refused {
                listener: ListenerId(r.u64("listener")?),
                reason: r.text("reason", MAX_DETAIL)?,
            }),
            3 => ConnectionReport::decode(r).map(Self::Connection),
            4 => Ok(Self::Stopped {
                listener: ListenerId(r.u64("listener")?),
                totals: Totals::decode(r)?,
            }),
            other => Err(DecodeError::Unknown("proxy event", other.into())),
        }
    }
}

impl ConnectionReport {
    fn encode(&self, w: &mut Writer) {
        let Self { listener, protocol, name, port, address, verdict, sent, received, micros } =
            self;
        w.u64(listener.0);
        w.u8(*protocol as u8);
        w.bytes(plain(name, MAX_NAME).as_bytes());
        w.array(&port.to_le_bytes());
        encode_address(*address, w);
        match verdict {
            Verdict::Allowed => w.bool(true),
            Verdict::Refused(refusal) => {
                w.bool(false);
                refusal.encode(w);
            }
        }
        for number in [*sent, *received, *micros] {
            w.u64(number);
        }
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            listener: ListenerId(r.u64("listener")?),
            protocol: r.one_of("protocol", &Protocol::ALL)?,
            name: r.text("name", MAX_NAME)?,
            port: u16::from_le_bytes(r.array("port")?),
            address: decode_address(r)?,
            verdict: if r.bool("verdict")? {
                Verdict::Allowed
            } else {
                Verdict::Refused(Refusal::decode(r)?)
            },
            sent: r.u64("sent")?,
            received: r.u64("received")?,
            micros: r.u64("micros")?,
        })
    }
}

fn encode_address(address: Option<IpAddr>, w: &mut Writer) {
    match address {
        None => w.u8(0),
        Some(IpAddr::V4(address)) => {
            w.u8(4);
            w.array(&address.octets());
        }
        Some(IpAddr::V6(address)) => {
            w.u8(6);
            w.array(&address.octets());
        }
    }
}

fn decode_address(r: &mut Reader<'_>) -> Result<Option<IpAddr>, DecodeError> {
    match r.u8("address")? {
        0 => Ok(None),
        4 => Ok(Some(Ipv4Addr::from(r.array("address")?).into())),
        6 => Ok(Some(Ipv6Addr::from(r.array("address")?).into())),
        other => Err(DecodeError::Unknown("address", other.into())),
    }
}

impl Totals {
    fn encode(&self, w: &mut Writer) {
        let Self { allowed, refused, unreported, sent, received } = *self;
        for number in [allowed, refused, unreported, sent, received] {
            w.u64(number);
        }
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            allowed: r.u64("allowed")?,
            refused: r.u64("refused")?,
            unreported: r.u64("unreported")?,
            sent: r.u64("sent")?,
            received: r.u64("received")?,
        })
    }
}
