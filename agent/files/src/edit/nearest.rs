//! What of a file is like a text that is not in it, so that whoever asked sees
//! what to correct.

use crate::lines::{line_at, lines};

/// Lines of the file that are shown.
const SHOWN: usize = 12;
/// Bytes of a shown line.
const WIDTH: usize = 200;
/// Lines of the file that are compared.
const COMPARED: usize = 200_000;

/// Says that `old` is not in `text`, and what is nearest.
pub(super) fn missing(text: &[u8], old: &[u8], which: &str) -> String {
    let start = format!("does not have the old text{which}");
    let (have, want) = (lines(text), lines(old));
    if have.is_empty() {
        return format!("{start}: it is empty");
    }
    match best(&have, &want) {
        Some(Near { line, exact: true }) => format!(
            "{start}, but at line {} the same but for white space; the file has:\n{}",
            line + 1,
            shown(&have, line, want.len())
        ),
        Some(Near { line, exact: false }) => format!(
            "{start}; nearest is line {}, where the file has:\n{}",
            line + 1,
            shown(&have, line, want.len())
        ),
        None => format!(
            "{start}, nor a line like it; it has {} lines: read it, and copy what is there",
            line_at(text, text.len())
        ),
    }
}

/// Where `want` would best begin.
struct Near {
    /// From 0.
    line: usize,
    /// All lines are the same, white space apart.
    exact: bool,
}

fn best(have: &[&[u8]], want: &[&[u8]]) -> Option<Near> {
    let have: Vec<Vec<u8>> = have.iter().take(COMPARED).map(|line| plain(line)).collect();
    let want: Vec<Vec<u8>> = want.iter().map(|line| plain(line)).collect();
    // A line that says something, to look for: the longest is the rarest.
    let (index, anchor) = want.iter().enumerate().max_by_key(|(_, line)| line.len())?;
    if anchor.is_empty() {
        return None;
    }
    let score = |start: usize| {
        want.iter().enumerate().filter(|(at, line)| have.get(start + at) == Some(line)).count()
    };
    let starts = have.iter().enumerate().filter(|(_, line)| *line == anchor);
    let starts = starts.filter_map(|(at, _)| at.checked_sub(index)).take(1000);
    if let Some(line) = starts.max_by_key(|start| (score(*start), usize::MAX - start)) {
        return Some(Near { line, exact: score(line) == want.len() });
    }
    alike(&have, anchor).map(|at| Near { line: at.saturating_sub(index), exact: false })
}

/// The line that shares most words with `anchor`, if it is half of them.
fn alike(have: &[Vec<u8>], anchor: &[u8]) -> Option<usize> {
    let words = |line: &[u8]| -> Vec<Vec<u8>> {
        let word = |byte: &u8| !(byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80);
        line.split(word).filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect()
    };
    let wanted = words(anchor);
    let shared = |line: &Vec<u8>| {
        let have = words(line);
        wanted.iter().filter(|word| have.contains(word)).count()
    };
    let scored = have.iter().enumerate().map(|(at, line)| (shared(line), at));
    let (count, at) = scored.max_by_key(|(count, at)| (*count, usize::MAX - at))?;
    (count > 0 && count * 2 >= wanted.len()).then_some(at)
}

/// Without white space at its ends, and with single spaces within.
fn plain(line: &[u8]) -> Vec<u8> {
    let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(&b' ')
}

fn shown(have: &[&[u8]], from: usize, count: usize) -> String {
    let lines = have.iter().skip(from).take(count.clamp(1, SHOWN));
    let lines = lines.map(|line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        String::from_utf8_lossy(&line[..line.len().min(WIDTH)]).into_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_named_as_the_difference() {
        let told = missing(b"fn a() {\n\tone();\n}\n", b"fn a() {\n    one();\n}\n", "");
        assert!(told.contains("at line 1 the same but for white space"), "{told}");
        assert!(told.contains("\tone();"), "{told}");
    }

    #[test]
    fn the_nearest_line_is_shown() {
        let told = missing(b"a\nlet total = sum(items);\nb\n", b"let total = add(items);", "");
        assert!(told.contains("nearest is line 2"), "{told}");
        let told = missing(b"a\nb\n", b"nothing like it", " (edit 2)");
        assert!(told.contains("(edit 2), nor a line like it"), "{told}");
        assert!(missing(b"", b"x", "").contains("it is empty"));
    }
}
