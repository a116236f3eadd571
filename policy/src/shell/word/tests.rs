//! What is known of a word, and what stands in it.

use super::*;

fn literal(text: &str) -> Option<String> {
    match read(text) {
        Ok(Reading { word: Word::Literal(bytes), .. }) => String::from_utf8(bytes).ok(),
        _ => None,
    }
}

#[test]
fn quotes_and_backslashes_are_resolved() {
    for (text, value) in [
        ("git", "git"),
        ("'a b'", "a b"),
        (r#""a \"b\" \x""#, r#"a "b" \x"#),
        (r"r\m", "rm"),
        (r#"r'm'"""#, "rm"),
        ("$'rm'", "rm"),
        ("a$", "a$"),
        ("{}", "{}"),
        ("[", "["),
        ("a=b", "a=b"),
        ("'$(id)'", "$(id)"),
        (r"\$x", "$x"),
    ] {
        assert_eq!(literal(text).as_deref(), Some(value), "{text}");
    }
}

#[test]
fn what_depends_on_the_run_is_unknown() {
    for (text, splits) in [
        ("$x", true),
        ("\"$x\"", false),
        ("${x}", true),
        ("\"$@\"", true),
        ("*.rs", true),
        ("a?", true),
        ("[ab]", true),
        ("{a,b}", true),
        ("~/x", false),
        ("a=~", false),
        (r"$'\x72m'", false),
        ("$\"x\"", false),
        ("${x:-a b}", true),
        ("\"${x[@]}\"", true),
        ("$(id)", true),
        ("\"`id`\"", false),
        ("\"$((1))\"", false),
    ] {
        assert_eq!(read(text).map(|found| found.word), Ok(Word::Unknown { splits }), "{text}");
    }
}

#[test]
fn what_runs_in_a_word_is_found() {
    let found =
        read("a$(b \")\")`c`\"$(d)$((1+(2)))\"'$(e)'\\$f").unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(found.scripts, ["b \")\"", "c", "d"]);
    assert_eq!(found.sums, ["1+(2)"]);
    let found =
        read_expanded("'$(a)' \\$(b) \\\\$(c) ${x} \"").unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(found.scripts, ["a", "c"]);
}

#[test]
fn what_runs_out_of_sight_is_refused() {
    for text in [
        "$[1]",
        "${x:-$(id)}",
        "${!x}",
        "${x@P}",
        "${}",
        "${x",
        "a$(",
        "$((a) | (b))",
        "`a \\`b\\``",
        "$(a # )\n)",
        "$(case x in x) a;; esac)",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}
