//! Random lines: some made by a grammar, so that most of them parse, and some of
//! tokens in any order, so that most of them nearly do.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A line of a few commands.
pub(crate) fn line() -> impl Strategy<Value = String> {
    vec(list(), 1..3).prop_map(|parts| parts.join("\n"))
}

/// Tokens of shells in any order, glued or apart.
pub(crate) fn tokens() -> impl Strategy<Value = String> {
    let token = select(vec![
        "a", "b", "c", " ", " ", " ", "$(", ")", "(", "`", "\"", "'", "\\", "\n", ";", "&&", "||",
        "|", "<", ">", "<<", "<<-", "<<E", "E", "\nE\n", "$", "{", "}", "[[", "]]", "if", "then",
        "fi", "case", "in", "esac", ";;", "for", "do", "done", "x=", "x", "=~", "12", "&", "!",
        "#", "~", "*", "[", "]", "${", "$((", "))", "<<<", ">&", ">|", "&>", "1", "-", "function",
        "f()", "time", "while", "<(", ">(", "$x", "\"$x\"", "'b c'", "-v", "-eq", "=", "$'",
        "test", "echo", "x=1", "{a,b}", "f", "return", "unset", "export", "local", "i++", "((",
        "i=0", "command",
    ]);
    vec(token, 1..14).prop_map(|parts| parts.concat())
}

fn list() -> impl Strategy<Value = String> {
    command().prop_recursive(3, 12, 3, |inner| {
        let separator = select(vec!["; ", " && ", " || ", " | ", " & ", "\n", " |& ", ";"]);
        prop_oneof![
            (inner.clone(), separator, inner.clone())
                .prop_map(|(one, between, other)| format!("{one}{between}{other}")),
            compound(inner),
        ]
    })
}

fn compound(inner: impl Strategy<Value = String> + Clone + 'static) -> BoxedStrategy<String> {
    let two = (inner.clone(), inner.clone());
    prop_oneof![
        inner.clone().prop_map(|one| format!("( {one} )")),
        inner.clone().prop_map(|one| format!("({one})")),
        inner.clone().prop_map(|one| format!("{{ {one}; }}")),
        inner.clone().prop_map(|one| format!("! {one}")),
        inner.clone().prop_map(|one| format!("time {one}")),
        two.clone().prop_map(|(one, other)| format!("if {one}; then {other}; fi")),
        two.clone().prop_map(|(one, other)| format!("if {one}; then :; else {other}; fi")),
        two.clone().prop_map(|(one, other)| format!("while {one}; do {other}; break; done")),
        two.clone().prop_map(|(one, other)| format!("until {one}; do {other}; break; done")),
        two.clone().prop_map(|(one, other)| format!("f() {{ {one}; }}; {other}; f x")),
        two.clone().prop_map(|(one, other)| format!("{one}; function f {{ {other}; }}; f")),
        (word(), inner.clone())
            .prop_map(|(word, one)| format!("for x in {word} b; do {one}; done")),
        (word(), inner.clone()).prop_map(|(word, one)| format!("case {word} in a|b) {one};; esac")),
        (word(), inner.clone()).prop_map(|(word, one)| format!("case {word} in *) {one}\n;; esac")),
        inner.clone().prop_map(|one| format!("a <({one})")),
        inner.clone().prop_map(|one| format!("x=$({one})")),
        inner.clone().prop_map(|one| format!("a \"$({one})\" b")),
        inner.clone().prop_map(|one| format!("a $({one}) b")),
        inner.clone().prop_map(|one| format!("a `{one}`")),
        (inner, redirection()).prop_map(|(one, redirection)| format!("{{ {one}\n}} {redirection}")),
    ]
    .boxed()
}

fn command() -> BoxedStrategy<String> {
    let plain =
        (select(vec!["a", "b", "c", "\\a", "'b'", "a\"b\"", "git", "echo", "./build.sh"]), words());
    prop_oneof![
        4 => plain.prop_map(|(name, words)| format!("{name}{words}")),
        2 => (assignment(), words()).prop_map(|(set, words)| format!("{set} a{words}")),
        1 => assignment().prop_map(str::to_owned),
        2 => (words(), redirection()).prop_map(|(words, to)| format!("a{words} {to}")),
        1 => (words(), select(vec!["E", "'E'"]))
            .prop_map(|(words, tag)| format!("a{words} <<{tag}\nb $x c\nE\n:")),
        2 => builtin(),
        1 => arithmetic(),
        1 => test(),
    ]
    .boxed()
}

fn builtin() -> BoxedStrategy<String> {
    prop_oneof![
        (
            select(vec!["export", "local", "read", "unset", "declare", "readonly", "unset -f"]),
            word()
        )
            .prop_map(|(name, word)| format!("{name} {word}")),
        (select(vec!["export", "local", "readonly"]), assignment())
            .prop_map(|(name, set)| format!("{name} {set}")),
        (select(vec!["eval", "command", "exec", "builtin", "command -v", "type"]), word())
            .prop_map(|(name, word)| format!("{name} {word}")),
        select(vec![
            "cd src", "cd", "cd -", "set -e", "set -u", "true", "false", "f", "return", "shift"
        ])
        .prop_map(str::to_owned),
        words().prop_map(|words| format!("printf{words}")),
        (select(vec!["%s", "x%n", "%-5.2ln", "%(%n)T", "%(%n)X", "%%n", "%*n"]), words())
            .prop_map(|(format, words)| format!("printf '{format}'{words} V x PATH; export V; a")),
        words().prop_map(|words| format!("[{words} ]")),
        words().prop_map(|words| format!("test{words}")),
    ]
    .boxed()
}

