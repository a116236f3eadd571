//! A call that stands in the gateway's journal, made a call of the policy again,
//! by the same code that made it when it was asked.
//!
//! Invariant: nothing is guessed. Where the record does not hold what the rules
//! would look at, because it was a secret or too long to keep, or because the
//! configuration no longer has the place, there is no call but the reason why.
//! What the rules never look at (contents, timeouts, patterns) is stood in for.
//!
//! `cofferdam policy replay` and its neighbours call this.

mod file;

use std::collections::BTreeMap;

use cofferdam_journal as journal;
use cofferdam_policy::{Action, Call, Claims, Host, ProcessUse, Subject};
use jiff::Timestamp;
use rmcp::model::JsonObject;
use serde_json::{Map, Value, json};

use crate::action::WireAction;
use crate::approvals::Question;
use crate::config::Config;
use crate::decide::policy_call;
use crate::input::{BadInput, parse};
use crate::place::Place;
use crate::tools::{
    CheckCommandExists, ExecuteCommand, GetSystemInfo, HostTool, ReadService, StartProcess,
};

/// Fields that records keep of one object; what is beyond is not told.
const MAX_FIELDS: usize = crate::call::MAX_FIELDS;

/// Why a recorded call cannot be decided again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecidable {
    /// A secret was replaced when it was recorded.
    #[error("`{0}` held a secret, which the record does not have")]
    Redacted(String),
    /// It was too long to be kept.
    #[error("`{0}` was too long for the record to keep all of it")]
    Cut(String),
    /// The record says too little: it is none of a call that reached the rules.
    #[error("the record does not say {0}")]
    Unsaid(&'static str),
    /// The tool is not one of today's.
    #[error("this gateway has no tool named `{0}`")]
    UnknownTool(String),
    /// Today the call would not reach the rules.
    #[error("today it would not reach the rules: {0}")]
    Input(String),
}

/// The call that the rules would see, with the subject as it was recorded, asked
/// `at` the time of its record, and with workspace and labels as `config` has
/// them. Which layers the host could give then is not recorded: it has said
/// nothing.
///
/// # Errors
/// Why the rules cannot be asked.
pub fn recorded_call(
    config: &Config,
    recorded: &journal::Call,
    at: Timestamp,
) -> Result<Call, Undecidable> {
    let call = call(config, recorded)?;
    Ok(Call { at, host: Host { layers: None, ..call.host }, ..call })
}

fn call(config: &Config, recorded: &journal::Call) -> Result<Call, Undecidable> {
    let subject = subject(recorded)?;
    let tool = recorded.tool.as_str();
    if tool.is_empty() {
        return Err(Undecidable::Unsaid("which tool was called"));
    }
    if tool == "list_hosts" {
        return Ok(policy_call(subject, tool, None, Action::ListHosts));
    }
    if recorded.project.is_empty() || recorded.host.is_empty() {
        return Err(Undecidable::Unsaid("in which project and on which host"));
    }
    let place = Place::resolve(&config.roster, Some(&recorded.project), Some(&recorded.host))?;
    let action = action_of(tool, &recorded.action, &place)?;
    Ok(policy_call(subject, tool, Some(&place), action))
}

/// The call that people are asked about, as the rules saw it, but for the host's
/// labels and layers and the time.
///
/// # Errors
/// Its arguments are too long for the question to have all of them.
pub fn asked_call(question: &Question) -> Result<Call, Undecidable> {
    let Question { asker, project, host, workspace, tool, arguments, .. } = question;
    let subject = Subject {
        user: asker.user.clone(),
        groups: asker.groups.clone(),
        client: asker.client.clone(),
        tenant: asker.tenant.clone(),
        claims: asker.claims.clone(),
    };
    if tool == "list_hosts" {
        return Ok(policy_call(subject, tool, None, Action::ListHosts));
    }
    let place = Place {
        project: project.clone(),
        host: host.clone(),
        labels: BTreeMap::new(),
        layers: None,
        workspace: workspace.into(),
    };
    let recorded = crate::call::for_record(tool, arguments.as_object());
    let action = action_of(tool, &recorded, &place)?;
    Ok(policy_call(subject, tool, Some(&place), action))
}

