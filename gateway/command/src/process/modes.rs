//! What a program at the other end has switched on in the person's terminal and not yet
//! off, so that it can be undone when the person leaves and the program stays.
//!
//! It looks for private modes only (`CSI ? … h` and `l`, as of xterm: the other screen,
//! mouse, pasting, a hidden cursor); colours and keypad are reset in any case.

use std::collections::BTreeSet;

/// Digits and separators of one sequence, at most.
const LONGEST: usize = 64;
/// Modes that are on where nobody switches them: the cursor, and the end of a line.
const USUALLY_ON: [u16; 2] = [7, 25];

/// The modes of a terminal that are not as they were.
#[derive(Debug, Default)]
pub(crate) struct Modes {
    changed: BTreeSet<u16>,
    state: State,
    parameters: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Escape,
    Control,
    Private,
}

impl Modes {
    /// Looks at what a program shows.
    pub(crate) fn look_at(&mut self, shown: &[u8]) {
        for &byte in shown {
            self.state = match (self.state, byte) {
                (_, 0x1b) => State::Escape,
                (State::Escape, b'[') => State::Control,
                (State::Control, b'?') => {
                    self.parameters.clear();
                    State::Private
                }
                (State::Private, b'0'..=b'9' | b';') if self.parameters.len() < LONGEST => {
                    self.parameters.push(char::from(byte));
                    State::Private
                }
                (State::Private, b'h' | b'l') => {
                    self.set(byte == b'h');
                    State::Text
                }
                _ => State::Text,
            };
        }
    }

    fn set(&mut self, is_on: bool) {
        for mode in self.parameters.split(';').filter_map(|mode| mode.parse::<u16>().ok()) {
            if is_on == USUALLY_ON.contains(&mode) {
                self.changed.remove(&mode);
            } else if self.changed.len() < LONGEST {
                self.changed.insert(mode);
            }
        }
    }

    /// What sets everything back.
    pub(crate) fn undo(&self) -> String {
        let one = |mode: &u16| {
            let letter = if USUALLY_ON.contains(mode) { 'h' } else { 'l' };
            format!("\x1b[?{mode}{letter}")
        };
        let modes: String = self.changed.iter().map(one).collect();
        // Colours as they were, letters from the usual set, keypad and scrolling too.
        modes + "\x1b[0m\x1b(B\x0f\x1b>"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undone(shown: &[&[u8]]) -> String {
        let mut modes = Modes::default();
        for shown in shown {
            modes.look_at(shown);
        }
        modes.undo().trim_end_matches("\x1b[0m\x1b(B\x0f\x1b>").to_owned()
    }

    #[test]
    fn what_is_still_switched_is_switched_back() {
        assert_eq!(undone(&[b"\x1b[?1049h\x1b[?25l", b"text"]), "\x1b[?25h\x1b[?1049l");
        assert_eq!(undone(&[b"\x1b[?10", b"00;1006h"]), "\x1b[?1000l\x1b[?1006l");
        assert_eq!(undone(&[b"\x1b[?2004h$ \x1b[?2004l"]), "");
        assert_eq!(undone(&[b"\x1b[?25l\x1b[?25h"]), "");
    }

    #[test]
    fn what_is_no_mode_changes_nothing() {
        assert_eq!(undone(&[b"\x1b[31mred\x1b[2J\x1b]0;title\x07?1049h"]), "");
        let long = [b"\x1b[?".to_vec(), vec![b'1'; 500], b"h".to_vec()].concat();
        assert_eq!(undone(&[&long]), "");
    }
}
