//! A status as a person reads it.

use std::time::Duration;

use cofferdam_trust::span_in_words;

use super::{CellLine, RunLine, Status};
use crate::doctor::Page;

/// Columns before the text.
const TEXT: usize = 14;

impl Status {
    /// Writes all of it on a page.
    #[must_use]
    pub fn print(&self, mut page: Page) -> String {
        let mut line = |head: &str, text: &str| page.line(head, TEXT, text);
        line("host", &self.host);
        line("agent", &self.agent_in_words());
        if let Some(frozen) = &self.frozen {
            line("FROZEN", frozen);
        }
        line("certificate", &self.certificate_in_words());
        let ceiling = &self.ceiling;
        let peers = if ceiling.peers.is_empty() {
            "no gateway may call".to_owned()
        } else {
            format!("may call: {}", ceiling.peers.join(", "))
        };
        let problem = ceiling.problem.as_ref().map(|it| format!("nothing is allowed: {it}"));
        line("ceiling", &format!("{}; {}", ceiling.path, problem.unwrap_or(peers)));
        let journal = &self.journal;
        let free = journal.free_mib.map(|free| format!("{free} MiB free"));
        let problem = journal.problem.as_ref().map(|it| format!("NOT WRITABLE: {it}"));
        let state = problem.or(free).unwrap_or_default();
        line("journal", &format!("{}; {state}", journal.directory));
        line("callers", &self.callers_in_words());
        line("runs", &self.runs.len().to_string());
        self.runs.iter().for_each(|run| line("", &run_in_words(run)));
        line("cells", &self.cells.len().to_string());
        self.cells.iter().for_each(|cell| line("", &cell_in_words(cell)));
        page.into_text()
    }

    fn agent_in_words(&self) -> String {
        match (&self.agent, &self.silent) {
            (Some(agent), _) => {
                let warden = if agent.warden { "" } else { "; THE WARDEN DOES NOT ANSWER" };
                let (version, pid, since) = (&agent.version, agent.pid, &agent.since);
                format!("serving, version {version}, process {pid}, since {since}{warden}")
            }
            (None, Some(why)) => format!("NOT SERVING: {why}"),
            (None, None) => "not serving".to_owned(),
        }
    }

    fn certificate_in_words(&self) -> String {
        let it = &self.certificate;
        let left = match it.seconds_left {
            _ if it.name.is_empty() => String::new(),
            seconds @ ..0 => format!("{}, ended {} ago", it.name, span(seconds)),
            seconds => format!("{}, until {} ({})", it.name, it.ends, span(seconds)),
        };
        let enrolled = it.enrolled.as_ref().map(|enrolled| {
            format!(
                "renewed last at {} by {} at {}; trust list {} until {}",
                enrolled.renewed,
                enrolled.authority,
                enrolled.address,
                enrolled.trust_version,
                enrolled.trust_ends
            )
        });
        let root = format!("root until {}", it.root_ends);
        let root = Some(root).filter(|_| !it.root_ends.is_empty());
        let problem = it.problem.as_ref().map(|problem| format!("ATTENTION: {problem}"));
        let parts = [Some(left).filter(|left| !left.is_empty()), enrolled, root, problem];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    fn callers_in_words(&self) -> String {
        let words = self.callers.iter().map(|caller| {
            format!("{} through {} ({} runs)", caller.user, caller.gateway, caller.runs)
        });
        let words: Vec<String> = words.collect();
        if words.is_empty() { "nobody".to_owned() } else { words.join(", ") }
    }
}

fn span(seconds: i64) -> String {
    span_in_words(Duration::from_secs(seconds.unsigned_abs()))
}

fn run_in_words(run: &RunLine) -> String {
    let RunLine { run_id, user, project, profile, command, since, gateway: _ } = run;
    let since = if since.is_empty() { "being started" } else { since };
    format!("{run_id}: {command}; {user}, project {project}, profile {profile}, since {since}")
}

fn cell_in_words(cell: &CellLine) -> String {
    let CellLine { cell, profile, subject, workspace, since, processes } = cell;
    match processes {
        Some(processes) => format!("{cell}: {processes} processes"),
        None if subject.is_empty() => format!("{cell}: prepared, profile {profile}, since {since}"),
        None => format!("{cell}: {subject}, profile {profile}, {workspace}, since {since}"),
    }
}
