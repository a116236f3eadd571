//! Brace expansion where it is plain: `src/{a,b}.rs` is two known words.

/// The most words that one word may become.
const MOST: usize = 64;

/// The words that bash makes of `text`; `None`: they are not known here. Nothing
/// but letters, digits, a few signs and braces that are not nested is taken.
pub(super) fn expand(text: &str) -> Option<Vec<Vec<u8>>> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-,+@%{}".contains(&byte);
    if !text.bytes().all(plain) || text.contains("..") {
        return None;
    }
    let mut words = vec![String::new()];
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (inner, following) = after.split_once('}')?;
        let nested = before.contains('}') || inner.contains('{');
        if nested || !inner.contains(',') {
            return None;
        }
        let parts = inner.split(',').count();
        if words.len().checked_mul(parts)? > MOST {
            return None;
        }
        words = words
            .iter()
            .flat_map(|word| inner.split(',').map(move |part| format!("{word}{before}{part}")))
            .collect();
        rest = following;
    }
    if rest.contains('}') {
        return None;
    }
    let words: Vec<_> = words.into_iter().map(|word| (word + rest).into_bytes()).collect();
    // Bash drops a word that became empty.
    (words.len() > 1 && words.iter().all(|word| !word.is_empty())).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Option<Vec<String>> {
        let words = expand(text)?;
        Some(words.into_iter().map(|word| String::from_utf8(word).unwrap_or_default()).collect())
    }

    #[test]
    fn plain_lists_are_expanded_as_bash_does() {
        for (text, expected) in [
            ("{a,b}", vec!["a", "b"]),
            ("in{,.bak}", vec!["in", "in.bak"]),
            ("a{b,c}d{e,f}", vec!["abde", "abdf", "acde", "acdf"]),
        ] {
            assert_eq!(
                words(text),
                Some(expected.into_iter().map(str::to_owned).collect()),
                "{text}"
            );
        }
    }

    #[test]
    fn anything_else_is_not_known() {
        for text in [
            "{1..3}",
            "{a}",
            "{,a}",
            "{a,{b,c}}",
            "a}b{c,d}",
            "{a,b",
            "{a,$x}",
            "{a,'b'}",
            "x={a,b}",
            "a",
            "{a,b}}",
            "{a,*}",
        ] {
            assert_eq!(expand(text), None, "{text}");
        }
        assert_eq!(expand(&"{a,b}".repeat(7)), None);
    }
}
