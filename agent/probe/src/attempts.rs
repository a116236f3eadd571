//! What is tried. Each entry is one thing that a cell must refuse, with the
//! numbers of the checklist's lines that it tries.

mod calls;
mod files;
mod kernel;
mod processes;
mod sockets;

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};

/// Name, numbers of the checklist, and what says what was possible or how it
/// was refused.
pub(crate) type Attempt = (&'static str, &'static [u8], fn() -> io::Result<String>);

/// Every attempt there is.
pub(crate) fn all() -> impl Iterator<Item = &'static Attempt> {
    [files::ALL, kernel::ALL, calls::ALL, processes::ALL, sockets::ALL].into_iter().flatten()
}

fn done(result: io::Result<i64>) -> io::Result<String> {
    result.map(|value| format!("the kernel said {value}"))
}

fn refused(why: &str) -> io::Result<String> {
    Err(io::Error::other(why.to_owned()))
}

fn read(path: &str) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut start = [0; 64];
    match file.read(&mut start)? {
        0 => refused("it is empty"),
        count => Ok(format!("read {count} bytes")),
    }
}

fn write(path: &str) -> io::Result<String> {
    OpenOptions::new().write(true).open(path)?.write_all(b"x")?;
    Ok(format!("wrote {path}"))
}

fn create(path: &str) -> io::Result<String> {
    fs::write(path, b"x").map(|()| format!("made {path}"))
}

const AT_FDCWD: u64 = (libc::AT_FDCWD as i64).cast_unsigned();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attempt_has_a_name_of_its_own_and_a_line_of_the_checklist() {
        let mut names: Vec<_> = all().map(|(name, _, _)| name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for (name, numbers, _) in all() {
            assert!(!numbers.is_empty() && numbers.iter().all(|n| (1..=50).contains(n)), "{name}");
        }
    }
}
