//! Addresses that are not of the public internet: the IANA registries of
//! special-purpose addresses (RFC 6890), multicast (RFC 5771, RFC 4291), and
//! the metadata services of clouds.
//!
//! A name that resolves to one of these is refused unless a destination names
//! the address too: a name's owner must not choose what a run reaches on this
//! host or in its network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Block;

/// A block and what it is for.
#[derive(Debug, PartialEq, Eq)]
pub struct Special {
    block: Block,
    /// What it is for, in words.
    pub what: &'static str,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8, what: &'static str) -> Special {
    let address = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    Special { block: Block { address, length }, what }
}

const fn v6(start: [u16; 4], length: u8, what: &'static str) -> Special {
    let [a, b, c, d] = start;
    let address = IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0));
    Special { block: Block { address, length }, what }
}

/// IPv4 behind a translator (RFC 6052): as special as the address within.
static NAT64: Special = v6([0x64, 0xff9b, 0, 0], 96, "translated (NAT64)");
static LOOPBACK6: Special = Special {
    block: Block::single(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    what: "loopback: this host itself",
};

/// Smaller blocks stand before those that hold them.
static BLOCKS: &[&Special] = &[
    &v4(169, 254, 169, 254, 32, "the metadata service of clouds"),
    &v4(168, 63, 129, 16, 32, "the metadata service of a cloud"),
    &v4(255, 255, 255, 255, 32, "broadcast"),
    &v4(0, 0, 0, 0, 8, "unspecified"),
    &v4(10, 0, 0, 0, 8, "private"),
    &v4(100, 64, 0, 0, 10, "shared by a carrier (CGNAT)"),
    &v4(127, 0, 0, 0, 8, "loopback: this host itself"),
    &v4(169, 254, 0, 0, 16, "link-local"),
    &v4(172, 16, 0, 0, 12, "private"),
    &v4(192, 0, 0, 0, 24, "for protocols"),
    &v4(192, 0, 2, 0, 24, "for documentation"),
    &v4(192, 88, 99, 0, 24, "a 6to4 relay"),
    &v4(192, 168, 0, 0, 16, "private"),
    &v4(198, 18, 0, 0, 15, "for benchmarks"),
    &v4(198, 51, 100, 0, 24, "for documentation"),
    &v4(203, 0, 113, 0, 24, "for documentation"),
    &v4(224, 0, 0, 0, 4, "multicast"),
    &v4(240, 0, 0, 0, 4, "reserved"),
    &LOOPBACK6,
    &v6([0, 0, 0, 0], 96, "unspecified, or IPv4 inside IPv6"),
    &NAT64,
    &v6([0x64, 0xff9b, 1, 0], 48, "private (NAT64)"),
    &v6([0x100, 0, 0, 0], 64, "discarded"),
    &v6([0x2001, 0, 0, 0], 23, "for protocols (Teredo and others)"),
    &v6([0x2001, 0xdb8, 0, 0], 32, "for documentation"),
    &v6([0x2002, 0, 0, 0], 16, "6to4"),
    &v6([0x3fff, 0, 0, 0], 20, "for documentation"),
    &v6([0xfc00, 0, 0, 0], 7, "private"),
    &v6([0xfe80, 0, 0, 0], 10, "link-local"),
    &v6([0xfec0, 0, 0, 0], 10, "site-local"),
    &v6([0xff00, 0, 0, 0], 8, "multicast"),
    // All that is not 2000::/3, the one block of global unicast addresses.
    &v6([0, 0, 0, 0], 3, "not of the public internet"),
    &v6([0x4000, 0, 0, 0], 2, "not of the public internet"),
    &v6([0x8000, 0, 0, 0], 1, "not of the public internet"),
];

/// What `address` is for, if it is not a public address.
#[must_use]
pub fn of(address: IpAddr) -> Option<&'static Special> {
    let address = address.to_canonical();
    let special = within(Block::single(address))?;
    match address {
        IpAddr::V6(address) if special == &NAT64 => {
            let [.., a, b, c, d] = address.octets();
            of(Ipv4Addr::new(a, b, c, d).into()).map(|_| special)
        }
        _ => Some(special),
    }
}

/// The smallest special block that all of `block` lies in.
pub(super) fn within(block: Block) -> Option<&'static Special> {
    BLOCKS.iter().copied().find(|special| special.block.holds(block))
}
