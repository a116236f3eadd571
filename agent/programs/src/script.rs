//! The `#!` line of a script, as the kernel and env(1) read it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::bounds;

/// What a `#!` line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    /// The interpreter. Relative ones are taken from the working directory, so
    /// that nobody knows them before; they are left out.
    pub(crate) interpreter: PathBuf,
    /// What env(1) is asked to start: a path, or a name for the search path.
    pub(crate) started: Option<OsString>,
}

/// Reads the first line of a file's head; `None` without an absolute interpreter.
pub(crate) fn parse(head: &[u8]) -> Option<Script> {
    let head = &head[..head.len().min(bounds::SCRIPT_LINE)];
    let line = head.strip_prefix(b"#!")?.split(|&byte| byte == b'\n' || byte == 0).next()?;
    let mut words =
        line.split(|byte| matches!(byte, b' ' | b'\t' | b'\r')).filter(|word| !word.is_empty());
    let path = |word: &[u8]| PathBuf::from(OsString::from_vec(word.to_vec()));
    let interpreter = words.next().map(path).filter(|path| path.is_absolute())?;
    let is_env = interpreter.file_name().is_some_and(|name| name == "env");
    let started = if is_env { env_starts(words) } else { None };
    Some(Script { interpreter, started })
}

/// The program among the arguments of env(1): the first that is neither an
/// option nor an assignment. `-S` may be a word of its own or begin one.
fn env_starts<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Option<OsString> {
    while let Some(word) = words.next() {
        let word = match word.strip_prefix(b"--split-string=").or(word.strip_prefix(b"-S")) {
            Some(rest) if !rest.is_empty() => rest,
            Some(_) => continue,
            None => word,
        };
        // Options whose argument is the next word.
        if [&b"-u"[..], b"-C", b"--unset", b"--chdir"].contains(&word) {
            words.next();
        } else if !word.starts_with(b"-") && !word.contains(&b'=') {
            let quotes = |byte: &u8| !matches!(byte, b'"' | b'\'');
            return Some(OsString::from_vec(word.iter().copied().filter(quotes).collect()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(line: &str) -> Option<String> {
        parse(line.as_bytes())?.started.map(|name| name.into_string().unwrap())
    }

    #[test]
    fn the_interpreter_is_the_first_word() {
        let script = parse(b"#! /bin/sh -e\nrest").unwrap();
        assert_eq!(script, Script { interpreter: "/bin/sh".into(), started: None });
        assert_eq!(
            parse(b"#!/usr/bin/perl -w\n").unwrap().interpreter,
            PathBuf::from("/usr/bin/perl")
        );
    }

    #[test]
    fn env_starts_what_is_neither_option_nor_assignment() {
        for line in [
            "#!/usr/bin/env python3\n",
            "#!/usr/bin/env -S python3 -u\n",
            "#!/usr/bin/env -Spython3 -u\n",
            "#!/usr/bin/env --split-string=python3 -u\n",
            "#!/usr/bin/env -i A=b python3",
            "#!/usr/bin/env -u HOME -C / python3",
            "#!/usr/bin/env -S \"python3\" -u",
        ] {
            assert_eq!(started(line).as_deref(), Some("python3"), "{line}");
        }
        assert_eq!(started("#!/usr/bin/env\n"), None);
        assert_eq!(started("#!/usr/bin/environment python3\n"), None);
    }

    #[test]
    fn what_is_no_script_names_nothing() {
        for head in ["", "#", "#!", "#!\n", "#!relative\n", "\x7fELF", "#!\0/bin/sh"] {
            assert_eq!(parse(head.as_bytes()), None, "{head:?}");
        }
        // The kernel cuts the line, and so do we.
        let long = [&b"#!/"[..], &[b'a'; 5000]].concat();
        assert!(parse(&long).unwrap().interpreter.as_os_str().len() < bounds::SCRIPT_LINE);
    }
}
