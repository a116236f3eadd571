//! `cofferdam policy check`.
//!
//! As JSON: `good` (no error, no failing test), `rules` (their number), `errors`
//! and `warnings` (each with `file`, `line` and `column` from 1, `key`, `message`
//! and `help`; a warning with `kind` and, where another place belongs to it,
//! `other`), `tests` (each with `name`, `place`, `passed`, `decision`, and
//! `problem` where it failed).

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cofferdam_policy::{Place, RuleError, RuleErrors, RuleSet, TestResult, Warning};
use jiff::Timestamp;
use serde::Serialize;

use super::{Files, PolicyError};
use crate::report::{Format, Report};

const EXAMPLES: &str = "\
Before a gateway gets new rules:
  cofferdam policy check /etc/cofferdam/rules.toml

Rules in several files are one set:
  cofferdam policy check rules.d/*.toml

Warnings as errors, for a pipeline:
  cofferdam policy check --deny-warnings rules.toml

Exits with 1 when something is wrong or a test fails, with 0 when there are
only warnings, with 2 when the files cannot be read.

--json: {good, rules, errors: [{file, line, column, key, message, help}],
warnings: [{kind, file, line, column, key, message, help, other}],
tests: [{name, place, passed, decision, problem}]}; `other` (another place) and
`problem` only where there is one";

/// Which files.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Rule files, taken together.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Exit with 1 when there are warnings, too.
    #[arg(long)]
    deny_warnings: bool,
}

#[derive(Debug, Default, Serialize)]
struct Findings {
    /// No error, and no test that fails.
    good: bool,
    rules: usize,
    errors: Vec<ErrorView>,
    warnings: Vec<WarningView>,
    tests: Vec<TestView>,
}

#[derive(Debug, Serialize)]
struct ErrorView {
    file: String,
    line: usize,
    column: usize,
    key: String,
    message: String,
    /// What to do about it.
    help: String,
    /// The error in words, with its line and a caret under the place.
    #[serde(skip)]
    rendered: String,
}

#[derive(Debug, Serialize)]
struct WarningView {
    /// A stable word, such as `unreachable`.
    kind: String,
    file: String,
    line: usize,
    column: usize,
    key: String,
    message: String,
    help: String,
    /// `file:line:column` of another place that has to do with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<String>,
    #[serde(skip)]
    rendered: String,
}

#[derive(Debug, Serialize)]
struct TestView {
    name: String,
    /// `file:line:column`.
    place: String,
    passed: bool,
    decision: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    problem: String,
}

pub(super) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, PolicyError> {
    let findings = match Files::read(&arguments.files)?.parse() {
        Ok(rules) => Findings::of_tests(&rules),
        Err(errors) => Findings::of_errors(errors),
    };
    let shown = format.show(&findings);
    let denied = arguments.deny_warnings && !findings.warnings.is_empty();
    Ok(if findings.good && !denied { shown } else { ExitCode::FAILURE })
}

impl Findings {
    fn of_tests(rules: &RuleSet) -> Self {
        let tests: Vec<_> = rules.run_tests().into_iter().map(TestView::from).collect();
        let good = tests.iter().all(|test| test.passed);
        let warnings =
            rules.warnings(Timestamp::now()).into_iter().map(WarningView::from).collect();
        Self { good, rules: rules.len(), errors: Vec::new(), warnings, tests }
    }

    fn of_errors(errors: RuleErrors) -> Self {
        let errors = errors.errors.into_iter().map(ErrorView::from).collect();
        Self { errors, ..Self::default() }
    }
}

impl From<RuleError> for ErrorView {
    fn from(error: RuleError) -> Self {
        let rendered = error.render();
        let RuleError {
            place: Place { file, line, column, excerpt: _ }, key, message, help, ..
        } = error;
        Self { file, line, column, key, message, help, rendered }
    }
}

impl From<Warning> for WarningView {
    fn from(warning: Warning) -> Self {
        let rendered = warning.render();
        let Warning { place, kind, key, message, help, other } = warning;
        let Place { file, line, column, excerpt: _ } = place;
        let other = other.map(|(_, place)| place.to_string());
        Self { kind: kind.to_string(), file, line, column, key, message, help, other, rendered }
    }
}

impl From<TestResult> for TestView {
    fn from(result: TestResult) -> Self {
        let TestResult { name, place, passed, decision, problem } = result;
        Self { name, place, passed, decision, problem }
    }
}

impl Report for Findings {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { good, rules, errors, warnings, tests } = self;
        for error in errors {
            writeln!(out, "{}", error.rendered)?;
        }
        for warning in warnings {
            writeln!(out, "{}", warning.rendered)?;
        }
        for TestView { name, place, decision, problem, .. } in tests.iter().filter(|t| !t.passed) {
            writeln!(out, "{place}: test {name}: {problem}\n  {decision}")?;
        }
        let passed = tests.iter().filter(|test| test.passed).count();
        match good {
            true => {
                let warned = match warnings.len() {
                    0 => String::new(),
                    count => format!(", {count} warnings"),
                };
                writeln!(out, "good: {rules} rules, {passed} tests passed{warned}")
            }
            false if errors.is_empty() => {
                writeln!(out, "NOT good: {} of {} tests fail", tests.len() - passed, tests.len())
            }
            false => writeln!(out, "NOT good: {} errors; no test was run", errors.len()),
        }
    }
}
