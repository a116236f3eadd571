//! One word of a command line: what bash makes of its quotes and expansions.
//!
//! Own code instead of the parser's word grammar, because only one question is
//! asked (is the word known before running?) and it must be answered in linear
//! time for hostile text.

use std::fmt;

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

/// Reads a word as it stands in the text.
///
/// # Errors
/// What makes the whole script opaque: something that runs code.
pub(super) fn read(text: &str) -> Result<Word, String> {
    let mut reader = Reader {
        rest: text.as_bytes(),
        out: Vec::new(),
        known: true,
        splits: false,
        bare: text != "{}" && text != "[",
    };
    if text.starts_with('~') {
        reader.known = false;
    }
    while let Some(byte) = reader.next() {
        reader.unquoted(byte)?;
    }
    if reader.known {
        return Ok(Word::Literal(reader.out));
    }
    Ok(Word::Unknown { splits: reader.splits })
}

/// Checks the body of a here-document, in which bash expands.
pub(super) fn check_expanded(text: &str) -> Result<(), String> {
    let mut reader =
        Reader { rest: text.as_bytes(), out: Vec::new(), known: true, splits: false, bare: false };
    while let Some(byte) = reader.next() {
        match byte {
            b'\\' => drop(reader.next()),
            b'$' | b'`' => reader.expansion(byte, true)?,
            _ => {}
        }
    }
    Ok(())
}

struct Reader<'a> {
    rest: &'a [u8],
    out: Vec<u8>,
    known: bool,
    splits: bool,
    /// Unquoted braces and brackets expand.
    bare: bool,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
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
            b'=' | b':' if self.rest.first() == Some(&b'~') => self.unknown(false),
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
            return Err("a command substitution runs commands that depend on the run".to_owned());
        }
        match self.rest.first() {
            Some(b'(') => {
                Err("`$(…)` runs commands or computes what depends on the run".to_owned())
            }
            Some(b'[') => Err("`$[…]` computes what depends on the run".to_owned()),
            Some(b'{') => self.braced(quoted),
            Some(b'\'') if !quoted => {
                self.next();
                self.ansi();
                Ok(())
            }
            Some(b'"') if !quoted => {
                self.unknown(false);
                Ok(())
            }
            Some(first) if first.is_ascii_alphabetic() || *first == b'_' => {
                while self.rest.first().copied().is_some_and(is_name) {
                    self.next();
                }
                self.unknown(!quoted);
                Ok(())
            }
            Some(b'@' | b'*') => {
                self.next();
                self.unknown(true);
                Ok(())
            }
            Some(b'?' | b'$' | b'#' | b'!' | b'-' | b'0'..=b'9') => {
                self.next();
                self.unknown(!quoted);
                Ok(())
            }
            _ => {
                self.out.push(b'$');
                Ok(())
            }
        }
    }

    /// `${NAME}` is a value; anything else in braces can run code by a detour
    /// (`${a[$(…)]}`, `${x@P}`, `${!x}`).
    fn braced(&mut self, quoted: bool) -> Result<(), String> {
        self.next();
        let mut length = 0;
        while self.rest.first().copied().is_some_and(is_name) {
            self.next();
            length += 1;
        }
        if length == 0 || self.next() != Some(b'}') {
            return Err("`${…}` with more than a name computes what depends on the run".to_owned());
        }
        self.unknown(!quoted);
        Ok(())
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Option<String> {
        match read(text) {
            Ok(Word::Literal(bytes)) => String::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    #[test]
    fn quotes_and_backslashes_are_resolved() {
        for (text, value) in [
            ("git", "git"),
            ("'a b'", "a b"),
            (r#""a \"b\" \x""#, r#"a "b" \x"#),
            (r"r\m", "rm"),
            (r#"r'm'"""#, "rm"),
            ("$'rm'", "rm"),
            ("a$", "a$"),
            ("{}", "{}"),
            ("[", "["),
            ("a=b", "a=b"),
            ("'$(id)'", "$(id)"),
            (r"\$x", "$x"),
        ] {
            assert_eq!(literal(text).as_deref(), Some(value), "{text}");
        }
    }

    #[test]
    fn what_depends_on_the_run_is_unknown() {
        for (text, splits) in [
            ("$x", true),
            ("\"$x\"", false),
            ("${x}", true),
            ("\"$@\"", true),
            ("*.rs", true),
            ("a?", true),
            ("[ab]", true),
            ("{a,b}", true),
            ("~/x", false),
            ("a=~", false),
            (r"$'\x72m'", false),
            ("$\"x\"", false),
        ] {
            assert_eq!(read(text), Ok(Word::Unknown { splits }), "{text}");
        }
    }

    #[test]
    fn what_runs_code_is_refused() {
        for text in [
            "$(id)",
            "`id`",
            "\"$(id)\"",
            "\"`id`\"",
            "$((1))",
            "$[1]",
            "${x:-$(id)}",
            "${!x}",
            "${x@P}",
            "${}",
            "${x",
            "a$(",
            "\\\\$(id)",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(check_expanded("a \\$(id) ${x} '").is_ok());
        assert!(check_expanded("'$(id)'").is_err());
        assert!(check_expanded("\\\\$(id)").is_err());
    }
}
