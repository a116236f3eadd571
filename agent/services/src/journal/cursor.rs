//! Where in the journal an entry stands: journald's own cursors, and what they order.
//!
//! The text is that of sd_journal_get_cursor(3), so that a cursor of one reader is one
//! of the other. Entries are ordered as journald orders them: by sequence number within
//! one series of numbers, by the monotonic clock within one boot, by the wall clock else.
//! That is no total order, so nothing is sorted by it; it only picks among files the
//! one whose next entry comes first. Used by `source.rs` and `merge.rs`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// The longest cursor that is looked at.
const MAX_CURSOR: usize = 256;

/// The place of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Which series of sequence numbers.
    pub(super) seqnum_id: u128,
    pub(super) seqnum: u64,
    pub(super) boot_id: u128,
    /// Microseconds since that boot.
    pub(super) monotonic: u64,
    /// Microseconds since 1970.
    pub(super) realtime: u64,
    /// Over all of the entry's fields.
    pub(super) xor_hash: u64,
}

/// A text that is no cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no cursor of the journal ({0}); a cursor comes with each entry, and is given back as \
     it is"
)]
pub struct CursorError(&'static str);

impl Cursor {
    /// Which of two entries comes first.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let by_number = || self.seqnum.cmp(&other.seqnum);
        if self.seqnum_id == other.seqnum_id {
            return by_number();
        }
        let by_time = if self.boot_id == other.boot_id {
            self.monotonic.cmp(&other.monotonic)
        } else {
            self.realtime.cmp(&other.realtime)
        };
        by_time.then_with(|| self.xor_hash.cmp(&other.xor_hash))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seqnum_id, seqnum, boot_id, monotonic, realtime, xor_hash } = self;
        write!(
            f,
            "s={seqnum_id:032x};i={seqnum:x};b={boot_id:032x};m={monotonic:x};t={realtime:x};\
             x={xor_hash:x}"
        )
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        if text.len() > MAX_CURSOR {
            return Err(CursorError("it is too long"));
        }
        let mut parts = text.split(';');
        let mut part = |name: &'static str| {
            let missing = CursorError("it is not `s=…;i=…;b=…;m=…;t=…;x=…`");
            let (found, digits) = parts.next().and_then(|p| p.split_once('=')).ok_or(missing)?;
            // What the number parser takes beyond digits is a sign.
            let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            if found != name || !hexadecimal {
                return Err(CursorError("it is not `s=…;i=…;b=…;m=…;t=…;x=…`"));
            }
            Ok(digits)
        };
        let id = |digits| u128::from_str_radix(digits, 16);
        let number = |digits| u64::from_str_radix(digits, 16);
        let large = |_| CursorError("a number in it is missing or too large");
        let cursor = Self {
            seqnum_id: id(part("s")?).map_err(large)?,
            seqnum: number(part("i")?).map_err(large)?,
            boot_id: id(part("b")?).map_err(large)?,
            monotonic: number(part("m")?).map_err(large)?,
            realtime: number(part("t")?).map_err(large)?,
            xor_hash: number(part("x")?).map_err(large)?,
        };
        match parts.next() {
            None => Ok(cursor),
            Some(_) => Err(CursorError("it goes on behind its end")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOURNALCTLS: &str = "s=6a7c4d8a4f0a4c61b3f0cb4e2ac6a5c9;i=1f;b=0a2b4d6e8f0011223344556677889900;\
         m=1e2f3a;t=5f0c2d3e4a5b6;x=9d8c7b6a5f4e3d2c";

    #[test]
    fn a_cursor_of_journalctl_is_taken_and_given_back_as_it_is() {
        let cursor: Cursor = JOURNALCTLS.parse().expect("a cursor");
        assert_eq!(cursor.seqnum, 0x1f);
        assert_eq!(cursor.to_string(), JOURNALCTLS);
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for wrong in [
            "",
            "s=1",
            "i=1;s=1;b=1;m=1;t=1;x=1",
            "s=1;i=+1;b=1;m=1;t=1;x=1",
            "s=1;i=;b=1;m=1;t=1;x=1",
            "s=1;i=11111111111111111;b=1;m=1;t=1;x=1",
            "s=1;i=1;b=1;m=1;t=1;x=1;y=2",
            &"s".repeat(300),
        ] {
            assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn entries_are_ordered_by_number_then_boot_then_wall_clock() {
        let first: Cursor = "s=1;i=1;b=1;m=5;t=9;x=1".parse().expect("a cursor");
        let same_series = Cursor { seqnum: 2, realtime: 1, ..first };
        assert_eq!(first.order(&same_series), Ordering::Less);
        let same_boot = Cursor { seqnum_id: 2, monotonic: 4, realtime: 20, ..first };
        assert_eq!(first.order(&same_boot), Ordering::Greater);
        let stranger = Cursor { seqnum_id: 2, boot_id: 2, monotonic: 4, realtime: 20, ..first };
        assert_eq!(first.order(&stranger), Ordering::Less);
    }
}
