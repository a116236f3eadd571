//! The text that an outcome carries.

use std::fmt::Write as _;

use super::{Denial, Explained, Rank};

/// Denials told in full of a run that failed.
const IN_FULL: usize = 12;
/// Denials named of one that succeeded.
const IN_BRIEF: usize = 3;

impl Explained {
    /// Nothing was refused, and nothing may have been missed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.denials.is_empty() && self.more == 0 && self.loss == crate::Loss::default()
    }

    /// What to tell of a run that succeeded or failed; empty where there is
    /// nothing to tell. At most 20 lines.
    #[must_use]
    pub fn text(&self, succeeded: bool) -> String {
        let mut text = if succeeded { self.brief() } else { self.full() };
        let (lost, unknown) = (self.loss.landlock, self.loss.unknown);
        if lost > 0 {
            _ = writeln!(text, "{lost} more refusals were counted by the kernel but not told.");
        }
        if unknown && !(succeeded && self.denials.is_empty()) {
            text.push_str("The kernel lost records meanwhile: more may have been refused.\n");
        }
        text
    }

    fn brief(&self) -> String {
        let total =
            self.denials.iter().map(|denial| denial.count).fold(self.more, u64::saturating_add);
        if total == 0 {
            return String::new();
        }
        let named: Vec<String> = self.denials.iter().take(IN_BRIEF).map(Denial::short).collect();
        let rest = if self.denials.len() > IN_BRIEF { ", …" } else { "" };
        format!("The sandbox refused {total} on the way: {}{rest}.\n", named.join(", "))
    }

    fn full(&self) -> String {
        let mut text = String::new();
        let shown = self.denials.iter().take(IN_FULL);
        for rank in [Rank::Telling, Rank::Usual] {
            let mut of_rank = shown.clone().filter(|denial| denial.rank == rank).peekable();
            if of_rank.peek().is_some() {
                text.push_str(match rank {
                    Rank::Telling => "The sandbox refused to:\n",
                    Rank::Usual => {
                        "Refused too; programs often try such things and go on without:\n"
                    }
                });
            }
            for denial in of_rank {
                _ = writeln!(text, "- {denial}");
            }
        }
        let hidden = self.denials.iter().skip(IN_FULL).map(|denial| denial.count);
        let hidden = hidden.fold(self.more, u64::saturating_add);
        if hidden > 0 {
            _ = writeln!(text, "- and {hidden} refusals more.");
        }
        if self.own > 0 {
            let own = self.own;
            _ = writeln!(
                text,
                "- {own} by a sandbox that a program made for itself, which no grant changes."
            );
        }
        text
    }
}

impl Denial {
    /// `read the file `/etc/shadow``
    fn short(&self) -> String {
        match &self.object {
            Some(object) => format!("{} `{object}`", self.operation),
            None => self.operation.clone(),
        }
    }
}
