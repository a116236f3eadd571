//! Values as D-Bus lays them out: what is written, and a reader of what came.
//!
//! Source: D-Bus Specification, «Marshaling (Wire Format)». Only what the calls of
//! `manager.rs` need is written; whatever comes can be read or skipped, each step checked
//! against the end of the message, the depth of types bounded as the specification does.
//! Used by `message.rs`, `manager.rs` and `properties.rs`; fuzzed.

/// The deepest nesting of types: 32 arrays and 32 structs.
const MAX_DEPTH: usize = 64;

/// Why bytes are not the value that they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    /// The end comes first.
    #[error("it ends within a value")]
    Short,
    /// A text is not UTF-8, or holds a zero or has none behind it.
    #[error("a text in it is not valid")]
    Text,
    /// Not a type, or one nested too deep.
    #[error("a type in it is not valid")]
    Signature,
    /// A value is of another type than the method gives.
    #[error("a value in it has another type than documented")]
    Type,
    /// An array whose elements do not end where it does.
    #[error("an array in it does not end with an element")]
    Array,
}

/// Writes little-endian values.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn align(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    pub(crate) fn byte(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.align(4);
        self.bytes.extend(value.to_le_bytes());
    }

    /// A string or object path; all that is ever written is far below 4 GiB.
    pub(crate) fn text(&mut self, value: &str) {
        self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        self.bytes.extend(value.as_bytes());
        self.bytes.push(0);
    }

    /// A signature; of 255 bytes at most, and ours have three.
    pub(crate) fn signature(&mut self, value: &str) {
        self.bytes.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
        self.bytes.extend(value.as_bytes());
        self.bytes.push(0);
    }

    /// An array of strings.
    pub(crate) fn texts<'a>(&mut self, values: impl Iterator<Item = &'a str>) {
        self.u32(0);
        let start = self.bytes.len();
        for value in values {
            self.text(value);
        }
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.bytes[start - 4..start].copy_from_slice(&length.to_le_bytes());
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads values from a message or a part of one. Alignment counts from its begin.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    big_endian: bool,
}

