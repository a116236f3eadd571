//! Where a call stands in its caller's distributed trace: W3C Trace Context, as MCP
//! clients send it in `_meta` (`traceparent`, `tracestate`).
//!
//! It goes into the gateway's log and records and, inside the signed intent, to the
//! host, so that a trace and both journals can be laid side by side. It is a
//! stranger's word: nothing is decided by it, and what is not right is left out, as
//! the standard says.

mod state;

use cofferdam_journal::Trace as Recorded;
use cofferdam_proto::intent::v1::Trace as Wire;
use cofferdam_trust::hex;
use rmcp::model::RequestMetaObject;
use tracing::Span;

/// Characters of a `traceparent` of version 00, and of the part that every later
/// version has in common with it.
const LENGTH: usize = 55;
/// The flags that version 00 defines: sampled, and random trace id.
const KNOWN_FLAGS: u8 = 0b11;

/// A call in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TraceContext {
    trace_id: [u8; 16],
    /// The caller's span.
    parent_id: [u8; 8],
    /// The gateway's own span of this call.
    span_id: [u8; 8],
    flags: u8,
    state: String,
}

impl TraceContext {
    /// What a request says of its trace; none: nothing, or nothing that is right.
    pub(crate) fn of(meta: &RequestMetaObject) -> Option<Self> {
        let (trace_id, parent_id, flags) = parse(meta.get_traceparent()?)?;
        let state = meta.get_tracestate().filter(|text| state::is_right(text));
        let span_id = new_span()?;
        let state = state.unwrap_or_default().to_owned();
        Some(Self { trace_id, parent_id, span_id, flags, state })
    }

    /// As records name it.
    pub(crate) fn recorded(&self) -> Recorded {
        Recorded {
            trace_id: hex(&self.trace_id),
            span_id: hex(&self.span_id),
            parent_id: hex(&self.parent_id),
        }
    }

    /// As a host is told, with the gateway's span for its parent.
    pub(crate) fn on_wire(&self) -> Wire {
        Wire {
            trace_id: self.trace_id.to_vec(),
            span_id: self.span_id.to_vec(),
            flags: self.flags.into(),
            state: self.state.clone(),
        }
    }
}

/// What every line of the log says that belongs to a call.
pub(crate) fn span(run_id: &str, trace: Option<&TraceContext>) -> Span {
    match trace.map(TraceContext::recorded) {
        None => tracing::info_span!("call", run_id),
        Some(Recorded { trace_id, span_id, parent_id }) => {
            tracing::info_span!("call", run_id, trace_id, span_id, parent_id)
        }
    }
}

/// Trace id, span id and known flags of a `traceparent`.
fn parse(text: &str) -> Option<([u8; 16], [u8; 8], u8)> {
    let (head, rest) = text.as_bytes().split_at_checked(LENGTH)?;
    let mut parts = head.split(|byte| *byte == b'-');
    let [version] = bytes(parts.next()?)?;
    let (trace_id, parent_id) = (bytes::<16>(parts.next()?)?, bytes::<8>(parts.next()?)?);
    let [flags] = bytes(parts.next()?)?;
    // Version 00 ends here; a later one may go on, after a dash.
    let goes_on_rightly = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => matches!(rest, [] | [b'-', ..]),
    };
    let is_right = parts.next().is_none() && goes_on_rightly;
    let is_set = trace_id != [0; 16] && parent_id != [0; 8];
    (is_right && is_set).then_some((trace_id, parent_id, flags & KNOWN_FLAGS))
}

/// Exactly `N` bytes in lower-case hexadecimal.
fn bytes<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    (text.len() == 2 * N).then_some(())?;
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// A random span id; none where the system gives no random bytes.
fn new_span() -> Option<[u8; 8]> {
    let mut span = [0; 8];
    aws_lc_rs::rand::fill(&mut span).ok()?;
    (span != [0; 8]).then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn of(parent: &str, state: &str) -> Option<TraceContext> {
        let mut meta = RequestMetaObject::default();
        meta.set_traceparent(parent);
        meta.set_tracestate(state);
        TraceContext::of(&meta)
    }

    #[test]
    fn a_trace_is_taken_over_with_a_span_of_its_own() {
        let trace = of(&format!("00-{TRACE}-{SPAN}-01"), "vendor=1").unwrap();
        let Recorded { trace_id, span_id, parent_id } = trace.recorded();
        assert_eq!((trace_id.as_str(), parent_id.as_str()), (TRACE, SPAN));
        assert_ne!(span_id, parent_id);
        let Wire { trace_id, span_id: on_wire, flags, state } = trace.on_wire();
        assert_eq!((hex(&trace_id), hex(&on_wire)), (TRACE.to_owned(), span_id));
        assert_eq!((flags, state.as_str()), (1, "vendor=1"));
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        for rest in ["", "-what-ever", &format!("-{}", "x".repeat(100_000))] {
            let trace = of(&format!("cc-{TRACE}-{SPAN}-ff{rest}"), "").unwrap();
            assert_eq!((trace.recorded().trace_id.as_str(), trace.flags), (TRACE, KNOWN_FLAGS));
        }
        assert_eq!(of(&format!("cc-{TRACE}-{SPAN}-01.what"), ""), None);
    }

    #[test]
    fn what_is_not_right_is_no_trace() {
        let upper = TRACE.to_uppercase();
        for wrong in [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-0"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-001"),
            format!("00-{upper}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{TRACE}{SPAN}--01"),
            format!("00_{TRACE}_{SPAN}_01"),
            format!("00-{}é-{SPAN}-01", &TRACE[..30]),
            format!(" 00-{TRACE}-{SPAN}-01"),
            "é".repeat(100),
        ] {
            assert_eq!(of(&wrong, "vendor=1"), None, "{wrong}");
        }
    }

    #[test]
    fn a_state_that_is_not_right_is_left_out_and_the_trace_stays() {
        let trace = of(&format!("00-{TRACE}-{SPAN}-00"), "NOT RIGHT").unwrap();
        assert_eq!(trace.on_wire().state, "");
    }
}
