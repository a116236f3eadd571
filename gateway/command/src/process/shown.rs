//! Numbers, spans and strangers' text as a person reads them in a table.
//!
//! Invariant: nothing that a host or a process says steers the terminal: control
//! characters and what else does not show are escapes here.

use cofferdam_gateway::approvals::visible;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns of a terminal that a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// A stranger's text in one line of at most `most` columns.
pub(crate) fn cell(text: &str, most: usize) -> String {
    cut(&visible(text), most)
}

/// The beginning of `text` that fits into `most` columns; where it is longer, with a
/// mark that says so.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 1;
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used > most {
            break;
        }
        kept.push(character);
    }
    if most > 0 {
        kept.push('…');
    }
    kept
}

/// `text`, and spaces up to `columns`.
pub(crate) fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// `45s`, `12m`, `3h`, `2d`; none: not known.
pub(crate) fn span(seconds: Option<i64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(..0) => "0s".to_owned(),
        Some(seconds @ 0..120) => format!("{seconds}s"),
        Some(seconds @ 120..7200) => format!("{}m", seconds / 60),
        Some(seconds @ 7200..172_800) => format!("{}h", seconds / 3600),
        Some(seconds) => format!("{}d", seconds / 86_400),
    }
}

/// `512B`, `1.5K`, `300M`, `2.0G`: of 1024 each; none: not known.
pub(crate) fn bytes(count: Option<u64>) -> String {
    const UNITS: [&str; 5] = ["B", "K", "M", "G", "T"];
    let Some(count) = count else { return "-".to_owned() };
    let mut tenths = u128::from(count) * 10;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    match (unit, tenths) {
        (0, _) => format!("{count}B"),
        (_, ..100) => format!("{}.{}{}", tenths / 10, tenths % 10, UNITS[unit]),
        _ => format!("{}{}", tenths / 10, UNITS[unit]),
    }
}

/// Processor time: `0.42s`, `12.3s`, `5m03s`; none: not known.
pub(crate) fn cpu_time(milliseconds: Option<u64>) -> String {
    match milliseconds {
        None => "-".to_owned(),
        Some(ms @ ..10_000) => format!("{}.{:02}s", ms / 1000, ms % 1000 / 10),
        Some(ms @ ..120_000) => format!("{}.{}s", ms / 1000, ms % 1000 / 100),
        Some(ms) => format!("{}m{:02}s", ms / 60_000, ms % 60_000 / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_shown_and_acts_on_nothing() {
        assert_eq!(cell("a\x1b[2J\nb\u{202e}", 80), "a\\u{1b}[2J\\nb\\u{202e}");
        assert_eq!(cell("\x1b]0;owned\x07", 12), "\\u{1b}]0;ow…");
    }

    #[test]
    fn what_is_wide_counts_as_wide() {
        assert_eq!(width("日本"), 4);
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("e\u{301}te", 3), "e\u{301}te");
        assert_eq!(padded("日", 4), "日  ");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn numbers_are_short() {
        let told: Vec<String> =
            [0, 1023, 1024, 1536, 10_240, 307_232_768, 2 << 30].map(|n| bytes(Some(n))).into();
        assert_eq!(told, ["0B", "1023B", "1.0K", "1.5K", "10K", "293M", "2.0G"]);
        let told: Vec<String> = [-5, 0, 119, 120, 7200, 200_000].map(|n| span(Some(n))).into();
        assert_eq!(told, ["0s", "0s", "119s", "2m", "2h", "2d"]);
        let told: Vec<String> = [420, 12_345, 303_000].map(|n| cpu_time(Some(n))).into();
        assert_eq!(told, ["0.42s", "12.3s", "5m03s"]);
        assert_eq!((span(None), bytes(None), cpu_time(None)), ("-".into(), "-".into(), "-".into()));
    }
}
