//! Bytes of callers made fit for a message: bounded, and without characters
//! that could steer a terminal or fake a line of a log.

/// The longest text of a caller that a message repeats, in characters.
const LONGEST: usize = 120;

/// `bytes` for a message: control characters and broken UTF-8 replaced, cut
/// after 120 characters.
#[must_use]
pub(crate) fn shown(bytes: &[u8]) -> String {
    // A character has at most four bytes; the cut may split one, which shows as
    // a replacement character behind the limit.
    let head = &bytes[..bytes.len().min(LONGEST * 4 + 4)];
    let text = String::from_utf8_lossy(head);
    let mut out = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST {
            out.push('…');
            return out;
        }
        out.push(if is_steering(character) { '\u{fffd}' } else { character });
    }
    if head.len() < bytes.len() {
        out.push('…');
    }
    out
}

/// Control characters, and the marks that turn the direction of text.
fn is_steering(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_bounded_and_cannot_steer_a_terminal() {
        assert_eq!(shown(b"git"), "git");
        assert_eq!(shown(b"a\x1b[2Jb\nc\0"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}");
        assert_eq!(shown("a\u{202e}b".as_bytes()), "a\u{fffd}b");
        assert_eq!(shown(&[0xff, b'a']), "\u{fffd}a");
        assert_eq!(shown(&vec![b'x'; 1 << 20]).chars().count(), LONGEST + 1);
        assert_eq!(shown("ä".repeat(4000).as_bytes()).chars().count(), LONGEST + 1);
    }
}