fn action_of(tool: &str, recorded: &Value, place: &Place) -> Result<Action, Undecidable> {
    if let Some(action) = file::action_of(tool, recorded, place) {
        return action;
    }
    match tool {
        "execute_command" => action::<ExecuteCommand>(executed(recorded)?, place),
        "start_process" => action::<StartProcess>(started(recorded)?, place),
        tool if let Some(used) = ProcessUse::by(tool) => Ok(Action::Process(used)),
        "get_system_info" => action::<GetSystemInfo>(Map::new(), place),
        "check_command_exists" => {
            action::<CheckCommandExists>(decisive(recorded, &["program"])?, place)
        }
        "read_service" => action::<ReadService>(decisive(recorded, &["what", "unit"])?, place),
        other => Err(Undecidable::UnknownTool(other.to_owned())),
    }
}

fn subject(recorded: &journal::Call) -> Result<Subject, Undecidable> {
    let Some(subject) = &recorded.subject else { return Err(Undecidable::Unsaid("who asked")) };
    let journal::Subject { user, groups, client, tenant, claims } = subject;
    whole("client", &json!(client))?;
    claims.values().try_for_each(|values| whole("claims", &json!(values)))?;
    let claims = Claims::try_from(claims.clone()).map_err(|_| Undecidable::Unsaid("the claims"))?;
    Ok(Subject {
        user: user.clone(),
        groups: groups.clone(),
        client: client.clone(),
        tenant: tenant.clone(),
        claims,
    })
}

fn action<T: HostTool>(arguments: JsonObject, place: &Place) -> Result<Action, Undecidable> {
    let input: T::Input = parse(Some(arguments))?;
    Ok(T::ask(input, place)?.wire.action())
}

/// The fields of a command that the rules look at: of standard input only
/// whether there is some, of variables only their names.
fn executed(recorded: &Value) -> Result<JsonObject, Undecidable> {
    let mut arguments =
        decisive(recorded, &["command", "program", "arguments", "working_directory"])?;
    if recorded.get("stdin").and_then(|stdin| stdin.get("bytes")).is_some_and(|bytes| *bytes != 0) {
        arguments.insert("stdin".to_owned(), json!("x"));
    }
    if let Some(variables) = recorded.get("environment").and_then(Value::as_object) {
        if variables.len() >= MAX_FIELDS {
            return Err(Undecidable::Cut("environment".to_owned()));
        }
        for name in variables.keys() {
            whole("environment", &json!(name))?;
        }
        let names = variables.keys().map(|name| (name.clone(), json!("")));
        arguments.insert("environment".to_owned(), Value::Object(names.collect()));
    }
    Ok(arguments)
}

/// The same of a process, with whether somebody can type into it.
fn started(recorded: &Value) -> Result<JsonObject, Undecidable> {
    let mut arguments = executed(recorded)?;
    let is_set = |field: &str| {
        recorded.get(field).is_some_and(|value| !value.is_null() && *value != json!(false))
    };
    if is_set("stdin_open") || is_set("terminal") {
        arguments.insert("stdin_open".to_owned(), json!(true));
    }
    Ok(arguments)
}

/// These fields as they were sent, where the record has all of them.
fn decisive(recorded: &Value, fields: &[&str]) -> Result<JsonObject, Undecidable> {
    let Some(recorded) = recorded.as_object() else {
        // A call without arguments is recorded as null.
        return if recorded.is_null() {
            Ok(Map::new())
        } else {
            Err(Undecidable::Unsaid("what was asked"))
        };
    };
    if recorded.len() >= MAX_FIELDS {
        return Err(Undecidable::Cut("arguments".to_owned()));
    }
    let mut out = Map::new();
    for field in fields {
        if let Some(value) = recorded.get(*field) {
            whole(field, value)?;
            out.insert((*field).to_owned(), value.clone());
        }
    }
    Ok(out)
}

/// Whether a value is recorded as it was sent: see `call::for_record`, and the
/// journal's redaction.
fn whole(field: &str, value: &Value) -> Result<(), Undecidable> {
    match value {
        Value::String(text) if text.contains("[redacted sha256-salted:") => {
            Err(Undecidable::Redacted(field.to_owned()))
        }
        Value::String(text) => {
            let marks = [crate::call::AND_MORE, "[cut]"].contains(&text.as_str())
                || (text.contains("[cut ") && text.contains("bytes sha256-salted:"));
            if marks { Err(Undecidable::Cut(field.to_owned())) } else { Ok(()) }
        }
        Value::Array(elements) => elements.iter().try_for_each(|element| whole(field, element)),
        // None of these fields is an object but where a digest stands for a text.
        Value::Object(_) => Err(Undecidable::Cut(field.to_owned())),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

impl From<BadInput> for Undecidable {
    fn from(error: BadInput) -> Self {
        Self::Input(error.to_string())
    }
}

#[cfg(test)]
mod tests;
