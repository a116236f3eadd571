//! `tracestate`: what tracing systems say to each other beside a `traceparent`. It is
//! passed on as it came, or not at all.

/// Bytes of all members together that are passed on.
const LONGEST: usize = 512;
/// Members of one list.
const MOST: usize = 32;
/// Characters of a key and of a value.
const LONGEST_PART: usize = 256;

/// Whether it is of the standard's shape, so that passing it on harms nobody.
pub(super) fn is_right(text: &str) -> bool {
    if text.len() > LONGEST {
        return false;
    }
    let members = text.split(',').map(|member| member.trim_matches([' ', '\t']));
    let mut keys = Vec::new();
    for member in members.filter(|member| !member.is_empty()) {
        let Some((key, value)) = member.split_once('=') else { return false };
        if !is_key(key) || !is_value(value) || keys.contains(&key) {
            return false;
        }
        keys.push(key);
    }
    keys.len() <= MOST
}

fn is_key(key: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_rest = |byte: u8| is_first(byte) || b"_-*/@".contains(&byte);
    key.len() <= LONGEST_PART
        && key.bytes().next().is_some_and(is_first)
        && key.bytes().all(is_rest)
}

fn is_value(value: &str) -> bool {
    let is_printable = |byte: u8| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=';
    !value.is_empty() && value.len() <= LONGEST_PART && value.bytes().all(is_printable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_the_standards_shape_are_passed_on() {
        let many: Vec<String> = (0..32).map(|n| format!("k{n}=v")).collect();
        for right in
            ["", "a=1", "congo=t61rcWkgMzE , rojo=00f067aa", "t@v=x;y z,,b=~", &many.join(",")]
        {
            assert!(is_right(right), "{right}");
        }
    }

    #[test]
    fn others_are_not() {
        let many: Vec<String> = (0..33).map(|n| format!("k{n}=v")).collect();
        let long = format!("a={}", "x".repeat(257));
        let longer = format!("a={0},b={0},c=1", "x".repeat(254));
        for wrong in [
            "a",
            "=1",
            "a=",
            "A=1",
            "a=1,a=2",
            "a=b=c",
            "a=\u{7}",
            "a=é",
            "é=a",
            &many.join(","),
            &long,
            &longer,
        ] {
            assert!(!is_right(wrong), "{wrong}");
        }
    }
}
