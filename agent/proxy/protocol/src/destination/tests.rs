//! Destinations: one spelling, and `covers` never says more than `allows`.

use proptest::prelude::*;

use super::*;

fn destination(text: &str) -> Destination {
    match text.parse() {
        Ok(destination) => destination,
        Err(error) => panic!("{text}: {error}"),
    }
}

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

#[test]
fn a_destination_reaches_what_it_says_and_nothing_else() {
    let reaches = |pattern: &str, place: &str| destination(pattern).allows(&target(place));
    assert!(reaches("example.org:443", "EXAMPLE.org:443"));
    assert!(!reaches("example.org:443", "example.org:80"));
    assert!(!reaches("example.org:443", "a.example.org:443"));
    assert!(reaches("*.example.org:443", "a.b.example.org:443"));
    assert!(!reaches("*.example.org:443", "example.org:443"));
    assert!(!reaches("*.example.org:443", "badexample.org:443"));
    assert!(reaches("*:443", "anything.at.all:443") && !reaches("*:443", "1.1.1.1:443"));
    assert!(reaches("db:5000-5010", "db:5010") && !reaches("db:5000-5010", "db:5011"));
    assert!(reaches("10.0.0.0/8:22", "10.1.1.1:22") && !reaches("10.0.0.0/8:22", "11.1.1.1:22"));
    assert!(reaches("127.0.0.1:80", "[::ffff:127.0.0.1]:80"));
    assert!(reaches("[2001:db8::/32]:1-9", "[2001:db8::9]:9"));
}

#[test]
fn port_443_must_speak_tls_unless_a_scheme_says_otherwise() {
    let speech = |pattern: &str, port| destination(pattern).speech(port);
    assert_eq!(speech("a:443", 443), Speech::Tls);
    assert_eq!(speech("a:1-1000", 443), Speech::Tls);
    assert_eq!(speech("a:1-1000", 80), Speech::Any);
    assert_eq!(speech("tcp://a:443", 443), Speech::Any);
    assert_eq!(speech("tls://a:8443", 8443), Speech::Tls);
}

#[test]
fn what_is_not_surely_a_destination_is_refused_with_what_to_write() {
    let refusal = |text: &str| match text.parse::<Destination>() {
        Ok(taken) => panic!("`{text}` was taken as `{taken}`"),
        Err(error) => error.to_string(),
    };
    for (text, says) in [
        ("example.org", "port is missing"),
        ("example.org:*", "is no port"),
        ("example.org:0", "is no port"),
        ("example.org:90-80", "lower port first"),
        ("https://example.org:443", "scheme"),
        ("example.org/path:443", "is no address"),
        ("2001:db8::1:443", "brackets"),
        ("[example.org]:443", "brackets"),
        ("[1.2.3.4]:443", "brackets"),
        ("[::ffff:1.2.3.4]:443", "`1.2.3.4`"),
        ("10.0.0.1/8:22", "`10.0.0.0/8`"),
        ("0x7f.1:80", "ends in a number"),
        ("2130706433:80", "ends in a number"),
        ("0177.0.0.1:80", "ends in a number"),
        ("git*.example.org:443", "'*' cannot stand"),
        ("*.*.org:443", "'*' cannot stand"),
        ("*example.org:443", "'*' cannot stand"),
        ("a.*:443", "'*' cannot stand"),
        ("example.org.:443", "without"),
        ("exam\0ple.org:443", "cannot stand"),
        ("bücher.example:443", "`xn--bcher-kva.example`"),
        ("*.bücher.example:443", "`xn--bcher-kva.example`"),
        (":443", "label is empty"),
        ("*.:443", "label is empty"),
    ] {
        let said = refusal(text);
        assert!(said.contains(says), "{text:?}: {said}");
    }
    assert!(refusal(&"a".repeat(300)).contains("at most"));
}

#[test]
fn covering_looks_at_what_is_spoken() {
    let covers = |one: &str, other: &str| destination(one).covers(&destination(other));
    assert!(covers("a:443", "tls://a:443") && covers("tls://a:443", "a:443"));
    assert!(covers("tcp://a:443", "a:443") && !covers("a:443", "tcp://a:443"));
    assert!(covers("a:80", "tcp://a:80") && !covers("tls://a:80", "a:80"));
    assert!(!covers("a:1-1000", "tcp://a:400-500") && covers("a:1-1000", "tcp://a:1-400"));
}

