//! The findings as a person reads them.

use cofferdam_abilities::{Ability, Need, State, checklist};

use super::findings::{Findings, OpenLine};
use super::page::Page;

/// How to read the tables.
const LEGEND: &str = "Each entry says what was found, then what that means for cells, then what \
                      mends it. MISSING: no cell can start without it. missing, partial, unknown: \
                      cells start, and this is weaker or was not looked at.";
/// Columns before the name and before the text.
const NAME: usize = 10;
const TEXT: usize = 28;
/// The same for numbered lines.
const NUMBER: usize = 6;

impl Findings {
    /// Writes all of it on a page.
    #[must_use]
    pub fn print(&self, mut page: Page) -> String {
        page.line("", 0, "What this host can enforce");
        page.gap();
        page.line("", 0, LEGEND);
        print_table(&mut page, &self.host);
        page.gap();
        page.line("", 0, "What the agent needs");
        print_table(&mut page, &self.agent);
        page.gap();
        self.print_open(&mut page);
        page.gap();
        self.print_verdict(&mut page);
        page.into_text()
    }

    fn print_open(&self, page: &mut Page) {
        let all = checklist().len();
        if self.open.is_empty() {
            page.line("", 0, &format!("This host can hold all {all} lines of the checklist."));
            return;
        }
        let count = self.open.len();
        let head = format!("Of {all} lines of the checklist, {count} cannot be held wholly here:");
        page.line("", 0, &head);
        for open in &self.open {
            page.line(&format!("{:>4}", open.line.number), NUMBER, open.line.title);
            page.line("", NUMBER, &reason(open));
        }
    }

    fn print_verdict(&self, page: &mut Page) {
        if !self.asked_as_root {
            let unknown = self.host.iter().filter(|line| line.state == State::Unknown).count();
            let text = format!(
                "Asked as uid {}, not as root: cell namespaces, owners of mounts and audit's state \
                 were not tried ({unknown} lines are unknown). `sudo cofferdam-agent doctor` tries \
                 them, and goes on as the service user.",
                self.asked_as
            );
            page.line("", 0, &text);
        }
        let stopping = self.host.iter().chain(&self.agent).filter(|line| line.stops_cells());
        let names: Vec<&str> = stopping.map(|line| line.name).collect();
        if names.is_empty() {
            page.line("", 0, "Cells can start on this host.");
            if self.see_to {
                page.line("", 0, "Something ends soon: see the lines that are partial.");
            }
        } else {
            let text = format!("Something that cells need is missing: {}.", names.join(", "));
            page.line("", 0, &text);
        }
    }
}

fn print_table(page: &mut Page, lines: &[Ability]) {
    let mut group = "";
    for line in lines {
        if line.group() != group {
            group = line.group();
            page.gap();
            page.line(group, 0, "");
        }
        print_line(page, line);
    }
}

/// State and name, what was found, what it means, what to do.
fn print_line(page: &mut Page, line: &Ability) {
    let state = match (line.state, line.need) {
        (State::Full, _) => "full",
        (State::Partial, _) => "partial",
        (State::Missing, Need::Required) => "MISSING",
        (State::Missing, _) => "missing",
        (State::Unknown, _) => "unknown",
    };
    let name = line.name.split_once('.').map_or(line.name, |(_, name)| name);
    let head = format!("  {state:width$}{name}", width = NAME - 2);
    page.line(&head, TEXT, &line.detail);
    page.line("", TEXT, &line.means);
    if let Some(fix) = &line.fix {
        page.line("", TEXT, &format!("fix: {fix}"));
    }
}

fn reason(open: &OpenLine) -> String {
    let lacks = open.lacks.join(", ");
    let how = if open.partly { "held in part; " } else { "" };
    match open.kernel {
        Some(kernel) => format!("{how}lacks {lacks}: Linux {kernel} or later has it"),
        None => format!("{how}lacks {lacks}: see the fix above"),
    }
}
