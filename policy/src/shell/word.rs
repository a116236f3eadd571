//! One word of a command line: what bash makes of its quotes and expansions.
//!
//! Own code instead of the parser's word grammar, because only one question is
//! asked (is the word known before running?) and it must be answered in linear
//! time for hostile text.

mod parameter;

use std::fmt;

use super::{arithmetic, closing};
use crate::text::shown;

/// A word, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// Exactly these bytes.
    Literal(Vec<u8>),
    /// Something else at each run.
    Unknown {
        /// It may become no word, or several.
        splits: bool,
    },
}

impl fmt::Display for Word {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(bytes) => out.write_str(&shown(bytes)),
            Self::Unknown { .. } => out.write_str("<unknown>"),
        }
    }
}

/// A word, and what bash does to get at its value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reading<'a> {
    /// The value.
    pub(super) word: Word,
    /// Command lines whose output stands in it.
    pub(super) scripts: Vec<&'a str>,
    /// Expressions whose value stands in it.
    pub(super) sums: Vec<&'a str>,
}

/// Reads a word as it stands in the text.
///
/// # Errors
/// What makes the whole script opaque: something that runs code out of sight.
pub(super) fn read(text: &str) -> Result<Reading<'_>, String> {
    let mut reader = Reader::new(text, text != "{}" && text != "[");
    if text.starts_with('~') {
        reader.known = false;
    }
    while let Some(byte) = reader.next() {
        reader.unquoted(byte)?;
    }
    Ok(reader.end())
}

/// Reads the body of a here-document, in which bash expands.
///
/// # Errors
/// As [`read`].
pub(super) fn read_expanded(text: &str) -> Result<Reading<'_>, String> {
    let mut reader = Reader::new(text, false);
    while let Some(byte) = reader.next() {
        match byte {
            b'\\' => drop(reader.next()),
            b'$' | b'`' => reader.expansion(byte, true)?,
            _ => {}
        }
    }
    Ok(reader.end())
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    out: Vec<u8>,
    known: bool,
    splits: bool,
    scripts: Vec<&'a str>,
    sums: Vec<&'a str>,
    /// Unquoted braces and brackets expand.
    bare: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, bare: bool) -> Self {
        let (scripts, sums) = (Vec::new(), Vec::new());
        Self { text, at: 0, out: Vec::new(), known: true, splits: false, scripts, sums, bare }
    }

    fn end(self) -> Reading<'a> {
        let word = if self.known {
            Word::Literal(self.out)
        } else {
            Word::Unknown { splits: self.splits }
        };
        Reading { word, scripts: self.scripts, sums: self.sums }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek();
        self.at += usize::from(byte.is_some());
        byte
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// What follows. Only called where a character begins.
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn unquoted(&mut self, byte: u8) -> Result<(), String> {
        match byte {
            b'\'' => self.single(),
            b'"' => self.double()?,
            b'\\' => match self.next() {
                Some(b'\n') | None => {}
                Some(byte) => self.out.push(byte),
            },
            b'$' | b'`' => self.expansion(byte, false)?,
            b'*' | b'?' => self.unknown(true),
            b'[' | b'{' if self.bare => self.unknown(true),
            // `a=~`, `a:~`: a home directory in some places.
            b'=' | b':' if self.peek() == Some(b'~') => self.unknown(false),
            byte => self.out.push(byte),
        }
        Ok(())
    }

    fn unknown(&mut self, splits: bool) {
        self.known = false;
        self.splits |= splits;
    }

    fn single(&mut self) {
        while let Some(byte) = self.next() {
            if byte == b'\'' {
                return;
            }
            self.out.push(byte);
        }
    }

    /// `$'…'`: known where it holds no backslash.
    fn ansi(&mut self) {
        while let Some(byte) = self.next() {
            match byte {
                b'\'' => return,
                b'\\' => {
                    self.next();
                    self.unknown(false);
                }
                byte => self.out.push(byte),
            }
        }
    }

    fn double(&mut self) -> Result<(), String> {
        while let Some(byte) = self.next() {
            match byte {
                b'"' => return Ok(()),
                b'\\' => match self.next() {
                    Some(b'\n') | None => {}
                    Some(byte @ (b'$' | b'`' | b'"' | b'\\')) => self.out.push(byte),
                    Some(byte) => self.out.extend([b'\\', byte]),
                },
                b'$' | b'`' => self.expansion(byte, true)?,
                byte => self.out.push(byte),
            }
        }
        Ok(())
    }

    /// What follows `$` or a backquote.
    fn expansion(&mut self, byte: u8, quoted: bool) -> Result<(), String> {
        if byte == b'`' {
            let inner = closing::backquoted(self.rest())?;
            self.script(inner, inner.len() + 1, quoted);
            return Ok(());
        }
        match self.peek() {
            Some(b'(') => self.parenthesis(quoted)?,
            Some(b'[') => return Err("`$[…]` computes what depends on the run".to_owned()),
            Some(b'{') => {
                let found = parameter::read(&self.rest()[1..])?;
                self.at += found.length + 1;
                self.unknown(!quoted || found.many);
            }
            Some(b'\'') if !quoted => {
                self.next();
                self.ansi();
            }
            Some(b'"') if !quoted => self.unknown(false),
            Some(first) if first.is_ascii_alphabetic() || first == b'_' => {
                while self.peek().is_some_and(is_name) {
                    self.next();
                }
                self.unknown(!quoted);
            }
            Some(b'@' | b'*') => {
                self.next();
                self.unknown(true);
            }
            Some(b'?' | b'$' | b'#' | b'!' | b'-' | b'0'..=b'9') => {
                self.next();
                self.unknown(!quoted);
            }
            _ => self.out.push(b'$'),
        }
        Ok(())
    }

    /// `$(…)` or `$((…))`.
    fn parenthesis(&mut self, quoted: bool) -> Result<(), String> {
        let rest = &self.rest()[1..];
        if let Some(rest) = rest.strip_prefix('(') {
            let inner = arithmetic::enclosed(rest)?;
            self.at += inner.len() + 4;
            self.sums.push(inner);
            self.unknown(!quoted);
            return Ok(());
        }
        let inner = closing::substituted(rest)?;
        self.script(inner, inner.len() + 2, quoted);
        Ok(())
    }

    fn script(&mut self, inner: &'a str, length: usize, quoted: bool) {
        self.at += length;
        self.scripts.push(inner);
        self.unknown(!quoted);
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests;
