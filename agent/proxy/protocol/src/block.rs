//! Blocks of addresses, as destinations write them: one address or a CIDR.
//!
//! Invariant: a block that also holds public addresses allows only those.
//! Addresses of special use (RFC 6890) are allowed by a block that lies within
//! their own special block: `0.0.0.0/0` reaches no private network, and
//! `169.254.0.0/16` not the metadata service.

pub mod special;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Addresses with the same first `length` bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Block {
    address: IpAddr,
    length: u8,
}

/// Why a text is not a block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Not an address.
    #[error(
        "{0:?} is no address; write `192.0.2.1` or `[2001:db8::1]`, a block as `192.0.2.0/24` or `[2001:db8::/32]`"
    )]
    Address(String),
    /// The prefix length means nothing.
    #[error("{0:?} is no prefix length; write 0 to 32 for IPv4, 0 to 128 for IPv6")]
    Length(String),
    /// Bits behind the prefix are set.
    #[error("the block has bits behind its prefix; write `{0}`")]
    Bits(Block),
    /// An IPv4 address in IPv6 clothes.
    #[error("an IPv4 address inside IPv6; write `{0}`")]
    Mapped(IpAddr),
}

impl Block {
    /// One address.
    #[must_use]
    pub const fn single(address: IpAddr) -> Self {
        let length = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        Self { address, length }
    }

    /// Whether `address` is in it, whatever the address is used for.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.length);
                let bits = |address| u32::from(address).checked_shr(shift).unwrap_or(0);
                bits(own) == bits(other)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.length);
                let bits = |address| u128::from(address).checked_shr(shift).unwrap_or(0);
                bits(own) == bits(other)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub fn holds(self, other: Self) -> bool {
        self.length <= other.length && self.contains(other.address)
    }

    /// Whether it is one address.
    #[must_use]
    pub fn is_single(self) -> bool {
        self == Self::single(self.address)
    }

    /// Whether a destination with this block allows `address`.
    #[must_use]
    pub fn allows(self, address: IpAddr) -> bool {
        self.contains(address)
            && special::of(address).is_none_or(|special| special::within(self) == Some(special))
    }

    /// Whether it allows every address that `other` allows.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.holds(other) && special::within(self) == special::within(other)
    }

    fn without_bits(self) -> Self {
        let address = match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.length)).unwrap_or(0);
                IpAddr::V4((u32::from(address) & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.length)).unwrap_or(0);
                IpAddr::V6((u128::from(address) & mask).into())
            }
        };
        Self { address, length: self.length }
    }
}

impl FromStr for Block {
    type Err = BlockError;

    fn from_str(text: &str) -> Result<Self, BlockError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr =
            address.parse().map_err(|_| BlockError::Address(text.chars().take(60).collect()))?;
        if address.to_canonical() != address {
            return Err(BlockError::Mapped(address.to_canonical()));
        }
        let single = Self::single(address);
        let block = match length {
            None => single,
            Some(length) => Self { address, length: prefix_length(length, single.length)? },
        };
        match block.without_bits() {
            bare if bare == block => Ok(block),
            bare => Err(BlockError::Bits(bare)),
        }
    }
}

fn prefix_length(text: &str, longest: u8) -> Result<u8, BlockError> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    match text.parse() {
        Ok(length) if plain && length <= longest => Ok(length),
        _ => Err(BlockError::Length(text.chars().take(20).collect())),
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bracket = |one: &'static str| if self.address.is_ipv6() { one } else { "" };
        f.write_str(bracket("["))?;
        write!(f, "{}", self.address)?;
        if !self.is_single() {
            write!(f, "/{}", self.length)?;
        }
        f.write_str(bracket("]"))
    }
}

#[cfg(test)]
mod tests;
