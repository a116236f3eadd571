//! A page of headings and paragraphs, wrapped to the reader's width.

use std::io::{self, IsTerminal, Write};

/// The width where nobody looks: what a terminal has had for ever.
const UNSEEN: usize = 80;
/// Longer lines are hard to read.
const WIDEST: usize = 100;
const NARROWEST: usize = 40;

/// A heading with what stands beneath.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) lines: Vec<Line>,
}

/// What stands beneath a heading.
#[derive(Debug, Clone)]
pub(super) enum Line {
    /// A paragraph.
    Text(String),
    /// A term of at most so many characters, and what there is to say of it.
    Item(String, usize, String),
}

impl Section {
    pub(super) fn write(&self, out: &mut dyn Write, width: usize) -> io::Result<()> {
        writeln!(out, "\n{}", self.title)?;
        for line in &self.lines {
            match line {
                Line::Text(text) => write_wrapped(out, "  ", 2, text, width)?,
                Line::Item(term, column, text) => {
                    let head = format!("  {term:column$}  ");
                    write_wrapped(out, &head, column + 4, text, width)?;
                }
            }
        }
        Ok(())
    }
}

/// The width of the terminal that standard output is.
pub(super) fn width() -> usize {
    let out = io::stdout();
    let seen = out.is_terminal().then(|| rustix::termios::tcgetwinsize(&out).ok()).flatten();
    match seen.map(|size| usize::from(size.ws_col)) {
        Some(columns) if columns > 0 => columns.clamp(NARROWEST, WIDEST),
        _ => UNSEEN,
    }
}

/// Writes `text` after `head`, further lines `indent` characters in. A word that is
/// longer than a line stands alone; a control character, which could play with the
/// terminal, is shown as U+FFFD.
pub(super) fn write_wrapped(
    out: &mut dyn Write,
    head: &str,
    indent: usize,
    text: &str,
    width: usize,
) -> io::Result<()> {
    let plain = |text: &str| text.replace(char::is_control, "\u{fffd}");
    let (mut line, text) = (plain(head), plain(text));
    let mut empty = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let length = line.chars().count() + usize::from(!empty) + word.chars().count();
        if !empty && length > width {
            writeln!(out, "{}", line.trim_end())?;
            line = " ".repeat(indent);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    writeln!(out, "{}", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let mut out = Vec::new();
        write_wrapped(&mut out, "a\x1b ", 2, "b\x1b[2Jc\nd", 80).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a\u{fffd} b\u{fffd}[2Jc\u{fffd}d\n");
    }

    #[test]
    fn lines_are_wrapped_between_words_and_indented() {
        let mut out = Vec::new();
        write_wrapped(&mut out, "  a  ", 5, "one two three averyverylongword x", 13).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "  a  one two\n     three\n     averyverylongword\n     x\n");
    }
}
