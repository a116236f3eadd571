//! What a program needs besides itself: the interpreter of a script, the
//! dynamic loader of an ELF file.
//!
//! Reads only the heads of files that the ceiling names as programs. The helpers
//! found are offers: the planner takes those that profile and ceiling allow.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cofferdam_plan::AbsolutePath;

/// Scripts that name scripts as interpreters, at most (as the kernel).
const MAX_SCRIPTS: usize = 4;
/// Bytes of a file's head.
const HEAD: usize = 4096;
/// Program headers that are looked at.
const MAX_HEADERS: usize = 128;
/// `PT_INTERP` of elf(5).
const INTERPRETER: u32 = 3;

/// The dynamic loaders that a program directory's programs may name.
#[must_use]
pub fn loaders() -> Vec<PathBuf> {
    const LOADERS: [&str; 4] = [
        "/lib64/ld-linux-x86-64.so.2",
        "/lib/ld-linux.so.2",
        "/lib/ld-linux-aarch64.so.1",
        "/lib/ld-musl-x86_64.so.1",
    ];
    LOADERS.iter().map(PathBuf::from).filter(|path| path.exists()).collect()
}

/// What the program at `path` needs, as its file says.
#[must_use]
pub fn helpers(path: &Path, search_path: &[AbsolutePath]) -> Vec<PathBuf> {
    let mut helpers = Vec::new();
    let mut next = vec![path.to_owned()];
    for _ in 0..MAX_SCRIPTS {
        let found: Vec<PathBuf> =
            next.iter().filter_map(|path| named_by(path, search_path)).flatten().collect();
        helpers.extend(found.iter().cloned());
        next = found;
    }
    helpers
}

fn named_by(path: &Path, search_path: &[AbsolutePath]) -> Option<Vec<PathBuf>> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut head = vec![0; HEAD];
    let read = file.read_at(&mut head, 0).ok()?;
    head.truncate(read);
    if let Some(words) = script_words(&head) {
        return Some(script_helpers(&words, search_path));
    }
    let (offset, length) = elf_interpreter(&head)?;
    let mut name = vec![0; length];
    file.read_exact_at(&mut name, offset).ok()?;
    let name = name.split(|&byte| byte == 0).next()?;
    absolute(name).map(|path| vec![path])
}

/// The words of a `#!` line: the interpreter and its argument.
fn script_words(head: &[u8]) -> Option<Vec<&[u8]>> {
    let line = head.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let words = line.split(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
    Some(words.filter(|word| !word.is_empty()).collect())
}

/// The interpreter, and what env(1) would start.
fn script_helpers(words: &[&[u8]], search_path: &[AbsolutePath]) -> Vec<PathBuf> {
    let Some(interpreter) = words.first().and_then(|word| absolute(word)) else {
        return Vec::new();
    };
    let is_env = interpreter.file_name().is_some_and(|name| name == "env");
    let named = words[1..].iter().find(|word| !word.starts_with(b"-") && !word.contains(&b'='));
    let program = named.filter(|name| is_env && !name.contains(&b'/')).and_then(|name| {
        let at = |dir: &AbsolutePath| dir.as_path().join(OsStr::from_bytes(name));
        search_path.iter().map(at).find(|path| path.is_file())
    });
    [interpreter].into_iter().chain(program).collect()
}

/// Offset and length of the loader's name in a 64-bit little-endian ELF file.
fn elf_interpreter(head: &[u8]) -> Option<(u64, usize)> {
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let table = usize::try_from(u64::from_le_bytes(field(head, 32)?)).ok()?;
    let size = usize::from(u16::from_le_bytes(field(head, 54)?));
    let count = usize::from(u16::from_le_bytes(field(head, 56)?)).min(MAX_HEADERS);
    (0..count).find_map(|index| {
        let at = table.checked_add(index.checked_mul(size)?)?;
        let kind = u32::from_le_bytes(field(head, at)?);
        let offset = u64::from_le_bytes(field(head, at.checked_add(8)?)?);
        let length = u64::from_le_bytes(field(head, at.checked_add(32)?)?);
        let length = usize::try_from(length).ok()?;
        (kind == INTERPRETER && (1..=HEAD).contains(&length)).then_some((offset, length))
    })
}

fn field<const N: usize>(head: &[u8], at: usize) -> Option<[u8; N]> {
    head.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn absolute(name: &[u8]) -> Option<PathBuf> {
    AbsolutePath::new(name).ok().map(|path| path.as_path().to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scripts_name_their_interpreters() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("script");
        std::fs::write(&script, "#! /bin/sh -e\n").unwrap();
        assert!(helpers(&script, &[]).contains(&PathBuf::from("/bin/sh")));
        std::fs::write(&script, "#!/usr/bin/env -S sh\n").unwrap();
        let found = helpers(&script, &[AbsolutePath::new("/usr/bin").unwrap()]);
        assert_eq!(found[..2], [PathBuf::from("/usr/bin/env"), PathBuf::from("/usr/bin/sh")]);
    }

    #[test]
    fn programs_name_their_loader() {
        let found = helpers(Path::new("/proc/self/exe"), &[]);
        assert!(found.iter().any(|path| path.to_string_lossy().contains("ld")), "{found:?}");
    }

    #[test]
    fn what_is_neither_needs_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        for content in ["", "#!", "#!relative\n", "\x7fELF"] {
            std::fs::write(&file, content).unwrap();
            assert!(helpers(&file, &[]).is_empty(), "{content:?}");
        }
        assert!(helpers(dir.path(), &[]).is_empty());
    }

    proptest! {
        #[test]
        fn no_head_confuses_the_reader(rest in proptest::collection::vec(any::<u8>(), 0..300)) {
            let head = [&b"\x7fELF\x02\x01"[..], &rest].concat();
            if let Some((_, length)) = elf_interpreter(&head) {
                prop_assert!(length <= HEAD);
            }
        }
    }
}
