//! `${…}`: forms that only look at a value.
//!
//! Bash can evaluate inside braces: an index (`${a[$(id)]}`), a prompt (`${x@P}`),
//! another name (`${!x}`), a length (`${x:n}`), a default that it also assigns
//! (`${x=…}`). Only forms without any of that are read.

/// A parameter expansion.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    /// The bytes up to and with the closing brace.
    pub(super) length: usize,
    /// It is a list, which becomes several words even in quotes.
    pub(super) many: bool,
}

/// Reads what follows `${`.
///
/// # Errors
/// It does more than look.
pub(super) fn read(text: &str) -> Result<Parameter, String> {
    let (inner, _) = text.split_once('}').ok_or_else(computed)?;
    let length = inner.len() + 1;
    let counted = inner.strip_prefix('#').filter(|name| !name.is_empty());
    let (rest, many) = subject(counted.unwrap_or(inner)).ok_or_else(computed)?;
    let looks = if counted.is_some() { rest.is_empty() } else { only_looks(rest) };
    if looks { Ok(Parameter { length, many: many && counted.is_none() }) } else { Err(computed()) }
}

/// What follows the name, the number or the list.
fn subject(text: &str) -> Option<(&str, bool)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let name = text.bytes().take_while(|byte| super::is_name(*byte)).count();
    let rest = match (digits, name) {
        (0, 0) => return text.strip_prefix(['@', '*']).map(|rest| (rest, true)),
        (0, name) => &text[name..],
        (digits, name) if digits == name => return Some((&text[digits..], false)),
        _ => return None,
    };
    if let Some(rest) = rest.strip_prefix("[@]").or_else(|| rest.strip_prefix("[*]")) {
        return Some((rest, true));
    }
    let Some(index) = rest.strip_prefix('[') else { return Some((rest, false)) };
    let (index, rest) = index.split_once(']')?;
    let plain =
        !index.is_empty() && index.len() < 9 && index.bytes().all(|byte| byte.is_ascii_digit());
    plain.then_some((rest, false))
}

/// Whether an operator and what follows it neither evaluate nor set.
fn only_looks(text: &str) -> bool {
    const PLAIN: &[u8] = b" _./,:=+%@#*?-";
    let is_plain =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || PLAIN.contains(&byte));
    if text.is_empty() {
        return true;
    }
    for operator in [":-", ":+", ":?", "-", "+", "?", "%%", "%", "##", "#", "//", "/"] {
        if let Some(operand) = text.strip_prefix(operator) {
            return is_plain(operand);
        }
    }
    matches!(text, "^" | "^^" | "," | ",,")
        || text.strip_prefix(':').is_some_and(|range| {
            range.split(':').count() <= 2
                && range.split(':').all(|part| crate::shell::arithmetic::is_number(part.as_bytes()))
        })
}

fn computed() -> String {
    "`${…}` with more than a name and a plain operator computes what depends on the run".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_looks_is_read() {
        for (text, many) in [
            ("x}", false),
            ("x}}", false),
            ("#x}", false),
            ("1}", false),
            ("12:-a}", false),
            ("@}", true),
            ("x:-a b/c}", false),
            ("x-}", false),
            ("x:+y}", false),
            ("x:?no}", false),
            ("x%.*}", false),
            ("x##*/}", false),
            ("x/a/b}", false),
            ("x//a}", false),
            ("x^^}", false),
            ("x:0:3}", false),
            ("x:2}", false),
            ("x[@]}", true),
            ("x[*]}", true),
            ("#x[@]}", false),
            ("x[0]}", false),
            ("@:2}", true),
        ] {
            assert_eq!(read(text).map(|found| found.many), Ok(many), "{text}");
        }
    }

    #[test]
    fn what_evaluates_or_sets_is_refused() {
        for text in [
            "}",
            "x",
            "!x}",
            "x@P}",
            "x@Q}",
            "x=y}",
            "x:=y}",
            "x[y]}",
            "x[$y]}",
            "x[$(id)]}",
            "x:y}",
            "x:y:1}",
            "x:-$(id)}",
            "x:-`id`}",
            "x:-$y}",
            "x:-'a'}",
            "x/$y/z}",
            "#x%a}",
            "1x}",
            "x[}",
            "x[1+1]}",
            "x:1:2:3}",
            "!x*}",
            "x ]}",
            "-}x",
            "x~}",
            "#}",
        ] {
            assert!(read(text).is_err(), "{text}: {:?}", read(text));
        }
    }
}
