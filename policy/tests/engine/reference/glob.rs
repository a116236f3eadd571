//! Globs, by trying every way.

/// `*` is any text without a slash, `**` any text, `?` one character but a
/// slash.
pub(crate) fn matches(glob: &str, text: &str) -> bool {
    let glob: Vec<char> = glob.chars().collect();
    let text: Vec<char> = text.chars().collect();
    from(&glob, &text)
}

fn from(glob: &[char], text: &[char]) -> bool {
    match glob {
        [] => text.is_empty(),
        ['*', '*', rest @ ..] => (0..=text.len()).any(|skip| from(rest, &text[skip..])),
        ['*', rest @ ..] => (0..=text.len())
            .take_while(|skip| !text[..*skip].contains(&'/'))
            .any(|skip| from(rest, &text[skip..])),
        ['?', rest @ ..] => text.first().is_some_and(|one| *one != '/') && from(rest, &text[1..]),
        [one, rest @ ..] => text.first() == Some(one) && from(rest, &text[1..]),
    }
}
