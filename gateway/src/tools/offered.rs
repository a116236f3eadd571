//! The tools that a caller is told of: those of which the rules could permit
//! some call somewhere, and those that need no rule.
//!
//! A tool that is not told of can be called all the same; the rules then refuse
//! it as they refuse everything.

use cofferdam_policy::TOOLS;
use rmcp::model::Tool;

use super::definitions;
use crate::call::Origin;
use crate::gateway::Gateway;
use crate::place::Place;

/// Programs that the description of `execute_command` names.
const MAX_PROGRAMS: usize = 40;

/// Those that `origin` can use by the rules in force now.
pub(crate) fn offered(gateway: &Gateway, origin: &Origin) -> Vec<Tool> {
    let policy = gateway.policy();
    let places = Place::all(&gateway.roster());
    let is_offered = |tool: &&Tool| {
        // What is in no rule's power needs none.
        !TOOLS.contains(&&*tool.name) || policy.could_use(origin, &places, &tool.name)
    };
    let mut tools: Vec<Tool> = definitions().iter().filter(is_offered).cloned().collect();
    if let Some(tool) = tools.iter_mut().find(|tool| tool.name == "execute_command") {
        let programs: Vec<String> = policy.programs(origin, &places).into_iter().collect();
        let description = tool.description.as_deref().unwrap_or_default();
        tool.description = Some(format!("{description} {}", named(&programs)).into());
    }
    tools
}

fn named(programs: &[String]) -> String {
    let shown = programs.iter().take(MAX_PROGRAMS).cloned().collect::<Vec<_>>().join(", ");
    let more = match programs.len().saturating_sub(MAX_PROGRAMS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "Rules permit you, with some arguments: {shown}{more}; describe_access tells which, and \
         where."
    )
}
