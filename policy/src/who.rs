//! Whom the rules tell apart: for each way in which rules or roles select who
//! asks, somebody who is meant by it, and somebody whom nothing names.
//!
//! `cofferdam policy who-can` asks the rules about each of them. A pattern that
//! is no plain name stands for all who match it: somebody is made up who does.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::rules::RuleSet;
use crate::rules::role::Roles;
use crate::rules::selector::{Names, Subjects};
use crate::rules::text::TextPattern;
use crate::subject::Subject;

/// The most of them; rules tell apart more where there are many names.
const MAX_ASKERS: usize = 5_000;

/// Stands for every name that no rule has.
const NOBODY: &str = "(anybody)";

/// Somebody who may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// Who it is, in words: `ann`, `anybody in ops`, `everybody else`, or `everybody`
    /// where the rules tell nobody apart.
    pub name: String,
    /// As the rules see them.
    pub subject: Subject,
}

impl RuleSet {
    /// Whom the rules tell apart, each once; the last one is whoever is not
    /// named. At most 5,000.
    #[must_use]
    pub fn askers(&self) -> Vec<Asker> {
        let mut seen = BTreeSet::new();
        let mut out = Vec::new();
        for rule in &self.rules {
            for asker in of(&rule.selectors.subjects, &self.roles) {
                if out.len() < MAX_ASKERS && is_named(&asker) && seen.insert(asker.name.clone()) {
                    out.push(asker);
                }
            }
        }
        out.sort_by(|one, other| one.name.cmp(&other.name));
        let name = if out.is_empty() { "everybody" } else { "everybody else" };
        out.push(Asker { name: name.to_owned(), subject: nobody() });
        out
    }
}

impl Asker {
    /// Somebody who is known: of a token or a record.
    #[must_use]
    pub fn known(subject: Subject) -> Self {
        Self { name: name(&subject), subject }
    }
}

fn nobody() -> Subject {
    Subject { user: NOBODY.to_owned(), ..Subject::default() }
}

fn is_named(asker: &Asker) -> bool {
    asker.subject != nobody()
}

/// Those who are meant: one for each name of a list, with the first of each
/// other list, because all lists have to match.
fn of(subjects: &Subjects, roles: &Roles) -> Vec<Asker> {
    let Subjects { users, groups, tenants, clients, claims, roles: wanted } = subjects;
    let mut found: Vec<Subject> = match wanted {
        None => vec![nobody()],
        Some(wanted) => wanted
            .iter()
            .flat_map(|role| roles.get(*role))
            .flat_map(|alternative| of(alternative, roles))
            .map(|asker| asker.subject)
            .collect(),
    };
    vary(&mut found, users, |subject, user| subject.user = user);
    vary(&mut found, groups, |subject, group| subject.groups.push(group));
    vary(&mut found, tenants, |subject, tenant| subject.tenant = tenant);
    vary(&mut found, clients, |subject, client| subject.client = client);
    for (claim, patterns) in claims {
        vary(&mut found, &Some(patterns.clone()), |subject, value| {
            // A value that no claim can have is none that anybody has.
            _ = subject.claims.add(claim, &value);
        });
    }
    found.into_iter().map(Asker::known).collect()
}

/// Each of `found` with the first name; the first of `found` with each other.
fn vary(found: &mut Vec<Subject>, names: &Names, set: impl Fn(&mut Subject, String)) {
    let Some(names) = names else { return };
    let mut names = names.iter().map(example);
    let Some(first) = names.next() else { return };
    let others: Vec<Subject> = names
        .filter_map(|name| {
            let mut other = found.first()?.clone();
            set(&mut other, name);
            Some(other)
        })
        .collect();
    for subject in found.iter_mut() {
        set(subject, first.clone());
    }
    found.extend(others);
}

/// The name itself, or for a pattern one that it matches.
fn example(pattern: &TextPattern) -> String {
    pattern.written().replace(['*', '?'], "x")
}

fn name(subject: &Subject) -> String {
    let Subject { user, groups, client, tenant, claims } = subject;
    let mut out = if user == NOBODY { "anybody".to_owned() } else { user.clone() };
    if !groups.is_empty() {
        let _ = write!(out, " in {}", groups.join(", "));
    }
    if !tenant.is_empty() {
        let _ = write!(out, " of {tenant}");
    }
    for (claim, values) in claims.iter() {
        let _ = write!(out, " with {claim}={}", values.join(","));
    }
    if !client.is_empty() {
        let _ = write!(out, " by {client}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_be_selected_has_somebody_and_the_last_is_whoever_is_not_named() {
        let rules = "version = 1\n\
            [roles]\nops = [{ users = ['eve'] }, { groups = ['ops'] }]\n\
            [[rule]]\nid = 'a'\neffect = 'allow'\nprograms = [{ any = true }]\n\
            subjects = { users = ['ann', 'b*'], clients = ['x'] }\n\
            [[rule]]\nid = 'b'\neffect = 'allow'\nprograms = [{ any = true }]\n\
            subjects = { roles = ['ops'], claims = { team = ['web'] } }\n\
            [[rule]]\nid = 'c'\neffect = 'deny'\n";
        let rules = RuleSet::parse(&[("rules.toml", rules)], [0; 32]).unwrap();
        let names: Vec<String> = rules.askers().into_iter().map(|asker| asker.name).collect();
        assert_eq!(
            names,
            [
                "ann by x",
                "anybody in ops with team=web",
                "bx by x",
                "eve with team=web",
                "everybody else"
            ]
        );
    }
}
