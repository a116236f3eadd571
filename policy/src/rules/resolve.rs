//! Raw rules become resolved rules, in this one place. Every check of a rule's
//! meaning is here; after it nothing can fail but a match.

mod argument;
mod condition;
mod consent;
mod pack;
mod roles;
mod sets;
mod subjects;

use std::ops::Range;

use cofferdam_proxy_protocol::Destination;
use toml::Spanned;

use super::error::{Report, Source, choices};
use super::place::{Opening, PathPattern, Root};
use super::program::{Opens, ProgramPattern, Which};
use super::raw::{
    RawConditions, RawGrant, RawHosts, RawOpens, RawPath, RawProgram, RawRule, RawSubjects, Texts,
};
use super::rule::{Effect, Gives, Rule, Services, Shell};
use super::selector::{Names, Selectors};
use super::service::Units;
use super::text::TextPattern;
use crate::action::TOOLS;
use crate::grant::{MAX_DESTINATIONS, Network, ProgramPath, Programs};
use crate::text::shown;

pub(super) use pack::Uses;
pub(super) use roles::{RoleNames, resolve as resolve_roles};
pub(super) use sets::Sets;

/// What stands for the directory that a program starts in, in `opens`.
const DIRECTORY: &str = "directory";
/// The programs of a rule that it only says something of.
const OPENED_BY: &str = "opened_by";
/// The longest id of a rule, in bytes.
const MAX_ID: usize = 128;

/// Resolves the parts of one rule.
pub(super) struct Resolver<'a> {
    pub(super) source: Source<'a>,
    pub(super) sets: &'a Sets,
    pub(super) roles: &'a RoleNames,
    pub(super) report: &'a mut Report,
    /// Which rule, for errors.
    pub(super) key: String,
}

