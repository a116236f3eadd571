//! Prompts for common jobs: what a person picks in their client, and what the model then
//! reads, with the calls of tools that do the job well.
//!
//! A prompt grants nothing and asks nothing of a host: it is text. It is shown only to
//! callers whom the rules could permit the tools that it speaks of, at one place at
//! least; which calls are permitted, only each call's decision tells.

mod jobs;
mod words;

use std::collections::BTreeMap;

use rmcp::model::{
    ErrorData, GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role,
};
use serde_json::{Value, json};

use crate::call::Origin;
use crate::completion::Kind;
use crate::gateway::Gateway;
use crate::place::Place;
use jobs::JOBS;
use words::Given;

/// Bytes of an argument.
const MAX_ARGUMENT: usize = 4096;

/// A common job.
struct Job {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    /// Besides host and project, which every job has.
    arguments: &'static [Argument],
    /// The tools without which it cannot be done.
    needs: &'static [&'static str],
    /// What the model reads.
    text: fn(&Given) -> String,
}

/// What a person can say about a job.
struct Argument {
    name: &'static str,
    description: &'static str,
    is_required: bool,
    completed: Kind,
}

/// What every job takes.
const PLACE: [Argument; 2] = [
    Argument {
        name: "host",
        description: "The host. Default: the project's first.",
        is_required: false,
        completed: Kind::Host,
    },
    Argument {
        name: "project",
        description: "The project. Needed only where there are several.",
        is_required: false,
        completed: Kind::Project,
    },
];

impl Job {
    fn arguments(&self) -> impl Iterator<Item = &Argument> {
        self.arguments.iter().chain(&PLACE)
    }

    /// The places where the caller may be permitted all that it needs.
    fn places(&self, gateway: &Gateway, origin: &Origin) -> Vec<Place> {
        let policy = gateway.policy();
        let could = |place: &Place| {
            let place = std::slice::from_ref(place);
            self.needs.iter().all(|tool| policy.could_use(origin, place, tool))
        };
        Place::all(&gateway.roster()).into_iter().filter(could).collect()
    }

    fn shown(&self) -> Prompt {
        let arguments = self.arguments().map(|argument| {
            PromptArgument::new(argument.name)
                .with_description(argument.description)
                .with_required(argument.is_required)
        });
        Prompt::new(self.name, Some(self.description), Some(arguments.collect()))
            .with_title(self.title)
    }
}

/// The prompts that the caller could do something with.
pub(crate) fn offered(gateway: &Gateway, origin: &Origin) -> Vec<Prompt> {
    let of_use = JOBS.iter().filter(|job| !job.places(gateway, origin).is_empty());
    of_use.map(Job::shown).collect()
}

/// A prompt with what a person said about the job.
pub(crate) fn get(
    gateway: &Gateway,
    origin: &Origin,
    name: &str,
    arguments: Option<JsonObject>,
) -> Result<GetPromptResult, ErrorData> {
    let refused = |message: String| {
        gateway.recorder().failure(origin, "INVALID_PROMPT", &message);
        ErrorData::invalid_params(message, Some(json!({ "reason": "INVALID_PROMPT" })))
    };
    let Some((job, places)) = find(gateway, origin, name) else {
        return Err(refused(unknown(gateway, origin, name)));
    };
    let given = given(job, arguments.unwrap_or_default()).map_err(refused)?;
    let place = |place: &Place| {
        given.get("host").is_none_or(|host| *host == place.host)
            && given.get("project").is_none_or(|project| *project == place.project)
    };
    if !places.iter().any(place) {
        let message = "there is no such host or project where the rules could permit you the \
                       tools that this needs; describe_access tells what you may do";
        return Err(refused(message.to_owned()));
    }
    let text = (job.text)(&Given::new(given));
    let message = PromptMessage::new_text(Role::User, text);
    Ok(GetPromptResult::new(vec![message]).with_description(job.description))
}

/// How an argument of a prompt is completed, and where what the prompt needs could be
/// permitted; none: there is no such prompt for the caller, or it has no such argument.
pub(crate) fn completed(
    gateway: &Gateway,
    origin: &Origin,
    name: &str,
    argument: &str,
) -> Option<(Kind, Vec<Place>)> {
    let (job, places) = find(gateway, origin, name)?;
    let argument = job.arguments().find(|it| it.name == argument)?;
    Some((argument.completed, places))
}

fn find(gateway: &Gateway, origin: &Origin, name: &str) -> Option<(&'static Job, Vec<Place>)> {
    let job = JOBS.iter().find(|job| job.name == name)?;
    let places = job.places(gateway, origin);
    (!places.is_empty()).then_some((job, places))
}

fn unknown(gateway: &Gateway, origin: &Origin, name: &str) -> String {
    let names: Vec<String> = offered(gateway, origin).into_iter().map(|it| it.name).collect();
    let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
    match names.join(", ").as_str() {
        "" => format!(
            "there is no prompt `{name}` for you: the rules permit you no tool that one needs"
        ),
        names => format!("there is no prompt `{name}` for you; there are: {names}"),
    }
}

/// What was said, checked; what was left empty was not said.
fn given(job: &Job, arguments: JsonObject) -> Result<BTreeMap<&'static str, String>, String> {
    let mut given = BTreeMap::new();
    for (name, value) in arguments {
        let Some(argument) = job.arguments().find(|argument| argument.name == name) else {
            let names: Vec<&str> = job.arguments().map(|argument| argument.name).collect();
            return Err(format!(
                "`{}` has no such argument; it has: {}",
                job.name,
                names.join(", ")
            ));
        };
        let name = argument.name;
        let Value::String(text) = value else {
            return Err(format!("`{name}` must be a text"));
        };
        if text.len() > MAX_ARGUMENT {
            return Err(format!("`{name}` has {} bytes; at most {MAX_ARGUMENT}", text.len()));
        }
        if text.contains(char::is_control) {
            return Err(format!("`{name}` has a control character in it; leave it out"));
        }
        if !text.trim().is_empty() {
            given.insert(name, text.trim().to_owned());
        }
    }
    let missing = job.arguments().find(|it| it.is_required && !given.contains_key(it.name));
    match missing {
        Some(missing) => {
            Err(format!("`{}` needs `{}`: {}", job.name, missing.name, missing.description))
        }
        None => Ok(given),
    }
}

#[cfg(test)]
mod tests;
