//! Roles of all files: collected, put behind those that they name, and resolved.
//! A role that names itself, however far around, is told with its whole way.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use toml::Spanned;

use super::super::error::{Place, Report, Source, choices};
use super::super::file::File;
use super::super::raw::RawSubjects;
use super::super::role::{Role, Roles};
use super::{Resolver, Sets};

/// The most roles of all files together; it bounds how deep they nest.
const MAX_ROLES: usize = 1000;

/// Roles by name.
#[derive(Debug, Default)]
pub(in super::super) struct RoleNames(BTreeMap<String, Named>);

/// A role that can be referred to.
#[derive(Debug)]
struct Named {
    number: usize,
    place: Place,
    /// Whether anything refers to it.
    used: Cell<bool>,
}

/// A role as its file has it.
struct Written<'a> {
    source: Source<'a>,
    name: Spanned<String>,
    alternatives: Vec<RawSubjects>,
}

impl RoleNames {
    /// The number of the role `name`.
    pub(super) fn number(&self, name: &str) -> Option<usize> {
        let named = self.0.get(name)?;
        named.used.set(true);
        Some(named.number)
    }

    /// Roles that nothing refers to, and where they are.
    pub(in super::super) fn into_unused(self) -> Vec<(String, Place)> {
        let unused = self.0.into_iter().filter(|(_, named)| !named.used.get());
        unused.map(|(name, named)| (name, named.place)).collect()
    }

    /// What to say where there is no such role.
    pub(super) fn unknown(&self, name: &str) -> String {
        let known = self.0.keys().map(String::as_str);
        format!("no role is named `{name}`; {}", choices(name, known))
    }
}

/// Takes the roles out of all files and resolves them.
pub(in super::super) fn resolve(
    files: &mut [File<'_>],
    sets: &Sets,
    report: &mut Report,
) -> (RoleNames, Roles) {
    let mut written = collect(files, report);
    let mut sorting =
        Sorting { written: &written, sets, report, order: Vec::new(), way: Vec::new() };
    for name in written.keys() {
        sorting.visit(name);
    }
    let order = sorting.order.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let roles: Vec<Written<'_>> =
        order.into_iter().filter_map(|name| written.remove(&name)).collect();
    let numbered = roles.iter().enumerate().map(|(number, role)| {
        let place = role.source.at(role.name.span());
        (role.name.get_ref().clone(), Named { number, place, used: Cell::new(false) })
    });
    let names = RoleNames(numbered.collect());
    let roles = roles.into_iter().map(|role| resolve_one(role, sets, &names, report)).collect();
    (names, Roles(roles))
}

/// Puts each role behind those that it names.
struct Sorting<'w, 'f, 'r> {
    written: &'w BTreeMap<String, Written<'f>>,
    sets: &'r Sets,
    report: &'r mut Report,
    order: Vec<&'w str>,
    /// From the role that was begun with to the one at hand.
    way: Vec<&'w str>,
}

impl<'w> Sorting<'w, '_, '_> {
    /// At most [`MAX_ROLES`] deep, because a role stands on a way only once.
    fn visit(&mut self, name: &'w str) {
        if self.order.contains(&name) {
            return;
        }
        let Some(role) = self.written.get(name) else { return };
        self.way.push(name);
        let named = role.alternatives.iter().filter_map(|one| one.roles.as_ref());
        for text in named.flat_map(Spanned::get_ref) {
            // What a set holds besides, and what is unknown, is told later.
            for next in self.sets.expand(text.get_ref()).unwrap_or_default() {
                let Some((next, _)) = self.written.get_key_value(&next) else { continue };
                match self.way.iter().position(|one| one == next) {
                    Some(start) => self.report_circle(start, role.source, text),
                    None => self.visit(next),
                }
            }
        }
        self.way.pop();
        self.order.push(name);
    }

    fn report_circle(&mut self, start: usize, source: Source<'_>, text: &Spanned<String>) {
        let told = self.way[start..].iter().filter_map(|name| {
            let Written { source, name, .. } = self.written.get(*name)?;
            Some(format!("{} ({})", name.get_ref(), source.place(name.span().start)))
        });
        let way = told.collect::<Vec<_>>().join(" -> ");
        let (first, last) = (self.way[start], self.way[self.way.len() - 1]);
        let message = format!("roles go around in a circle: {way} -> {first}; take one out");
        self.report.add(source, text.span(), format!("roles.{last}"), message);
    }
}

fn resolve_one(written: Written<'_>, sets: &Sets, roles: &RoleNames, report: &mut Report) -> Role {
    let Written { source, name, alternatives } = written;
    let key = format!("roles.{}", name.get_ref());
    let mut resolver = Resolver { source, sets, roles, report, key };
    let role: Role = alternatives.into_iter().map(|one| resolver.subjects("", one)).collect();
    if role.is_empty() || role.iter().any(|subjects| subjects.count() == 0) {
        let message = "it names nobody in particular; give users, groups, tenants, clients, \
                       claims or roles";
        resolver.report.add(source, name.span(), resolver.key.clone(), message);
    }
    role
}

fn collect<'a>(files: &mut [File<'a>], report: &mut Report) -> BTreeMap<String, Written<'a>> {
    let mut written: BTreeMap<String, Written<'a>> = BTreeMap::new();
    for file in files {
        let source = file.source;
        for (name, alternatives) in file.roles.drain(..) {
            let span = name.span();
            let key = format!("roles.{}", name.get_ref());
            if written.len() == MAX_ROLES {
                report.add(
                    source,
                    span,
                    "roles",
                    format!("there are more than {MAX_ROLES}; take some out"),
                );
                return written;
            }
            match written.entry(name.get_ref().clone()) {
                Entry::Occupied(other) => {
                    let other = other.get();
                    let place = other.source.place(other.name.span().start);
                    let message = format!(
                        "there is a role of this name already, at {place}; give this one another"
                    );
                    report.add(source, span, key, message);
                }
                Entry::Vacant(place) => {
                    place.insert(Written { source, name, alternatives });
                }
            }
        }
    }
    written
}
