//! A unified diff of one file, read strictly: what is not understood is an error
//! with its line, never skipped, but for prose and headers around the hunks.
//!
//! The format is that of GNU diff -u and git diff; see the manual of GNU
//! diffutils, «Detailed Description of Unified Format».

mod apply;
mod hunk;

use crate::bounds;
use crate::fault::FileFault;
use crate::lines::lines;
use hunk::{Hunk, Range};

use super::invalid;

/// A diff, read.
#[derive(Debug)]
pub(super) struct Patch {
    hunks: Vec<Hunk>,
    /// No line of it ends with a carriage return.
    without_cr: bool,
}

/// Headers of git that ask for more than changed lines.
const MORE: [&[u8]; 8] = [
    b"rename from ",
    b"rename to ",
    b"copy from ",
    b"copy to ",
    b"new file mode ",
    b"deleted file mode ",
    b"old mode ",
    b"GIT binary patch",
];

/// Reads a diff.
pub(super) fn parse(text: &[u8]) -> Result<Patch, FileFault> {
    if text.len() > bounds::EDIT {
        return Err(invalid("the diff is too long; split it"));
    }
    // A diff whose own last newline was cut off says nothing about the file's.
    let whole = if text.ends_with(b"\n") { text.to_vec() } else { [text, b"\n"].concat() };
    let all = lines(&whole);
    let (mut hunks, mut at, mut files) = (Vec::new(), 0, 0);
    while let Some(&line) = all.get(at) {
        if line.starts_with(b"@@") {
            let (hunk, next) = read_hunk(&all, at)?;
            hunks.push(hunk);
            at = next;
            continue;
        }
        // Lines that name files come in pairs.
        let names =
            line.starts_with(b"--- ") && all.get(at + 1).is_some_and(|l| l.starts_with(b"+++ "));
        if names {
            files += 1;
            check_names(line, all[at + 1])?;
            if files > 1 {
                return Err(invalid("the diff is of several files; give one file at a time"));
            }
            at += 2;
            continue;
        }
        check_prose(line, at, hunks.last())?;
        at += 1;
    }
    match hunks.len() {
        0 => Err(invalid("the diff has no hunk; one begins with `@@ -1,3 +1,4 @@`")),
        1..=bounds::HUNKS => {
            let without_cr = !all.iter().any(|line| line.ends_with(b"\r\n"));
            Ok(Patch { hunks, without_cr })
        }
        many => Err(invalid(&format!("{many} hunks are too many; at most {}", bounds::HUNKS))),
    }
}

fn check_names(old: &[u8], new: &[u8]) -> Result<(), FileFault> {
    let is_nothing = |line: &[u8]| line[4..].trim_ascii_end() == b"/dev/null";
    if is_nothing(old) {
        return Err(invalid("the diff makes a new file; use write_file"));
    }
    if is_nothing(new) {
        return Err(invalid("the diff removes the file; use delete_file"));
    }
    Ok(())
}

/// What stands between hunks must not look like a part of one.
fn check_prose(line: &[u8], at: usize, after: Option<&Hunk>) -> Result<(), FileFault> {
    if MORE.iter().any(|start| line.starts_with(start)) {
        return Err(invalid(&format!(
            "line {} of the diff asks for more than changed lines; use move_file or write_file",
            at + 1
        )));
    }
    let Some(hunk) = after else { return Ok(()) };
    let signature = line.trim_ascii_end() == b"--";
    if matches!(line.first(), Some(b' ' | b'+' | b'-')) && !signature {
        return Err(invalid(&format!(
            "line {} of the diff belongs to no hunk: the numbers of `{}` are too small",
            at + 1,
            hunk.header()
        )));
    }
    Ok(())
}

/// Reads the hunk whose header is the line `at`, and says where it ends.
fn read_hunk(all: &[&[u8]], at: usize) -> Result<(Hunk, usize), FileFault> {
    let wrong = |line: usize, why: &str| invalid(&format!("line {} of the diff {why}", line + 1));
    let (old, new) = header(all[at])
        .ok_or_else(|| wrong(at, "is no header of a hunk; one looks like `@@ -1,3 +1,4 @@`"))?;
    let mut hunk = Hunk::new(old, new);
    let mut next = at + 1;
    while hunk.wants_more() {
        let Some(&line) = all.get(next) else {
            let header = hunk.header();
            return Err(invalid(&format!(
                "the diff ends within the hunk `{header}`: its numbers are too large, or lines are \
                 missing"
            )));
        };
        let taken = match line.split_first() {
            // Some programs take the space of an empty line away.
            Some((b'\n', [])) => hunk.context(b"\n"),
            Some((b'\r', b"\n")) => hunk.context(b"\r\n"),
            Some((b' ', rest)) => hunk.context(rest),
            Some((b'-', rest)) => hunk.remove(rest),
            Some((b'+', rest)) => hunk.add(rest),
            Some((b'\\', _)) => hunk.end_without_newline(),
            _ => return Err(wrong(next, "begins with neither ` `, `-`, `+` nor `\\`")),
        };
        if !taken {
            let why = format!("does not fit the numbers of `{}`", hunk.header());
            return Err(wrong(next, &why));
        }
        next += 1;
    }
    while all.get(next).is_some_and(|line| line.starts_with(b"\\")) {
        if !hunk.end_without_newline() {
            return Err(wrong(next, "speaks of a line that there is not"));
        }
        next += 1;
    }
    Ok((hunk, next))
}

/// `@@ -1,3 +1,4 @@` and whatever follows.
fn header(line: &[u8]) -> Option<(Range, Range)> {
    let text = std::str::from_utf8(line.strip_prefix(b"@@ ")?).ok()?;
    let (ranges, _) = text.split_once(" @@")?;
    let (old, new) = ranges.split_once(' ')?;
    Some((Range::parse(old.strip_prefix('-')?)?, Range::parse(new.strip_prefix('+')?)?))
}

#[cfg(test)]
mod tests;