/// A value out of a variant, as far as anything here needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A string or object path.
    Text(&'a str),
    /// Any unsigned number, or a boolean.
    Unsigned(u64),
    /// Any signed number.
    Signed(i64),
    /// `ay`
    Bytes(&'a [u8]),
    /// `as`
    Texts(Vec<&'a str>),
    /// `(ss)`
    Pair(&'a str, &'a str),
    /// Of another type, and skipped.
    Other,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], big_endian: bool) -> Self {
        Self { bytes, at: 0, big_endian }
    }

    pub(crate) fn at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// What was not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let end = self.at.checked_add(length).ok_or(WireError::Short)?;
        let taken = self.bytes.get(self.at..end).ok_or(WireError::Short)?;
        self.at = end;
        Ok(taken)
    }

    pub(crate) fn align(&mut self, to: usize) -> Result<(), WireError> {
        self.take(self.at.next_multiple_of(to) - self.at).map(drop)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        self.align(N)?;
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        if self.big_endian {
            bytes.reverse();
        }
        Ok(bytes)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, WireError> {
        Ok(u8::from_le_bytes(self.number()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, WireError> {
        Ok(u32::from_le_bytes(self.number()?))
    }

    fn length(&mut self) -> Result<usize, WireError> {
        usize::try_from(self.u32()?).map_err(|_| WireError::Short)
    }

    /// A string or object path.
    pub(crate) fn text(&mut self) -> Result<&'a str, WireError> {
        let length = self.length()?;
        self.closed_text(length)
    }

    pub(crate) fn signature(&mut self) -> Result<&'a str, WireError> {
        let length = usize::from(self.byte()?);
        self.closed_text(length)
    }

    fn closed_text(&mut self, length: usize) -> Result<&'a str, WireError> {
        let text = self.take(length)?;
        if self.take(1)? != [0] || text.contains(&0) {
            return Err(WireError::Text);
        }
        std::str::from_utf8(text).map_err(|_| WireError::Text)
    }

    /// A reader of the elements of an array whose elements align so; this one goes on
    /// behind it.
    pub(crate) fn array(&mut self, element_alignment: usize) -> Result<Reader<'a>, WireError> {
        let length = self.length()?;
        self.align(element_alignment)?;
        let start = self.at;
        self.take(length)?;
        // It keeps what lies before, which alignment counts from.
        Ok(Reader { bytes: &self.bytes[..start + length], at: start, big_endian: self.big_endian })
    }

    /// The value of a variant.
    pub(crate) fn variant(&mut self) -> Result<Value<'a>, WireError> {
        let signature = self.signature()?;
        let value = match signature {
            "s" | "o" => Value::Text(self.text()?),
            "y" => Value::Unsigned(self.byte()?.into()),
            "b" | "u" | "h" => Value::Unsigned(self.u32()?.into()),
            "q" => Value::Unsigned(u16::from_le_bytes(self.number()?).into()),
            "t" => Value::Unsigned(u64::from_le_bytes(self.number()?)),
            "n" => Value::Signed(i16::from_le_bytes(self.number()?).into()),
            "i" => Value::Signed(i32::from_le_bytes(self.number()?).into()),
            "x" => Value::Signed(i64::from_le_bytes(self.number()?)),
            "ay" => {
                let length = self.length()?;
                Value::Bytes(self.take(length)?)
            }
            "as" => {
                let mut array = self.array(4)?;
                let mut texts = Vec::new();
                while !array.at_end() {
                    texts.push(array.text()?);
                }
                Value::Texts(texts)
            }
            "(ss)" => {
                self.align(8)?;
                Value::Pair(self.text()?, self.text()?)
            }
            _ => {
                let signature = signature.as_bytes();
                if complete(signature, 0)? != signature.len() {
                    return Err(WireError::Signature);
                }
                self.skip(signature, 0)?;
                Value::Other
            }
        };
        Ok(value)
    }

    /// Goes on behind one value of this complete type.
    fn skip(&mut self, signature: &[u8], depth: usize) -> Result<(), WireError> {
        if depth > MAX_DEPTH {
            return Err(WireError::Signature);
        }
        match signature.first() {
            Some(b'y') => self.take(1).map(drop),
            Some(b'n' | b'q') => self.number::<2>().map(drop),
            Some(b'b' | b'i' | b'u' | b'h') => self.number::<4>().map(drop),
            Some(b'x' | b't' | b'd') => self.number::<8>().map(drop),
            Some(b's' | b'o') => self.text().map(drop),
            Some(b'g') => self.signature().map(drop),
            Some(b'v') => {
                let inner = self.signature()?.as_bytes();
                if complete(inner, 0)? != inner.len() {
                    return Err(WireError::Signature);
                }
                self.skip(inner, depth + 1)
            }
            Some(b'a') => self.skip_array(&signature[1..], depth),
            Some(b'(' | b'{') => {
                self.align(8)?;
                let mut rest = &signature[1..signature.len() - 1];
                while !rest.is_empty() {
                    let (first, others) = rest.split_at(complete(rest, depth)?);
                    self.skip(first, depth + 1)?;
                    rest = others;
                }
                Ok(())
            }
            _ => Err(WireError::Signature),
        }
    }

    fn skip_array(&mut self, element: &[u8], depth: usize) -> Result<(), WireError> {
        let alignment = match element.first() {
            Some(b'y' | b'g' | b'v') => 1,
            Some(b'n' | b'q') => 2,
            Some(b'x' | b't' | b'd' | b'(' | b'{') => 8,
            _ => 4,
        };
        let mut array = self.array(alignment)?;
        // Elements of fixed size need no look at each.
        if matches!(
            element.first(),
            Some(b'y' | b'n' | b'q' | b'b' | b'i' | b'u' | b'x' | b't' | b'd')
        ) {
            return Ok(());
        }
        while !array.at_end() {
            let before = array.at;
            array.skip(element, depth + 1)?;
            if array.at == before {
                return Err(WireError::Array);
            }
        }
        Ok(())
    }
}

