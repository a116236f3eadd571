//! A file's bytes as lines. A line keeps its end, so that joined lines are the
//! file again, whatever its line ends and whether or not the last one has any.

/// The lines of `bytes`, each with its end.
pub(crate) fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

/// The number of the line that the byte at `position` is in, from 1.
pub(crate) fn line_at(bytes: &[u8], position: usize) -> u64 {
    let before = &bytes[..position.min(bytes.len())];
    memchr::memchr_iter(b'\n', before).count() as u64 + 1
}

/// Whether every line ends with a carriage return and a newline, and there is one.
pub(crate) fn ends_with_crlf(bytes: &[u8]) -> bool {
    let mut some = false;
    let mut before = 0;
    for &byte in bytes {
        if byte == b'\n' {
            if before != b'\r' {
                return false;
            }
            some = true;
        }
        before = byte;
    }
    some
}

/// `text` with a carriage return before each newline that has none.
pub(crate) fn with_crlf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 32);
    let mut before = 0;
    for &byte in text {
        if byte == b'\n' && before != b'\r' {
            out.push(b'\r');
        }
        out.push(byte);
        before = byte;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_file_again() {
        for text in ["", "\n", "a", "a\n", "a\r\nb", "\n\n"] {
            assert_eq!(lines(text.as_bytes()).concat(), text.as_bytes());
        }
        assert_eq!(lines(b"a\nb").len(), 2);
    }

    #[test]
    fn only_a_file_of_nothing_but_crlf_ends_with_it() {
        assert!(ends_with_crlf(b"a\r\nb\r\nc"));
        assert!(!ends_with_crlf(b"a\r\nb\n") && !ends_with_crlf(b"a") && !ends_with_crlf(b"\n"));
        assert_eq!(with_crlf(b"a\nb\r\n"), b"a\r\nb\r\n");
    }

    #[test]
    fn a_position_is_in_a_line() {
        assert_eq!([0, 1, 2, 9].map(|at| line_at(b"a\nb\n", at)), [1, 1, 2, 3]);
    }
}
