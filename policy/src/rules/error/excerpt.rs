//! A place in a file, and the line there with carets under what is meant.
//!
//! Rule files may hold anything, so an excerpt is ASCII of a bounded length:
//! other characters are escaped, which also shows letters that only look alike.

use std::fmt::{self, Write as _};

/// The most columns of a line that are shown.
const LONGEST: usize = 100;
/// How many columns are shown before the place where the line is cut.
const BEFORE: usize = 40;

/// A place in a rule file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The line there, to be shown.
    pub excerpt: Excerpt,
}

/// A line of a file, or what is about its middle, with a part marked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Excerpt {
    text: String,
    /// Where the mark starts in `text`.
    start: usize,
    /// How long the mark is; at least 1.
    width: usize,
}

impl Excerpt {
    /// The line `text`, of which `mark` bytes from `start` on are meant.
    pub(super) fn new(line: &str, start: usize, mark: usize) -> Self {
        let line = line.trim_end_matches(['\r', '\n']);
        let start = line.floor_char_boundary(start);
        let end = line.floor_char_boundary(start.saturating_add(mark));
        // Only what can be shown is looked at, however long the line is.
        let from = line.floor_char_boundary(start.saturating_sub(LONGEST));
        let to = line.floor_char_boundary(start.saturating_add(LONGEST));
        let before = escaped(&line[from..start]);
        let marked = escaped(&line[start..end.clamp(start, to)]);
        let after = escaped(&line[end.clamp(start, to)..to]);
        let whole = from == 0 && before.len() + marked.len() + after.len() <= LONGEST;
        let cut = if whole { 0 } else { before.len().saturating_sub(BEFORE) };
        let mut text = String::new();
        if from > 0 || cut > 0 {
            text.push_str("...");
        }
        text.push_str(&before[cut..]);
        let start = text.len();
        let width = marked.len().clamp(1, LONGEST.saturating_sub(start).max(1));
        text.push_str(&marked);
        text.push_str(&after);
        if text.len() > LONGEST || to < line.len() {
            text.truncate(LONGEST);
            text.push_str("...");
        }
        Self { text, start, width }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}", escaped(&self.file), self.line, self.column)
    }
}

/// The place as several lines, ready to follow a message.
pub(crate) fn append(out: &mut String, place: &Place) {
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    let Excerpt { text, start, width } = &place.excerpt;
    let _ = writeln!(out, "{margin}--> {place}");
    let _ = writeln!(out, "{margin} |");
    let _ = writeln!(out, "{number} | {text}");
    let _ = writeln!(out, "{margin} | {}{}", " ".repeat(*start), "^".repeat(*width));
}

/// `text` in ASCII and on one line.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            ' '..='~' => out.push(character),
            '\t' => out.push_str("    "),
            other => out.extend(other.escape_unicode()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str, start: usize, mark: usize) -> String {
        let excerpt = Excerpt::new(line, start, mark);
        let mut out = String::new();
        append(&mut out, &Place { file: "f".to_owned(), line: 7, column: 1, excerpt });
        let lines: Vec<&str> =
            out.lines().skip(2).map(|line| line.get(4..).unwrap_or("")).collect();
        lines.join("\n") + "\n"
    }

    #[test]
    fn the_mark_stands_under_what_is_meant() {
        assert_eq!(shown("id = \"a b\"", 5, 5), "id = \"a b\"\n     ^^^^^\n");
        assert_eq!(shown("", 0, 0), "\n^\n");
        assert_eq!(shown("a = 1", 99, 4), "a = 1\n     ^\n");
    }

    #[test]
    fn odd_characters_are_escaped_and_the_mark_moves_along() {
        assert_eq!(shown("\tx = 1", 1, 1), "    x = 1\n    ^\n");
        assert_eq!(shown("g\u{456}t", 3, 1), "g\\u{456}t\n        ^\n");
        assert_eq!(shown("\u{1b}[2J", 0, 1), "\\u{1b}[2J\n^^^^^^\n");
        // In the midst of a character.
        assert_eq!(shown("\u{456}", 1, 1), "\\u{456}\n^\n");
    }

    #[test]
    fn a_long_line_is_cut_about_the_place() {
        let line = format!("{}WRONG{}", "a".repeat(10_000), "b".repeat(10_000));
        let text = shown(&line, 10_000, 5);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].len() <= LONGEST + 3 && lines[0].contains("aWRONGb"), "{text}");
        assert_eq!(lines[0].find("WRONG"), lines[1].find('^'), "{text}");
        let all = shown(&line, 0, line.len());
        assert!(all.lines().all(|line| line.len() <= LONGEST + 3), "{all}");
        let wide = shown(&"\u{456}".repeat(1000), 1000, 200);
        assert!(wide.lines().all(|line| line.len() <= LONGEST + 3), "{wide}");
    }
}
