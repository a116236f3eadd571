//! Blocks: what they hold, and what they allow of it.

use super::*;

fn block(text: &str) -> Block {
    text.parse().unwrap()
}

fn allows(text: &str, address: &str) -> bool {
    block(text).allows(address.parse().unwrap())
}

#[test]
fn a_block_of_everything_allows_public_addresses_only() {
    for address in ["1.1.1.1", "93.184.216.34"] {
        assert!(allows("0.0.0.0/0", address), "{address}");
    }
    for address in [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.0.9",
        "169.254.1.1",
        "169.254.169.254",
        "168.63.129.16",
        "172.31.0.1",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.9",
        "224.0.0.1",
        "250.0.0.1",
        "255.255.255.255",
    ] {
        assert!(!allows("0.0.0.0/0", address), "{address}");
    }
    assert!(allows("::/0", "2606:4700::1111") && allows("::/0", "64:ff9b::101:101"));
    for address in [
        "::",
        "::1",
        "::7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "4000::1",
        "1::1",
    ] {
        assert!(!allows("::/0", address), "{address}");
    }
}

#[test]
fn a_special_address_is_allowed_by_a_block_of_its_own_kind() {
    assert!(allows("127.0.0.1", "127.0.0.1") && allows("10.0.0.0/8", "10.9.9.9"));
    assert!(allows("169.254.169.254", "169.254.169.254"));
    assert!(!allows("169.254.0.0/16", "169.254.169.254"));
    assert!(!allows("10.0.0.0/8", "11.0.0.1") && !allows("127.0.0.1", "127.0.0.2"));
    assert!(!allows("127.0.0.1", "::1") && allows("::1", "::1"));
    assert!(!allows("8.0.0.0/5", "10.0.0.1"), "it also holds public addresses");
}

#[test]
fn special_addresses_in_ipv6_clothes_are_known() {
    for address in ["::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1"] {
        assert!(special::of(address.parse().unwrap()).is_some(), "{address}");
    }
    assert_eq!(special::of("::ffff:1.1.1.1".parse().unwrap()), None);
}

#[test]
fn a_block_has_one_spelling() {
    assert_eq!("10.0.0.1/8".parse::<Block>(), Err(BlockError::Bits(block("10.0.0.0/8"))));
    assert_eq!(block("10.0.0.1/32"), block("10.0.0.1"));
    assert_eq!(block("2001:DB8::/32").to_string(), "[2001:db8::/32]");
    assert!(matches!("::ffff:10.0.0.1".parse::<Block>(), Err(BlockError::Mapped(_))));
    for text in ["10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/+8", "::/129", "10.0.0.0/"] {
        assert!(matches!(text.parse::<Block>(), Err(BlockError::Length(_))), "{text}");
    }
    for text in ["0177.0.0.1", "127.1", "fe80::1%eth0", "", "1.2.3.4.5"] {
        assert!(matches!(text.parse::<Block>(), Err(BlockError::Address(_))), "{text}");
    }
}
