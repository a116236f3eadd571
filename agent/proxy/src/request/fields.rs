//! Heads of requests and responses: where they end, their lines, their fields.

use httparse::Header;

/// What is between two neighbours only (RFC 9110, section 7.6.1), and the
/// lengths of bodies, which are written anew.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The fields of a head.
pub(crate) struct Fields<'a>(pub(crate) &'a [Header<'a>]);

impl<'a> Fields<'a> {
    /// The values of all fields with this name, which is in lower case.
    pub(crate) fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let with_name = move |field: &&Header<'a>| field.name.eq_ignore_ascii_case(name);
        self.0.iter().filter(with_name).map(|field| field.value)
    }

    /// Writes the fields that are not between neighbours, and not in `but`.
    pub(crate) fn write_end_to_end(&self, head: &mut Vec<u8>, but: &[&str]) {
        for field in self.0.iter().filter(|field| !self.is_hop_by_hop(field.name)) {
            if but.iter().all(|other| !field.name.eq_ignore_ascii_case(other)) {
                head.extend_from_slice(field.name.as_bytes());
                head.extend_from_slice(b": ");
                head.extend_from_slice(field.value);
                head.extend_from_slice(b"\r\n");
            }
        }
    }

    /// Whether `name` is, always or because `Connection` says so.
    pub(crate) fn is_hop_by_hop(&self, name: &str) -> bool {
        let named = |value: &[u8]| {
            value
                .split(|byte| *byte == b',')
                .any(|one| one.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
        };
        HOP_BY_HOP.iter().any(|hop| name.eq_ignore_ascii_case(hop))
            || self.all("connection").any(named)
    }
}

/// Bytes up to the end of the empty line, if it is here.
#[must_use]
pub fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|start| start + 4)
}

/// Whether every line ends in CRLF and none is folded, and no byte is a control
/// character but a tab. httparse is more patient with line ends.
pub(crate) fn check_lines(head: &[u8]) -> Option<()> {
    let mut rest = head;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\r')?;
        let (line, ended) = rest.split_at(end);
        rest = ended.strip_prefix(b"\r\n")?;
        let folded = line.first().is_some_and(u8::is_ascii_whitespace);
        // The empty line ends the head; some parsers skip one in front.
        let early_end = line.is_empty() && !rest.is_empty();
        if early_end || folded || line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t')
        {
            return None;
        }
    }
    Some(())
}
