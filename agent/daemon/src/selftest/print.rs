//! The report as a person reads it.

use super::verdict::{LineVerdict, Report, Verdict};
use crate::doctor::Page;

/// How to read it.
const HEAD: &str = "What a command in a cell may try, line by line of the checklist, and \
                    whether cells of this host held when it was tried just now:";
/// Columns before the title.
const TEXT: usize = 22;

impl Report {
    /// Writes all of it on a page.
    #[must_use]
    pub fn print(&self, mut page: Page) -> String {
        page.line("", 0, HEAD);
        page.gap();
        for it in &self.lines {
            let (word, why) = match &it.verdict {
                Verdict::Held(by) if !it.lacks.is_empty() => {
                    ("held in part", format!("tried: {}", by.join(", ")))
                }
                Verdict::Held(by) => ("held", format!("tried: {}", by.join(", "))),
                Verdict::NotHeld(what) => ("NOT HELD", what.join("; ")),
                Verdict::Untried(why) => ("not tried", why.clone()),
            };
            page.line(&format!("{:>4}  {word}", it.line.number), TEXT, it.line.title);
            page.line("", TEXT, &why);
            if !it.lacks.is_empty() {
                page.line("", TEXT, &format!("lacks {}", it.lacks.join(", ")));
            }
        }
        page.gap();
        self.print_sum(&mut page);
        page.into_text()
    }

    fn print_sum(&self, page: &mut Page) {
        for layer in &self.degraded {
            page.line("", 0, &format!("A layer is weaker here: {layer}."));
        }
        let count =
            |is: fn(&Verdict) -> bool| self.lines.iter().filter(|it| is(&it.verdict)).count();
        let held = count(|it| matches!(it, Verdict::Held(_)));
        let partly =
            |it: &&LineVerdict| matches!(it.verdict, Verdict::Held(_)) && !it.lacks.is_empty();
        let partly = self.lines.iter().filter(partly).count();
        let open = count(|it| matches!(it, Verdict::NotHeld(_)));
        let untried = count(|it| matches!(it, Verdict::Untried(_)));
        let sum = format!(
            "Of {} lines of the checklist, {held} hold ({partly} of them in part), {open} do not, and \
             {untried} were not tried.",
            self.lines.len()
        );
        page.line("", 0, &sum);
        if !self.control {
            let text =
                "But outside of a cell the probe is refused as well: its answers prove nothing.";
            page.line("", 0, text);
        }
    }
}
