//! Chunked bodies of requests (RFC 9112, section 7.1), followed as they pass.
//!
//! The bytes go on as they are, so what is accepted has one reading: sizes in
//! plain hexadecimal, CRLF at each end, no extensions and no trailer fields.

/// Where in the body the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunked(State);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In a chunk's size, after so many digits.
    Size { size: u64, digits: u8 },
    /// Before the LF behind a size.
    SizeEnd { size: u64 },
    /// In a chunk, with so much left.
    Data { left: u64 },
    /// Before the CR, or the LF, behind a chunk.
    DataEnd { next: u8 },
    /// Before the CR, or the LF, of the last, empty line.
    LastLine { next: u8 },
    /// Behind the body.
    Done,
}

/// The body is not in chunks as they must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request's chunks are malformed, or have extensions or trailer fields")]
pub struct ChunkedError;

/// Digits of the largest chunk: 2^40 bytes.
const MAX_DIGITS: u8 = 10;

impl Default for Chunked {
    fn default() -> Self {
        Self(State::Size { size: 0, digits: 0 })
    }
}

impl Chunked {
    /// Follows `bytes`; how many of them belong to the body. Fewer than all only
    /// when the body has ended.
    ///
    /// # Errors
    /// The body is malformed; nothing of `bytes` may be sent on.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<usize, ChunkedError> {
        let mut rest = bytes;
        while let Some((byte, behind)) = rest.split_first() {
            match self.0 {
                State::Done => break,
                State::Data { left } => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    rest = &rest[here..];
                    self.0 = match left - here as u64 {
                        0 => State::DataEnd { next: b'\r' },
                        left => State::Data { left },
                    };
                }
                other => {
                    self.0 = after(other, *byte)?;
                    rest = behind;
                }
            }
        }
        Ok(bytes.len() - rest.len())
    }

    /// Whether the body has ended.
    #[must_use]
    pub fn is_done(self) -> bool {
        self.0 == State::Done
    }
}

fn after(state: State, byte: u8) -> Result<State, ChunkedError> {
    Ok(match (state, byte) {
        (State::Size { size, digits: 1.. }, b'\r') => State::SizeEnd { size },
        (State::Size { size, digits }, _) if digits < MAX_DIGITS => {
            let digit = char::from(byte).to_digit(16).ok_or(ChunkedError)?;
            State::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
        }
        (State::SizeEnd { size: 0 }, b'\n') => State::LastLine { next: b'\r' },
        (State::SizeEnd { size }, b'\n') => State::Data { left: size },
        (State::DataEnd { next: b'\r' }, b'\r') => State::DataEnd { next: b'\n' },
        (State::DataEnd { next: b'\n' }, b'\n') => State::Size { size: 0, digits: 0 },
        (State::LastLine { next: b'\r' }, b'\r') => State::LastLine { next: b'\n' },
        (State::LastLine { next: b'\n' }, b'\n') => State::Done,
        _ => return Err(ChunkedError),
    })
}
