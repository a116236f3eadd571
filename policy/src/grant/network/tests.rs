//! Meeting allows exactly what both allow, in whatever order.

use cofferdam_proxy_protocol::Target;
use proptest::prelude::*;

use super::*;

/// Destinations of every kind, some inside others.
const DESTINATIONS: [&str; 10] = [
    "a.org:443",
    "*.org:443",
    "*:443",
    "b.a.org:1-65535",
    "tcp://a.org:443",
    "tls://a.org:8443",
    "10.0.0.0/8:5432",
    "10.1.2.3:5432",
    "[fd00::/8]:22",
    "*.a.org:8000-8100",
];

/// Something that each of them allows, and something that none does.
const TARGETS: [&str; 8] = [
    "a.org:443",
    "b.a.org:443",
    "b.a.org:8080",
    "c.net:443",
    "a.org:8443",
    "10.1.2.3:5432",
    "[fd00::1]:22",
    "a.org:80",
];

fn list(texts: &[&str]) -> Vec<Destination> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn networks() -> impl Strategy<Value = Network> {
    let list = || {
        proptest::sample::subsequence(DESTINATIONS.to_vec(), 0..=5)
            .prop_shuffle()
            .prop_map(|texts| list(&texts))
    };
    proptest::collection::vec(list(), 0..=4).prop_map(Network::sorted)
}

fn allows(network: &Network, target: &str) -> bool {
    let target: Target = target.parse().unwrap();
    network.lists.iter().all(|list| list.iter().any(|one| one.allows(&target)))
}

proptest! {
    #[test]
    fn what_meets_allows_exactly_what_both_allow(one in networks(), other in networks()) {
        let met = one.meet(&other).unwrap();
        for target in TARGETS {
            prop_assert_eq!(allows(&met, target), allows(&one, target) && allows(&other, target));
        }
    }

    #[test]
    fn what_meets_names_no_destination_that_neither_names(one in networks(), other in networks()) {
        let met = one.meet(&other).unwrap();
        for list in &met.lists {
            prop_assert!(one.lists.contains(list) || other.lists.contains(list));
        }
    }

    #[test]
    fn the_order_of_meeting_never_matters(a in networks(), b in networks(), c in networks()) {
        let (left, right) = (a.meet(&b).unwrap().meet(&c), b.meet(&c).unwrap().meet(&a));
        prop_assert_eq!(left.as_ref().map(Network::to_texts), right.as_ref().map(Network::to_texts));
        prop_assert_eq!(left, right);
    }

    #[test]
    fn a_network_meets_itself_and_the_profiles(one in networks()) {
        prop_assert_eq!(one.meet(&one), Some(one.clone()));
        prop_assert_eq!(one.meet(&Network::profile()), Some(one));
    }
}

#[test]
fn the_order_and_spelling_of_destinations_never_matter() {
    let one = Network::only(list(&["b.org:443", "A.org:443", "a.org:443"]));
    let other = Network::only(list(&["a.org:443", "b.org:443"]));
    assert_eq!(one, other);
    assert_eq!(one.to_texts(), [["a.org:443", "b.org:443"]]);
}

#[test]
fn an_empty_list_allows_nothing_and_no_list_is_the_profiles() {
    let nothing = Network::only(Vec::new());
    assert_ne!(nothing, Network::profile());
    assert!(!allows(&nothing, "a.org:443"));
    let met = nothing.meet(&Network::only(list(&["*:443"]))).unwrap();
    assert!(!allows(&met, "a.org:443"));
    assert_eq!(met.to_texts().len(), 2);
}

#[test]
fn more_lists_than_a_host_takes_do_not_meet() {
    let number = |port: usize| Network::only(list(&[&format!("a.org:{port}")]));
    let mut met = Network::profile();
    for port in 1..=MAX_LISTS {
        met = met.meet(&number(port)).unwrap();
    }
    assert_eq!(met.meet(&number(1)), Some(met.clone()));
    assert_eq!(met.meet(&number(MAX_LISTS + 1)), None);
}

#[test]
fn it_is_told_in_words_and_a_long_list_in_part() {
    assert_eq!(Network::profile().to_string(), "network of the profile");
    assert_eq!(Network::only(Vec::new()).to_string(), "network only nothing");
    let two = Network::only(list(&["b.org:443", "a.org:443"]));
    assert_eq!(two.to_string(), "network only a.org:443, b.org:443");
    let met = two.meet(&Network::only(list(&["*.org:443"]))).unwrap();
    assert_eq!(met.to_string(), "network only *.org:443 and of these only a.org:443, b.org:443");
    let ports: Vec<String> = (1..=20).map(|port| format!("a.org:{port}")).collect();
    let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
    assert!(Network::only(list(&ports)).to_string().ends_with(" or 12 more"));
}
