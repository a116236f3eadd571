//! What the kernel says, typed: Landlock's refusals, the life of its domains,
//! and seccomp's refusals.
//!
//! Formats: security/landlock/audit.c and security/lsm_audit.c for the first
//! two, `audit_seccomp` in kernel/auditsc.c for the last. Unknown keys are
//! ignored; what a record cannot do without and has not is an error.

use std::net::IpAddr;

use crate::blocker::Blocker;
use crate::netlink::{self, Cut};
use crate::text::{self, Fields};

pub use crate::text::Stamp;

/// Blockers of one record that are kept; Landlock has fewer rights of one kind.
const MAX_BLOCKERS: usize = 32;

/// The types of the records that are decoded (linux/audit.h).
pub mod kind {
    /// `AUDIT_SECCOMP`.
    pub const SECCOMP: u16 = 1326;
    /// `AUDIT_LANDLOCK_ACCESS`.
    pub const LANDLOCK_ACCESS: u16 = 1423;
    /// `AUDIT_LANDLOCK_DOMAIN`.
    pub const LANDLOCK_DOMAIN: u16 = 1424;
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When.
    pub stamp: Stamp,
    /// What.
    pub event: Event,
}

/// What a record tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Landlock refused.
    Access(Access),
    /// A Landlock domain was first seen, or is gone.
    Domain(Domain),
    /// seccomp refused.
    Seccomp(Seccomp),
}

/// A refusal of Landlock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The newest domain that refused.
    pub domain: u64,
    /// What of it; at least one.
    pub blockers: Vec<Blocker>,
    /// What was to be accessed.
    pub object: Object,
}

/// What Landlock kept from being accessed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Object {
    /// A file or directory. The path is as its process sees it; for what was to
    /// be made, removed or moved it is the directory's.
    Path {
        /// Its bytes.
        path: Vec<u8>,
        /// The device's name, as in `vda2`.
        device: Option<Vec<u8>>,
        /// The inode's number.
        inode: Option<u64>,
        /// The request of an ioctl(2): its low 16 bits.
        request: Option<u16>,
    },
    /// A mount, by the name of its root, where there is no path.
    Mount {
        /// Its bytes.
        name: Vec<u8>,
    },
    /// An abstract Unix socket: its name without the leading NUL.
    AbstractSocket {
        /// Its bytes.
        name: Vec<u8>,
    },
    /// An Internet address, as far as the record has one.
    Address {
        /// The address; none for «any».
        address: Option<IpAddr>,
        /// The port; none for 0.
        port: Option<u16>,
    },
    /// Another process.
    Process {
        /// Its number, as the host counts.
        pid: u32,
        /// Its name.
        name: Vec<u8>,
    },
    /// The record names none.
    None,
}

/// A domain's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Domain {
    /// Told after the first logged refusal of the domain, with what was so when
    /// the domain was made.
    Allocated {
        /// The domain; never used again until the next boot.
        domain: u64,
        /// Who made it, as the host counts.
        pid: u32,
        /// That process's user, as the host counts.
        uid: u32,
        /// The path of its program.
        exe: Vec<u8>,
        /// Its name.
        comm: Vec<u8>,
    },
    /// The last process in it is gone. Told only where «allocated» was.
    Deallocated {
        /// The domain.
        domain: u64,
        /// How often it refused, logged or not.
        denials: u64,
    },
}

/// A refusal of seccomp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seccomp {
    /// Who called, as the host counts.
    pub pid: u32,
    /// Its user, as the host counts.
    pub uid: u32,
    /// Its name.
    pub comm: Vec<u8>,
    /// The path of its program.
    pub exe: Vec<u8>,
    /// The signal that it was killed with; 0 for none.
    pub signal: u32,
    /// The ABI of the call: an `AUDIT_ARCH_*`.
    pub architecture: u32,
    /// The number of the call in that ABI.
    pub syscall: u32,
    /// The verdict: a `SECCOMP_RET_*` without its data.
    pub verdict: u32,
}

