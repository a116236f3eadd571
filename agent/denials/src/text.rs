//! The text of an audit record: `audit(SECONDS.MILLIS:SERIAL): key=value …`
//! (kernel/audit.c).
//!
//! A string that a user chose comes in double quotes, or, where it holds a
//! blank, a quote or a byte outside of printable ASCII, as hexadecimal digits
//! without quotes (`audit_log_untrustedstring`). So a value never holds what
//! ends it, and no name of a file can forge a field. Called by
//! [`record`](crate::record) only.

/// The kernel's `MAX_AUDIT_MESSAGE_LENGTH` is 8,970; a longer text is not its.
const MAX_TEXT: usize = 9 * 1024;
/// A record has at most about 40 fields.
const MAX_FIELDS: usize = 64;

/// When a record was made, and its event's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    /// Seconds since 1970, of the coarse clock.
    pub seconds: u64,
    /// Milliseconds, 0 to 999.
    pub millis: u16,
    /// The records of one event share it; it counts up from boot.
    pub serial: u64,
}

/// A value as it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Quoted(&'a [u8]),
    Bare(&'a [u8]),
}

/// The fields of a record; of a key that stands twice, the first counts.
pub(crate) struct Fields<'a>(Vec<(&'a [u8], Value<'a>)>);

/// Splits a record. None: it does not begin as one.
pub(crate) fn split(text: &[u8]) -> Option<(Stamp, Fields<'_>)> {
    let text = text.get(..MAX_TEXT).unwrap_or(text);
    let rest = text.strip_prefix(b"audit(")?;
    let (seconds, rest) = until(rest, b'.')?;
    let (millis, rest) = until(rest, b':')?;
    let (serial, rest) = until(rest, b')')?;
    let rest = rest.strip_prefix(b":")?;
    let millis = number(millis).filter(|millis| *millis < 1000)?;
    let stamp = Stamp {
        seconds: number(seconds)?,
        millis: u16::try_from(millis).ok()?,
        serial: number(serial)?,
    };
    Some((stamp, fields(rest)))
}

fn fields(mut rest: &[u8]) -> Fields<'_> {
    let mut found = Vec::new();
    while found.len() < MAX_FIELDS {
        rest = rest.trim_ascii_start();
        let end = rest.iter().position(|byte| matches!(byte, b'=' | b' '));
        let Some((key, after)) = end.and_then(|end| rest.split_at_checked(end)) else { break };
        let Some(after) = after.strip_prefix(b"=") else {
            // A word without a value.
            rest = after;
            continue;
        };
        let value = if let Some(quoted) = after.strip_prefix(b"\"") {
            let (inside, beyond) = until(quoted, b'"').unwrap_or((quoted, b""));
            rest = beyond;
            Value::Quoted(inside)
        } else {
            let (bare, beyond) = until(after, b' ').unwrap_or((after, b""));
            rest = beyond;
            Value::Bare(bare.trim_ascii_end())
        };
        found.push((key, value));
    }
    Fields(found)
}

impl<'a> Fields<'a> {
    pub(crate) fn get(&self, key: &str) -> Option<Value<'a>> {
        self.0.iter().find(|(name, _)| *name == key.as_bytes()).map(|(_, value)| *value)
    }

    /// A bare value.
    pub(crate) fn bare(&self, key: &str) -> Option<&'a [u8]> {
        match self.get(key)? {
            Value::Bare(bytes) => Some(bytes),
            Value::Quoted(_) => None,
        }
    }

    /// A decimal number.
    pub(crate) fn decimal(&self, key: &str) -> Option<u64> {
        self.bare(key).and_then(number)
    }

    /// A hexadecimal number, with or without `0x`.
    pub(crate) fn hexadecimal(&self, key: &str) -> Option<u64> {
        let digits = self.bare(key)?;
        let digits = str::from_utf8(digits.strip_prefix(b"0x").unwrap_or(digits)).ok()?;
        // `from_str_radix` takes a sign; the kernel writes none.
        let signed = digits.starts_with(['+', '-']);
        u64::from_str_radix(digits, 16).ok().filter(|_| !signed)
    }

    /// A string that a user chose, as its bytes.
    pub(crate) fn untrusted(&self, key: &str) -> Option<Vec<u8>> {
        match self.get(key)? {
            Value::Quoted(bytes) => Some(bytes.to_vec()),
            Value::Bare(digits) => unhex(digits),
        }
    }
}

/// What stands before the first `end`, and what after it.
fn until(text: &[u8], end: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == end)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

fn number(digits: &[u8]) -> Option<u64> {
    let plain = digits.iter().all(u8::is_ascii_digit);
    str::from_utf8(digits).ok()?.parse().ok().filter(|_| plain)
}

fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    pairs.iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_split_where_the_kernel_ends_them() {
        let text = b"audit(1795271011.809:43): a=1 word b=\"two\" c=\"\" d= key=(null) ";
        let (stamp, fields) = split(text).unwrap();
        assert_eq!(stamp, Stamp { seconds: 1_795_271_011, millis: 809, serial: 43 });
        assert_eq!(fields.decimal("a"), Some(1));
        assert_eq!(fields.get("word"), None);
        assert_eq!(fields.get("b"), Some(Value::Quoted(b"two")));
        assert_eq!(fields.get("c"), Some(Value::Quoted(b"")));
        assert_eq!(fields.get("d"), Some(Value::Bare(b"")));
        assert_eq!(fields.untrusted("key"), None);
    }

    #[test]
    fn no_name_forges_a_field() {
        // A file named `x" domain=1`: the kernel writes it as digits.
        let text = b"audit(1.000:1): path=78222020646F6D61696E3D31 domain=2";
        let (_, fields) = split(text).unwrap();
        assert_eq!(fields.untrusted("path").unwrap(), b"x\"  domain=1");
        assert_eq!(fields.hexadecimal("domain"), Some(2));
    }

    #[test]
    fn the_first_of_two_equal_keys_counts() {
        let (_, fields) = split(b"audit(1.000:1): pid=1 pid=2").unwrap();
        assert_eq!(fields.decimal("pid"), Some(1));
    }

    #[test]
    fn what_does_not_begin_as_a_record_is_none() {
        for text in ["", "audit", "audit(1:1): a=1", "audit(1.1000:1): ", "audit(+1.000:1):"] {
            assert!(split(text.as_bytes()).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_the_kernel_would_write_in_digits_is_read_back(name in any::<Vec<u8>>()) {
            let digits = name.iter().flat_map(|byte| {
                [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)]))
            });
            let text = format!("audit(1.000:1): path={} x=1", digits.collect::<String>());
            let (_, fields) = split(text.as_bytes()).unwrap();
            prop_assert_eq!(fields.untrusted("path"), Some(name));
        }
    }
}
