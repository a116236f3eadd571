//! Keys, from the bytes that a terminal sends for them.

/// A key that means something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Escape,
    Letter(char),
}

/// Cuts what is typed into keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Of an escape sequence that has not ended.
    begun: Vec<u8>,
}

/// Bytes of an escape sequence, at most.
const LONGEST: usize = 32;

impl Keys {
    /// The keys of these bytes; others mean nothing.
    pub(super) fn take(&mut self, typed: &[u8]) -> Vec<Key> {
        let mut keys = Vec::new();
        for &byte in typed {
            match (self.begun.as_slice(), byte) {
                ([], 0x1b) | ([0x1b], b'[' | b'O') => self.begun.push(byte),
                // Ctrl-C and ctrl-D quit, as everywhere.
                ([], 0x03 | 0x04) => keys.push(Key::Letter('q')),
                ([], byte) if byte.is_ascii_graphic() => keys.push(Key::Letter(byte.into())),
                ([], _) => {}
                ([0x1b], _) => {
                    self.begun.clear();
                    keys.push(Key::Escape);
                }
                (_, byte) => {
                    self.begun.push(byte);
                    if (0x40..0x7f).contains(&byte) || self.begun.len() > LONGEST {
                        keys.extend(named(&self.begun[2..]));
                        self.begun.clear();
                    }
                }
            }
        }
        // An escape that nothing follows is the key itself.
        if self.begun == [0x1b] {
            self.begun.clear();
            keys.push(Key::Escape);
        }
        keys
    }
}

fn named(sequence: &[u8]) -> Option<Key> {
    Some(match sequence {
        b"A" => Key::Up,
        b"B" => Key::Down,
        b"5~" => Key::PageUp,
        b"6~" => Key::PageDown,
        b"H" | b"1~" | b"7~" => Key::Home,
        b"F" | b"4~" | b"8~" => Key::End,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart_also_where_their_bytes_come_in_parts() {
        let mut keys = Keys::default();
        assert_eq!(keys.take(b"\x1b[A\x1bOBq"), [Key::Up, Key::Down, Key::Letter('q')]);
        assert_eq!(keys.take(b"\x1b[5"), []);
        assert_eq!(keys.take(b"~\x1b[1~"), [Key::PageUp, Key::Home]);
        assert_eq!(keys.take(b"\x1b"), [Key::Escape]);
        assert_eq!(keys.take(b"\x03"), [Key::Letter('q')]);
        assert_eq!(keys.take(b"\x1b[99;99;99;99;99;99;99;99mK"), [Key::Letter('K')]);
    }
}
