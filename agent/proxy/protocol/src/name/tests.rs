//! Names: what is taken, what is refused, and what the refusal says.

use super::*;

fn refusal(text: &str) -> NameError {
    match text.parse::<HostName>() {
        Ok(name) => panic!("`{name}` was taken"),
        Err(error) => error,
    }
}

#[test]
fn a_name_is_compared_in_lower_case() {
    let name: HostName = "Registry.NPMjs.ORG".parse().unwrap();
    assert_eq!(name.as_str(), "registry.npmjs.org");
}

#[test]
fn only_whole_labels_lie_beneath_a_name() {
    let parent: HostName = "example.org".parse().unwrap();
    let beneath = |text: &str| text.parse::<HostName>().unwrap().is_beneath(&parent);
    assert!(beneath("a.example.org") && beneath("b.a.example.org"));
    assert!(!beneath("example.org") && !beneath("badexample.org") && !beneath("org"));
}

#[test]
fn an_address_in_an_unusual_spelling_is_no_name() {
    for text in ["2130706433", "0x7f000001", "0x7f.1", "127.1", "0177.0.0.1", "a.0x", "1.2.3.4"] {
        assert_eq!(refusal(text), NameError::Number, "{text}");
    }
    for text in ["a.1b", "0x7g", "xn--9ca"] {
        assert!(text.parse::<HostName>().is_ok(), "{text}");
    }
}

#[test]
fn what_dns_or_a_parser_could_read_in_two_ways_is_refused() {
    assert_eq!(refusal("example.org."), NameError::TrailingDot);
    assert_eq!(refusal("a..b"), NameError::EmptyLabel);
    assert_eq!(refusal(""), NameError::EmptyLabel);
    assert_eq!(refusal("."), NameError::EmptyLabel);
    assert_eq!(refusal("a\0.b"), NameError::Character('\0'));
    assert_eq!(refusal("é\0"), NameError::Character('\0'));
    assert_eq!(refusal("a b"), NameError::Character(' '));
    assert_eq!(refusal("a%2eb"), NameError::Character('%'));
    assert_eq!(refusal("fe80::1"), NameError::Character(':'));
    assert_eq!(refusal("-a.b"), NameError::Hyphen);
    assert_eq!(refusal(&"a".repeat(64)), NameError::LabelTooLong(64));
    assert_eq!(refusal(&["a"; 128].join(".")), NameError::TooLong(255));
}

#[test]
fn a_name_in_unicode_is_refused_with_its_ascii_form() {
    let ascii = |text: &str| refusal(text).to_string();
    assert!(ascii("Bücher.example").contains("`xn--bcher-kva.example`"));
    assert!(ascii("münchen.de").contains("`xn--mnchen-3ya.de`"));
    assert!(ascii("例え.テスト").contains("`xn--r8jz45g.xn--zckzah`"));
    assert!(ascii("a。b").contains("`a.b`"));
    assert!(ascii(&"é".repeat(100)).contains('…'));
}
