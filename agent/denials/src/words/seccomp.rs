//! What seccomp's refusals mean.

use super::{Context, Meaning, Rank};
use crate::plain::plain;

/// `AUDIT_ARCH_X86_64`.
const X86_64: u32 = 0xc000_003e;
/// `__X32_SYSCALL_BIT`: the x32 ABI of an x86-64 call.
const X32: u32 = 0x4000_0000;

/// Says what a refused call means.
pub(super) fn meaning(
    syscall: u32,
    architecture: u32,
    signal: u32,
    comm: &[u8],
    context: &Context,
) -> Meaning {
    let foreign = architecture != X86_64 || (syscall & X32 != 0 && syscall != u32::MAX);
    let (name, why) = match cofferdam_filter::syscall_name(syscall).filter(|_| !foreign) {
        Some(name) => (name.to_owned(), reasons(&context.filter, name)),
        None => (format!("number {syscall}"), String::new()),
    };
    let caller = plain(comm);
    let end = if signal == 0 { String::new() } else { format!(" (signal {signal} ended it)") };
    let grant = if foreign {
        "none, programs of another ABI than x86-64 are ended".to_owned()
    } else {
        format!(
            "a profile with another `syscalls.filter` than `{}`{why}",
            plain(context.filter.as_bytes())
        )
    };
    Meaning {
        operation: format!("let `{caller}`{end} call"),
        object: Some(name),
        setting: "syscalls.filter".to_owned(),
        grant,
        rank: Rank::Telling,
    }
}

/// Why the filter refuses the call, as its data say.
fn reasons(filter: &str, name: &str) -> String {
    let reasons: Vec<&str> = cofferdam_filter::reasons(filter, name).collect();
    if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; or ")) }
}
