//! Text that a stranger chose, made fit to be shown to a person who has to agree
//! to it: nothing in it is acted on by a terminal, and nothing hides.

/// The text, with everything in it that a terminal would act on or not show as an
/// escape of Rust's. A backslash is doubled, so that no escape can be faked.
#[must_use]
pub fn visible(text: &str) -> String {
    let one = |c: char| match c {
        '\\' => "\\\\".to_owned(),
        c if is_visible(c) => c.to_string(),
        c => escaped(c),
    };
    text.chars().map(one).collect()
}

/// JSON in one line, which escapes control characters by itself; the rest that
/// does not show is escaped here.
#[must_use]
pub fn visible_json(value: &serde_json::Value) -> String {
    let one = |c: char| if is_visible(c) { c.to_string() } else { escaped(c) };
    value.to_string().chars().map(one).collect()
}

/// Quotation marks are; what Unicode calls a control or format character, a
/// private or unassigned one, an odd space, or a mark that joins the letter
/// before it is not.
#[must_use]
pub fn is_visible(c: char) -> bool {
    matches!(c, '\'' | '"' | '\\') || c.escape_debug().len() == 1
}

fn escaped(c: char) -> String {
    match c {
        '\n' | '\r' | '\t' => c.escape_debug().to_string(),
        c => c.escape_unicode().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_cannot_be_faked() {
        assert_eq!(visible("\\n"), "\\\\n");
        assert_eq!(visible("\n"), "\\n");
        assert_eq!(visible("it's \"né\""), "it's \"né\"");
    }

    #[test]
    fn what_hides_is_shown() {
        for hidden in
            ['\u{1b}', '\u{9b}', '\u{202e}', '\u{200b}', '\u{feff}', '\u{e0041}', '\u{301}']
        {
            let shown = visible(&hidden.to_string());
            assert!(shown.starts_with("\\u{") && shown.is_ascii(), "{shown}");
            let shown = visible_json(&serde_json::json!([hidden.to_string()]));
            assert!(shown.is_ascii(), "{shown}");
        }
    }
}
