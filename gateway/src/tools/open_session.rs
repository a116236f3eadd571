//! `open_session`: opens a working context that later calls name. The gateway answers
//! it by itself; no rule is needed, because a session grants nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definition::{About, Effect};
use super::execute_command::check_environment;
use crate::decide::Policy;
use crate::input::{BadInput, check_path};
use crate::place::Place;
use crate::result::Answer;
use crate::roster::Roster;
use crate::sessions::{NewSession, Session};

/// What a client is told about the tool.
pub(super) const ABOUT: About = About {
    name: "open_session",
    title: "Open a session",
    description: "Opens a working context and returns its handle `session`: later calls that name \
         it start in its working directory, on its host, with its environment, and share one \
         sandbox (/tmp, and what was started with `background`) that nobody else is in. It lasts \
         while it is used, also when the gateway is started again. It grants nothing: each call is \
         decided as if it had said all of that itself. close_session ends everything in it.",
    effect: Effect::Executes,
};

/// Bytes of names and values of an environment.
const MAX_ENVIRONMENT: usize = 64 * 1024;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The host, as `list_hosts` names it. Default: the project's first.
    host: Option<String>,
    /// The project, whose workspace it works in. Needed only where there are several.
    project: Option<String>,
    /// A sandbox profile that is to be used where it is narrower than the one that rules
    /// give; it never widens.
    profile: Option<String>,
    /// Where calls start: absolute, or relative to the workspace. Default: the workspace.
    working_directory: Option<String>,
    /// Environment variables for what is run, by name. Rules decide about them in each
    /// call. They are kept until the session is closed: put no secrets there.
    environment: Option<BTreeMap<String, String>>,
}

/// What a caller gets.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The handle, to be given as `session`. It is told once and works for you only.
    session: String,
    /// What names it in list_sessions and in records.
    id: String,
    host: String,
    project: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    /// Empty: the workspace.
    working_directory: String,
    /// Names of its variables.
    environment: Vec<String>,
    /// It is forgotten when it was not used for so long.
    idle_seconds: u64,
    /// This call's id.
    pub(crate) run_id: String,
}

/// What is to be opened.
pub(crate) fn ask(roster: &Roster, policy: &Policy, input: Input) -> Result<NewSession, BadInput> {
    let Input { host, project, profile, working_directory, environment } = input;
    let place = Place::resolve(roster, project.as_deref(), host.as_deref())?;
    if let Some(directory) = &working_directory {
        check_path("working_directory", directory)?;
    }
    let environment = environment.unwrap_or_default();
    check_environment(&environment)?;
    let bytes: usize = environment.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_ENVIRONMENT {
        let message =
            format!("`environment` has {bytes} bytes; at most {MAX_ENVIRONMENT} are kept");
        return Err(BadInput::too_large("environment", message));
    }
    let known = policy.profiles();
    if let Some(wished) = profile.as_ref().filter(|wished| !known.contains(wished)) {
        let message = format!(
            "the rules do not say how narrow the profile `{wished}` is; they order: {}",
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        );
        return Err(BadInput::field("profile", message));
    }
    Ok(NewSession {
        project: place.project,
        host: place.host,
        profile,
        working_directory: working_directory.unwrap_or_default(),
        environment,
    })
}

/// What was opened.
pub(crate) fn answer(handle: String, session: Session, idle: Duration, run_id: String) -> Output {
    let Session { id, host, project, profile, working_directory, environment, .. } = session;
    Output {
        session: handle,
        id,
        host,
        project,
        profile,
        working_directory,
        environment: environment.into_keys().collect(),
        idle_seconds: idle.as_secs(),
        run_id,
    }
}

impl Answer for Output {
    fn headline(&self) -> String {
        let Self { session, host, project, .. } = self;
        format!("opened a session on {host} in {project}; give session: {session}")
    }
}
