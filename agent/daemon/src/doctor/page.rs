//! Text for a terminal: wrapped at its width, and without anything that could
//! steer it, since paths and messages come from elsewhere.

use rustix::termios::tcgetwinsize;

/// Columns where the terminal does not say.
const USUAL: usize = 80;
const NARROWEST: usize = 40;
const WIDEST: usize = 120;

/// Text that grows line by line.
#[derive(Debug, Clone)]
pub struct Page {
    columns: usize,
    text: String,
}

impl Page {
    /// For this many columns, within reason.
    #[must_use]
    pub fn of(columns: usize) -> Self {
        Self { columns: columns.clamp(NARROWEST, WIDEST), text: String::new() }
    }

    /// For the terminal at standard output; else as `COLUMNS` says, else 80.
    #[must_use]
    pub fn for_standard_output() -> Self {
        let asked = tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col));
        let told = || std::env::var("COLUMNS").ok()?.parse().ok();
        Self::of(asked.filter(|columns| *columns > 0).or_else(told).unwrap_or(USUAL))
    }

    /// `head` padded to `indent` columns, and `text` beside it, wrapped.
    pub fn line(&mut self, head: &str, indent: usize, text: &str) {
        let head = plain(head);
        let room = self.columns.saturating_sub(indent).max(1);
        let mut start = format!("{head:indent$}");
        let wide = !head.is_empty() && head.chars().count() >= indent;
        if wide || text.is_empty() {
            self.push(start.trim_end());
            start = " ".repeat(indent);
        }
        for row in wrap(&plain(text), room) {
            self.push(format!("{start}{row}").trim_end());
            start = " ".repeat(indent);
        }
    }

    /// An empty line.
    pub fn gap(&mut self) {
        self.text.push('\n');
    }

    /// All of it.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    fn push(&mut self, row: &str) {
        self.text.push_str(row);
        self.text.push('\n');
    }
}

/// Without control characters, which could steer a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Rows of at most `room` characters; a longer word stays whole.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match rows.last_mut() {
            Some(row) if row.chars().count() + 1 + word.chars().count() <= room => {
                row.push(' ');
                row.push_str(word);
            }
            _ => rows.push(word.to_owned()),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_wrapped_beside_its_head() {
        let mut page = Page::of(40);
        page.line("head", 8, "words that are more than fit into one row");
        let text = page.into_text();
        assert_eq!(text, "head    words that are more than fit\n        into one row\n");
    }

    #[test]
    fn a_long_head_stands_on_a_row_of_its_own() {
        let mut page = Page::of(40);
        page.line("a-long-head", 4, "text");
        assert_eq!(page.into_text(), "a-long-head\n    text\n");
    }

    #[test]
    fn nothing_steers_the_terminal() {
        let mut page = Page::of(80);
        page.line("", 0, "/tmp/\x1b]0;title\x07.sock\r");
        assert!(!page.into_text().contains(['\x1b', '\x07', '\r']));
    }

    proptest! {
        #[test]
        fn no_text_is_wider_than_the_terminal_but_for_long_words(
            text in "[a-z ]{0,400}", head in ".{0,30}", indent in 0_usize..60, columns in 0_usize..200,
        ) {
            let mut page = Page::of(columns);
            page.line(&head, indent, &text);
            let longest = text.split_whitespace().map(str::len).max().unwrap_or(0);
            let most = columns.clamp(NARROWEST, WIDEST).max(indent + longest).max(head.chars().count());
            for row in page.into_text().lines() {
                prop_assert!(row.chars().count() <= most, "{row:?}");
            }
        }
    }
}
