//! What doctor found, as data: the host's table, the agent's prerequisites and
//! the lines of the checklist that stay open.

use cofferdam_abilities::{Abilities, Ability, Line, State, checklist};
use serde::Serialize;

use super::identity::TIMELY;

/// All that was found.
#[derive(Debug, Serialize)]
pub struct Findings {
    /// The facts.
    pub facts: Abilities,
    /// One line for each ability of the host.
    pub host: Vec<Ability>,
    /// One line for each thing that the agent needs.
    pub agent: Vec<Ability>,
    /// Lines of the checklist that this host does not hold.
    pub open: Vec<OpenLine>,
    /// Root's questions were asked too.
    pub asked_as_root: bool,
    /// The uid of the one who asked the others.
    pub asked_as: u32,
    /// Cells can start here, and the agent with them.
    pub cells: bool,
    /// Something ends soon that gateways know this host by, or its clock is off.
    pub see_to: bool,
}

/// A line of the checklist that is not held, or not wholly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenLine {
    /// The line.
    #[serde(flatten)]
    pub line: Line,
    /// Names of abilities that it lacks.
    pub lacks: Vec<&'static str>,
    /// The kernel from which on it could hold, where a kernel is what it lacks.
    pub kernel: Option<&'static str>,
    /// One of the abilities is there in part.
    pub partly: bool,
}

impl Findings {
    pub(super) fn new(facts: Abilities, agent: Vec<Ability>, asked_as_root: bool) -> Self {
        let host = facts.table();
        let open = open_lines(&host);
        let stopped = |lines: &[Ability]| lines.iter().any(Ability::stops_cells);
        Self {
            cells: !stopped(&host) && !stopped(&agent),
            see_to: see_to(&agent),
            asked_as_root,
            asked_as: rustix::process::geteuid().as_raw(),
            facts,
            host,
            agent,
            open,
        }
    }
}

/// Whether something ends soon, or would by a wrong clock.
fn see_to(agent: &[Ability]) -> bool {
    let mut timely = agent.iter().filter(|line| TIMELY.contains(&line.name));
    timely.any(|line| line.state != State::Full)
}

fn open_lines(table: &[Ability]) -> Vec<OpenLine> {
    let open = |line: &Line| {
        let lacks: Vec<&Ability> = line.lacks(table).collect();
        (!lacks.is_empty()).then(|| OpenLine {
            line: *line,
            kernel: lacks.iter().filter_map(|lack| lack.since).max_by_key(|it| version(it)),
            partly: lacks.iter().all(|lack| lack.state == State::Partial),
            lacks: lacks.iter().map(|lack| lack.name).collect(),
        })
    };
    checklist().iter().filter_map(open).collect()
}

/// `6.12` as numbers, so that it is later than `6.7`.
fn version(text: &str) -> Vec<u32> {
    text.split('.').filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use cofferdam_abilities::Need;

    use super::*;

    #[test]
    fn an_open_line_names_the_kernel_that_could_hold_it() {
        let table = [Ability::there("landlock.sockets", Need::Wished, false, "").since("7.1")];
        let open = open_lines(&table);
        assert_eq!(open.len(), 1);
        assert_eq!((open[0].line.number, open[0].kernel, open[0].partly), (41, Some("7.1"), false));
        assert!(version("6.12") > version("6.7"));
    }

    #[test]
    fn what_ends_soon_is_told_apart_from_what_is_merely_weaker() {
        let line = |name, state| Ability::new(name, Need::Required, state, "");
        let weaker = line("agent.warden", State::Partial);
        assert!(!see_to(&[weaker.clone(), line("agent.root", State::Full)]));
        assert!(see_to(&[weaker, line("agent.root", State::Partial)]));
    }

    #[test]
    fn a_host_that_has_everything_leaves_no_line_open() {
        let full = |name| Ability::there(name, Need::Required, true, "");
        let table: Vec<Ability> =
            checklist().iter().flat_map(|line| line.needs).map(|name| full(name)).collect();
        assert!(open_lines(&table).is_empty());
    }
}
