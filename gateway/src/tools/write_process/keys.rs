//! What keys send to a program, as xterm has it: see `infocmp xterm-256color`.

/// Keys that have names.
pub(super) const NAMES: [(&str, &[u8]); 18] = [
    ("enter", b"\r"),
    ("tab", b"\t"),
    ("escape", b"\x1b"),
    ("space", b" "),
    ("backspace", b"\x7f"),
    ("delete", b"\x1b[3~"),
    ("insert", b"\x1b[2~"),
    ("up", b"\x1b[A"),
    ("down", b"\x1b[B"),
    ("right", b"\x1b[C"),
    ("left", b"\x1b[D"),
    ("home", b"\x1b[H"),
    ("end", b"\x1b[F"),
    ("page-up", b"\x1b[5~"),
    ("page-down", b"\x1b[6~"),
    ("shift-tab", b"\x1b[Z"),
    ("newline", b"\n"),
    ("ctrl-space", b"\x00"),
];

const FUNCTIONS: [&[u8]; 12] = [
    b"\x1bOP",
    b"\x1bOQ",
    b"\x1bOR",
    b"\x1bOS",
    b"\x1b[15~",
    b"\x1b[17~",
    b"\x1b[18~",
    b"\x1b[19~",
    b"\x1b[20~",
    b"\x1b[21~",
    b"\x1b[23~",
    b"\x1b[24~",
];

/// What a key sends; none: there is no such key.
pub(super) fn bytes(key: &str) -> Option<Vec<u8>> {
    let key = key.to_ascii_lowercase();
    if let Some((_, bytes)) = NAMES.iter().find(|(name, _)| *name == key) {
        return Some(bytes.to_vec());
    }
    let letter = |text: &str| match text.as_bytes() {
        [letter @ b'a'..=b'z'] => Some(*letter),
        _ => None,
    };
    if let Some(rest) = key.strip_prefix("ctrl-") {
        // The control character of a letter is its number in the alphabet.
        return match rest {
            "\\" => Some(vec![0x1c]),
            "]" => Some(vec![0x1d]),
            rest => letter(rest).map(|letter| vec![letter & 0x1f]),
        };
    }
    if let Some(rest) = key.strip_prefix("alt-") {
        return letter(rest).map(|letter| vec![0x1b, letter]);
    }
    let number: usize = key.strip_prefix('f')?.parse().ok()?;
    FUNCTIONS.get(number.checked_sub(1)?).map(|bytes| bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_send_what_a_terminal_sends() {
        for (key, sent) in [
            ("enter", &b"\r"[..]),
            ("Ctrl-C", b"\x03"),
            ("ctrl-d", b"\x04"),
            ("ctrl-\\", b"\x1c"),
            ("up", b"\x1b[A"),
            ("f5", b"\x1b[15~"),
            ("alt-x", b"\x1bx"),
        ] {
            assert_eq!(bytes(key).as_deref(), Some(sent), "{key}");
        }
        for none in ["", "ctrl-", "ctrl-1", "ctrl-ab", "f0", "f13", "return!", "alt-é"] {
            assert_eq!(bytes(none), None, "{none}");
        }
    }
}
