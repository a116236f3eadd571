//! Where a command substitution ends.
//!
//! Only text in which quotes and parentheses alone decide that is taken; what
//! bash reads by other rules (comments, here-documents, `case`, backquotes) is
//! refused. The tokenizer finds the end in its own way, and a word in which the
//! two differ is refused by the caller.

/// Of `text`, which follows `$(`, the part before the `)` that ends it.
///
/// # Errors
/// What makes the end uncertain.
pub(super) fn substituted(text: &str) -> Result<&str, String> {
    let mut scanner = Scanner { text: text.as_bytes(), at: 0, open: vec![Open::Parenthesis] };
    while let Some(byte) = scanner.next() {
        match scanner.open.last() {
            Some(Open::Quote) => scanner.quoted(byte)?,
            _ => scanner.plain(byte)?,
        }
        if scanner.open.is_empty() {
            let inner = &text[..scanner.at - 1];
            return if holds_case(inner) { Err(uncertain("`case`")) } else { Ok(inner) };
        }
    }
    Err("a command substitution has no end".to_owned())
}

/// Of `text`, which follows a backquote, the part before the next one. Nothing in
/// it may be quoted, because bash takes off one level of backslashes first.
///
/// # Errors
/// What makes it uncertain.
pub(super) fn backquoted(text: &str) -> Result<&str, String> {
    let (inner, _) = text.split_once('`').ok_or("a backquote has no end")?;
    if inner.contains(['\\', '"', '\'', '#', '(']) || inner.contains("<<") {
        return Err(
            "backquotes with quotes, parentheses or comments in them; use `$(…)`".to_owned()
        );
    }
    Ok(inner)
}

/// What is open around a byte.
#[derive(PartialEq, Eq)]
enum Open {
    Parenthesis,
    /// Double quotes.
    Quote,
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    open: Vec<Open>,
}

impl Scanner<'_> {
    fn next(&mut self) -> Option<u8> {
        let byte = self.text.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte
    }

    fn plain(&mut self, byte: u8) -> Result<(), String> {
        match byte {
            b'\'' => self.skip_past(b'\'', false),
            b'"' => self.open.push(Open::Quote),
            b'(' => self.open.push(Open::Parenthesis),
            b')' => drop(self.open.pop()),
            b'#' if self.begins_word() => return Err(uncertain("a comment")),
            b'<' if self.text.get(self.at) == Some(&b'<')
                && self.text.get(self.at + 1) != Some(&b'<') =>
            {
                return Err(uncertain("`<<`"));
            }
            // `<<<` is a word's matter.
            b'<' if self.text[self.at..].starts_with(b"<<") => self.at += 2,
            b'$' if self.text.get(self.at) == Some(&b'\'') => {
                self.at += 1;
                self.skip_past(b'\'', true);
            }
            byte => self.either(byte)?,
        }
        Ok(())
    }

    fn quoted(&mut self, byte: u8) -> Result<(), String> {
        match byte {
            b'"' => drop(self.open.pop()),
            byte => self.either(byte)?,
        }
        Ok(())
    }

    /// What means the same in and out of double quotes.
    fn either(&mut self, byte: u8) -> Result<(), String> {
        match (byte, self.text.get(self.at)) {
            (b'\\', Some(b'\n')) => return Err(uncertain("a line that goes on")),
            (b'\\', _) => drop(self.next()),
            (b'`', _) => return Err(uncertain("a backquote")),
            (b'$', Some(b'(')) => {
                self.at += 1;
                self.open.push(Open::Parenthesis);
            }
            (b'$', Some(b'{')) => self.braces()?,
            _ => {}
        }
        Ok(())
    }

    /// `${…}` without anything in it that could hide its end.
    fn braces(&mut self) -> Result<(), String> {
        while let Some(byte) = self.next() {
            match byte {
                b'}' => return Ok(()),
                b'\\' | b'\'' | b'"' | b'`' | b'(' | b')' => break,
                _ => {}
            }
        }
        Err(uncertain("`${…}` with quotes or parentheses"))
    }

    fn skip_past(&mut self, end: u8, escapes: bool) {
        while let Some(byte) = self.next() {
            if byte == end {
                return;
            }
            if byte == b'\\' && escapes {
                self.next();
            }
        }
    }

    /// Whether the byte just read stands where a word may begin.
    fn begins_word(&self) -> bool {
        let before = self.at.checked_sub(2).and_then(|at| self.text.get(at));
        before.is_none_or(|byte| b" \t\n;|&()<>".contains(byte))
    }
}

/// Whether a word of it is `case`, whose patterns end in a parenthesis.
fn holds_case(text: &str) -> bool {
    text.split(|letter: char| !letter.is_ascii_alphanumeric()).any(|word| word == "case")
}

fn uncertain(what: &str) -> String {
    format!("a command substitution holds {what}, so that its end is not certain")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_past_quotes_and_nesting() {
        for (text, inner) in [
            ("a) b", "a"),
            ("a \")\" ')' \\) x) b)", "a \")\" ')' \\) x"),
            ("a $(b \"$(c)\"))", "a $(b \"$(c)\")"),
            ("a; (b); c)", "a; (b); c"),
            ("a \"it's\")\")\"", "a \"it's\""),
            ("a $'\\')' ${x} $#)", "a $'\\')' ${x} $#"),
            ("a <<< b)", "a <<< b"),
            ("a#b)", "a#b"),
        ] {
            assert_eq!(substituted(text).as_deref(), Ok(inner), "{text}");
        }
    }

    #[test]
    fn an_uncertain_end_is_refused() {
        for text in [
            "a",
            "a # )\n)",
            "#)\n)",
            "a <<E\n)\nE\n)",
            "case x in x) a;; esac)",
            "a `)` )",
            "a \\\n)",
            "${x:-)})",
        ] {
            assert!(substituted(text).is_err(), "{text}");
        }
        assert_eq!(backquoted("a $x` b"), Ok("a $x"));
        for text in ["a", "\\`a\\``", "\"a\"`", "$(a)`", "a #`"] {
            assert!(backquoted(text).is_err(), "{text}");
        }
    }
}
