//! What is seen of a command line, and what is not.

mod hostile;

use super::*;

fn parse(line: &str) -> Script {
    Script::parse(line.as_bytes())
}

/// Programs of the commands, in order.
fn programs(line: &str) -> Vec<String> {
    let script = parse(line);
    assert!(!script.is_opaque(), "{line}: {:?}", script.opaque);
    script
        .commands
        .iter()
        .map(|command| String::from_utf8_lossy(&command.program).into_owned())
        .collect()
}

#[test]
fn every_command_of_a_line_is_seen() {
    for (line, seen) in [
        ("ls", vec!["ls"]),
        ("git log | head -n 3", vec!["git", "head"]),
        ("a && b || c; d & e", vec!["a", "b", "c", "d", "e"]),
        ("a\nb", vec!["a", "b"]),
        ("(a; b) | { c; }", vec!["a", "b", "c"]),
        ("if a; then b; elif c; then d; else e; fi", vec!["a", "b", "c", "d", "e"]),
        ("while a; do b; done; until c; do d; done", vec!["a", "b", "c", "d"]),
        ("for f in x y; do a \"$f\"; done", vec!["a"]),
        ("case x in x) a;; *) b;; esac", vec!["a", "b"]),
        ("! a", vec!["a"]),
        ("time a", vec!["a"]),
        ("X=1 a", vec!["a"]),
        ("r'm' -rf x", vec!["rm"]),
        ("\\rm x", vec!["rm"]),
        ("\"rm\" x", vec!["rm"]),
        ("r\\\nm x", vec!["rm"]),
        ("a > out 2>&1 < in", vec!["a"]),
        ("a |& b", vec!["a", "b"]),
        ("[[ -f x ]] && a", vec!["a"]),
        ("a # b; c", vec!["a"]),
        ("a $(b \"$(c)\") `d`", vec!["c", "b", "d", "a"]),
        ("x=$(a | b)", vec!["a", "b"]),
        ("a <(b | c) < <(d)", vec!["b", "c", "d", "a"]),
        ("f() { a \"$1\"; }; f x", vec!["a", "f"]),
        ("function f { a; } > out; f", vec!["a", "f"]),
        ("command git log", vec!["git"]),
        ("a $((1 + 2))", vec!["a"]),
        ("i=0; while [ $i -lt 3 ]; do a $((i+1)); i=$((i+1)); done", vec!["[", "a"]),
        ("for ((i=0; i<3; i++)); do a $i; done", vec!["a"]),
        ("for i in {1..3}; do a $((i * 2)); done", vec!["a"]),
        ("f() { local n=3; [[ $n -gt 2 ]] && a; }; f", vec!["local", "a", "f"]),
        ("x=(a b); c \"${x[@]}\" ${#x[@]} ${x[0]}", vec!["c"]),
        ("a ${x:-b} ${x%.rs} ${x##*/} ${x/a/b}", vec!["a"]),
        ("while IFS= read -r x; do a \"$x\"; done", vec!["read", "a"]),
        ("[ \"$x\" = y ] && [ -n \"$x\" ] && [ $# -eq 0 ] && a", vec!["[", "[", "[", "a"]),
        ("kill $!", vec!["kill"]),
        ("export X=$y", vec!["export"]),
        ("exit $?", vec!["exit"]),
        ("a '; b'", vec!["a"]),
        ("cat <<EOF\nrm x\nEOF\nb", vec!["cat", "b"]),
        ("cat <<'EOF'\n$(rm x)\nEOF", vec!["cat"]),
        ("", vec![]),
    ] {
        assert_eq!(programs(line), seen, "{line}");
    }
}

/// Each hides what it runs or opens, or may do so.
const OPAQUE: &[&str] = &[
    "a >& '$(rm x)'",
    "a >&-rm",
    ">&-rm x",
    "a <&-rm",
    "[[ -n =~ x ]]",
    "a &> '$(rm x)'",
    "a >&1x",
    "$(rm x)",
    "`rm x`",
    "$x y",
    "${x} y",
    "a*b c",
    "~/bin/x",
    "{rm,-rf}",
    "eval 'rm x'",
    "source x",
    ". x",
    "exec rm",
    "builtin cd",
    "coproc rm",
    "a $($x)",
    "a $(eval b)",
    "a `$x`",
    "a $(b # )\n)",
    "a $(b <<E\n)\nE\n)",
    "a $(case x in x) b;; esac)",
    "cd() { rm; }; cd x",
    "function ls/x { rm; }",
    "f() { a; }; unset f; f",
    "a<(b)",
    "a <(b)c",
    "x=<(b) c",
    "a < (b)",
    "(( x ) )",
    "((a) | (b))",
    "$((a) | (b))",
    "((i++))",
    "i=0; i=$y; ((i++))",
    "false && i=0; ((i++))",
    "i=$((1/0)) j=0\n((j))",
    "x=$((1/0)); j=0\n((j))",
    "f() { local i; unset i; ((i)); }",
    "local i=0; ((i))",
    "((1 #))\n1\n))",
    "i=0; IFS=0; [ $i -eq 0 ]",
    "[ $x = y ]",
    "[ \"$x\" y ]",
    "a=([x]=1)",
    "a {x}> out",
    "time -- a",
    "wait \"$x\"",
    "command $x",
    "command exec a",
    "shopt -s extglob",
    "export \"$x\"",
    "a >(b)",
    "((x))",
    "$((x))",
    "let x",
    "[[ x -eq y ]]",
    "[[ -v x ]]",
    "test -v 'a[$(id)]'",
    "printf -v 'a[$(id)]' x",
    "read 'a[$(id)]'",
    "declare -i x",
    "a[0]=1",
    "trap 'rm x' EXIT",
    "alias ls=rm",
    "mapfile -C rm",
    "enable -f x y",
    "hash -p /bin/rm ls",
    "${x:-$(rm)}",
    "${x@P}",
    "${!x}",
    "a > $x",
    "a > *",
    "a >/dev/tcp/h/1",
    "cd",
    "cd -",
    "cd $x",
    "cat <<$x\nEOF",
    "cat <<EOF\n$(rm)\nEOF",
    "a\rb",
    "a\u{a0}b",
    "a\0b",
    "'",
    "a )",
    "if a",
    "a 99999999999>x",
    "set -o posix",
    "export $x",
    "select x in a; do b; done",
    "$'\\x72m' x",
    "$\"rm\" x",
    "unset 'a[$(id)]'",
    "export 'a[$(x)]=1'",
];

