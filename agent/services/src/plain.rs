//! Text of strangers, made fit to be shown.
//!
//! Messages and descriptions are written by whoever may log or install a unit. What
//! leaves this crate is UTF-8 of bounded length with no control character but line feed
//! and tab, so that it drives no terminal. Used for every text from the bus and the
//! journal that is not an identifier.

/// Text and what was cut off its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) text: String,
    /// Bytes of the original that are not in `text`.
    pub(crate) left_out: usize,
}

/// Up to `most` bytes of the original, lossily as UTF-8, cut between characters.
pub(crate) fn plain(original: &[u8], most: usize) -> Plain {
    let mut end = original.len().min(most);
    if end < original.len() {
        // Not within a character: at most three continuation bytes are given up.
        let within = |at: usize| original[at] & 0b1100_0000 == 0b1000_0000;
        let start = (end.saturating_sub(3)..=end).rev().find(|&at| !within(at));
        end = start.unwrap_or(end);
    }
    let harmless = |c: char| match c {
        '\n' | '\t' => c,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    let text = String::from_utf8_lossy(&original[..end]).chars().map(harmless).collect();
    Plain { text, left_out: original.len() - end }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_broken_utf8_are_replaced() {
        let shown = plain(b"a\x1b[31mb\n\tc\xff\x07", 100);
        assert_eq!(shown.text, "a\u{fffd}[31mb\n\tc\u{fffd}\u{fffd}");
        assert_eq!(shown.left_out, 0);
    }

    #[test]
    fn a_cut_falls_between_characters_and_is_counted() {
        let shown = plain("aäöü".as_bytes(), 4);
        assert_eq!((shown.text.as_str(), shown.left_out), ("aä", 4));
        let shown = plain("aäöü".as_bytes(), 5);
        assert_eq!((shown.text.as_str(), shown.left_out), ("aäö", 2));
    }
}
