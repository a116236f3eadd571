//! Strangers' text made one line: what a host or a command names (a path, an
//! address, a reason) can neither steer a terminal nor fake a line of an answer.

/// `text` without control characters and without the marks that turn the
/// direction of text, cut after `most` characters.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let mut characters = text.chars();
    let mut line: String = characters
        .by_ref()
        .take(most)
        .map(|character| if is_steering(character) { '\u{fffd}' } else { character })
        .collect();
    if characters.next().is_some() {
        line.push('…');
    }
    line
}

fn is_steering(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_or_breaks_the_line_and_it_is_cut_at_a_character() {
        assert_eq!(one_line("/etc/shadow", 100), "/etc/shadow");
        assert_eq!(
            one_line("a\n- b\u{1b}[2J\u{202e}c\u{2028}", 100),
            "a\u{fffd}- b\u{fffd}[2J\u{fffd}c\u{fffd}"
        );
        assert_eq!(one_line("äöü", 3), "äöü");
        assert_eq!(one_line("äöü!", 3), "äöü…");
    }
}
