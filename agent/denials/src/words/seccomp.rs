//! What seccomp's refusals mean.

use super::{Context, KillingCall, Meaning, Rank};
use crate::plain::plain;

/// `AUDIT_ARCH_X86_64` (linux/audit.h).
const X86_64: u32 = 0xc000_003e;
/// `AUDIT_ARCH_I386`.
const I386: u32 = 0x4000_0003;
/// `__X32_SYSCALL_BIT`: the x32 ABI of an x86-64 call.
const X32: u32 = 0x4000_0000;

impl KillingCall {
    /// Of a number and an `AUDIT_ARCH_*`. The names are those of x86-64, and of x32,
    /// which shares its numbers below 512.
    pub(super) fn of(syscall: u32, architecture: u32, signal: u32) -> Self {
        let named = |number| match cofferdam_filter::syscall_name(number) {
            Some(name) => format!("`{name}`"),
            None => format!("number {number}"),
        };
        let (call, foreign) = match architecture {
            X86_64 if is_x32(syscall) => {
                (format!("{} of the x32 ABI", named(syscall & !X32)), true)
            }
            X86_64 => (format!("{} of x86-64", named(syscall)), false),
            I386 => (format!("number {syscall} of the 32-bit ABI (i386, int 0x80)"), true),
            other => (format!("number {syscall} of the architecture {other:#x}"), true),
        };
        Self { call, foreign, signal }
    }
}

fn is_x32(syscall: u32) -> bool {
    syscall & X32 != 0 && syscall != u32::MAX
}

/// Says what a refused call means.
pub(super) fn meaning(
    syscall: u32,
    architecture: u32,
    signal: u32,
    comm: &[u8],
    context: &Context,
) -> Meaning {
    let foreign = architecture != X86_64 || is_x32(syscall);
    let (name, grant) = match cofferdam_filter::syscall_name(syscall).filter(|_| !foreign) {
        Some(name) => (name.to_owned(), grant(&context.filter, name)),
        None => (format!("number {syscall}"), FOREIGN.to_owned()),
    };
    let caller = plain(comm);
    let end = if signal == 0 { String::new() } else { format!(" (signal {signal} ended it)") };
    Meaning {
        operation: format!("let `{caller}`{end} call"),
        object: Some(name),
        setting: "syscalls.filter".to_owned(),
        grant,
        rank: Rank::Telling,
    }
}

/// What would allow a call of another ABI, or one that the table of calls does not
/// know.
const FOREIGN: &str =
    "none, a cell has the calls of x86-64 that its filter knows, and no other ABI";

/// What would allow the call: a filter with fewer reasons to refuse it. Why it was
/// refused stands in the data of the filters.
fn grant(filter: &str, name: &str) -> String {
    let reasons = |of: &str| cofferdam_filter::reasons(of, name).count();
    let shown = plain(filter.as_bytes());
    let why: Vec<&str> = cofferdam_filter::reasons(filter, name).collect();
    if why.is_empty() {
        return format!(
            "none that is known here: `{shown}` does not refuse it; a filter of the program's own may"
        );
    }
    let why = why.join("; or ");
    let others = cofferdam_filter::FILTERS.iter().map(|other| other.name);
    let fewest = others.min_by_key(|other| reasons(other));
    match fewest.filter(|other| reasons(other) < reasons(filter)) {
        None => format!("none, every filter refuses it so ({why})"),
        Some(other) if reasons(other) == 0 => {
            format!("a profile with `syscalls.filter = \"{other}\"` ({why})")
        }
        Some(other) => format!(
            "a profile with `syscalls.filter = \"{other}\"`, which refuses it for fewer reasons ({why})"
        ),
    }
}
