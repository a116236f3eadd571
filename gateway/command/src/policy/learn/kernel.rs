//! What the kernel, and the proxy beside it, refused runs that the rules had permitted.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cofferdam_gateway::{Config, recorded_call};
use cofferdam_journal::{Body, Call, Record};
use cofferdam_policy::{Action, Decision, RuleSet};
use serde::Serialize;
use serde_json::Value;

use super::grant::{Lack, Lacks};

/// One kind of refusal, of all runs.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    pub(super) operation: String,
    pub(super) object: String,
    /// The setting that governs it.
    pub(super) setting: String,
    /// What would allow it, as the host said; empty where it did not.
    pub(super) remedy: String,
    pub(super) count: u64,
    pub(super) users: BTreeSet<String>,
    pub(super) host: String,
    pub(super) project: String,
    /// The rules whose grant was too narrow.
    pub(super) rules: Vec<String>,
    /// The deny rules that name the object: then nothing is proposed.
    pub(super) denied_by: Vec<String>,
}

/// Refusals, and the runs whose outcome is to come.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    open: HashMap<String, (Call, Vec<String>)>,
    /// What wider grants would give.
    pub(super) lacks: Lacks,
    found: BTreeMap<(String, String, String, String, Vec<String>), Refusal>,
}

impl Refusals {
    /// Takes a record in.
    pub(super) fn take(&mut self, record: &Record, config: &Config, rules: &RuleSet) {
        match &record.body {
            Body::Intent(intent) => {
                let run = (intent.call.clone(), intent.rules.clone());
                self.open.insert(intent.call.run_id.clone(), run);
            }
            Body::Outcome(outcome) => {
                let Some((call, by)) = self.open.remove(&outcome.run_id) else { return };
                let told = |key: &str| {
                    let told = outcome.sandbox.as_ref().and_then(|sandbox| sandbox.get(key));
                    told.and_then(Value::as_array).into_iter().flatten()
                };
                let now = record.time.parse().ok();
                let now = now.and_then(|at| recorded_call(config, &call, at).ok());
                for denial in told("denials") {
                    let refusal = self.add(denial, &call, &by, |object, executes| {
                        denied_by(object, executes, &call, record, config, rules)
                    });
                    let is_denied = !refusal.denied_by.is_empty();
                    let lack = Lack::of_denial(denial).filter(|_| !is_denied);
                    self.lacks.add(now.as_ref(), lack, &record.time);
                }
                for connection in told("connections") {
                    let lack = Lack::of_connection(connection);
                    self.lacks.add(now.as_ref(), lack, &record.time);
                }
            }
            _ => {}
        }
    }

    /// The most frequent first.
    pub(super) fn list(&mut self) -> Vec<Refusal> {
        let mut all: Vec<Refusal> = std::mem::take(&mut self.found).into_values().collect();
        all.sort_by_key(|refusal| std::cmp::Reverse(refusal.count));
        all
    }

    fn add(
        &mut self,
        denial: &Value,
        call: &Call,
        by: &[String],
        denied_by: impl Fn(&str, bool) -> Vec<String>,
    ) -> &Refusal {
        let text =
            |key: &str| denial.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (operation, object) = (text("operation"), text("object"));
        let key = (
            operation.clone(),
            object.clone(),
            call.host.clone(),
            call.project.clone(),
            by.to_vec(),
        );
        let refusal = self.found.entry(key).or_insert_with(|| Refusal {
            setting: text("setting"),
            remedy: text("remedy"),
            count: 0,
            users: BTreeSet::new(),
            host: call.host.clone(),
            project: call.project.clone(),
            rules: by.to_vec(),
            denied_by: denied_by(&object, operation.contains("exec")),
            operation,
            object,
        });
        refusal.count += denial.get("count").and_then(Value::as_u64).unwrap_or(1).max(1);
        refusal.users.extend(call.subject.as_ref().map(|subject| subject.user.clone()));
        refusal
    }
}

/// The deny rules that name what was refused. Where it cannot be told, the
/// refusal stays a report, and no rule follows from it.
fn denied_by(
    object: &str,
    executes: bool,
    recorded: &Call,
    record: &Record,
    config: &Config,
    rules: &RuleSet,
) -> Vec<String> {
    let Ok(at) = record.time.parse() else { return Vec::new() };
    let Ok(call) = recorded_call(config, recorded, at) else { return Vec::new() };
    let path = object.as_bytes().to_vec();
    let (tool, action) = if executes {
        ("check_command_exists", Action::FindProgram { program: path })
    } else {
        ("read_file", Action::ReadFile { path })
    };
    match rules.decide(cofferdam_policy::Call { tool: tool.to_owned(), action, ..call }) {
        Decision::Deny(denial) => denial.rules(),
        Decision::Permit(_) | Decision::Ask(_) => Vec::new(),
    }
}
