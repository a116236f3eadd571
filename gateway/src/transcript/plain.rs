//! A line as it stands in a terminal: without escape sequences (ECMA-48), with what
//! carriage returns and backspaces wrote over gone.

use super::lines::whole_characters;

/// Bytes after which an escape sequence that has not ended is taken for none.
const LONGEST: usize = 1024;

/// The plain text of a line or its beginning, and how many bytes it stands for: an
/// escape sequence or a character that is cut at the end is left.
pub(super) fn plain(bytes: &[u8]) -> (String, usize) {
    let mut shown = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            0x1b => match sequence(&bytes[at..]) {
                Some(length) => at += length,
                None if bytes.len() - at > LONGEST => at += 1,
                None => return (lossy(&shown), at),
            },
            b'\r' => {
                at += 1;
                // At the end nothing was written over yet.
                if bytes[at..].iter().any(|byte| *byte != b'\r') {
                    shown.clear();
                }
            }
            0x08 => {
                at += 1;
                pop(&mut shown);
            }
            b'\t' | b'\n' => {
                shown.push(byte);
                at += 1;
            }
            0..0x20 | 0x7f => at += 1,
            byte => {
                shown.push(byte);
                at += 1;
            }
        }
    }
    // A character that is cut is plain, so it is the end of what is shown, too.
    let cut = bytes.len() - whole_characters(bytes);
    let kept = shown.len().saturating_sub(cut);
    (lossy(&shown[..kept]), bytes.len() - cut)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Takes the last character away.
fn pop(shown: &mut Vec<u8>) {
    while shown.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
}

/// How long the escape sequence is that `bytes` begin with; none: it has not ended.
fn sequence(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        // CSI: parameters, intermediates, and a final byte.
        b'[' => {
            let end = bytes[2..].iter().position(|byte| !(0x20..0x40).contains(byte))?;
            // What is none of its bytes breaks it off.
            let is_final = (0x40..0x7f).contains(&bytes[2 + end]);
            Some(2 + end + usize::from(is_final))
        }
        // OSC, DCS, SOS, PM, APC: a string up to BEL or ST.
        b']' | b'P' | b'X' | b'^' | b'_' => {
            let bell = bytes.iter().position(|byte| *byte == 0x07).map(|at| at + 1);
            let terminator = bytes.windows(2).skip(1).position(|two| two == b"\x1b\\");
            let terminator = terminator.map(|at| at + 3);
            [bell, terminator].into_iter().flatten().min()
        }
        // Intermediates, and a final byte.
        0x20..0x30 => {
            let end = bytes[1..].iter().position(|byte| !(0x20..0x30).contains(byte))?;
            Some(end + 2)
        }
        _ => Some(2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_taken_out_and_text_stays() {
        for (bytes, text) in [
            (&b"\x1b[31;1mred\x1b[0m!"[..], "red!"),
            (b"\x1b]0;title\x07after", "after"),
            (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            (b"\x1b(Bplain\x1b=", "plain"),
            (b"\x1b[?2004hprompt> ", "prompt> "),
            (b"caf\xc3\xa9 \xff", "caf\u{e9} \u{fffd}"),
            (b"bell\x07 and nul\x00", "bell and nul"),
        ] {
            assert_eq!(plain(bytes), (text.to_owned(), bytes.len()), "{text}");
        }
    }

    #[test]
    fn what_was_written_over_is_gone() {
        for (bytes, text) in [
            (&b"10%\r20%\r30%"[..], "30%"),
            (b"done\r", "done"),
            (b"done\r\r", "done"),
            (b"abx\x08c", "abc"),
            (b"a\xc3\xa9\x08e", "ae"),
        ] {
            assert_eq!(plain(bytes).0, text);
        }
    }

    #[test]
    fn what_is_cut_at_the_end_is_left_for_later() {
        assert_eq!(plain(b"red\x1b[3"), ("red".to_owned(), 3));
        assert_eq!(plain(b"red\x1b"), ("red".to_owned(), 3));
        assert_eq!(plain(b"\x1b]0;tit"), (String::new(), 0));
        assert_eq!(plain(b"caf\xc3"), ("caf".to_owned(), 3));
        let never = [&b"\x1b]"[..], &[b'x'; 2000]].concat();
        assert_eq!(plain(&never).1, never.len());
    }
}
