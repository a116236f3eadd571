//! A rule in words, property by property, complete: two rules with the same
//! words decide the same.
//!
//! Everything is taken apart completely, so that a new property of rules does
//! not build before it is told here.

use std::collections::{BTreeMap, BTreeSet};

use super::{Facets, Told};
use crate::decision::Effect;
use crate::grant::{Limits, Programs};
use crate::rules::RuleSet;
use crate::rules::argument::{Element, Value};
use crate::rules::condition::{Conditions, Validity};
use crate::rules::consent::Consent;
use crate::rules::program::{ProgramPattern, Which};
use crate::rules::role::Roles;
use crate::rules::rule::{Gives, Rule, Scope, Services, Shell};
use crate::rules::selector::{Names, Selectors, Subjects};
use crate::rules::text::TextPattern;

/// Every rule by its id. The order of profiles stands among them: it says which
/// grant is the narrower one.
pub(super) fn of_all(rules: &RuleSet) -> BTreeMap<String, Told> {
    let of_rules =
        rules.rules.iter().map(|rule| (rule.id.clone(), (rule.effect, facets(rule, &rules.roles))));
    let mut order = Facets::new();
    add(&mut order, "order", rules.order.names().join(", "));
    of_rules.chain([("(order of profiles)".to_owned(), (Effect::Allow, order))]).collect()
}

fn facets(rule: &Rule, roles: &Roles) -> Facets {
    let Rule {
        id: _,
        effect,
        reason,
        scope,
        selectors,
        conditions,
        programs,
        opened_by,
        paths,
        services,
        shell,
        environment,
        gives,
        consent,
        place: _,
    } = rule;
    let mut out = Facets::new();
    add(&mut out, "effect", effect.to_string());
    add_some(&mut out, "reason", reason.clone());
    add(&mut out, "scope", scope_name(*scope));
    add_selectors(&mut out, selectors, roles);
    add_conditions(&mut out, conditions);
    add_all(&mut out, "programs", programs.iter().flat_map(program));
    add_all(&mut out, "opened_by", opened_by.iter().flat_map(program));
    add_all(&mut out, "paths", paths.iter().map(ToString::to_string));
    let Services { units, journal } = services;
    add_all(&mut out, "services", units.iter().map(|units| units.written().to_owned()));
    if !units.is_empty() {
        add(&mut out, "journal", journal.to_string());
    }
    if *effect != Effect::Deny {
        add(&mut out, "shell", shell_name(*shell));
    }
    if let Some(names) = environment {
        add_patterns(&mut out, "environment", names);
    }
    add_gives(&mut out, gives);
    if *effect == Effect::Ask {
        add_consent(&mut out, consent);
    }
    out
}

fn add_selectors(out: &mut Facets, selectors: &Selectors, roles: &Roles) {
    let Selectors { subjects, hosts, labels, projects, tools } = selectors;
    add_subjects(out, subjects, roles);
    add_names(out, "hosts.names", hosts);
    for (label, patterns) in labels {
        add_patterns(out, &format!("hosts.labels.{label}"), patterns);
    }
    add_names(out, "projects", projects);
    add_names(out, "tools", tools);
}

fn add_subjects(out: &mut Facets, subjects: &Subjects, all: &Roles) {
    let Subjects { users, groups, tenants, clients, claims, roles } = subjects;
    add_names(out, "subjects.users", users);
    add_names(out, "subjects.groups", groups);
    add_names(out, "subjects.tenants", tenants);
    add_names(out, "subjects.clients", clients);
    for (claim, patterns) in claims {
        add_patterns(out, &format!("subjects.claims.{claim}"), patterns);
    }
    for role in roles.iter().flatten() {
        // A role is who holds it, whatever it is called.
        let alternatives = all.get(*role).iter().map(|alternative| {
            let mut inner = Facets::new();
            add_subjects(&mut inner, alternative, all);
            let told = inner.iter().map(|(name, texts)| {
                let name = name.strip_prefix("subjects.").unwrap_or(name);
                format!("{name} {}", texts.iter().cloned().collect::<Vec<_>>().join("|"))
            });
            told.collect::<Vec<_>>().join(" and ")
        });
        let alternatives: BTreeSet<String> = alternatives.collect();
        let alternatives: Vec<String> = alternatives.into_iter().collect();
        add(out, "subjects.roles", alternatives.join(", or "));
    }
}

fn add_gives(out: &mut Facets, gives: &Gives) {
    let Gives { profile, workspace_access, programs, limits, network } = gives;
    add_some(out, "grant.profile", profile.clone());
    add_some(out, "grant.workspace_access", workspace_access.map(|access| access.to_string()));
    if *programs != Programs::default() {
        add_all(out, "grant.programs", programs.to_texts().into_iter());
    }
    if *limits != Limits::default() {
        add(out, "grant.limits", limits.to_string());
    }
    if !network.is_profile() {
        let lists = network.to_texts();
        add_all(out, "grant.network", lists.into_iter().map(|list| list.join(", ")));
    }
}

