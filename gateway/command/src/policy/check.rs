//! `cofferdam policy check`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cofferdam_policy::{Place, RuleError, RuleErrors, RuleSet, TestResult};
use serde::Serialize;

use super::{Files, PolicyError};
use crate::report::{Format, Report};

const EXAMPLES: &str = "\
Before a gateway gets new rules:
  cofferdam policy check /etc/cofferdam/rules.toml

Rules in several files are one set:
  cofferdam policy check rules.d/*.toml

Exits with 1 when something is wrong or a test fails.";

/// Which files.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Rule files, taken together.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Debug, Default, Serialize)]
struct Findings {
    /// No error, and no test that fails.
    good: bool,
    rules: usize,
    errors: Vec<ErrorView>,
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
    Ok(if findings.good { shown } else { ExitCode::FAILURE })
}

impl Findings {
    fn of_tests(rules: &RuleSet) -> Self {
        let tests: Vec<_> = rules.run_tests().into_iter().map(TestView::from).collect();
        let good = tests.iter().all(|test| test.passed);
        Self { good, rules: rules.len(), tests, errors: Vec::new() }
    }

    fn of_errors(errors: RuleErrors) -> Self {
        let errors = errors.errors.into_iter().map(ErrorView::from).collect();
        Self { errors, ..Self::default() }
    }
}

impl From<RuleError> for ErrorView {
    fn from(error: RuleError) -> Self {
        let rendered = error.render();
        let RuleError { place: Place { file, line, column, excerpt: _ }, key, message, help, .. } =
            error;
        Self { file, line, column, key, message, help, rendered }
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
        let Self { good, rules, errors, tests } = self;
        for error in errors {
            writeln!(out, "{}", error.rendered)?;
        }
        for TestView { name, place, decision, problem, .. } in tests.iter().filter(|t| !t.passed) {
            writeln!(out, "{place}: test {name}: {problem}\n  {decision}")?;
        }
        let passed = tests.iter().filter(|test| test.passed).count();
        match good {
            true => writeln!(out, "good: {rules} rules, {passed} tests passed"),
            false if errors.is_empty() => {
                writeln!(out, "NOT good: {} of {} tests fail", tests.len() - passed, tests.len())
            }
            false => writeln!(out, "NOT good: {} errors; no test was run", errors.len()),
        }
    }
}