#[test]
fn covering_looks_at_what_a_block_allows() {
    let covers = |one: &str, other: &str| destination(one).covers(&destination(other));
    assert!(covers("10.0.0.0/8:22", "10.1.0.0/16:22"));
    assert!(!covers("0.0.0.0/0:22", "10.0.0.0/8:22"));
    assert!(covers("0.0.0.0/0:22", "1.0.0.0/8:22"));
    assert!(!covers("169.254.0.0/16:80", "169.254.169.254:80"));
}

fn places() -> impl Strategy<Value = String> {
    let label = prop::sample::select(vec!["a", "b", "xn--a", "org"]);
    let name = prop::collection::vec(label, 1..4).prop_map(|labels| labels.join("."));
    prop_oneof![
        1 => Just("*".to_owned()),
        4 => name.clone(),
        4 => name.prop_map(|name| format!("*.{name}")),
        4 => (prop::sample::select(vec![
                0x7f00_0001_u32, 0x0a00_0001, 0x0101_0101, 0xa9fe_a9fe, 0xa9fe_0001, 0,
             ]), 0..=32_u32).prop_map(|(address, length)| {
                let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
                format!("{}/{length}", std::net::Ipv4Addr::from(address & mask))
             }),
        2 => (prop::sample::select(vec!["::1", "2606::1", "64:ff9b::7f00:1", "64:ff9b::101:101"]),
              0..=128_u32).prop_map(|(address, length)| {
                let bits = u128::from(address.parse::<std::net::Ipv6Addr>().unwrap());
                let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
                format!("[{}/{length}]", std::net::Ipv6Addr::from(bits & mask))
             }),
    ]
}

fn destinations() -> impl Strategy<Value = Destination> {
    let scheme = prop::sample::select(vec!["", "tcp://", "tls://"]);
    let ports = (440_u16..446, 0_u16..4).prop_map(|(first, more)| (first, first + more));
    (scheme, places(), ports)
        .prop_map(|(scheme, place, (first, last))| format!("{scheme}{place}:{first}-{last}"))
        .prop_map(|text| text.parse().unwrap())
}

fn targets() -> impl Strategy<Value = Target> {
    let label = prop::sample::select(vec!["a", "b", "xn--a", "org"]);
    let name = prop::collection::vec(label, 1..5).prop_map(|labels| labels.join("."));
    let address = prop::sample::select(vec![
        "127.0.0.1",
        "10.0.0.1",
        "10.9.0.1",
        "1.1.1.1",
        "169.254.169.254",
        "169.254.3.1",
        "0.0.0.0",
        "[::1]",
        "[2606::1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::101:101]",
        "[fe80::1]",
    ]);
    (prop_oneof![name, address.prop_map(str::to_owned)], 438_u16..452)
        .prop_map(|(place, port)| format!("{place}:{port}").parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_a_destination_covers_it_allows(
        one in destinations(), other in destinations(), targets in prop::collection::vec(targets(), 30)
    ) {
        if one.covers(&other) {
            for target in targets.iter().filter(|target| other.allows(target)) {
                prop_assert!(one.allows(target), "{one} covers {other}, but not {target}");
                prop_assert!(one.speech(target.port) <= other.speech(target.port));
            }
        }
    }

    #[test]
    fn covering_is_reflexive_and_transitive(
        a in destinations(), b in destinations(), c in destinations()
    ) {
        prop_assert!(a.covers(&a));
        prop_assert!(!(a.covers(&b) && b.covers(&c)) || a.covers(&c));
    }

    #[test]
    fn a_destination_has_one_spelling(one in destinations()) {
        let text = one.to_string();
        prop_assert_eq!(text.parse::<Destination>().unwrap(), one);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
        if let Ok(destination) = text.parse::<Destination>() {
            let again: Destination = destination.to_string().parse().unwrap();
            prop_assert_eq!(again, destination);
        }
    }
}
