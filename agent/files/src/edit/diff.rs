//! A unified diff of what an edit changed, as GNU diff -U3 writes it, without
//! the lines that name files.

use std::fmt::Write;
use std::time::{Duration, Instant};

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices_deadline, group_diff_ops};

use crate::bounds;
use crate::encoding::Encoding;
use crate::lines::lines;

/// Lines around a change.
const CONTEXT: usize = 3;
/// How long the shortest diff is looked for; a longer one is right as well.
const TIME: Duration = Duration::from_millis(500);

/// A diff.
pub(super) struct Diff {
    pub(super) text: String,
    pub(super) added: u64,
    pub(super) removed: u64,
    pub(super) truncated: bool,
}

/// What leads from `before` to `after`.
pub(super) fn unified(before: &[u8], after: &[u8], encoding: Encoding) -> Diff {
    let (old, new) = (lines(before), lines(after));
    let deadline = Some(Instant::now() + TIME);
    let ops = placed(&capture_diff_slices_deadline(Algorithm::Myers, &old, &new, deadline));
    let mut diff = Diff { text: String::new(), added: 0, removed: 0, truncated: false };
    for op in &ops {
        if op.tag() != DiffTag::Equal {
            diff.removed += op.old_range().len() as u64;
            diff.added += op.new_range().len() as u64;
        }
    }
    for group in group_diff_ops(ops, CONTEXT) {
        let hunk = hunk(&group, &old, &new, encoding);
        if diff.text.len() + hunk.len() > bounds::DIFF {
            diff.truncated = true;
            break;
        }
        diff.text.push_str(&hunk);
    }
    diff
}

/// The same with each place counted anew: of what is only in one of the two, the
/// crate leaves the place in the other where it was before it tidied up.
fn placed(ops: &[DiffOp]) -> Vec<DiffOp> {
    let (mut old_index, mut new_index) = (0, 0);
    let mut placed = Vec::with_capacity(ops.len());
    for op in ops {
        let (old_len, new_len) = (op.old_range().len(), op.new_range().len());
        placed.push(match op.tag() {
            DiffTag::Equal => DiffOp::Equal { old_index, new_index, len: old_len },
            DiffTag::Delete => DiffOp::Delete { old_index, old_len, new_index },
            DiffTag::Insert => DiffOp::Insert { old_index, new_index, new_len },
            DiffTag::Replace => DiffOp::Replace { old_index, old_len, new_index, new_len },
        });
        old_index += old_len;
        new_index += new_len;
    }
    placed
}

fn hunk(ops: &[DiffOp], old: &[&[u8]], new: &[&[u8]], encoding: Encoding) -> String {
    let (Some(first), Some(last)) = (ops.first(), ops.last()) else { return String::new() };
    let old_range = first.old_range().start..last.old_range().end;
    let new_range = first.new_range().start..last.new_range().end;
    let mut text = format!("@@ -{} +{} @@\n", numbers(&old_range), numbers(&new_range));
    let mut put = |sign: char, lines: &[&[u8]]| {
        for line in lines {
            text.push(sign);
            text.push_str(&encoding.decode(line));
            if !line.ends_with(b"\n") {
                text.push_str("\n\\ No newline at end of file\n");
            }
        }
    };
    for op in ops {
        match op.tag() {
            DiffTag::Equal => put(' ', &old[op.old_range()]),
            DiffTag::Delete | DiffTag::Insert | DiffTag::Replace => {
                put('-', &old[op.old_range()]);
                put('+', &new[op.new_range()]);
            }
        }
    }
    text
}

/// `start,count`; the count is left out where it is 1, and an empty range is
/// named by the line before it.
fn numbers(range: &std::ops::Range<usize>) -> String {
    let mut text = String::new();
    let start = if range.is_empty() { range.start } else { range.start + 1 };
    let written = match range.len() {
        1 => write!(text, "{start}"),
        count => write!(text, "{start},{count}"),
    };
    written.map_or_else(|_| String::new(), |()| text)
}
