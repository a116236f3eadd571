//! Argument patterns against argument arrays, through the rule language.

use super::*;
use crate::rules::RuleSet;

fn pattern(args: &str) -> Arguments {
    let text = format!(
        "version = 1\n[[rule]]\nid = \"a\"\neffect = \"deny\"\nprograms = [{{ name = \"p\", args = {args} }}]"
    );
    let rules =
        RuleSet::parse(&[("r", &text)], [0; 32]).unwrap_or_else(|errors| panic!("{errors}"));
    rules.rules[0].programs[0].arguments.clone().unwrap()
}

fn around() -> Surroundings<'static> {
    let workspace = Path::new("/srv/shop");
    Surroundings { workspace, directory: Directory::At(workspace) }
}

fn matches(args: &str, words: &[&str]) -> Match {
    // `$x` stands for one word that is not known, `$*` for any number of them.
    let words: Vec<Word> = words
        .iter()
        .map(|word| match *word {
            "$x" => Word::Unknown { splits: false },
            "$*" => Word::Unknown { splits: true },
            text => Word::Literal(text.as_bytes().to_vec()),
        })
        .collect();
    pattern(args).matches(&words, around())
}

#[test]
fn patterns_use_up_all_arguments_in_order() {
    use Match::{No, Yes};
    for (args, words, expected) in [
        ("[]", &[][..], Yes),
        ("[]", &["a"], No),
        ("['a', 'b']", &["a", "b"], Yes),
        ("['a', 'b']", &["b", "a"], No),
        ("['a']", &["a", "b"], No),
        ("[{ one_of = ['a', 'b'] }]", &["b"], Yes),
        ("[{ glob = '*.rs' }]", &["x.rs"], Yes),
        ("[{ regex = 'v[0-9]+' }]", &["v12"], Yes),
        ("[{ regex = 'v[0-9]+' }]", &["v12x"], No),
        ("[{ any = true }]", &["-x"], Yes),
        ("[{ any = true }]", &[], No),
        ("[{ number = { min = -1, max = 9 } }]", &["9"], Yes),
        ("[{ number = { min = -1, max = 9 } }]", &["-1"], Yes),
        ("[{ number = { min = -1, max = 9 } }]", &["10"], No),
        ("[{ number = { min = -1, max = 9 } }]", &["+1"], No),
        ("[{ number = { min = 0, max = 9 } }]", &["99999999999999999999"], No),
        ("[{ rest = true }]", &[], Yes),
        ("[{ rest = true }, 'push', { rest = true }]", &["-C", "x", "push", "y"], Yes),
        ("[{ rest = true }, 'push', { rest = true }]", &["-C", "x"], No),
        ("['a', { rest = { glob = '*.rs' } }]", &["a", "x.rs", "y.rs"], Yes),
        ("['a', { rest = { glob = '*.rs' } }]", &["a", "x.rs", "y.c"], No),
        ("[{ optional = '-v' }, 'a']", &["a"], Yes),
        ("[{ optional = '-v' }, 'a']", &["-v", "a"], Yes),
        ("[{ optional = '-v' }, 'a']", &["-v", "-v", "a"], No),
    ] {
        assert_eq!(matches(args, words), expected, "{args} {words:?}");
    }
}

#[test]
fn flags_take_their_value_apart_or_attached() {
    use Match::{No, Yes};
    let short = "[{ flag = '-n', value = { number = { min = 1, max = 9 } } }]";
    let long = "[{ flag = '--max', value = { number = { min = 1, max = 9 } } }]";
    for (args, words, expected) in [
        (short, &["-n", "3"][..], Yes),
        (short, &["-n3"], Yes),
        (short, &["-n", "30"], No),
        (short, &["-n"], No),
        (long, &["--max", "3"], Yes),
        (long, &["--max=3"], Yes),
        (long, &["--max3"], No),
        (long, &["--max=30"], No),
    ] {
        assert_eq!(matches(args, words), expected, "{args} {words:?}");
    }
}

#[test]
fn paths_stay_beneath_their_root_and_are_no_options() {
    use Match::{No, Yes};
    let args = "[{ beneath = 'workspace/src' }]";
    for (word, expected) in [
        ("src/a.rs", Yes),
        ("/srv/shop/src", Yes),
        ("src/../src/a", Yes),
        ("src/../b", No),
        ("../shop/src", No),
        ("-src", No),
        ("/etc/passwd", No),
        ("", No),
        ("srcs", No),
    ] {
        assert_eq!(matches(args, &[word]), expected, "{word}");
    }
}

#[test]
fn what_is_not_known_matches_perhaps() {
    use Match::{No, Perhaps, Yes};
    for (args, words, expected) in [
        ("['a']", &["$x"][..], Perhaps),
        ("['a', 'b']", &["$x"], No),
        ("['a', 'b']", &["$*"], Perhaps),
        ("['a']", &["a", "$*"], Perhaps),
        ("['a']", &["a", "$x"], No),
        ("[{ any = true }]", &["$x"], Yes),
        ("[{ any = true }]", &["$*"], Perhaps),
        ("[{ rest = true }]", &["$x", "$*"], Yes),
        ("[{ rest = { glob = '*.rs' } }]", &["$x"], Perhaps),
        ("['a', { rest = true }]", &["a", "$*"], Yes),
        ("['a', { rest = true }]", &["b", "$*"], No),
        ("['a', { rest = true }]", &["$*"], Perhaps),
        ("[{ flag = '-n', value = 'a' }]", &["-n", "$x"], Perhaps),
        ("[{ flag = '-n', value = 'a' }]", &["$x"], Perhaps),
    ] {
        assert_eq!(matches(args, words), expected, "{args} {words:?}");
    }
}

#[test]
fn many_patterns_and_arguments_do_not_blow_up() {
    let args = format!("[{} 'end']", "{ rest = { glob = '*a*a*a*' } }, ".repeat(MAX_PATTERNS - 1));
    let words = vec!["aaaa".repeat(16); 1000];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    assert_eq!(matches(&args, &words), Match::No);
}