impl Resolver<'_> {
    #[track_caller]
    fn add(&mut self, span: Range<usize>, key: &str, message: impl Into<String>) {
        let key = format!("{}: {key}", self.key);
        self.report.add(self.source, span, key, message);
    }

    /// The rule. What is wrong of it is reported and left out, so that the rule
    /// set as a whole is refused.
    pub(super) fn rule(&mut self, span: Range<usize>, raw: RawRule) -> Rule {
        let RawRule {
            id,
            effect,
            reason,
            scope,
            subjects,
            hosts,
            projects,
            tools,
            programs,
            opened_by,
            paths,
            services,
            journal,
            shell,
            environment,
            grant,
            valid,
            when,
            require,
            ask_if,
            approval,
        } = raw;
        let effect = *effect.get_ref();
        self.check_id(&id);
        self.check_tools(&tools);
        if effect == Effect::Deny {
            self.check_deny(shell.as_ref(), environment.as_ref(), grant.as_ref());
        } else if programs.is_none() && paths.is_none() && services.is_none() && tools.is_none() {
            let message =
                "it permits nothing in particular; give programs, paths, services or tools";
            self.add(span, "effect", message);
        }
        let raw = RawConditions { valid, when, require, ask_if };
        let conditions = self.conditions(effect, programs.is_some(), raw);
        let asks = if conditions.ask_if.is_empty() { effect } else { Effect::Ask };
        let selectors = self.selectors(subjects, hosts, projects, tools);
        let programs = self.programs("programs", effect, programs);
        let opened_by = self.programs(OPENED_BY, effect, opened_by);
        Rule {
            place: self.source.at(id.span()),
            id: id.into_inner(),
            effect,
            reason,
            scope,
            selectors,
            programs,
            opened_by,
            paths: self.paths(paths),
            services: self.services(services, journal),
            shell: shell.map(Spanned::into_inner).unwrap_or_default(),
            environment: environment.map(|names| self.patterns("environment", names.into_inner())),
            gives: self.gives(grant),
            consent: self.consent(asks, approval),
            conditions,
        }
    }

    fn selectors(
        &mut self,
        subjects: RawSubjects,
        hosts: RawHosts,
        projects: Texts,
        tools: Texts,
    ) -> Selectors {
        let labels = hosts
            .labels
            .into_iter()
            .map(|(label, value)| (label, self.patterns("hosts.labels", vec![value])))
            .collect();
        Selectors {
            subjects: self.subjects("subjects.", subjects),
            hosts: self.names("hosts.names", hosts.names),
            labels,
            projects: self.names("projects", projects),
            tools: self.names("tools", tools),
        }
    }

    fn check_id(&mut self, id: &Spanned<String>) {
        let text = id.get_ref();
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
        if text.is_empty() || text.len() > MAX_ID || !text.bytes().all(good) {
            let message = format!(
                "an id has 1 to {MAX_ID} bytes; write ASCII letters, digits and `-`, `_`, `.`, `/`"
            );
            self.add(id.span(), "id", message);
        }
    }

    /// A misspelt tool would never match, and a deny rule never fire.
    fn check_tools(&mut self, tools: &Texts) {
        for tool in tools.iter().flat_map(Spanned::get_ref) {
            let name = tool.get_ref();
            if !name.starts_with('@') && !TOOLS.contains(&name.as_str()) {
                let message = format!("no tool is named `{name}`; {}", choices(name, TOOLS));
                self.add(tool.span(), "tools", message);
            }
        }
    }

    fn check_deny(
        &mut self,
        shell: Option<&Spanned<Shell>>,
        environment: Option<&Spanned<Vec<Spanned<String>>>>,
        grant: Option<&Spanned<RawGrant>>,
    ) {
        if let Some(shell) = shell {
            let message = "a deny rule sees into every command line; leave `shell` out";
            self.add(shell.span(), "shell", message);
        }
        if let Some(first) = environment.and_then(|names| names.get_ref().first()) {
            let message = "`environment` says what a rule permits; leave it out of a deny rule";
            self.add(first.span(), "environment", message);
        }
        if let Some(grant) = grant {
            self.add(grant.span(), "grant", "a deny rule gives nothing; leave `grant` out");
        }
    }

    /// Alternatives of a selector.
    fn names(&mut self, key: &str, texts: Texts) -> Names {
        let texts = texts?;
        self.check_not_empty(key, &texts);
        Some(self.patterns(key, texts.into_inner()))
    }

    /// Globs, with sets put in.
    fn patterns(&mut self, key: &str, texts: Vec<Spanned<String>>) -> Vec<TextPattern> {
        let texts = self.expand(key, texts);
        texts.into_iter().map(|text| TextPattern::glob(text.into_inner())).collect()
    }

    /// Puts the members in place of `@set`.
    fn expand(&mut self, key: &str, texts: Vec<Spanned<String>>) -> Vec<Spanned<String>> {
        let mut out = Vec::new();
        for text in texts {
            match self.sets.expand(text.get_ref()) {
                Ok(members) => {
                    out.extend(members.into_iter().map(|one| Spanned::new(text.span(), one)));
                }
                Err(message) => self.add(text.span(), key, message),
            }
        }
        out
    }

    fn programs(
        &mut self,
        key: &str,
        effect: Effect,
        raw: Option<Spanned<Vec<Spanned<RawProgram>>>>,
    ) -> Vec<ProgramPattern> {
        let Some(raw) = raw else { return Vec::new() };
        self.check_not_empty(key, &raw);
        let mut all = Vec::new();
        for program in raw.into_inner() {
            let span = program.span();
            let Some(program) = self.program(program) else { continue };
            let opens = program.opens();
            if effect == Effect::Deny && opens {
                let message = "what a program opens is said by the rule that permits it; leave \
                               `mode` and `opens` out of a deny rule";
                self.add(span, key, message);
            } else if key == OPENED_BY && !opens {
                let message = "it does not say what is opened; write `mode` beside a `beneath` of \
                               `args`, or `opens`";
                self.add(span, key, message);
            }
            all.push(program);
        }
        all
    }

    fn program(&mut self, raw: Spanned<RawProgram>) -> Option<ProgramPattern> {
        let span = raw.span();
        let RawProgram { name, names, path, under, any, args, opens } = raw.into_inner();
        let which = match (name, names, path, under, any) {
            (Some(name), None, None, None, None) => self.program_names(vec![name]),
            (None, Some(names), None, None, None) => self.program_names(names.into_inner()),
            (None, None, Some(path), None, None) => self.program_path(&path, false),
            (None, None, None, Some(under), None) => self.program_path(&under, true),
            (None, None, None, None, Some(true)) => Some(Which::Any),
            _ => {
                let message = "it names no program, or in several ways; give exactly one of name, names, path, under, or any = true";
                self.add(span, "programs", message);
                None
            }
        };
        let arguments = match args {
            None => None,
            Some(args) => Some(self.arguments(args)?),
        };
        let opens = opens.map(|list| self.opens(list));
        Some(ProgramPattern { which: which?, arguments, opens })
    }

    fn opens(&mut self, raw: Vec<RawOpens>) -> Vec<Opens> {
        let mut out = Vec::new();
        for RawOpens { beneath, mode, recursive } in raw {
            let opening = Opening { mode, recursive: recursive.unwrap_or(true) };
            if beneath.get_ref() == DIRECTORY {
                out.push(Opens { root: None, opening });
                continue;
            }
            match Root::parse(beneath.get_ref()) {
                Ok(root) => out.push(Opens { root: Some(root), opening }),
                Err(message) => {
                    let message = format!("{message}, or `{DIRECTORY}` for where it starts");
                    self.add(beneath.span(), "programs.opens", message);
                }
            }
        }
        out
    }

    fn program_names(&mut self, names: Vec<Spanned<String>>) -> Option<Which> {
        let names = self.expand("programs.names", names);
        let bare = |name: &str| !name.is_empty() && !name.contains(['/', '\0']);
        if let Some(wrong) = names.iter().find(|name| !bare(name.get_ref())) {
            let message = format!(
                "`{}` is not a bare name; for a path write `path` or `under`",
                wrong.get_ref()
            );
            self.add(wrong.span(), "programs.name", message);
            return None;
        }
        let names: Vec<String> = names.into_iter().map(Spanned::into_inner).collect();
        (!names.is_empty()).then_some(Which::Names(names))
    }

    fn program_path(&mut self, text: &Spanned<String>, directory: bool) -> Option<Which> {
        let key = if directory { "programs.under" } else { "programs.path" };
        match ProgramPath::try_from(text.get_ref().clone()) {
            Ok(path) if path.is_directory() == directory => {
                let path = path.as_str().to_owned();
                Some(if directory { Which::Under(path) } else { Which::Path(path) })
            }
            Ok(_) => {
                let message = "`path` names a file; `under` a directory, with `/` at its end";
                self.add(text.span(), key, message);
                None
            }
            Err(error) => {
                self.add(text.span(), key, error.to_string());
                None
            }
        }
    }

    fn paths(&mut self, raw: Option<Spanned<Vec<Spanned<RawPath>>>>) -> Vec<PathPattern> {
        let Some(raw) = raw else { return Vec::new() };
        self.check_not_empty("paths", &raw);
        let mut out = Vec::new();
        for path in raw.into_inner() {
            let RawPath { beneath, mode } = path.into_inner();
            match Root::parse(beneath.get_ref()) {
                Ok(root) => out.push(PathPattern { root, mode }),
                Err(message) => self.add(beneath.span(), "paths.beneath", message),
            }
        }
        out
    }

    fn services(&mut self, raw: Texts, journal: Option<Spanned<bool>>) -> Services {
        let Some(raw) = raw else {
            if let Some(journal) = journal {
                let message = "it is about the units of `services`; give them, or leave it out";
                self.add(journal.span(), "journal", message);
            }
            return Services::default();
        };
        self.check_not_empty("services", &raw);
        let mut units = Vec::new();
        for text in self.expand("services", raw.into_inner()) {
            match Units::glob(text.get_ref()) {
                Ok(read) => units.push(read),
                Err(why) => {
                    let shown = shown(text.get_ref().as_bytes());
                    self.add(text.span(), "services", format!("`{shown}` {why}"));
                }
            }
        }
        Services { units, journal: journal.is_some_and(Spanned::into_inner) }
    }

    /// An empty list may be meant as everything, and a deny rule with one would
    /// never fire.
    fn check_not_empty<T>(&mut self, key: &str, list: &Spanned<Vec<T>>) {
        if list.get_ref().is_empty() {
            self.add(list.span(), key, "an empty list matches nothing; fill it or leave it out");
        }
    }

    fn gives(&mut self, raw: Option<Spanned<RawGrant>>) -> Gives {
        let Some(raw) = raw else { return Gives::default() };
        let span = raw.span();
        let RawGrant { profile, workspace_access, programs, limits, network } = raw.into_inner();
        if let Some(name) = limits.zero() {
            self.add(
                span,
                "grant.limits",
                format!("`{name}` is zero, so that nothing could run; give more, or leave it out"),
            );
        }
        if let Some(programs) = &programs {
            self.check_not_empty("grant.programs", programs);
        }
        if let Some(profile) = profile.as_ref().filter(|profile| profile.get_ref().is_empty()) {
            self.add(profile.span(), "grant.profile", "it is empty; give the name of a profile");
        }
        let programs = programs
            .map(|programs| Programs::Only(programs.into_inner().into_iter().collect()))
            .unwrap_or_default();
        let profile = profile.map(Spanned::into_inner);
        let network = network.map(|list| self.network(list)).unwrap_or_default();
        Gives { profile, workspace_access, programs, limits, network }
    }

    /// Destinations, with sets put in. An empty list is meant: nothing may be
    /// reached, whatever the profile says.
    fn network(&mut self, raw: Spanned<Vec<Spanned<String>>>) -> Network {
        const KEY: &str = "grant.network";
        let span = raw.span();
        let mut destinations: Vec<Destination> = Vec::new();
        for text in self.expand(KEY, raw.into_inner()) {
            match text.get_ref().parse() {
                Ok(destination) => destinations.push(destination),
                Err(error) => {
                    let shown = shown(text.get_ref().as_bytes());
                    self.add(text.span(), KEY, format!("`{shown}` is no destination: {error}"));
                }
            }
        }
        if destinations.len() > MAX_DESTINATIONS {
            let message =
                format!("a host takes at most {MAX_DESTINATIONS} destinations; take some out");
            self.add(span, KEY, message);
        }
        Network::only(destinations)
    }
}
