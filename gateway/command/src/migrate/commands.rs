//! Entries of `allowed_commands` and `blocked_commands`.
//!
//! They were strings that a command line had to begin with, or to contain. Here a
//! program is matched with its argument array. An entry of plain words becomes the
//! program and its first arguments, and more may follow. What only means something
//! to a shell, or as part of a string, is told and left out: what no rule permits is
//! denied anyway.

use super::found::Program;

/// Marks of shells, globs and regular expressions.
const MARKS: &[char] = &[
    '|', '&', ';', '<', '>', '$', '`', '(', ')', '{', '}', '[', ']', '*', '?', '~', '#', '!', '^',
    '"', '\'', '\\', '\n', '\0',
];

/// What an entry plainly names.
///
/// # Errors
/// Why it names nothing that a rule could.
pub(super) fn parse(entry: &str) -> Result<Program, &'static str> {
    let entry = entry.trim();
    // `git *` and `git:*` mean what `git` means.
    let plain = entry.strip_suffix(":*").or_else(|| entry.strip_suffix(" *")).unwrap_or(entry);
    if plain.is_empty() || plain == "*" {
        return Err(
            "no rule permits every program; name the programs, or use packs: README, «Packs»",
        );
    }
    if plain.contains(MARKS) {
        return Err(
            "it is a pattern over command lines; rules match a program and its arguments, so write \
             it by hand as `programs = [{ name = …, args = […] }]`",
        );
    }
    let mut words = plain.split_whitespace().map(str::to_owned);
    let Some(name) = words.next() else { return Err("it is empty") };
    if name.contains('=') {
        return Err("it sets a variable; rules name those in `environment`");
    }
    if name.contains('/') && !name.starts_with('/') {
        return Err("a program is named by its bare name or its absolute path");
    }
    Ok(Program { name, first: words.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &str, first: &[&str]) -> Program {
        Program { name: name.to_owned(), first: first.iter().map(|&it| it.to_owned()).collect() }
    }

    #[test]
    fn plain_words_name_a_program_and_what_it_begins_with() {
        for (entry, meant) in [
            ("ls", program("ls", &[])),
            (" git  status ", program("git", &["status"])),
            ("npm *", program("npm", &[])),
            ("docker ps:*", program("docker", &["ps"])),
            ("/usr/bin/systemctl status", program("/usr/bin/systemctl", &["status"])),
            ("dd if=/dev/zero", program("dd", &["if=/dev/zero"])),
        ] {
            assert_eq!(parse(entry), Ok(meant), "{entry}");
        }
    }

    #[test]
    fn what_means_something_to_a_shell_only_is_not_guessed() {
        for entry in [
            "",
            "*",
            " * ",
            "ls | wc",
            "rm -rf /*",
            ":(){ :|:& };:",
            "git log > x",
            "^git .*$",
            "echo $HOME",
            "cat 'a b'",
            "./run.sh",
            "A=1 make",
            "ls\nrm",
        ] {
            assert!(parse(entry).is_err(), "{entry:?}");
        }
    }
}
