//! What a person types for this program rather than for the one at the other end: as in
//! ssh(1), a tilde at the start of a line and a key after it.

/// The help that `~?` shows.
pub(crate) const HELP: &str = "\
At the start of a line:
  ~.   leave; the program goes on, and `cofferdam attach` joins it again
  ~k   end the program and everything that it started, and leave
  ~^Z  suspend this command; `fg` goes on
  ~~   a tilde
  ~?   this
";

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Bytes for the program.
    Send(Vec<u8>),
    /// Leave, and let it go on.
    Leave,
    /// End it.
    Kill,
    /// Suspend this command.
    Suspend,
    /// Say what there is.
    Help,
}

/// Tells escapes from what is typed.
#[derive(Debug)]
pub(crate) struct Escapes {
    state: State,
    are_on: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the start of a line.
    Start,
    /// After a tilde there.
    Tilde,
    /// Within a line.
    Within,
}

impl Escapes {
    /// With `are_on` false everything is for the program.
    pub(crate) fn new(are_on: bool) -> Self {
        Self { state: State::Start, are_on }
    }

    /// What these bytes ask for, in order.
    pub(crate) fn take(&mut self, typed: &[u8]) -> Vec<Wish> {
        if !self.are_on {
            return vec![Wish::Send(typed.to_vec())];
        }
        let mut wishes = Vec::new();
        let mut send = Vec::new();
        for &byte in typed {
            if self.state != State::Tilde {
                self.state = match byte {
                    b'~' if self.state == State::Start => {
                        self.state = State::Tilde;
                        continue;
                    }
                    b'\r' | b'\n' => State::Start,
                    _ => State::Within,
                };
                send.push(byte);
                continue;
            }
            let wish = match byte {
                b'.' => Wish::Leave,
                b'k' => Wish::Kill,
                0x1a => Wish::Suspend,
                b'?' => Wish::Help,
                b'~' => {
                    self.state = State::Within;
                    send.push(b'~');
                    continue;
                }
                byte => {
                    self.state =
                        if matches!(byte, b'\r' | b'\n') { State::Start } else { State::Within };
                    send.extend([b'~', byte]);
                    continue;
                }
            };
            self.state = State::Start;
            if !send.is_empty() {
                wishes.push(Wish::Send(std::mem::take(&mut send)));
            }
            wishes.push(wish);
        }
        if !send.is_empty() {
            wishes.push(Wish::Send(send));
        }
        wishes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(typed: &[&[u8]]) -> Vec<Wish> {
        let mut escapes = Escapes::new(true);
        typed.iter().flat_map(|typed| escapes.take(typed)).collect()
    }

    fn send(text: &str) -> Wish {
        Wish::Send(text.as_bytes().to_vec())
    }

    #[test]
    fn an_escape_stands_at_the_start_of_a_line_however_it_is_cut() {
        assert_eq!(all(&[b"~."]), [Wish::Leave]);
        assert_eq!(all(&[b"ls\r~", b"."]), [send("ls\r"), Wish::Leave]);
        assert_eq!(all(&[b"ls\n", b"~", b"k"]), [send("ls\n"), Wish::Kill]);
        assert_eq!(all(&[b"~?~.", b"x"]), [Wish::Help, Wish::Leave, send("x")]);
        assert_eq!(all(&[b"~\x1a"]), [Wish::Suspend]);
    }

    #[test]
    fn what_is_no_escape_reaches_the_program_as_it_is() {
        assert_eq!(all(&[b"a~."]), [send("a~.")]);
        assert_eq!(all(&[b"~~."]), [send("~.")]);
        assert_eq!(all(&[b"~/bin\r"]), [send("~/bin\r")]);
        assert_eq!(all(&[b"~\r~."]), [send("~\r"), Wish::Leave]);
        assert_eq!(all(&[b"~"]), []);
        let mut off = Escapes::new(false);
        assert_eq!(off.take(b"~."), [send("~.")]);
    }
}
