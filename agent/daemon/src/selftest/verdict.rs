//! What attempts and trials say together about each line of the checklist.

use cofferdam_abilities::{Ability, Line};
use cofferdam_plan::LayerReport;
use serde::Serialize;

/// What came of one attempt or trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Result {
    /// It was refused, as it must be.
    Refused,
    /// It was possible: what was.
    Possible(String),
    /// It could not be made: why.
    Untried(String),
}

/// One attempt or trial, and the lines that it is about.
#[derive(Debug, Clone)]
pub(super) struct Evidence {
    pub(super) name: String,
    pub(super) numbers: Vec<u8>,
    pub(super) result: Result,
}

/// What is known about a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict", content = "why")]
pub enum Verdict {
    /// Everything that was tried was refused; the names of what was.
    Held(Vec<String>),
    /// Something was possible.
    NotHeld(Vec<String>),
    /// Nothing could be tried here.
    Untried(String),
}

/// A line of the checklist and its verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineVerdict {
    /// The line.
    #[serde(flatten)]
    pub line: Line,
    /// What is known.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Abilities of this host and layers of the cell that the line needs and that
    /// are not there: what was tried may be refused, and something else not.
    pub lacks: Vec<String>,
}

/// All that a selftest says.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Every line, in order.
    pub lines: Vec<LineVerdict>,
    /// Layers that a cell did not get, and why.
    pub degraded: Vec<String>,
    /// Outside of a cell the probe could do what a cell refuses, so that its
    /// answers prove something.
    pub control: bool,
}

impl Report {
    pub(super) fn new(
        lines: &[Line],
        evidence: &[Evidence],
        table: &[Ability],
        layers: &[LayerReport],
        control: bool,
    ) -> Self {
        let missing: Vec<&LayerReport> = layers.iter().filter(|layer| !layer.effective).collect();
        let of = |line: &Line| {
            let about = |it: &&Evidence| it.numbers.contains(&line.number);
            let evidence: Vec<&Evidence> = evidence.iter().filter(about).collect();
            LineVerdict {
                line: *line,
                verdict: judge(line, &evidence),
                lacks: lacks(line, table, &missing),
            }
        };
        let degraded = |it: &&LayerReport| format!("{}: {}", it.layer.name(), it.detail);
        Self {
            lines: lines.iter().map(of).collect(),
            degraded: missing.iter().map(degraded).collect(),
            control,
        }
    }

    /// Nothing that must be refused was possible, and the probe can be believed.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.control && !self.lines.iter().any(|it| matches!(it.verdict, Verdict::NotHeld(_)))
    }
}

fn lacks(line: &Line, table: &[Ability], missing: &[&LayerReport]) -> Vec<String> {
    let layers = missing.iter().map(|it| it.layer.name()).filter(|it| line.held_by.contains(it));
    let abilities = line.lacks(table).map(|ability| ability.name);
    abilities.map(str::to_owned).chain(layers.map(|it| format!("the layer {it}"))).collect()
}

/// One thing that was possible is enough; what could not be tried says nothing.
fn judge(line: &Line, evidence: &[&Evidence]) -> Verdict {
    let possible: Vec<String> = evidence
        .iter()
        .filter_map(|it| match &it.result {
            Result::Possible(what) => Some(format!("{}: {what}", it.name)),
            Result::Refused | Result::Untried(_) => None,
        })
        .collect();
    if !possible.is_empty() {
        return Verdict::NotHeld(possible);
    }
    let refused = evidence.iter().filter(|it| it.result == Result::Refused);
    let refused: Vec<String> = refused.map(|it| it.name.clone()).collect();
    if !refused.is_empty() {
        return Verdict::Held(refused);
    }
    let why = evidence.iter().find_map(|it| match &it.result {
        Result::Untried(why) => Some(format!("{}: {why}", it.name)),
        Result::Refused | Result::Possible(_) => None,
    });
    Verdict::Untried(why.unwrap_or_else(|| {
        let held_by = line.held_by.join(" and ");
        format!(
            "no selftest can tell; {held_by} must hold it, which the test `{}` tries",
            line.test
        )
    }))
}

#[cfg(test)]
mod tests {
    use cofferdam_abilities::checklist;

    use super::*;

    fn evidence(name: &str, number: u8, result: Result) -> Evidence {
        Evidence { name: name.to_owned(), numbers: vec![number], result }
    }

    fn verdict(report: &Report, number: u8) -> &Verdict {
        &report.lines.iter().find(|it| it.line.number == number).unwrap().verdict
    }

    #[test]
    fn one_thing_that_was_possible_is_enough() {
        let evidence = [
            evidence("a", 1, Result::Refused),
            evidence("b", 1, Result::Possible("read 5 bytes".to_owned())),
            evidence("c", 2, Result::Refused),
            evidence("d", 2, Result::Untried("no such program".to_owned())),
            evidence("e", 3, Result::Untried("no such program".to_owned())),
        ];
        let report = Report::new(checklist(), &evidence, &[], &[], true);
        assert_eq!(verdict(&report, 1), &Verdict::NotHeld(vec!["b: read 5 bytes".to_owned()]));
        assert_eq!(verdict(&report, 2), &Verdict::Held(vec!["c".to_owned()]));
        assert!(matches!(verdict(&report, 3), Verdict::Untried(why) if why.contains("e: no such")));
        assert!(matches!(verdict(&report, 9), Verdict::Untried(_)));
        assert!(!report.holds());
    }

    #[test]
    fn a_probe_that_is_refused_everywhere_proves_nothing() {
        assert!(Report::new(checklist(), &[], &[], &[], true).holds());
        assert!(!Report::new(checklist(), &[], &[], &[], false).holds());
    }

    #[test]
    fn a_layer_that_is_missing_is_told_with_the_lines_that_it_holds() {
        let layer = LayerReport {
            layer: cofferdam_plan::Layer::Cgroup,
            effective: false,
            detail: "none can be made".to_owned(),
        };
        let evidence = [evidence("a", 34, Result::Refused), evidence("b", 1, Result::Refused)];
        let report = Report::new(checklist(), &evidence, &[], &[layer], true);
        assert_eq!(report.degraded, ["cgroup: none can be made"]);
        let lacks = |number: usize| &report.lines[number - 1].lacks;
        assert_eq!(lacks(34), &["the layer cgroup"]);
        assert!(lacks(1).is_empty());
    }

    #[test]
    fn the_report_is_data_for_scripts() {
        let evidence = [evidence("a", 1, Result::Refused)];
        let report = Report::new(checklist(), &evidence, &[], &[], true);
        let text = serde_json::to_string(&report).unwrap();
        assert!(text.contains("\"verdict\":\"held\",\"why\":[\"a\"]"), "{text}");
    }
}
