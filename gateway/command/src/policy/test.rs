//! `cofferdam policy test`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cofferdam_policy::{Case, Coverage, RuleSet};
use serde::Serialize;

use super::{Files, PolicyError};
use crate::report::{Format, Report};

const EXAMPLES: &str = "\
Before rules are committed:
  cofferdam policy test rules.toml

In a pipeline that wants a test for every rule:
  cofferdam policy test rules.d/*.toml --min-coverage 100

A rule is exercised by a test whose decision names it: it permitted, asked or
refused. One that matched and was outdone by a more specific rule is not.

Exits with 1 when a test fails or too few rules are exercised, with 2 when the
files cannot be read or are wrong.

--json: {good, passed, failed: [{name, place, problem, effect, rules,
explanation}], coverage: {rules, exercised, percent, wanted, missing: [{id,
effect}]}}";

/// Which files, and how much of them has to be exercised.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Rule files, taken together.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Fails where tests exercise less than this part of the rules, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 0,
          value_parser = clap::value_parser!(u8).range(0..=100))]
    min_coverage: u8,
}

#[derive(Debug, Serialize)]
struct Findings {
    /// No test fails, and enough rules are exercised.
    good: bool,
    passed: usize,
    failed: Vec<Failed>,
    coverage: CoverageView,
}

#[derive(Debug, Serialize)]
struct Failed {
    name: String,
    /// `file:line:column`.
    place: String,
    problem: String,
    /// What was decided: `allow`, `ask` or `deny`.
    effect: String,
    /// The rules that took part.
    rules: Vec<String>,
    explanation: String,
}

#[derive(Debug, Serialize)]
struct CoverageView {
    rules: usize,
    exercised: usize,
    percent: usize,
    wanted: u8,
    missing: Vec<Missing>,
}

#[derive(Debug, Serialize)]
struct Missing {
    id: String,
    effect: String,
}

pub(super) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, PolicyError> {
    let rules = Files::read(&arguments.files)?.parse()?;
    let findings = Findings::of(&rules, arguments.min_coverage);
    let shown = format.show(&findings);
    Ok(if findings.good { shown } else { ExitCode::FAILURE })
}

impl Findings {
    fn of(rules: &RuleSet, wanted: u8) -> Self {
        let failed: Vec<Failed> =
            rules.cases().iter().filter_map(|case| Failed::of(case, rules)).collect();
        let coverage = CoverageView::of(rules.coverage(), wanted);
        Self {
            good: failed.is_empty() && coverage.is_enough(),
            passed: rules.cases().len() - failed.len(),
            failed,
            coverage,
        }
    }
}

impl Failed {
    /// `None` where the test passes.
    fn of(case: &Case, rules: &RuleSet) -> Option<Self> {
        let decision = rules.decide(case.call().clone());
        Some(Self {
            problem: case.problem(&decision)?,
            name: case.name().to_owned(),
            place: case.place().to_owned(),
            effect: decision.effect().to_string(),
            rules: decision.involved(),
            explanation: decision.explain(),
        })
    }
}

impl CoverageView {
    fn of(coverage: Coverage, wanted: u8) -> Self {
        let (exercised, percent) = (coverage.exercised(), coverage.percent());
        let Coverage { rules, missing } = coverage;
        let missing = missing
            .into_iter()
            .map(|rule| Missing { id: rule.id, effect: rule.effect.to_string() })
            .collect();
        Self { rules, exercised, percent, wanted, missing }
    }

    fn is_enough(&self) -> bool {
        self.percent >= usize::from(self.wanted)
    }
}

impl Report for Findings {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { good: _, passed, failed, coverage } = self;
        for Failed { name, place, problem, explanation, .. } in failed {
            writeln!(out, "FAILED  {name}\n  at {place}\n  {problem}")?;
            for line in explanation.lines() {
                writeln!(out, "  | {line}")?;
            }
            writeln!(out)?;
        }
        let CoverageView { rules, exercised, percent, wanted, missing } = coverage;
        if !missing.is_empty() {
            writeln!(out, "rules that no test exercises:")?;
            for Missing { id, effect } in missing {
                writeln!(out, "  {effect:5} {id}")?;
            }
            writeln!(out)?;
        }
        match (passed + failed.len(), failed.len()) {
            (0, _) => writeln!(out, "there are no tests; write them as [[test]] in the files")?,
            (all, 0) => writeln!(out, "tests: all {all} pass")?,
            (all, failed) => writeln!(out, "tests: {failed} of {all} FAIL")?,
        }
        let enough = if coverage.is_enough() {
            String::new()
        } else {
            format!("; NOT enough, {wanted} % are wanted")
        };
        writeln!(out, "coverage: {exercised} of {rules} rules, {percent} %{enough}")
    }
}
