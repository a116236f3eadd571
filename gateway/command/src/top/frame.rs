//! What is seen: a table of runs, which of them is chosen, and what was asked.
//!
//! Pure: a look, a page and a size make lines. Nothing that a host says steers the
//! terminal; see [`crate::process::shown`].

use jiff::Timestamp;

use super::key::Key;
use super::sample::Samples;
use crate::color::Tint;
use crate::process::handle::short;
use crate::process::listing::{Listing, Run};
use crate::process::shown::{bytes, cell, cpu_time, cut, padded, span, width};
use crate::tty::Size;

const HEAD: [&str; 8] = ["RUN", "STATE", "AGE", "%CPU", "TIME", "MEMORY", "TASKS", "COMMAND"];
/// Columns of a command that nobody cuts to a terminal.
const WIDEST: usize = 4096;
/// Lines that are not for runs: a title, the head, and what is said.
const OTHERS: usize = 3;

/// Where the person is.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The chosen run.
    chosen: Option<String>,
    /// The first run that is shown.
    first: usize,
    /// Runs that fit.
    room: usize,
    /// The run that is asked about.
    asked: Option<String>,
    /// What was said last.
    said: String,
}

/// What a key asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    Quit,
    Look,
    /// Show ended runs, or do not.
    Everything,
    /// Send a signal to a run.
    Signal(String, &'static str),
}

/// All that is shown.
pub(super) struct Frame<'a> {
    pub(super) listing: &'a Listing,
    pub(super) samples: &'a Samples,
    pub(super) page: &'a Page,
    pub(super) now: Timestamp,
    pub(super) is_colored: bool,
}

/// The busiest first, then those with the most memory; ended ones last.
fn sorted<'a>(listing: &'a Listing, samples: &Samples) -> Vec<&'a Run> {
    let mut runs: Vec<&Run> = listing.runs.iter().collect();
    let busy = |run: &Run| samples.percent(run).unwrap_or(-1.0);
    runs.sort_by(|a, b| {
        let ended = a.has_ended().cmp(&b.has_ended());
        ended.then(busy(b).total_cmp(&busy(a))).then(b.memory().cmp(&a.memory()))
    });
    runs
}

impl Page {
    /// Takes a key.
    pub(super) fn press(&mut self, key: Key, listing: &Listing, samples: &Samples) -> Wish {
        self.said.clear();
        if let Some(process) = self.asked.take() {
            return match key {
                Key::Letter('t' | 'y') => Wish::Signal(process, "TERM"),
                Key::Letter('K') => Wish::Signal(process, "KILL"),
                _ => Wish::Nothing,
            };
        }
        let runs = sorted(listing, samples);
        let page = isize::try_from(self.room.max(1)).unwrap_or(isize::MAX);
        match key {
            Key::Letter('q') | Key::Escape => return Wish::Quit,
            Key::Letter('r') => return Wish::Look,
            Key::Letter('a') => return Wish::Everything,
            Key::Letter('k') => {
                let run = self.chosen(&runs).map(|at| runs[at]);
                match run.filter(|run| !run.has_ended()) {
                    Some(run) => self.asked = Some(run.process.clone()),
                    None => {
                        "no run that goes on is chosen; arrows choose".clone_into(&mut self.said);
                    }
                }
            }
            Key::Up => self.go(&runs, -1),
            Key::Down => self.go(&runs, 1),
            Key::PageUp => self.go(&runs, -page),
            Key::PageDown => self.go(&runs, page),
            Key::Home => self.go(&runs, isize::MIN),
            Key::End => self.go(&runs, isize::MAX),
            Key::Letter(_) => {}
        }
        Wish::Nothing
    }

    /// Says something until the next key.
    pub(super) fn say(&mut self, told: String) {
        self.said = told;
    }

    /// Chooses the first run where none is chosen, and scrolls to the chosen one.
    pub(super) fn fit(&mut self, listing: &Listing, samples: &Samples, size: Size) {
        let runs = sorted(listing, samples);
        self.room = usize::from(size.rows).saturating_sub(OTHERS + listing.failures.len()).max(1);
        let at = self.chosen(&runs).unwrap_or(0);
        self.chosen = runs.get(at).map(|run| run.process.clone());
        self.first = self.first.min(at).max((at + 1).saturating_sub(self.room));
    }

    fn chosen(&self, runs: &[&Run]) -> Option<usize> {
        let chosen = self.chosen.as_ref()?;
        runs.iter().position(|run| run.process == *chosen)
    }

