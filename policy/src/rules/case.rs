//! Tests that stand in the rule files: a call, and what the rules should say.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::Timestamp;

use super::RuleSet;
use super::error::{Report, Source, choices};
use super::raw::{RawCall, RawTest};
use super::rule::Rule;
use crate::action::{Action, Call, Execute, Host, ProcessUse, Project, Reading, TOOLS};
use crate::decision::{Decision, Effect};
use crate::subject::{Claims, Subject};

/// The workspace of a test that names none.
const WORKSPACE: &str = "/workspace";

/// When a test is asked that says no time: 2026-01-05, a Monday, at noon UTC.
const AT: Timestamp = Timestamp::constant(1_767_614_400, 0);

/// One test of a rule file: a call, and what the rules should say to it.
#[derive(Debug, Clone)]
pub struct Case {
    name: String,
    place: String,
    call: Call,
    expect: Effect,
    rule: Option<String>,
}

/// How a test went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// The test's name.
    pub name: String,
    /// `file:line:column` of the test.
    pub place: String,
    /// The rules say what the test expects.
    pub passed: bool,
    /// What was decided, in one line.
    pub decision: String,
    /// What was expected instead; empty where it passed.
    pub problem: String,
}

impl Case {
    /// Makes a call of a raw test; `None` where it is wrong and was reported.
    pub(super) fn resolve(
        source: Source<'_>,
        span: Range<usize>,
        raw: RawTest,
        rules: &BTreeMap<String, Rule>,
        report: &mut Report,
    ) -> Option<Self> {
        let RawTest { name, call, expect, rule } = raw;
        let key = format!("test {}", name.get_ref());
        // A test of a rule that is not there could never pass.
        if let Some(rule) = rule.as_ref().filter(|rule| !rules.contains_key(rule.get_ref())) {
            let known = choices(rule.get_ref(), rules.keys().map(String::as_str));
            let message = format!("no rule has the id `{}`; {known}", rule.get_ref());
            report.add(source, rule.span(), key, message);
            return None;
        }
        let tool_span = call.tool.span();
        match make_call(call) {
            Ok(call) => Some(Self {
                place: source.place(span.start),
                name: name.into_inner(),
                call,
                expect,
                rule: rule.map(toml::Spanned::into_inner),
            }),
            Err(message) => {
                report.add(source, tool_span, key, message);
                None
            }
        }
    }

    /// The test's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `file:line:column` of the test.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The call.
    #[must_use]
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// What the rules should say.
    #[must_use]
    pub fn expect(&self) -> Effect {
        self.expect
    }

    /// The rule that the decision should name, where the test says one.
    #[must_use]
    pub fn rule(&self) -> Option<&str> {
        self.rule.as_deref()
    }

    /// What is wrong with a decision of this call; `None` where it is as the
    /// test expects it.
    #[must_use]
    pub fn problem(&self, decision: &Decision) -> Option<String> {
        let found = decision.effect();
        let by = decision.involved();
        match &self.rule {
            _ if found != self.expect => Some(format!("expected {}, got {found}", self.expect)),
            Some(rule) if !by.contains(rule) => {
                Some(format!("expected rule `{rule}`, got `{}`", by.join("`, `")))
            }
            _ => None,
        }
    }

    pub(super) fn run(&self, rules: &RuleSet) -> TestResult {
        let decision = rules.decide(self.call.clone());
        let problem = self.problem(&decision).unwrap_or_default();
        TestResult {
            name: self.name.clone(),
            place: self.place.clone(),
            passed: problem.is_empty(),
            decision: decision.line(),
            problem,
        }
    }
}