/// The length of the first complete type of a signature.
fn complete(signature: &[u8], depth: usize) -> Result<usize, WireError> {
    if depth > MAX_DEPTH {
        return Err(WireError::Signature);
    }
    match signature.first() {
        Some(
            b'y' | b'b' | b'n' | b'q' | b'i' | b'u' | b'x' | b't' | b'd' | b's' | b'o' | b'g'
            | b'h' | b'v',
        ) => Ok(1),
        Some(b'a') => Ok(1 + complete(&signature[1..], depth + 1)?),
        Some(open @ (b'(' | b'{')) => {
            let close = if *open == b'(' { b')' } else { b'}' };
            let mut at = 1;
            while signature.get(at).ok_or(WireError::Signature)? != &close {
                at += complete(&signature[at..], depth + 1)?;
            }
            // An empty struct is no type.
            if at == 1 { Err(WireError::Signature) } else { Ok(at + 1) }
        }
        _ => Err(WireError::Signature),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(signature: &str, value: &[u8]) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.signature(signature);
        writer.align(8);
        let mut bytes = writer.into_bytes();
        bytes.extend(value);
        bytes
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut writer = Writer::default();
        writer.byte(7);
        writer.texts(["ab", "c"].into_iter());
        writer.text("/a");
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes, false);
        assert_eq!(reader.byte(), Ok(7));
        let mut array = reader.array(4).expect("an array");
        assert_eq!((array.text(), array.text(), array.at_end()), (Ok("ab"), Ok("c"), true));
        assert_eq!(reader.text(), Ok("/a"));
        assert!(reader.at_end());
        assert_eq!(reader.byte(), Err(WireError::Short));
    }

    #[test]
    fn numbers_of_both_byte_orders_are_read() {
        assert_eq!(Reader::new(&[1, 0, 0, 0], false).u32(), Ok(1));
        assert_eq!(Reader::new(&[0, 0, 0, 1], true).u32(), Ok(1));
    }

    #[test]
    fn a_variant_of_any_valid_type_is_read_or_skipped() {
        let bytes = variant("t", &5_u64.to_le_bytes());
        assert_eq!(Reader::new(&bytes, false).variant(), Ok(Value::Unsigned(5)));
        let mut elements = Vec::new();
        elements.extend(16_u32.to_le_bytes());
        elements.extend([0; 4]);
        elements.extend([0; 16]);
        let mut bytes = variant("a(st)", &elements);
        bytes.push(9);
        let mut reader = Reader::new(&bytes, false);
        assert_eq!(reader.variant(), Ok(Value::Other));
        assert_eq!(reader.byte(), Ok(9));
    }

    #[test]
    fn types_that_are_none_and_bottomless_ones_are_refused() {
        let mut bytes = Vec::new();
        for _ in 0..100 {
            bytes.extend([1, b'v', 0]);
        }
        assert_eq!(Reader::new(&bytes, false).variant(), Err(WireError::Signature));
        for signature in ["", "()", "a", "a()", "(s", "z", "ss", "{", &"a".repeat(200)] {
            let bytes = variant(signature, &[0; 64]);
            let read = Reader::new(&bytes, false).variant();
            assert_eq!(read, Err(WireError::Signature), "{signature}");
        }
    }

    #[test]
    fn lengths_beyond_the_end_are_refused() {
        let mut bytes = u32::MAX.to_le_bytes().to_vec();
        bytes.extend(b"abc\0");
        assert_eq!(Reader::new(&bytes, false).text(), Err(WireError::Short));
        assert_eq!(Reader::new(&bytes, false).array(8).err(), Some(WireError::Short));
        assert_eq!(Reader::new(b"\x01\0\0\0\xff\0", false).text(), Err(WireError::Text));
        assert_eq!(Reader::new(b"\x01\0\0\0a!", false).text(), Err(WireError::Text));
    }
}
