//! What a run reaches by TCP in its cell's network namespace, and how far the
//! kernel holds it to that. Never runs as root.

use std::num::NonZeroU16;

use crate::codec::{DecodeError, Reader, Writer};

/// What a run reaches by TCP in its cell's network namespace. The kernel knows
/// ports here and no addresses (landlock(7), `LANDLOCK_RULE_NET_PORT`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loopback {
    /// Nothing; nor does it listen.
    Closed,
    /// What listens at this port; it does not listen itself.
    Only(NonZeroU16),
    /// Whatever is there; it may listen itself.
    Open,
}

/// How far the kernel holds a run to its [`Loopback`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopbackHold {
    /// As its plan says.
    Full,
    /// Not at all: this kernel's Landlock has no rights on TCP, which came with
    /// ABI 4.
    Lacking {
        /// The kernel's ABI; 0: no Landlock.
        abi: u8,
    },
}

impl Loopback {
    pub(super) fn encode(self, w: &mut Writer) {
        match self {
            Self::Closed => w.u8(0),
            Self::Only(port) => {
                w.u8(1);
                w.array(&port.get().to_le_bytes());
            }
            Self::Open => w.u8(2),
        }
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match r.u8("loopback")? {
            0 => Ok(Self::Closed),
            1 => {
                let port = u16::from_le_bytes(r.array("loopback.port")?);
                let port = NonZeroU16::new(port);
                Ok(Self::Only(port.ok_or(DecodeError::Unknown("loopback.port", 0))?))
            }
            2 => Ok(Self::Open),
            other => Err(DecodeError::Unknown("loopback", other.into())),
        }
    }
}

impl LoopbackHold {
    pub(crate) fn encode(self, w: &mut Writer) {
        match self {
            Self::Full => w.u8(0),
            Self::Lacking { abi } => {
                w.u8(1);
                w.u8(abi);
            }
        }
    }

    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match r.u8("loopback hold")? {
            0 => Ok(Self::Full),
            1 => Ok(Self::Lacking { abi: r.u8("loopback hold.abi")? }),
            other => Err(DecodeError::Unknown("loopback hold", other.into())),
        }
    }
}
