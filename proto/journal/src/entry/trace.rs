//! Where a call stands in its caller's distributed trace (W3C Trace Context).
//!
//! A caller's word, kept so that their traces and these records can be laid side by
//! side. Nothing is decided by it.

use serde::{Deserialize, Serialize};

/// A call in a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// The trace's id: 32 lower-case hexadecimal digits.
    pub trace_id: String,
    /// The gateway's span of this call, 16 digits: the same in both journals.
    pub span_id: String,
    /// In a gateway's journal: the caller's span, 16 digits.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub parent_id: String,
}
