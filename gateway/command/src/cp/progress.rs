//! A line that tells how far a copy is, to a person at a terminal and to nobody else.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::report::Format;

/// Between two drawings.
const PAUSE: Duration = Duration::from_millis(100);
/// Characters of a name.
const NAME: usize = 32;

/// The line of one file.
#[derive(Debug)]
pub(super) struct Line {
    name: String,
    total: u64,
    began: Instant,
    /// How much was there when it began.
    first: u64,
    drawn: Option<Instant>,
    shows: bool,
}

impl Line {
    /// Of a file of so many bytes.
    pub(super) fn new(format: Format, name: &[u8], total: u64) -> Self {
        let shows = format == Format::Human && io::stderr().is_terminal();
        let name = String::from_utf8_lossy(name);
        let name = name.rsplit('/').next().unwrap_or_default();
        // Nothing of a name may move the cursor.
        let name: String = name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        let name = name.chars().take(NAME).collect();
        Self { name, total, began: Instant::now(), first: 0, drawn: None, shows }
    }

    /// It has come so far.
    pub(super) fn at(&mut self, bytes: u64) {
        if !self.shows || self.drawn.is_some_and(|drawn| drawn.elapsed() < PAUSE) {
            return;
        }
        if self.drawn.is_none() {
            (self.first, self.began) = (bytes, Instant::now());
        }
        self.drawn = Some(Instant::now());
        let elapsed = self.began.elapsed();
        let line = line(&self.name, bytes, self.total, bytes.saturating_sub(self.first), elapsed);
        // Nobody who watches is worse off for a line that is missing.
        _ = write!(io::stderr(), "\r{line}\x1b[K");
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(name: &str, bytes: u64, total: u64, moved: u64, elapsed: Duration) -> String {
    let percent = if total == 0 { 100 } else { u128::from(bytes) * 100 / u128::from(total) };
    let filled = usize::try_from(percent / 5).unwrap_or(20).min(20);
    let bar = format!("{}{}", "=".repeat(filled), " ".repeat(20 - filled));
    let millis = elapsed.as_millis();
    let rate = u64::try_from((u128::from(moved) * 1000).checked_div(millis).unwrap_or(0));
    let rate = rate.unwrap_or(u64::MAX);
    let left = total.saturating_sub(bytes).checked_div(rate);
    let left = left.map_or_else(String::new, |s| format!("  {}:{:02}", s / 60, s % 60));
    format!(
        "{name}  [{bar}] {percent:>3} %  {} of {}  {}/s{left}",
        size(bytes),
        size(total),
        size(rate)
    )
}

fn size(bytes: u64) -> String {
    let mut unit = 0;
    let mut rest = bytes;
    while rest >= 10_240 && unit < 4 {
        rest /= 1024;
        unit += 1;
    }
    format!("{rest} {}", ["B", "KiB", "MiB", "GiB", "TiB"][unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_far_how_fast_and_how_long_still() {
        let told = line("a", 512 << 20, 1 << 30, 512 << 20, Duration::from_secs(2));
        assert_eq!(told, "a  [==========          ]  50 %  512 MiB of 1024 MiB  256 MiB/s  0:02");
        let begun = line("a", 0, 0, 0, Duration::ZERO);
        assert!(begun.contains("100 %"), "{begun}");
    }
}
