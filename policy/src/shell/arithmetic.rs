//! Arithmetic that runs nothing.
//!
//! Bash evaluates the values of the variables in an expression as expressions,
//! and in those the indices of arrays, where `a[$(id)]` runs `id`. So each
//! variable must be known to hold a number: [`super::certainty`].

use super::builtin::is_name;
use super::variable;

/// What an expression does.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Expression<'a> {
    /// Variables in it.
    pub(super) names: Vec<&'a str>,
    /// It may set them.
    pub(super) sets: bool,
}

/// Reads an expression of numbers, names, operators and parentheses.
///
/// # Errors
/// What else it holds.
pub(super) fn read(text: &str) -> Result<Expression<'_>, String> {
    let mut found = Expression::default();
    let mut rest = text;
    let mut depth = 0_usize;
    while let Some(first) = rest.bytes().next() {
        let length = match first {
            b'0'..=b'9' => prefix(rest, |byte| byte.is_ascii_alphanumeric()),
            b'$' => {
                let (name, length) = value(&rest[1..]).ok_or_else(computed)?;
                found.names.extend(name);
                length + 1
            }
            b'(' => {
                depth += 1;
                1
            }
            b')' => {
                depth = depth.checked_sub(1).ok_or_else(computed)?;
                1
            }
            b'=' | b'+' | b'-' => {
                found.sets |= assigns(rest, text.len() - rest.len(), text);
                1
            }
            byte if b" \t\n*/%<>!&|^~?:,".contains(&byte) => 1,
            first if first.is_ascii_alphabetic() || first == b'_' => {
                let length = prefix(rest, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
                found.names.push(&rest[..length]);
                length
            }
            _ => return Err(computed()),
        };
        rest = &rest[length..];
    }
    if depth > 0 || found.names.iter().any(|name| variable::is_set_by_bash(name)) {
        return Err(computed());
    }
    Ok(found)
}

/// The variable that an expression only sets to a number.
pub(super) fn plain_set(text: &str) -> Option<&str> {
    let (name, number) = text.split_once('=')?;
    let (name, number) = (name.trim(), number.trim());
    let plain = is_name(name) && !variable::is_set_by_bash(name) && is_number(number.as_bytes());
    plain.then_some(name)
}

/// Of `text`, which follows `$((`, the expression before the `))` that ends it.
/// Where the parentheses do not fit, bash takes it as a command.
///
/// # Errors
/// They do not.
pub(super) fn enclosed(text: &str) -> Result<&str, String> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            b')' if text[at..].starts_with("))") => return Ok(&text[..at]),
            b')' | b'\'' | b'"' | b'\\' | b'`' => return Err(computed()),
            _ => {}
        }
    }
    Err(computed())
}

/// Whether bash takes `text` as a decimal number.
pub(super) fn is_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    !digits.is_empty() && digits.len() < 18 && digits.iter().all(u8::is_ascii_digit)
}

/// The variable, if any, and the length of what follows `$` and is a number
/// where the variable is.
pub(super) fn value(text: &str) -> Option<(Option<&str>, usize)> {
    if let Some(inner) = text.strip_prefix('{') {
        let (inner, _) = inner.split_once('}')?;
        let length = inner.len() + 2;
        return match inner.strip_prefix('#') {
            Some(name) => is_name(name).then_some((None, length)),
            None => is_name(inner).then_some((Some(inner), length)),
        };
    }
    if text.starts_with(['#', '?', '$']) {
        return Some((None, 1));
    }
    let length = prefix(text, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name(&text[..length]).then_some((Some(&text[..length]), length))
}

/// `=`, `+=`, `++` and `--`, but not `==`, `<=`, `>=` and `!=`.
fn assigns(rest: &str, at: usize, text: &str) -> bool {
    let before = at.checked_sub(1).and_then(|at| text.as_bytes().get(at));
    match rest.as_bytes() {
        [b'=', b'=', ..] => false,
        [b'=', ..] => !matches!(before, Some(b'=' | b'!')) && !is_comparison(before, at, text),
        [b'+', b'+', ..] | [b'-', b'-', ..] => true,
        _ => false,
    }
}

/// `<=` and `>=`, but not `<<=` and `>>=`.
fn is_comparison(before: Option<&u8>, at: usize, text: &str) -> bool {
    let earlier = at.checked_sub(2).and_then(|at| text.as_bytes().get(at));
    matches!(before, Some(b'<' | b'>')) && earlier != before
}

fn prefix(text: &str, is_part: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|byte| is_part(*byte)).count()
}

fn computed() -> String {
    "arithmetic computes what depends on the run".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_of_numbers_and_names_are_read() {
        for (text, names, sets) in [
            ("1 + 2 * (3 - 0x1f)", vec![], false),
            ("i+1", vec!["i"], false),
            ("i++", vec!["i"], true),
            ("--i", vec!["i"], true),
            ("i = j", vec!["i", "j"], true),
            ("i <= 3 && $j != 2", vec!["i", "j"], false),
            ("i <<= 1", vec!["i"], true),
            ("i == 1 ? ${j} : $#", vec!["i", "j"], false),
            ("${#name} > 3", vec![], false),
            ("", vec![], false),
        ] {
            assert_eq!(read(text), Ok(Expression { names, sets }), "{text}");
        }
    }

    #[test]
    fn what_could_run_something_is_refused() {
        for text in [
            "a[0]", "a[$(id)]", "$(id)", "`id`", "'1'", "\"1\"", "$1", "${x:-1}", "${!x}", "1)",
            "(1", "\\1", "a.b", "RANDOM", "_", "$x[0]",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(enclosed("1+(2))) x"), Ok("1+(2)"));
        for text in ["a) | (b))", "a", "a)", "')')) b", "a)\n)"] {
            assert!(enclosed(text).is_err(), "{text}");
        }
    }
}
