//! What bash itself does when a command names one of its builtins.
//!
//! Three kinds: harmless ones, which run nothing and reach nothing; those that
//! are looked through; and all others, which make a script opaque.

use super::format;
use super::word::Word;

/// What a simple command's name means to bash.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Builtin {
    /// Not a builtin, or one that rules have to permit like a program.
    No,
    /// Runs nothing and reaches nothing.
    Harmless,
    /// Runs its first argument.
    Runs,
    /// Looks, but some of its operators evaluate.
    Tests,
    /// Goes to this directory.
    ChangesDirectory(Vec<u8>),
    /// Sets these variables to what is not known.
    Sets(Vec<String>),
    /// Gives these variables another meaning, but no value.
    Marks(Vec<String>),
    /// Takes these variables or functions away.
    Unsets(Vec<String>),
    /// Cannot be looked through.
    Opaque,
}

/// Builtins that can run commands from text, load code, change what a name
/// means, or act on other processes.
const OPAQUE: [&str; 32] = [
    ".", "alias", "bg", "bind", "builtin", "caller", "compgen", "complete", "compopt", "coproc",
    "declare", "disown", "enable", "eval", "exec", "fc", "fg", "getopts", "hash", "help",
    "history", "let", "logout", "readonly", "select", "source", "suspend", "time", "trap",
    "typeset", "ulimit", "unalias",
];

/// Looks at a command's name and arguments. `kill` reaches no further than the
/// run's own processes and is left to the rules.
pub(super) fn classify(program: &[u8], arguments: &[Word]) -> Builtin {
    let Ok(name) = std::str::from_utf8(program) else { return Builtin::No };
    match name {
        ":" | "true" | "false" | "echo" | "pwd" => Builtin::Harmless,
        "jobs" | "times" | "dirs" | "popd" => harmless_if(arguments.is_empty()),
        "exit" | "return" => harmless_if(arguments.iter().all(is_status)),
        "break" | "continue" | "shift" | "wait" | "umask" => {
            harmless_if(arguments.iter().all(is_plain))
        }
        "printf" => harmless_if(prints(arguments)),
        "type" => harmless_if(arguments.iter().all(is_operand)),
        "test" | "[" => Builtin::Tests,
        "cd" | "pushd" => change_directory(arguments),
        "set" => harmless_if(sets_options(arguments)),
        "shopt" => harmless_if(arguments.iter().all(is_glob_option)),
        "command" => lookup(arguments),
        "export" | "local" => marks(arguments),
        "unset" => names(arguments, &[]).map_or(Builtin::Opaque, Builtin::Unsets),
        "read" => reads(arguments),
        "mapfile" | "readarray" => match arguments {
            [option, _] if literal(option) == Some("-t") => {
                names(&arguments[1..], &[]).map_or(Builtin::Opaque, Builtin::Sets)
            }
            _ => Builtin::Opaque,
        },
        other if OPAQUE.contains(&other) => Builtin::Opaque,
        _ => Builtin::No,
    }
}

/// Whether a function of that name would stand before a part of the shell.
pub(super) fn is_builtin(name: &str) -> bool {
    name == "kill" || classify(name.as_bytes(), &[]) != Builtin::No
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

/// No option first: `-v` takes a name that may hold an index, which bash
/// evaluates.
fn prints(arguments: &[Word]) -> bool {
    let format = arguments.first().and_then(literal);
    format.is_some_and(|text| !text.starts_with('-') && format::only_prints(text.as_bytes()))
}

/// A number, or what must be one: anything else is only complained about.
fn is_status(word: &Word) -> bool {
    matches!(word, Word::Unknown { .. }) || is_plain(word)
}

fn is_operand(word: &Word) -> bool {
    literal(word).is_some_and(|text| !text.starts_with('-'))
}

/// Options first; behind `--` anything.
fn sets_options(arguments: &[Word]) -> bool {
    let options = arguments.split(|word| literal(word) == Some("--")).next();
    options.unwrap_or_default().iter().all(is_safe_option)
}

/// Options that change what globs become, and not how text is read.
fn is_glob_option(word: &Word) -> bool {
    const OPTIONS: [&str; 8] = [
        "-s",
        "-u",
        "globstar",
        "nullglob",
        "dotglob",
        "failglob",
        "nocaseglob",
        "inherit_errexit",
    ];
    literal(word).is_some_and(|text| OPTIONS.contains(&text))
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

/// `command -v git` only looks; `command git` runs git.
fn lookup(arguments: &[Word]) -> Builtin {
    match arguments.first().map(literal) {
        None | Some(Some("-v" | "-V")) => Builtin::Harmless,
        Some(Some(name)) if !name.starts_with('-') => Builtin::Runs,
        Some(_) => Builtin::Opaque,
    }
}

/// `export A`; what is assigned was taken out before. In quotes (`export "A=1"`)
/// it is not looked through.
fn marks(arguments: &[Word]) -> Builtin {
    let quoted = arguments.iter().any(|word| literal(word).is_none_or(|text| text.contains('=')));
    match names(arguments, &[]) {
        Some(names) if !quoted => Builtin::Marks(names),
        _ => Builtin::Opaque,
    }
}

fn reads(arguments: &[Word]) -> Builtin {
    match names(arguments, &["-r", "-s"]) {
        None => Builtin::Opaque,
        Some(names) if names.is_empty() => Builtin::Sets(vec!["REPLY".to_owned()]),
        Some(names) => Builtin::Sets(names),
    }
}

/// The names of variables that the arguments are.
fn names(arguments: &[Word], options: &[&str]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for word in arguments {
        let text = literal(word)?;
        if options.contains(&text) {
            continue;
        }
        let name = text.split_once('=').map_or(text, |(name, _)| name);
        if !is_name(name) {
            return None;
        }
        names.push(name.to_owned());
    }
    Some(names)
}

/// Whether bash takes `text` as the name of a variable.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