#[test]
fn what_cannot_be_known_is_opaque() {
    for line in OPAQUE {
        assert!(parse(line).is_opaque(), "{line:?} is not seen through: {:?}", parse(line));
    }
    assert!(Script::parse(b"a \xff").is_opaque());
    assert!(Script::parse(&vec![b'a'; MAX_SCRIPT + 1]).is_opaque());
}

#[test]
fn redirections_directories_and_variables_are_collected() {
    let script = parse("cd src && X=1 a < in >> out 2>/dev/null; export Y=2; a &> both; a <> rw");
    let paths: Vec<(&[u8], bool)> =
        script.redirections.iter().map(|one| (one.path.as_slice(), one.writes)).collect();
    let expected: Vec<(&[u8], bool)> =
        vec![(b"in", false), (b"out", true), (b"both", true), (b"rw", false), (b"rw", true)];
    assert_eq!(paths, expected);
    assert_eq!(script.directories, [b"src".to_vec()]);
    assert_eq!(script.environment.iter().map(String::as_str).collect::<Vec<_>>(), ["X", "Y"]);
    assert!(!script.is_opaque());
}

/// A function is the shell's own where it surely is there, and perhaps a program
/// elsewhere.
#[test]
fn a_call_of_a_function_is_harmless_only_where_it_is_surely_defined() {
    let calls = |line: &str| {
        let script = parse(line);
        assert!(!script.is_opaque(), "{line}: {:?}", script.opaque);
        let calls = script.commands.iter().filter(|command| command.program == b"f");
        calls.map(|command| command.harmless).collect::<Vec<_>>()
    };
    for (line, harmless) in [
        ("f() { a; }; f", vec![true]),
        ("f() { a; }\nf | b", vec![true]),
        ("f; f() { a; }", vec![false]),
        ("(f() { a; }); f", vec![false]),
        ("b && f() { a; }; f", vec![false]),
        ("if b; then f() { a; }; fi; f", vec![false]),
        ("f() { a; } | b; f", vec![false]),
        ("x=$(f() { a; }); f", vec![false]),
        ("b; f() { a; }\nf", vec![false]),
        ("f() { f; }; f; command f", vec![true, true, false]),
    ] {
        assert_eq!(calls(line), harmless, "{line}");
    }
}

#[test]
fn plain_braces_are_several_arguments() {
    let script = parse("mkdir -p src/{a,b} {1..3}");
    let literal = |text: &str| Word::Literal(text.as_bytes().to_vec());
    let expected =
        [literal("-p"), literal("src/a"), literal("src/b"), Word::Unknown { splits: true }];
    assert_eq!(script.commands[0].arguments, expected);
}

#[test]
fn arguments_are_known_or_not() {
    let script = parse("a 'b c' \"$x\" $y *.rs x=1");
    let literal = |text: &str| Word::Literal(text.as_bytes().to_vec());
    assert_eq!(
        script.commands[0].arguments,
        [
            literal("b c"),
            Word::Unknown { splits: false },
            Word::Unknown { splits: true },
            Word::Unknown { splits: true },
            literal("x=1"),
        ]
    );
}

mod random {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn no_bytes_make_it_fail(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Script::parse(&line);
        }

        #[test]
        fn no_shell_like_text_makes_it_fail(
            parts in proptest::collection::vec(
                proptest::sample::select(vec![
                    "a", " ", "$(", ")", "(", "`", "\"", "'", "\\", "\n", ";", "&&", "|", "<", ">",
                    "<<", "<<-", "EOF", "$", "{", "}", "[[", "]]", "if", "then", "fi", "case", "in",
                    "esac", ";;", "for", "do", "done", "x=", "=~", "123", "&", "!", "#", "~", "*",
                    "[", "]", "${", "$[", "<<<", ">&", "1", "-", "coproc", "function", "f()", "time",
                ]),
                0..40,
            )
        ) {
            let _ = Script::parse(parts.concat().as_bytes());
            let _ = Script::parse(parts.join(" ").as_bytes());
        }

        /// What stands in single quotes is one literal, whatever it is.
        #[test]
        fn quoted_text_runs_nothing(text in "[ -&(-~]{0,40}") {
            // Text that looks like a here-document is taken as one beside `$(`.
            prop_assume!(!text.contains("<<"));
            let script = parse(&format!("echo '{text}'; ls"));
            prop_assert!(!script.is_opaque(), "{:?}", script.opaque);
            prop_assert_eq!(&script.commands[0].arguments, &[Word::Literal(text.into_bytes())]);
            prop_assert_eq!(script.commands.len(), 2);
        }
    }
}
