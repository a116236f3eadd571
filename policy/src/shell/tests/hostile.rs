//! Hostile lines end in bounded time and memory, on a stack of 2 MiB, in a debug
//! build.

use std::time::{Duration, Instant};

use super::*;

/// What no line may take here; a release build is more than ten times as fast.
const LONGEST: Duration = Duration::from_secs(20);

/// The most bytes of arguments that a line may become.
const MOST: usize = 64 * MAX_SCRIPT;

/// What opens a level, or might.
const OPENERS: &[&str] = &[
    "(",
    "((",
    "$(",
    "$((",
    "${",
    "$[",
    "`",
    "{ ",
    "\"$(",
    "<(",
    "if ",
    "while ",
    "case x in x) ",
    "! ",
    "a=(",
    "a[",
    "[[ ( ",
    "[[ x =~ ( a ",
    "f() { ",
    "function f ",
    "coproc ",
    "( a ",
    "{a,",
    "for x in a; do ",
    "<<a ",
    "<<a\n",
    "'",
    "\\",
    "a|",
    "a&&",
    "$'",
    "!(",
    "@(",
    "x(",
    "$(<<a ",
    "${x <<a ",
    ">& ",
    "&> ",
    "<<< ",
    "time ",
    "if a; then ",
    "~+",
    "[[ ! ",
    "a <(",
    "((1)) ",
    "x=$(",
    "\"$(a ",
    "`a` ",
    "${x:-",
    "a $((1+",
    "f() { f; }; ",
    "for ((;;)) do ",
];

/// Whole commands, words and pieces of them.
const UNITS: &[&str] = &[
    "a;",
    "a|",
    "a&&",
    "a\n",
    "a&",
    "a ",
    "$x ",
    "\"$x\" ",
    "x=1;",
    "x=1&&",
    "i=0;",
    "{a,b} ",
    "{a,b}{c,d}{e,f}{g,h}{i,j}{k,l} ",
    "{",
    "*",
    "~",
    ">a ",
    "2>&1 ",
    "'",
    "'a' ",
    "\\",
    "\\\n",
    "# ",
    "#\n",
    "ä",
    "é$x ",
    "[ a ];",
    "[[ a ]];",
    "$'",
    "!",
    "! a;",
    "x=(a);",
    "x+=(a) ",
    "a[",
    "${x} ",
    "${x%a} ",
    "export X;",
    "read x;",
    "unset x;",
    "cd a;",
    "time ",
    "-",
    "=",
    "a=",
    "a b c d e f;",
    "<<<a ",
    "<<a\n",
    "a<b>c ",
    "echo ;",
    "command ",
    "command a;",
    "local x=1;",
    "return;",
    "\t",
];

/// Parses a line; asserts that it took neither long nor much.
fn in_bounds(line: &str) -> Script {
    let start = Instant::now();
    let script = parse(line);
    let head: String = line.chars().take(40).collect();
    assert!(start.elapsed() < LONGEST, "{head}: {:?}", start.elapsed());
    let bytes = |word: &Word| match word {
        Word::Literal(text) => text.len() + 1,
        Word::Unknown { .. } => 1,
    };
    let taken: usize = script
        .commands
        .iter()
        .map(|command| command.program.len() + command.arguments.iter().map(bytes).sum::<usize>())
        .sum();
    assert!(taken <= MOST, "{head}: {taken} bytes");
    assert!(script.commands.len() + script.redirections.len() <= line.len(), "{head}");
    assert!(script.opaque.len() <= MAX_OPAQUE, "{head}");
    script
}

/// In a debug build on a test thread's stack of 2 MiB.
#[test]
fn deep_and_hostile_nesting_is_refused_in_time() {
    for opener in OPENERS {
        for count in [40, 10_000] {
            in_bounds(&opener.repeat(count));
        }
    }
    for (open, close) in [("(", ")"), ("$(", ")"), ("{ ", "a; }"), ("( ", "; )"), ("( a; ", ") ")] {
        let line = format!("{}a{}", open.repeat(10_000), close.repeat(10_000));
        assert!(parse(&line).is_opaque());
    }
    let deepest = format!("{}a; {}", "{ ".repeat(48), "}; ".repeat(48));
    assert!(!parse(&deepest).is_opaque(), "{:?}", parse(&deepest).opaque);
    let tests = format!("{}a{}", "if b; then ".repeat(48), "; fi".repeat(48));
    assert!(!parse(&tests).is_opaque());
}

/// Each as long as a line may be.
#[test]
fn long_lines_end_in_time() {
    for unit in UNITS {
        let line = unit.repeat(MAX_SCRIPT / unit.len());
        in_bounds(&line);
    }
    let long = "a".repeat(MAX_SCRIPT - 40);
    for (before, after) in [
        ("", ""),
        ("'", "'"),
        ("x=", ""),
        ("$", ""),
        ("${", "}"),
        ("a $(", ")"),
        ("f() { ", "; }"),
        ("a ", "{a,b}{c,d}{e,f}{g,h}{i,j}"),
    ] {
        in_bounds(&format!("{before}{long}{after}"));
    }
}

/// Constructs in each other, up to what is read at all.
#[test]
fn nested_substitutions_end_in_time() {
    for depth in [1, 5, 7, 20, 48] {
        for (open, close) in
            [("$(a ", ")"), ("\"$(a ", ")\""), ("<(a ", ")"), ("$(a <(b ", "))"), ("$((", "))")]
        {
            let line = format!("a {}{}", open.repeat(depth), close.repeat(depth));
            in_bounds(&line);
        }
    }
    assert!(!in_bounds("a $(a $(a $(a $(a $(a)))))").is_opaque());
    assert!(in_bounds(&format!("a {}{}", "$(a ".repeat(7), ")".repeat(7))).is_opaque());
    assert!(in_bounds(&"a `b` ".repeat(65)).is_opaque());
}
