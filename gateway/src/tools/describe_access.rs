//! `describe_access`: what the caller may do somewhere, in few words. The gateway
//! answers it by itself, to everybody about themselves and about nobody else; no
//! rule is needed to hear of one's own, and a refusal of each call says as much.

use cofferdam_policy::{Access, Allowance, Refusal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definition::{About, Effect};
use super::{Target, definitions};
use crate::call::Origin;
use crate::decide::Policy;
use crate::gateway::Gateway;
use crate::input::BadInput;
use crate::place::Place;
use crate::result::{Answer, InWords};

/// What a client is told about the tool.
pub(super) const ABOUT: About = About {
    name: "describe_access",
    title: "Describe what is allowed",
    description: "Tells what you may do on a host in a project: tools, programs with the shape of \
         their arguments, files, sandbox profile, limits, network, and what people have to agree \
         to. Look here before you plan, and after a refusal.",
    effect: Effect::Reads,
};

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The host, as `list_hosts` names it. Default: the project's first.
    host: Option<String>,
    /// The project. Needed only where there are several.
    project: Option<String>,
}

/// What a caller gets.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    user: String,
    host: String,
    project: String,
    /// The absolute path of the workspace.
    workspace: String,
    /// Tools of which some call may be permitted here.
    tools: Vec<String>,
    /// Scopes that each have to permit a call.
    scopes: Vec<String>,
    /// What rules permit.
    may: Vec<MayView>,
    /// What rules forbid, or have people asked about.
    may_not: Vec<MayNotView>,
    /// There is more than fits here.
    truncated: bool,
    /// Whom to ask for more.
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<String>,
    #[serde(skip)]
    #[schemars(skip)]
    in_words: String,
    /// This call's id.
    pub(crate) run_id: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct MayView {
    rule: String,
    scope: String,
    tools: Vec<&'static str>,
    /// Programs with their arguments: `…` is any more, `[x]` may be left out.
    programs: Vec<String>,
    /// Whether the programs may stand in command lines: those that can be `seen through`, or
    /// `any`.
    #[serde(skip_serializing_if = "Option::is_none")]
    command_lines: Option<&'static str>,
    /// Variables that may be set.
    variables: Vec<String>,
    paths: Vec<String>,
    /// Units of the host's services, and what of them may be read.
    services: Vec<String>,
    /// Profile, access to the workspace, network and limits; what is not said is as the profile
    /// says.
    grant: String,
    /// When and where; none: always.
    #[serde(skip_serializing_if = "Option::is_none")]
    only: Option<String>,
    /// Who has to agree first; none: nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    people: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct MayNotView {
    rule: String,
    tools: Vec<&'static str>,
    programs: Vec<String>,
    paths: Vec<String>,
    services: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    only: Option<String>,
    /// Who has to agree first; none: it is forbidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    people: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Target for Input {
    fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }
    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

/// What the rules of this policy say.
pub(crate) fn answer(
    gateway: &Gateway,
    policy: &Policy,
    origin: &Origin,
    input: &Input,
) -> Result<Output, BadInput> {
    let config = gateway.config();
    let place = Place::resolve(&gateway.roster(), input.project(), input.host())?;
    let mut access = policy.access(origin, &place);
    // Some names of the rules are for what is not called by MCP.
    access.tools.retain(|tool| definitions().iter().any(|it| it.name == *tool));
    // Half for the words, half for the structure that says the same.
    let budget = config.limits.result_bytes.get() / 2;
    let (access, truncated) = bounded(access, budget);
    let in_words = access.to_string();
    let Access { tools, scopes, may, may_not } = access;
    Ok(Output {
        user: origin.caller.user.clone(),
        host: place.host,
        project: place.project,
        workspace: place.workspace.display().to_string(),
        tools: tools.into_iter().map(str::to_owned).collect(),
        scopes,
        may: may.into_iter().map(MayView::from).collect(),
        may_not: may_not.into_iter().map(MayNotView::from).collect(),
        truncated,
        contact: config.contact.clone(),
        in_words,
        run_id: origin.run_id.clone(),
    })
}

/// The rules of both kinds that fit, in their order; what is forbidden has a third
/// of the room.
fn bounded(access: Access, budget: usize) -> (Access, bool) {
    let Access { tools, scopes, may, may_not } = access;
    let size = |text: &dyn ToString| text.to_string().len();
    let mut room = budget / 3;
    let (all, all_not) = (may.len(), may_not.len());
    let may_not: Vec<Refusal> =
        may_not.into_iter().filter(|one| fits(&mut room, size(one))).collect();
    room += budget - budget / 3;
    let may: Vec<Allowance> = may.into_iter().filter(|one| fits(&mut room, size(one))).collect();
    let truncated = may.len() < all || may_not.len() < all_not;
    (Access { tools, scopes, may, may_not }, truncated)
}

fn fits(room: &mut usize, size: usize) -> bool {
    match room.checked_sub(size) {
        Some(left) => {
            *room = left;
            true
        }
        None => false,
    }
}

impl From<Allowance> for MayView {
    fn from(allowance: Allowance) -> Self {
        let Allowance {
            rule,
            scope,
            reason,
            tools,
            programs,
            command_lines,
            variables,
            paths,
            services,
            grant,
            only,
            people,
        } = allowance;
        Self {
            rule,
            scope,
            tools,
            programs,
            command_lines,
            variables,
            paths,
            services,
            grant,
            only,
            people,
            reason,
        }
    }
}

impl From<Refusal> for MayNotView {
    fn from(refusal: Refusal) -> Self {
        let Refusal { rule, reason, tools, programs, paths, services, only, people } = refusal;
        Self { rule, tools, programs, paths, services, only, people, reason }
    }
}

impl Answer for Output {
    fn in_words(&self) -> Vec<InWords> {
        let fields = &["tools", "scopes", "may", "may_not"];
        vec![InWords { title: "here you", fields, text: self.in_words.clone() }]
    }

    fn headline(&self) -> String {
        format!("{} on the host {} in the project {}", self.user, self.host, self.project)
    }
}