/// Why a message of a known type is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It does not start with `audit(…): `.
    #[error("an audit message does not start as a record does")]
    Start,
    /// A field is missing, or is not what the kernel writes.
    #[error("the field `{0}` of an audit record is missing or not understood")]
    Field(&'static str),
    /// The datagram was cut.
    #[error(transparent)]
    Cut(#[from] Cut),
}

/// The records of one datagram. Messages of other types are passed over.
pub fn records(datagram: &[u8]) -> impl Iterator<Item = Result<Record, DecodeError>> {
    netlink::messages(datagram).filter_map(|message| match message {
        Ok(message) => decode(message.kind, message.body).transpose(),
        Err(cut) => Some(Err(cut.into())),
    })
}

/// One message; none where its type is not looked at.
fn decode(kind: u16, body: &[u8]) -> Result<Option<Record>, DecodeError> {
    let event = match kind {
        kind::SECCOMP => |fields: &Fields<'_>| seccomp(fields).map(Event::Seccomp),
        kind::LANDLOCK_ACCESS => |fields: &Fields<'_>| access(fields).map(Event::Access),
        kind::LANDLOCK_DOMAIN => |fields: &Fields<'_>| domain(fields).map(Event::Domain),
        _ => return Ok(None),
    };
    let (stamp, fields) = text::split(body).ok_or(DecodeError::Start)?;
    Ok(Some(Record { stamp, event: event(&fields)? }))
}

fn access(fields: &Fields<'_>) -> Result<Access, DecodeError> {
    let blockers = fields.bare("blockers").filter(|names| !names.is_empty());
    let blockers = blockers.ok_or(DecodeError::Field("blockers"))?;
    Ok(Access {
        domain: domain_id(fields)?,
        blockers: blockers.split(|b| *b == b',').take(MAX_BLOCKERS).map(Blocker::named).collect(),
        object: object(fields),
    })
}

fn domain_id(fields: &Fields<'_>) -> Result<u64, DecodeError> {
    fields.hexadecimal("domain").ok_or(DecodeError::Field("domain"))
}

/// What the record names; an object that is not understood does not cost the
/// refusal.
fn object(fields: &Fields<'_>) -> Object {
    if let Some(path) = fields.untrusted("path") {
        if let [0, name @ ..] = path.as_slice() {
            return Object::AbstractSocket { name: name.to_vec() };
        }
        let request = fields.hexadecimal("ioctlcmd").and_then(|it| u16::try_from(it).ok());
        let device = fields.untrusted("dev");
        return Object::Path { path, device, inode: fields.decimal("ino"), request };
    }
    if let (Some(pid), Some(name)) = (number(fields, "opid").ok(), fields.untrusted("ocomm")) {
        return Object::Process { pid, name };
    }
    if let Some(name) = fields.untrusted("name") {
        return Object::Mount { name };
    }
    let text = |key| fields.bare(key).and_then(|bytes| str::from_utf8(bytes).ok());
    // A connection's end is `daddr` and `dest`, a bound one `saddr` and `src`;
    // 0 is left out by the kernel.
    let address = ["daddr", "saddr"].into_iter().find_map(text).and_then(|it| it.parse().ok());
    let port = ["dest", "src"].into_iter().find_map(text).and_then(|it| it.parse().ok());
    match (address, port) {
        (None, None) => Object::None,
        (address, port) => Object::Address { address, port },
    }
}

fn domain(fields: &Fields<'_>) -> Result<Domain, DecodeError> {
    let domain = domain_id(fields)?;
    match fields.bare("status") {
        Some(b"allocated") => Ok(Domain::Allocated {
            domain,
            pid: number(fields, "pid")?,
            uid: number(fields, "uid")?,
            exe: fields.untrusted("exe").unwrap_or_default(),
            comm: fields.untrusted("comm").unwrap_or_default(),
        }),
        Some(b"deallocated") => Ok(Domain::Deallocated {
            domain,
            denials: fields.decimal("denials").ok_or(DecodeError::Field("denials"))?,
        }),
        _ => Err(DecodeError::Field("status")),
    }
}

fn seccomp(fields: &Fields<'_>) -> Result<Seccomp, DecodeError> {
    let hexadecimal = |key| {
        let value = fields.hexadecimal(key).and_then(|it| u32::try_from(it).ok());
        value.ok_or(DecodeError::Field(key))
    };
    Ok(Seccomp {
        pid: number(fields, "pid")?,
        uid: number(fields, "uid")?,
        comm: fields.untrusted("comm").unwrap_or_default(),
        exe: fields.untrusted("exe").unwrap_or_default(),
        signal: number(fields, "sig")?,
        architecture: hexadecimal("arch")?,
        // The kernel has it as a signed long; a filter sees its low 32 bits.
        syscall: match fields.bare("syscall") {
            Some([b'-', ..]) => u32::MAX,
            _ => number(fields, "syscall")?,
        },
        verdict: hexadecimal("code")?,
    })
}

fn number(fields: &Fields<'_>, key: &'static str) -> Result<u32, DecodeError> {
    let value = fields.decimal(key).and_then(|value| u32::try_from(value).ok());
    value.ok_or(DecodeError::Field(key))
}

#[cfg(test)]
mod tests;