fn make_call(raw: RawCall) -> Result<Call, String> {
    let RawCall {
        user,
        groups,
        tenant,
        claims,
        client,
        host,
        labels,
        layers,
        at,
        project,
        workspace,
        tool,
        program,
        args,
        command,
        working_directory,
        environment,
        path,
        to,
        what,
        unit,
        interactive,
    } = raw;
    let tool = tool.into_inner();
    if interactive && tool != "start_process" {
        return Err("interactive is for start_process; leave it out".into());
    }
    let execute = |mut execute: Execute| {
        execute.working_directory = working_directory.unwrap_or_default().into_bytes();
        execute.environment_names = environment.into_iter().collect();
        execute.interactive = interactive;
        Action::Execute(execute)
    };
    let action = action(&tool, Asked { program, args, command, path, to, what, unit }, execute)?;
    let at = at.map_or(Ok(AT), |at| moment(at.get_ref()))?;
    let claims = Claims::try_from(claims).map_err(|error| error.to_string())?;
    let workspace = workspace.unwrap_or_else(|| WORKSPACE.to_owned()).into();
    Ok(Call {
        subject: Subject { user, groups, client, tenant, claims },
        project: Project { name: project, workspace },
        host: Host { name: host, labels, layers },
        tool,
        action,
        at,
    })
}

/// What a test asks the tool for.
struct Asked {
    program: Option<String>,
    args: Option<Vec<String>>,
    command: Option<String>,
    path: Option<String>,
    to: Option<String>,
    what: Option<Reading>,
    unit: Option<String>,
}

fn action(
    tool: &str,
    asked: Asked,
    execute: impl FnOnce(Execute) -> Action,
) -> Result<Action, String> {
    let Asked { program, args, command, path, to, what, unit } = asked;
    let to = to.map(String::into_bytes);
    if tool == "read_service" {
        return match (what, unit, program, args, command, path) {
            (Some(what), Some(unit), None, None, None, None) => {
                Ok(Action::ReadService { what, unit })
            }
            _ => {
                Err("this tool takes what (list, status, journal) and unit, and nothing else"
                    .into())
            }
        };
    }
    if what.is_some() || unit.is_some() {
        return Err("what and unit are for read_service; leave them out".into());
    }
    let args = args.map(|args| args.into_iter().map(String::into_bytes).collect());
    Ok(match (tool, program, args, command, path) {
        ("execute_command" | "start_process", Some(program), args, None, None) => {
            execute(Execute::program(program, args.unwrap_or_default()))
        }
        ("execute_command" | "start_process", None, None, Some(line), None) => {
            execute(Execute::command_line(line))
        }
        ("execute_command" | "start_process", ..) => {
            return Err("it is not said what is run; give program (and args), or command".into());
        }
        ("check_command_exists", Some(program), None, None, None) => {
            Action::FindProgram { program: program.into_bytes() }
        }
        ("check_command_exists", ..) => {
            return Err("this tool takes a program; give program, and nothing else".into());
        }
        ("get_system_info", None, None, None, None) => Action::DescribeHost,
        ("list_hosts", None, None, None, None) => Action::ListHosts,
        ("get_system_info" | "list_hosts", ..) => {
            return Err("this tool takes nothing; leave the rest out".into());
        }
        (other, program, args, command, path) if ProcessUse::by(other).is_some() => {
            match (ProcessUse::by(other), program, args, command, path) {
                (Some(used), None, None, None, None) => Action::Process(used),
                _ => return Err("this tool takes nothing; leave the rest out".into()),
            }
        }
        (other, None, None, None, Some(path)) => {
            Action::on_file(other, path.into_bytes(), to).ok_or_else(|| unsuited(other))?
        }
        (other, ..) if TOOLS.contains(&other) => {
            return Err("this tool takes a path; give path, and nothing else".into());
        }
        (other, ..) => return Err(unknown(other)),
    })
}

fn moment(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| {
        "`at` is no time of RFC 3339; write one such as \"2026-01-31T00:00:00Z\"".to_owned()
    })
}

fn unsuited(tool: &str) -> String {
    if TOOLS.contains(&tool) {
        return "this tool takes path, and move_file and copy_file take to; give these".to_owned();
    }
    unknown(tool)
}

fn unknown(tool: &str) -> String {
    format!("no tool is named `{tool}`; {}", choices(tool, TOOLS))
}
