//! Variables that mean something to bash itself.
//!
//! A script that sets one of them is opaque: what else it says can then mean
//! something else. `tests/differential` shows each of them at work.

/// Bash evaluates what is assigned to these, so that `RANDOM='a[$(id)]'` runs
/// `id`; with `SECONDS` once it was read.
const EVALUATED: [&str; 5] = ["RANDOM", "SRANDOM", "OPTIND", "HISTCMD", "SECONDS"];

/// These say what the names of programs and directories mean, how bash reads the
/// rest, or hold text that it runs later.
const STEERING: [&str; 11] = [
    "PATH",
    "EXECIGNORE",
    "CDPATH",
    "POSIXLY_CORRECT",
    "PS0",
    "PS1",
    "PS4",
    "PROMPT_COMMAND",
    "SHELLOPTS",
    "DIRSTACK",
    "FUNCNEST",
];

/// Whether bash does something of its own when `name` is set.
pub(super) fn means_something(name: &str) -> bool {
    EVALUATED.contains(&name) || STEERING.contains(&name) || name.starts_with("BASH")
}

/// Names whose values bash sets by itself, so that what a script set them to says
/// nothing.
pub(super) fn is_set_by_bash(name: &str) -> bool {
    const NAMES: [&str; 12] = [
        "_",
        "PWD",
        "OLDPWD",
        "REPLY",
        "OPTARG",
        "PIPESTATUS",
        "FUNCNAME",
        "GROUPS",
        "MAPFILE",
        "COPROC",
        "HOSTNAME",
        "LINENO",
    ];
    NAMES.contains(&name) || means_something(name)
}

/// Whether a name is one that scripts give to what they keep for themselves: small
/// letters. Environments have none of those but the proxies', and what a caller
/// sets the rules see by itself.
pub(super) fn is_of_scripts(name: &str) -> bool {
    !name.ends_with("_proxy")
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
