//! What bash itself does when a command names one of its builtins.
//!
//! Three kinds: harmless ones, which run nothing and reach nothing; those that
//! are looked through; and all others, which make a script opaque.

use super::word::Word;

/// What a simple command's name means to bash.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Builtin {
    /// Not a builtin: a program, or a function, which is opaque by itself.
    No,
    /// Runs nothing and reaches nothing.
    Harmless,
    /// Goes to this directory.
    ChangesDirectory(Vec<u8>),
    /// Sets these variables.
    Sets(Vec<String>),
    /// Cannot be looked through.
    Opaque,
}

/// Builtins that can run commands from text, load code, change what a name
/// means, or act on other processes.
const OPAQUE: [&str; 44] = [
    ".",
    "alias",
    "bg",
    "bind",
    "builtin",
    "caller",
    "command",
    "compgen",
    "complete",
    "compopt",
    "coproc",
    "declare",
    "dirs",
    "disown",
    "enable",
    "eval",
    "exec",
    "fc",
    "fg",
    "getopts",
    "hash",
    "help",
    "history",
    "jobs",
    "kill",
    "let",
    "local",
    "logout",
    "mapfile",
    "popd",
    "pushd",
    "readarray",
    "readonly",
    "select",
    "shopt",
    "source",
    "suspend",
    "time",
    "times",
    "trap",
    "type",
    "typeset",
    "ulimit",
    "unalias",
];

/// Looks at a command's name and arguments.
pub(super) fn classify(program: &[u8], arguments: &[Word]) -> Builtin {
    let Ok(name) = std::str::from_utf8(program) else { return Builtin::No };
    match name {
        ":" | "true" | "false" | "echo" | "pwd" => Builtin::Harmless,
        "exit" | "return" | "break" | "continue" | "shift" | "wait" | "umask" => {
            harmless_if(arguments.iter().all(is_plain))
        }
        // `-v` takes a name that may hold an index, which bash evaluates.
        "printf" => harmless_if(first_is_safe(arguments)),
        "test" | "[" => harmless_if(arguments.iter().all(is_safe_test)),
        "cd" => change_directory(arguments),
        "set" => harmless_if(arguments.iter().all(is_safe_option)),
        "command" => lookup(arguments),
        "export" | "unset" => sets(arguments, &[]),
        "read" => sets(arguments, &["-r", "-s"]),
        other if OPAQUE.contains(&other) => Builtin::Opaque,
        _ => Builtin::No,
    }
}

fn harmless_if(condition: bool) -> Builtin {
    if condition { Builtin::Harmless } else { Builtin::Opaque }
}

fn literal(word: &Word) -> Option<&str> {
    match word {
        Word::Literal(bytes) => std::str::from_utf8(bytes).ok(),
        Word::Unknown { .. } => None,
    }
}

fn is_plain(word: &Word) -> bool {
    literal(word).is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn first_is_safe(arguments: &[Word]) -> bool {
    arguments.first().and_then(literal).is_some_and(|text| !text.starts_with('-'))
}

/// Not `-v` and `-R`, and not a word that could become them.
fn is_safe_test(word: &Word) -> bool {
    match word {
        Word::Literal(bytes) => !matches!(bytes.as_slice(), b"-v" | b"-R"),
        Word::Unknown { .. } => false,
    }
}

fn is_safe_option(word: &Word) -> bool {
    let is_flags = |text: &str| {
        text.strip_prefix(['-', '+'])
            .is_some_and(|flags| flags.bytes().all(|byte| b"eufxo".contains(&byte)))
    };
    literal(word).is_some_and(|text| is_flags(text) || text == "pipefail" || text == "errexit")
}

/// One known directory; `cd` alone and `cd -` lead to places that are not known.
fn change_directory(arguments: &[Word]) -> Builtin {
    let texts: Option<Vec<&[u8]>> = arguments
        .iter()
        .map(|word| match word {
            Word::Literal(bytes) => Some(bytes.as_slice()),
            Word::Unknown { .. } => None,
        })
        .collect();
    match texts.as_deref() {
        Some([b"--", directory]) => Builtin::ChangesDirectory(directory.to_vec()),
        Some([directory]) if !directory.starts_with(b"-") => {
            Builtin::ChangesDirectory(directory.to_vec())
        }
        _ => Builtin::Opaque,
    }
}

/// `command -v git` only looks.
fn lookup(arguments: &[Word]) -> Builtin {
    harmless_if(
        arguments.first().and_then(literal).is_some_and(|text| text == "-v" || text == "-V"),
    )
}

fn sets(arguments: &[Word], options: &[&str]) -> Builtin {
    let mut names = Vec::new();
    for word in arguments {
        let Some(text) = literal(word) else { return Builtin::Opaque };
        if options.contains(&text) {
            continue;
        }
        let name = text.split_once('=').map_or(text, |(name, _)| name);
        if !is_name(name) {
            return Builtin::Opaque;
        }
        names.push(name.to_owned());
    }
    Builtin::Sets(names)
}

/// Whether bash takes `text` as the name of a variable.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
