//! Uses of packs become rules: what the pack permits, for whom and with what the
//! use says.

use std::collections::BTreeMap;

use toml::Spanned;

use super::super::condition::Conditions;
use super::super::error::{Report, Source, choices, line_starts};
use super::super::file::{self, File};
use super::super::pack::{PACKS, Pack};
use super::super::raw::{RawConditions, RawPack};
use super::super::rule::{Effect, Gives, Rule, Services};
use super::{Resolver, RoleNames, Sets};
use crate::grant::{Network, Programs};

/// What all files use of packs.
#[derive(Default)]
pub(in super::super) struct Uses {
    /// By their ids.
    pub(in super::super) rules: BTreeMap<String, Rule>,
    /// Each once, in the order of their names.
    pub(in super::super) packs: BTreeMap<&'static str, Pack>,
    /// Where each name was given to a use.
    names: BTreeMap<String, String>,
}

impl Uses {
    /// Takes the uses out of all files.
    pub(in super::super) fn collect(
        files: &mut [File<'_>],
        sets: &Sets,
        role_names: &RoleNames,
        report: &mut Report,
    ) -> Self {
        let mut uses = Self::default();
        for file in files {
            let source = file.source;
            for name in file.packs.drain(..) {
                uses.add(source, RawPack::plain(name), sets, role_names, report);
            }
            for raw in file.uses.drain(..) {
                uses.add(source, raw, sets, role_names, report);
            }
        }
        uses
    }

    fn add(
        &mut self,
        source: Source<'_>,
        raw: RawPack,
        sets: &Sets,
        role_names: &RoleNames,
        report: &mut Report,
    ) {
        let given = raw.alias.clone().unwrap_or_else(|| raw.name.clone());
        let key = format!("pack {}", given.get_ref());
        let Some(pack) = Pack::find(raw.name.get_ref()) else {
            let known = choices(raw.name.get_ref(), PACKS.map(|pack| pack.name));
            let name = crate::text::shown(raw.name.get_ref().as_bytes());
            let message = format!("no pack is named `{name}`; {known}");
            return report.add(source, raw.name.span(), key, message);
        };
        let place = source.place(given.span().start);
        if let Some(other) = self.names.insert(given.get_ref().clone(), place) {
            let message = format!(
                "there is a use of this name already, at {other}; give this one another with `as`"
            );
            return report.add(source, given.span(), key, message);
        }
        let lines = line_starts(pack.text);
        let rules = pack_rules(pack, &lines, report);
        let mut resolver = Resolver { source, sets, roles: role_names, report, key };
        resolver.check_id(&given);
        let over = resolver.overlay(raw);
        for rule in rules {
            let id = format!("pack:{}/{}", given.get_ref(), rule.id);
            self.rules.insert(id.clone(), over.put_on(Rule { id, ..rule }));
        }
        self.packs.insert(pack.name, pack);
    }
}

/// The pack's rules as they stand in it. It has its own sets and no roles.
fn pack_rules(pack: Pack, lines: &[usize], report: &mut Report) -> Vec<Rule> {
    let name = pack.file();
    let source = Source { file: &name, text: pack.text, lines };
    let mut file = file::read(source, report);
    let sets = Sets::collect(std::slice::from_mut(&mut file), report);
    let roles = RoleNames::default();
    let resolve = |(span, raw): (_, super::super::raw::RawRule)| {
        let key = format!("rule {}", raw.id.get_ref());
        Resolver { source, sets: &sets, roles: &roles, report: &mut *report, key }.rule(span, raw)
    };
    file.rules.into_iter().map(resolve).collect()
}

/// What a use says, as a rule without anything that it permits.
struct Overlay(Rule);

impl Overlay {
    /// The pack's rule with what the use says in place of what the pack says.
    fn put_on(&self, rule: Rule) -> Rule {
        let over = &self.0;
        let tools = rule.selectors.tools.clone();
        let ask_if = rule.conditions.ask_if.clone();
        let Gives { profile, workspace_access, programs, limits, network } = over.gives.clone();
        let gives = Gives {
            profile: profile.or(rule.gives.profile),
            workspace_access: workspace_access.or(rule.gives.workspace_access),
            programs: if programs == Programs::Profile { rule.gives.programs } else { programs },
            limits: limits.or(rule.gives.limits),
            network: if network == Network::profile() { rule.gives.network } else { network },
        };
        Rule {
            effect: over.effect,
            scope: over.scope,
            selectors: super::Selectors { tools, ..over.selectors.clone() },
            conditions: Conditions { ask_if, ..over.conditions.clone() },
            gives,
            consent: over.consent.clone(),
            place: over.place.clone(),
            ..rule
        }
    }
}

impl Resolver<'_> {
    fn overlay(&mut self, raw: RawPack) -> Overlay {
        let RawPack {
            name,
            alias: _,
            effect,
            scope,
            subjects,
            hosts,
            projects,
            valid,
            when,
            require,
            approval,
            grant,
        } = raw;
        let place = self.source.at(name.span());
        let effect = effect.unwrap_or_else(|| Spanned::new(name.span(), Effect::Allow));
        if *effect.get_ref() == Effect::Deny {
            let message = "a pack says what may be done; use it with \"allow\" or \"ask\"";
            self.add(effect.span(), "effect", message);
        }
        let effect = effect.into_inner();
        let raw = RawConditions { valid, when, require, ask_if: None };
        Overlay(Rule {
            id: String::new(),
            effect,
            reason: None,
            scope,
            selectors: self.selectors(subjects, hosts, projects, None),
            conditions: self.conditions(effect, true, raw),
            programs: Vec::new(),
            opened_by: Vec::new(),
            paths: Vec::new(),
            services: Services::default(),
            shell: super::Shell::default(),
            environment: None,
            gives: self.gives(grant),
            consent: self.consent(effect, approval),
            place,
        })
    }
}
