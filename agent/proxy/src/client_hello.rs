//! The TLS greeting: which server name a client asks for (RFC 8446, section
//! 4.1.2; RFC 6066, section 3). Pure: `tunnel` moves the bytes.
//!
//! Only the first handshake message is read. It may be cut into any number of
//! records (RFC 8446, section 5.1), so that a name cannot hide behind a
//! boundary. With Encrypted Client Hello the outer name counts: it is what the
//! network sees and what the server in front answers to.

/// The longest greeting with its records' heads. Real ones take 200 to 2,000
/// bytes, with post-quantum key shares and ECH up to 5,000.
const MAX_HELLO: usize = 32 * 1024;
/// The longest record (RFC 8446, section 5.1).
const MAX_RECORD: usize = 1 << 14;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;

/// A greeting as far as it is here.
#[derive(Debug, Default)]
pub struct HelloReader {
    /// Every byte, to be sent on.
    raw: Vec<u8>,
    /// The handshake bytes of the whole records.
    handshake: Vec<u8>,
    /// Where the next record begins in `raw`.
    next: usize,
}

/// What the client asks for: its server name as it wrote it, if it wrote one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// ASCII text.
    pub server_name: Option<String>,
}

/// Why bytes are not a greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// The first record is not TLS's.
    #[error("what was sent is not TLS")]
    NotTls,
    /// A length or order that no client writes.
    #[error("the TLS greeting is malformed")]
    Malformed,
    /// Longer than any client writes.
    #[error("the TLS greeting is longer than {MAX_HELLO} bytes")]
    TooLong,
    /// A server name that is not ASCII text, or several.
    #[error("the TLS greeting's server name is malformed")]
    Name,
}

impl HelloReader {
    /// Takes more bytes; the greeting, once it is whole.
    ///
    /// # Errors
    /// See [`HelloError`]; nothing that was fed may be sent on.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<Hello>, HelloError> {
        self.raw.extend_from_slice(bytes);
        while let Some(fragment) = self.record()? {
            self.handshake.extend_from_slice(&self.raw[fragment]);
            if let Some(message) = message(&self.handshake)? {
                return hello(message).map(Some);
            }
        }
        if self.raw.len() > MAX_HELLO {
            return Err(HelloError::TooLong);
        }
        Ok(None)
    }

    /// Every byte that was fed, in order.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.raw
    }

    /// The fragment of the next record, if all of it is here. What is wrong with
    /// a record's head is known from its first bytes on.
    fn record(&mut self) -> Result<Option<std::ops::Range<usize>>, HelloError> {
        let head = &self.raw[self.next..];
        let first = self.next == 0;
        let wrong = || if first { HelloError::NotTls } else { HelloError::Malformed };
        // Major version 3 stands for SSL 3.0 and every TLS.
        if head.first().is_some_and(|kind| *kind != HANDSHAKE)
            || head.get(1).is_some_and(|major| *major != 3)
        {
            return Err(wrong());
        }
        let Some([_, _, _, high, low]) = head.first_chunk::<5>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length == 0 || length > MAX_RECORD {
            return Err(wrong());
        }
        let fragment = self.next + 5..self.next + 5 + length;
        if self.raw.len() < fragment.end {
            return Ok(None);
        }
        self.next = fragment.end;
        Ok(Some(fragment))
    }
}

/// The body of the greeting, once it is whole. Nothing may follow it: a client
/// waits for the answer.
fn message(handshake: &[u8]) -> Result<Option<&[u8]>, HelloError> {
    if handshake.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
        return Err(HelloError::Malformed);
    }
    let Some([_, a, b, c]) = handshake.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
    if length > MAX_HELLO {
        return Err(HelloError::TooLong);
    }
    let body = &handshake[4..];
    match body.len().cmp(&length) {
        std::cmp::Ordering::Less => Ok(None),
        std::cmp::Ordering::Equal => Ok(Some(body)),
        std::cmp::Ordering::Greater => Err(HelloError::Malformed),
    }
}

/// Takes fields from the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], HelloError> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(HelloError::Malformed)?;
        self.0 = rest;
        Ok(head)
    }
    fn number(&mut self, bytes: usize) -> Result<usize, HelloError> {
        Ok(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }
    /// A length of `bytes` bytes and so much behind it.
    fn vector(&mut self, bytes: usize) -> Result<&'a [u8], HelloError> {
        let length = self.number(bytes)?;
        self.take(length)
    }
}

fn hello(body: &[u8]) -> Result<Hello, HelloError> {
    let mut fields = Fields(body);
    // Version and random.
    fields.take(2 + 32)?;
    let (session, suites, compression) = (fields.vector(1)?, fields.vector(2)?, fields.vector(1)?);
    if session.len() > 32 || suites.is_empty() || suites.len() % 2 != 0 || compression.is_empty() {
        return Err(HelloError::Malformed);
    }
    let mut extensions = match fields.0 {
        // TLS 1.2 allows a greeting without extensions.
        [] => return Ok(Hello { server_name: None }),
        _ => Fields(fields.vector(2)?),
    };
    if !fields.0.is_empty() {
        return Err(HelloError::Malformed);
    }
    let mut found = None;
    while !extensions.0.is_empty() {
        let kind = extensions.number(2)?;
        let data = extensions.vector(2)?;
        if kind == usize::from(SERVER_NAME) && found.replace(server_name(data)?).is_some() {
            return Err(HelloError::Name);
        }
    }
    Ok(Hello { server_name: found })
}

/// The one host name of the extension.
fn server_name(data: &[u8]) -> Result<String, HelloError> {
    let mut fields = Fields(data);
    let mut list = Fields(fields.vector(2)?);
    let kind = list.number(1)?;
    let name = list.vector(2)?;
    let alone = list.0.is_empty() && fields.0.is_empty();
    if !alone || kind != usize::from(HOST_NAME) {
        return Err(HelloError::Name);
    }
    match std::str::from_utf8(name) {
        Ok(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) => {
            Ok(text.to_owned())
        }
        _ => Err(HelloError::Name),
    }
}

#[cfg(test)]
mod tests;