fn add_conditions(out: &mut Facets, conditions: &Conditions) {
    let Conditions { valid: Validity { from, until }, when, layers, ask_if } = conditions;
    add_some(out, "valid.from", from.map(|from| from.to_string()));
    add_some(out, "valid.until", until.map(|until| until.to_string()));
    add_some(out, "when", when.as_ref().map(ToString::to_string));
    add_all(out, "require", layers.iter().cloned());
    add_all(out, "ask_if", ask_if.iter().map(value));
}

fn add_consent(out: &mut Facets, consent: &Consent) {
    let Consent { people, own, approvers, session, open_seconds, attended } = consent;
    add(out, "approval.people", people.to_string());
    add(out, "approval.own", own.to_string());
    add(out, "approval.approvers", approvers.to_string());
    add(out, "approval.session", session.to_string());
    add(out, "approval.open_seconds", open_seconds.to_string());
    add_patterns(out, "approval.attended", attended);
}

/// Each name of a pattern by itself, so that one more shows as one more.
fn program(pattern: &ProgramPattern) -> Vec<String> {
    let ProgramPattern { which, arguments, opens } = pattern;
    let arguments = match arguments {
        None => " with any arguments".to_owned(),
        Some(list) if list.0.is_empty() => " without arguments".to_owned(),
        Some(list) => {
            let told: Vec<String> = list.0.iter().map(element).collect();
            format!(" {}", told.join(" "))
        }
    };
    let names = match which {
        Which::Any => vec!["any program".to_owned()],
        Which::Names(names) => names.clone(),
        Which::Path(path) => vec![path.clone()],
        Which::Under(directory) => vec![format!("{directory}*")],
    };
    let opens: BTreeSet<String> = opens
        .iter()
        .flat_map(|all| match &all[..] {
            [] => vec![" opens nothing else".to_owned()],
            some => some.iter().map(|one| format!(" opens {one}")).collect(),
        })
        .collect();
    let opens: String = opens.into_iter().collect();
    names.into_iter().map(|name| format!("{name}{arguments}{opens}")).collect()
}

fn element(element: &Element) -> String {
    match element {
        Element::One(one) => value(one),
        Element::Flag { name, value: inner } => format!("{name}={}", value(inner)),
        Element::Optional(inner) => format!("[{}]", self::element(inner)),
        Element::Rest(inner) => format!("{}…", value(inner)),
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::Any => "<any>".to_owned(),
        Value::OneOf(all) => {
            let all: BTreeSet<String> = all.iter().map(|one| format!("{one:?}")).collect();
            all.into_iter().collect::<Vec<_>>().join("|")
        }
        Value::AnyOf(all) => format!("({})", values(all).join("|")),
        Value::NoneOf(all) => format!("<not {}>", values(all).join(", ")),
        Value::Text(pattern) => pattern.told(),
        Value::Beneath(root, None) => format!("<path beneath {root}>"),
        Value::Beneath(root, Some(opening)) => format!("<path beneath {root} ({opening})>"),
        Value::Number { min, max } => format!("<{min} to {max}>"),
    }
}

/// In an order that does not depend on how they were written.
fn values(all: &[Value]) -> Vec<String> {
    let all: BTreeSet<String> = all.iter().map(value).collect();
    all.into_iter().collect()
}

fn scope_name(scope: Scope) -> String {
    match scope {
        Scope::System => "system",
        Scope::Organisation => "organisation",
        Scope::Project => "project",
        Scope::User => "user",
    }
    .to_owned()
}

fn shell_name(shell: Shell) -> String {
    match shell {
        Shell::Refuse => "refuse",
        Shell::Parsed => "parsed",
        Shell::Opaque => "opaque",
    }
    .to_owned()
}

fn add_names(out: &mut Facets, name: &str, names: &Names) {
    if let Some(patterns) = names {
        add_patterns(out, name, patterns);
    }
}

fn add_patterns(out: &mut Facets, name: &str, patterns: &[TextPattern]) {
    // A list that is there and empty differs from one that is not there.
    out.entry(name.to_owned()).or_default();
    add_all(out, name, patterns.iter().map(TextPattern::told));
}

fn add_some(out: &mut Facets, name: &str, text: Option<String>) {
    add_all(out, name, text.into_iter());
}

fn add_all(out: &mut Facets, name: &str, texts: impl Iterator<Item = String>) {
    texts.for_each(|text| add(out, name, text));
}

fn add(out: &mut Facets, name: &str, text: String) {
    out.entry(name.to_owned()).or_default().insert(text);
}
