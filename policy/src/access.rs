//! What a caller may do somewhere, without a call: which tools could be of use,
//! and the rules that speak of this caller there, put in words.
//!
//! Invariant: never too little. Where some call of a tool is permitted or asked
//! about, [`RuleSet::could_use`] says so and [`Access`] has the rule; a call may
//! be refused all the same. The gateway shows tools and answers
//! `describe_access` by it; only [`RuleSet::decide`] decides.

mod words;

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::action::{Action, Call, Host, ProcessUse, Project, TOOLS};
use crate::decision::Effect;
use crate::rules::RuleSet;
use crate::rules::place::Mode;
use crate::rules::role::Held;
use crate::rules::rule::{Rule, SCOPES, Scope, Shell};
use crate::subject::Subject;

/// What a caller may do somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The tools of [`TOOLS`] that could be of use.
    pub tools: Vec<&'static str>,
    /// The scopes that each have to permit a call, from wide to narrow.
    pub scopes: Vec<String>,
    /// What rules permit, in the byte order of their ids.
    pub may: Vec<Allowance>,
    /// What rules forbid or ask about whatever else permits it, likewise.
    pub may_not: Vec<Refusal>,
}

/// What one rule permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// The rule.
    pub rule: String,
    /// Whose rule it is.
    pub scope: String,
    /// The reason that it gives.
    pub reason: Option<String>,
    /// The tools that it is about.
    pub tools: Vec<&'static str>,
    /// Programs with the shape of their arguments.
    pub programs: Vec<String>,
    /// `seen through` or `any` where the programs may stand in command lines.
    pub command_lines: Option<&'static str>,
    /// Variables that may be set.
    pub variables: Vec<String>,
    /// Paths with their mode.
    pub paths: Vec<String>,
    /// Units of services, and what of them.
    pub services: Vec<String>,
    /// What it gives: profile, workspace, programs, network, limits.
    pub grant: String,
    /// When and where it applies; none: always.
    pub only: Option<String>,
    /// Who has to agree, and about what; none: nobody.
    pub people: Option<String>,
}

/// What one rule forbids, or has people asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The rule.
    pub rule: String,
    /// The reason that it gives.
    pub reason: Option<String>,
    /// The tools that it is about.
    pub tools: Vec<&'static str>,
    /// Programs with the shape of their arguments; with no paths and services
    /// either, it is about everything.
    pub programs: Vec<String>,
    /// Paths with their mode.
    pub paths: Vec<String>,
    /// Units of services, and what of them.
    pub services: Vec<String>,
    /// When it applies; none: always.
    pub only: Option<String>,
    /// Who has to agree; none: it is forbidden.
    pub people: Option<String>,
}

/// Who asks where: a call of which nothing else is known.
struct Asking<'r> {
    /// Rules that are meant for this caller here, whatever the tool.
    meant: Vec<&'r Rule>,
    base: Scope,
    call: Call,
    held: Held,
}

impl RuleSet {
    /// Whether some call of `tool` could be permitted to `subject` there, at
    /// `at` or later, by itself or once people agree. A tool that is none of
    /// [`TOOLS`] never is.
    #[must_use]
    pub fn could_use(
        &self,
        subject: &Subject,
        project: &Project,
        host: &Host,
        tool: &str,
        at: Timestamp,
    ) -> bool {
        Asking::new(self, subject, project, host, at).could_use(tool)
    }

    /// Programs that `subject` may run there with some arguments, at `at` or later:
    /// names, paths, and directories with a star.
    #[must_use]
    pub fn programs(
        &self,
        subject: &Subject,
        project: &Project,
        host: &Host,
        at: Timestamp,
    ) -> BTreeSet<String> {
        let mut asking = Asking::new(self, subject, project, host, at);
        "execute_command".clone_into(&mut asking.call.tool);
        let runs = |rule: &&&Rule| {
            rule.scope == asking.base
                && rule.is_positive()
                && !asking.is_over(rule)
                && asking.selects(rule)
        };
        let patterns = asking.meant.iter().filter(runs).flat_map(|rule| &rule.programs);
        patterns.flat_map(|pattern| words::programs(&pattern.which)).collect()
    }

    /// What `subject` may do there, at `at` or later.
    #[must_use]
    pub fn access(
        &self,
        subject: &Subject,
        project: &Project,
        host: &Host,
        at: Timestamp,
    ) -> Access {
        let mut asking = Asking::new(self, subject, project, host, at);
        let tools: Vec<&'static str> =
            TOOLS.into_iter().filter(|tool| asking.could_use(tool)).collect();
        let client = &subject.client;
        let (mut may, mut may_not) = (Vec::new(), Vec::new());
        for rule in asking.meant.clone() {
            if asking.is_over(rule) {
                continue;
            }
            let useful = asking.tools_of(rule, &tools, permits);
            let guarded = asking.tools_of(rule, &tools, |rule, tool| {
                is_only_guard(rule) && guards(rule, tool) && !permits(rule, tool)
            });
            if !useful.is_empty() {
                may.push(words::allowance(rule, useful, client));
            }
            if !guarded.is_empty() {
                may_not.push(words::refusal(rule, guarded, client));
            }
        }
        let scopes = asking.speaking().iter().map(ToString::to_string).collect();
        Access { tools, scopes, may, may_not }
    }
}

