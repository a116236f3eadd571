//! Variables that mean something to bash itself.
//!
//! A script that sets one of them is opaque: what else it says can then mean
//! something else. `tests/differential` shows each of them at work.

/// Bash evaluates what is assigned to these, so that `RANDOM='a[$(id)]'` runs
/// `id`.
const EVALUATED: [&str; 4] = ["RANDOM", "SRANDOM", "OPTIND", "HISTCMD"];

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
