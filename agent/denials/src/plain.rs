//! Bytes that a command chose, as text that is safe to show.
//!
//! File names reach a model and a terminal. What could steer either (control
//! characters, marks that turn the direction of text, the quote that ends a
//! name) is escaped.

/// At most this many bytes of a name are kept; a longer one loses its middle.
pub(crate) const MAX_NAME: usize = 512;

/// At most about this many bytes of a name are shown, escapes included.
const MAX_SHOWN: usize = 600;

/// A name as it may stand between backticks in a sentence: what ends the sentence
/// or steers a terminal is escaped, and what is too long is cut.
#[must_use]
pub fn plain(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().min(MAX_SHOWN));
    for c in String::from_utf8_lossy(bytes).chars() {
        if text.len() > MAX_SHOWN {
            text.push('…');
            break;
        }
        match c {
            '`' => text.push('\''),
            c if c.is_control() || steers(c) => text.extend(c.escape_unicode()),
            c => text.push(c),
        }
    }
    text
}

/// Marks that are not seen but change what is.
fn steers(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The bytes, with at most [`MAX_NAME`] kept: head and tail, because the tail
/// of a path says most.
pub(crate) fn shorten(bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() <= MAX_NAME {
        return bytes;
    }
    let (head, tail) = (bytes.get(..MAX_NAME / 2), bytes.get(bytes.len() - (MAX_NAME / 2 - 3)..));
    [head.unwrap_or_default(), "…".as_bytes(), tail.unwrap_or_default()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_reader_is_escaped() {
        assert_eq!(plain(b"a\x1b[2J\nb`c"), "a\\u{1b}[2J\\u{a}b'c");
        assert_eq!(plain("x\u{202e}y".as_bytes()), "x\\u{202e}y");
        assert_eq!(plain("Grüße 文".as_bytes()), "Grüße 文");
        assert_eq!(plain(b"\xff"), "\u{fffd}");
        assert!(plain(&[27; 9000]).len() < MAX_SHOWN + 16);
    }

    #[test]
    fn a_long_name_keeps_its_ends() {
        let long = [&b"/begin"[..], &[b'x'; 4000], b"end"].concat();
        let short = shorten(long);
        assert_eq!(short.len(), MAX_NAME);
        assert!(short.starts_with(b"/begin") && short.ends_with(b"end"));
        assert_eq!(shorten(b"short".to_vec()), b"short");
    }
}
