//! Command lines, seen as far as they can be known before running.
//!
//! [`Script::parse`] never fails: what it cannot see through it calls opaque and
//! says why. Invariant: a script that is not opaque runs no other programs than
//! those in `commands` and opens no other files by redirection than those in
//! `redirections`, as bash without start-up files would run it. Everything in
//! doubt is opaque, because rules then rest on the kernel's allowlist alone.

mod arithmetic;
mod braces;
mod builtin;
mod certainty;
mod closing;
mod format;
mod guard;
mod redirect;
mod table;
mod test;
mod variable;
mod walk;
mod word;

use std::collections::BTreeSet;
use std::fmt;

pub use table::{Judgement, Row, Table};
pub use word::Word;

use crate::text::shown;

/// The longest command line that is parsed, in bytes; a longer one is opaque.
pub const MAX_SCRIPT: usize = 64 * 1024;

/// The most reasons that [`Script::opaque`] holds.
pub const MAX_OPAQUE: usize = 16;

/// A command line, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// Every simple command, in the order of the text.
    pub commands: Vec<SimpleCommand>,
    /// Every file that a redirection opens.
    pub redirections: Vec<Redirection>,
    /// Directories that `cd` names. Where there is one, the directory of every
    /// command is unknown.
    pub directories: Vec<Vec<u8>>,
    /// Names of variables that the script may put into a program's environment.
    /// What it only sets is among them, as it may be exported already, but for
    /// names in small letters, which are a script's own.
    pub environment: BTreeSet<String>,
    /// Why not everything can be known; empty: it can.
    pub opaque: Vec<String>,
}

/// One command of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimpleCommand {
    /// A name or a path. A program that is not known makes the script opaque.
    pub program: Vec<u8>,
    /// What follows the program's own name.
    pub arguments: Vec<Word>,
    /// A shell builtin that runs nothing and reaches nothing.
    pub harmless: bool,
}

/// A file that a redirection opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirection {
    /// The file.
    pub path: Vec<u8>,
    /// It is written; otherwise only read.
    pub writes: bool,
}

impl Script {
    /// Looks through a command line.
    #[must_use]
    pub fn parse(line: &[u8]) -> Self {
        let parsed = guard::program(line).map(|program| walk::walk(&program));
        parsed.unwrap_or_else(|why| Self { opaque: vec![why], ..Self::default() })
    }

    /// Whether something in it cannot be known before running.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        !self.opaque.is_empty()
    }
}

/// `git push …`, bounded.
impl fmt::Display for SimpleCommand {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&shown(&self.program))?;
        for argument in self.arguments.iter().take(8) {
            write!(out, " {argument}")?;
        }
        out.write_str(if self.arguments.len() > 8 { " …" } else { "" })
    }
}

#[cfg(test)]
mod tests;