fn arithmetic() -> BoxedStrategy<String> {
    let sum = select(vec![
        "i",
        "1+2",
        "i+1",
        "i++",
        "i=0",
        "x",
        "i < 3",
        "n",
        "i=n",
        "a[0]",
        "(1)",
        "1,2",
        "i = i * 2",
        "$i",
    ]);
    let sets = select(vec![
        "i=0; ",
        "i=0\n",
        "false && i=0; ",
        "i=$x; ",
        "read i; ",
        "",
        "(i=0); ",
        "unset i; ",
    ]);
    (sets, sum.clone(), sum)
        .prop_flat_map(|(set, one, other)| {
            select(vec![
                format!("{set}a $(({one}))"),
                format!("{set}(({one}))"),
                format!("{set}i=$(({one})); b $(({other}))"),
                format!("{set}for ((i=0; i<2; {one})); do a $(({other})); break; done"),
                format!("{set}[[ $i -eq {one} ]]"),
                format!("{set}let {one}"),
                format!("for i in 1 2; do a $(({one})); done"),
                format!("{set}while [ $i -lt 2 ]; do a; i=$((i+1)); {one}; done"),
            ])
        })
        .boxed()
}

fn test() -> BoxedStrategy<String> {
    let operator = select(vec!["=", "==", "!=", "-eq", "-lt", "=~", "<", "-nt"]);
    prop_oneof![
        (word(), operator.clone(), word())
            .prop_map(|(one, is, other)| format!("[[ {one} {is} {other} ]]")),
        (word(), operator, word()).prop_map(|(one, is, other)| format!("[ {one} {is} {other} ]")),
        (select(vec!["-f", "-n", "-z", "-v", "-o", "! -d"]), word())
            .prop_map(|(is, word)| format!("[[ {is} {word} ]] && a")),
        (select(vec!["-f", "-n", "-z", "-v", "-o", "! -d"]), word())
            .prop_map(|(is, word)| format!("[ {is} {word} ] || a")),
    ]
    .boxed()
}

fn words() -> impl Strategy<Value = String> {
    vec(word(), 0..3).prop_map(|mut words| {
        words.insert(0, "");
        words.join(" ")
    })
}

fn word() -> impl Strategy<Value = &'static str> {
    select(WORDS)
}

/// Words, known and not.
const WORDS: &[&str] = &[
    "x",
    "-n",
    "a.rs",
    "'b c'",
    "\"d e\"",
    "$x",
    "\"$x\"",
    "${x}",
    "\"${x}\"",
    "*.rs",
    "{a,b}",
    "{1..3}",
    "a{b,c}d",
    "~",
    "~/x",
    "\\$x",
    "\"\\$x\"",
    "$'a'",
    "$'\\x61'",
    "\"a\"'b'c",
    "x=1",
    "x=$y",
    "x=~/y",
    "$1",
    "\"$@\"",
    "$#",
    "$?",
    "$!",
    "${x:-b}",
    "\"${x:-$y}\"",
    "${#x}",
    "${x%.rs}",
    "${x/a/b}",
    "${x^^}",
    "${!x}",
    "${x@P}",
    "-v",
    "!",
    "\"\"",
    "''",
    "#x",
    "x#y",
    "a,b",
    "{}",
    "{x}",
    "[x]",
    "a\\ b",
    "\"`b`\"",
    "\"a $(b) c\"",
    "$(b)",
    "$(b \"$(c)\")",
    "`b`",
    "$(<in)",
    "$((1+2))",
    "$((x))",
    "\"$((1))\"",
    "$[1]",
    "${x[0]}",
    "${x[@]}",
    "\"${x[@]}\"",
    "${x[$y]}",
    "a=(b)",
    "--",
    "@",
    "%",
    "+x",
    "E",
    "1",
    "$$",
    "a\\\nb",
];

fn assignment() -> impl Strategy<Value = &'static str> {
    select(vec![
        "x=1",
        "y=$x",
        "z=\"$x y\"",
        "x=$(b)",
        "i=0",
        "x=`b`",
        "x=~/y",
        "x=(b c)",
        "x=($y)",
        "x+=1",
        "x+=(b)",
        "RANDOM=$x",
        ": $SECONDS; SECONDS=$x",
        "PATH=.",
        "x[0]=1",
        "x[$y]=1",
        "x=*.rs",
        "x={a,b}",
        "IFS=:",
        "PS4='$(canary)'",
        "i=08",
        "y=${x:-$(b)}",
        "x=$((1+1))",
        "OPTIND=$x",
        "X=1",
        "Y=$x",
        "X=$(b)",
    ])
}

fn redirection() -> impl Strategy<Value = &'static str> {
    select(vec![
        "> out",
        ">> out",
        "2>&1",
        "&> out",
        ">| out",
        "< in",
        "2> /dev/null",
        ">&2",
        "> $x",
        "> 'o u t'",
        "<<< $x",
        "<<< \"$x\"",
        "<> rw",
        ">& out",
        "> src/out",
        "3< in",
        "2>&-",
        "> out{1,2}",
        "> ~/out",
        "< <(b)",
        "> >(b)",
        "> \"$(b)\"",
        "<&0",
        "&>> out",
        "{x}> out",
        "> *.rs",
    ])
}
