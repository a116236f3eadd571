//! Formats of bash's `printf`, as far as they decide whether it only prints.
//!
//! `%n` assigns to the variable that its argument names, so that
//! `printf x%n HOME` changes where every later program looks for its settings.
//! Invariant: what is not known to be another conversion counts as that one.
//! Called for command lines ([`super::builtin`]). Source: bash's
//! `builtins/printf.def`, tried by `tests/differential`.

/// Flags, width, precision and length of a conversion; bash takes fewer of their
/// orders.
const MODIFIERS: &[u8] = b"#'-+ 0123456789.*hjlLtz";

/// Conversions that print.
const PRINTING: &[u8] = b"diouxXfFeEgGaAcCsSbqQ";

/// Whether `printf` with this format sets no variable, whatever its arguments.
pub(super) fn only_prints(format: &[u8]) -> bool {
    let mut rest = format;
    while let Some(at) = rest.iter().position(|&byte| byte == b'%') {
        let directive = &rest[at + 1..];
        let modifiers = directive.iter().take_while(|byte| MODIFIERS.contains(byte)).count();
        rest = match directive[modifiers..].split_first() {
            // Bash complains of a `%` at the end.
            None => return true,
            Some((b'%', rest)) if modifiers == 0 => rest,
            Some((b'(', time)) => match after_time(time) {
                Some(rest) => rest,
                None => return false,
            },
            Some((conversion, rest)) if PRINTING.contains(conversion) => rest,
            Some(_) => return false,
        };
    }
    true
}

/// What follows `%(…)T`, a time by strftime(3). Without the `T`, bash goes on
/// behind the `%`, and what is in parentheses is format again.
fn after_time(time: &[u8]) -> Option<&[u8]> {
    let end = time.iter().position(|&byte| byte == b')')?;
    let nested = time[..end].contains(&b'(');
    time[end + 1..].strip_prefix(b"T").filter(|_| !nested)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_that_print_are_known() {
        for format in [
            "",
            "a",
            "%s",
            "%s\\n",
            "%5.2f%%\\n",
            "%-*.*s",
            "%'d",
            "%ld",
            "%jd %q %b",
            "100%",
            "%%n",
            "%(%F %T)T",
            "%(%n)T",
            "%x%c\\x25n",
        ] {
            assert!(only_prints(format.as_bytes()), "{format}");
        }
    }

    #[test]
    fn a_format_that_may_assign_is_not_taken_for_one_that_prints() {
        for format in [
            "%n",
            "x%n",
            "%5ln",
            "%-*.3jn",
            "%.-3n",
            "%zzn",
            "%%%n",
            "%Ln",
            "%hn",
            "%tn",
            "% n",
            "%+n",
            "%#n",
            "%0n",
            "%'n",
            "%s%n",
            "%5%n",
            "%(%n)X",
            "%(%n)",
            "%(%n",
            "%((a)T%n)X",
            "%y",
            "%1$n",
            "%\\n",
            "%(x)T%n",
        ] {
            assert!(!only_prints(format.as_bytes()), "{format}");
        }
    }
}