impl<'r> Asking<'r> {
    fn new(
        rules: &'r RuleSet,
        subject: &Subject,
        project: &Project,
        host: &Host,
        at: Timestamp,
    ) -> Self {
        let call = Call {
            subject: subject.clone(),
            project: project.clone(),
            host: host.clone(),
            tool: String::new(),
            action: Action::ListHosts,
            at,
        };
        let held = rules.roles.held_by(subject);
        let is_meant = |rule: &&Rule| rule.selectors.select_place(&call, &held);
        let meant = rules.rules.iter().filter(is_meant).collect();
        // Without a base there is no scope that permits, and one has to.
        let base = rules.base.unwrap_or(Scope::System);
        Self { meant, base, call, held }
    }

    /// Whether every scope that has to permit has a rule that may, and no rule
    /// refuses whatever is asked.
    fn could_use(&mut self, tool: &str) -> bool {
        tool.clone_into(&mut self.call.tool);
        let mut refused = self.meant.iter().filter(|rule| refuses_everything(rule));
        let is_meant = |rule: &Rule| ProcessUse::by(tool).is_none() || rule.selectors.is_for(tool);
        if refused.any(|rule| self.selects(rule) && is_meant(rule)) {
            return false;
        }
        self.speaking().into_iter().all(|scope| {
            self.meant.iter().any(|rule| {
                rule.scope == scope
                    && rule.is_positive()
                    && serves(rule, tool)
                    && !self.is_over(rule)
                    && self.selects(rule)
            })
        })
    }

    /// The scopes that have to permit, as a decision asks them.
    fn speaking(&self) -> Vec<Scope> {
        let speaks =
            |scope| self.meant.iter().any(|rule| rule.scope == scope && rule.is_positive());
        let base = self.base;
        let speaking = |scope: &Scope| *scope == base || (*scope > base && speaks(*scope));
        SCOPES.into_iter().filter(speaking).collect()
    }

    fn selects(&self, rule: &Rule) -> bool {
        rule.selectors.select(&self.call, &self.held)
    }

    /// Whether it never applies again.
    fn is_over(&self, rule: &Rule) -> bool {
        rule.conditions.valid.until.is_some_and(|until| until <= self.call.at)
    }

    /// Those of `tools` that the rule is meant for and `is_about`.
    fn tools_of(
        &mut self,
        rule: &Rule,
        tools: &[&'static str],
        is_about: impl Fn(&Rule, &str) -> bool,
    ) -> Vec<&'static str> {
        let mut found = tools.to_vec();
        found.retain(|tool| {
            (*tool).clone_into(&mut self.call.tool);
            is_about(rule, tool) && self.selects(rule)
        });
        found
    }
}

/// Whether it is an allow or ask rule that permits something by this tool;
/// paths are for redirections, too.
fn permits(rule: &Rule, tool: &str) -> bool {
    let redirects = matches!(tool, "execute_command" | "start_process") && !rule.paths.is_empty();
    rule.is_positive() && (serves(rule, tool) || redirects)
}

/// Whether it permits nothing that it is about: a deny rule, or an ask rule that
/// names neither program nor path nor unit.
fn is_only_guard(rule: &Rule) -> bool {
    rule.effect == Effect::Deny || (rule.effect == Effect::Ask && rule.names_nothing())
}

/// Whether it is a deny rule about whatever is asked for, at all times.
fn refuses_everything(rule: &Rule) -> bool {
    let always = rule.conditions.when.is_none()
        && rule.conditions.valid.from.is_none()
        && rule.conditions.valid.until.is_none();
    rule.effect == Effect::Deny && rule.names_nothing() && always
}

/// Whether an allow or ask rule could permit a call of this tool.
fn serves(rule: &Rule, tool: &str) -> bool {
    match tool {
        "execute_command" | "check_command_exists" => !rule.programs.is_empty(),
        "start_process" => !rule.programs.is_empty() && rule.selectors.is_for(tool),
        tool if ProcessUse::by(tool).is_some() => {
            !rule.programs.is_empty() || rule.selectors.names_tool(tool)
        }
        "write_file" | "edit_file" | "make_directory" | "move_file" | "copy_file"
        | "delete_file" | "upload_file" => rule.paths.iter().any(|path| path.mode == Mode::Write),
        "read_file" | "read_files" | "stat_file" | "list_directory" | "search_files"
        | "watch_files" | "download_file" => !rule.paths.is_empty(),
        "get_system_info" | "list_hosts" => rule.selectors.names_tool(tool),
        "read_service" => !rule.services.units.is_empty(),
        _ => false,
    }
}

/// Whether a deny or ask rule could stop a call of this tool. Redirections make
/// paths a matter of running programs, too.
fn guards(rule: &Rule, tool: &str) -> bool {
    if rule.names_nothing() {
        return ProcessUse::by(tool).is_none() || rule.selectors.is_for(tool);
    }
    match tool {
        "execute_command" | "start_process" => !rule.programs.is_empty() || !rule.paths.is_empty(),
        tool if ProcessUse::by(tool).is_some() => rule.selectors.names_tool(tool),
        "check_command_exists" => rule.programs.iter().any(|program| program.arguments.is_none()),
        "get_system_info" | "list_hosts" => false,
        "read_service" => !rule.services.units.is_empty(),
        _ => !rule.paths.is_empty(),
    }
}

/// What a rule lets command lines be, in a word.
fn command_lines(shell: Shell) -> Option<&'static str> {
    match shell {
        Shell::Refuse => None,
        Shell::Parsed => Some("seen through"),
        Shell::Opaque => Some("any"),
    }
}

#[cfg(test)]
mod tests;