    fn go(&mut self, runs: &[&Run], by: isize) {
        let at = self.chosen(runs).unwrap_or(0).saturating_add_signed(by);
        self.chosen = runs.get(at.min(runs.len().saturating_sub(1))).map(|run| run.process.clone());
    }
}

impl Frame<'_> {
    /// The head, and a line for each run.
    pub(super) fn table(&self, columns: Option<usize>) -> Vec<String> {
        let runs = sorted(self.listing, self.samples);
        let owned: Vec<Run> = runs.iter().map(|run| (*run).clone()).collect();
        let rows: Vec<[String; 8]> =
            short(&owned).iter().zip(&runs).map(|(handle, run)| self.row(handle, run)).collect();
        let mut widths = HEAD.map(width);
        for row in &rows {
            for (most, cell) in widths.iter_mut().zip(row) {
                *most = (*most).max(width(cell));
            }
        }
        let line = |row: &[String; 8]| {
            let padded: Vec<String> =
                row.iter().zip(widths).map(|(cell, width)| padded(cell, width)).collect();
            let line = padded.join("  ").trim_end().to_owned();
            columns.map_or(line.clone(), |columns| cut(&line, columns))
        };
        let mut lines = vec![Tint::Strong.paint(&line(&HEAD.map(str::to_owned)), self.is_colored)];
        lines.extend(rows.iter().zip(&runs).map(|(row, run)| {
            let is_chosen = self.page.chosen.as_ref() == Some(&run.process);
            let tint = match (is_chosen, run.has_failed(), run.has_ended()) {
                (true, ..) => Tint::Chosen,
                (_, true, _) => Tint::Bad,
                (_, _, true) => Tint::Faint,
                _ => Tint::Plain,
            };
            // Without colours something else has to tell the chosen one.
            let line = line(row);
            match (is_chosen, self.is_colored) {
                (true, false) => format!("\x1b[7m{line}\x1b[0m"),
                _ => tint.paint(&line, self.is_colored),
            }
        }));
        lines
    }

    /// As many lines as the terminal has.
    pub(super) fn screen(&self, size: Size) -> Vec<String> {
        let columns = usize::from(size.columns);
        let mut table = self.table(Some(columns));
        let head = table.remove(0);
        let shown = table.into_iter().skip(self.page.first).take(self.page.room);
        let mut lines = vec![cut(&self.title(), columns), head];
        lines.extend(shown);
        let failures = self.listing.failures.iter();
        let failures = failures.map(|(host, why)| {
            let told = cut(&crate::ps::told(host, why), columns);
            Tint::Bad.paint(&told, self.is_colored)
        });
        let room = usize::from(size.rows).saturating_sub(1 + self.listing.failures.len());
        lines.resize(room.max(2), String::new());
        lines.extend(failures);
        lines.push(cut(&self.bottom(), columns));
        lines.truncate(size.rows.into());
        lines
    }

    fn title(&self) -> String {
        let runs = &self.listing.runs;
        let running = runs.iter().filter(|run| !run.has_ended()).count();
        let memory = runs.iter().filter(|run| !run.has_ended()).filter_map(Run::memory);
        let busy = runs.iter().filter_map(|run| self.samples.percent(run));
        let busy = busy.fold(0.0, |all, percent| all + percent);
        format!(
            "{running} running, {busy:.0}% of a processor, {} of memory",
            bytes(Some(memory.fold(0, u64::saturating_add)))
        )
    }

    fn bottom(&self) -> String {
        match &self.page.asked {
            Some(process) => format!(
                "end {}? t: ask it to (TERM)  K: kill it with all that it started  other keys: no",
                cell(process, WIDEST)
            ),
            None if self.page.said.is_empty() => {
                "arrows: choose  k: end  a: ended ones  r: look now  q: quit".to_owned()
            }
            None => cell(&self.page.said, WIDEST),
        }
    }

    fn row(&self, handle: &str, run: &Run) -> [String; 8] {
        let percent = self.samples.percent(run);
        let tasks = run.view["tasks"].as_u64();
        [
            cell(handle, 60),
            cell(&run.state_in_words(), 24),
            span(run.age(self.now)),
            percent.map_or("-".to_owned(), |percent| format!("{percent:.1}")),
            cpu_time(run.cpu_ms()),
            bytes(run.memory()),
            tasks.map_or("-".to_owned(), |tasks| tasks.to_string()),
            cell(run.text("command"), WIDEST),
        ]
    }
}

#[cfg(test)]
mod tests;
