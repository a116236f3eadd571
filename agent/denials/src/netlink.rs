//! The frames of a netlink socket (netlink(7)).
//!
//! Audit multicasts one message in a datagram; more are taken as well, because
//! the protocol allows them. Called by [`records`](crate::records) only.

/// `struct nlmsghdr`: length, type, flags, sequence, port.
const HEADER: usize = 16;

/// A datagram ends before its message does: the reader's buffer was too small,
/// or the header lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an audit datagram was cut short; its last message is not looked at")]
pub struct Cut;

/// One message: its type and what follows the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) body: &'a [u8],
}

/// The messages of one datagram, in order; ends after a [`Cut`].
pub(crate) struct Messages<'a>(&'a [u8]);

pub(crate) fn messages(datagram: &[u8]) -> Messages<'_> {
    Messages(datagram)
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Cut>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut self.0);
        let [l0, l1, l2, l3, k0, k1, ..] = *rest else { return Some(Err(Cut)) };
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        let Some(body) = rest.get(HEADER..length) else { return Some(Err(Cut)) };
        // Messages begin at multiples of four bytes.
        self.0 = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok(Message { kind: u16::from_ne_bytes([k0, k1]), body }))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A datagram with one message.
    pub(crate) fn datagram(kind: u16, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER + body.len()).unwrap();
        let head = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10]].concat();
        [&head, body].concat()
    }

    #[test]
    fn several_messages_of_a_datagram_are_read() {
        let mut both = datagram(1423, b"five!");
        both.extend([0; 3]);
        both.extend(datagram(1424, b""));
        let read: Vec<_> = messages(&both).map(Result::unwrap).collect();
        let expected = [Message { kind: 1423, body: b"five!" }, Message { kind: 1424, body: b"" }];
        assert_eq!(read, expected);
    }

    #[test]
    fn a_length_past_the_datagram_or_within_the_header_is_a_cut() {
        let mut whole = datagram(1423, b"text");
        for length in [0_u32, 15, 21, u32::MAX - 1, u32::MAX] {
            whole[..4].copy_from_slice(&length.to_ne_bytes());
            let read: Vec<_> = messages(&whole).collect();
            assert_eq!(read, [Err(Cut)], "{length}");
        }
        assert_eq!(messages(&whole[..5]).collect::<Vec<_>>(), [Err(Cut)]);
    }
}
