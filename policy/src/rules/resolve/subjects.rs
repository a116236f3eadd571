//! Who a rule or a role means: lists of patterns, claims, and roles by name.

use toml::Spanned;

use super::super::raw::{RawSubjects, Texts};
use super::super::selector::Subjects;
use super::Resolver;

impl Resolver<'_> {
    /// `prefix` stands before each key in errors.
    pub(super) fn subjects(&mut self, prefix: &str, raw: RawSubjects) -> Subjects {
        let RawSubjects { users, groups, tenants, clients, roles, claims } = raw;
        let mut names = |key: &str, texts| self.names(&format!("{prefix}{key}"), texts);
        let (users, groups) = (names("users", users), names("groups", groups));
        let (tenants, clients) = (names("tenants", tenants), names("clients", clients));
        let claims = claims
            .into_iter()
            .map(|(name, values)| {
                let key = format!("{prefix}claims.{name}");
                self.check_not_empty(&key, &values);
                (name, self.patterns(&key, values.into_inner()))
            })
            .collect();
        let roles = self.role_numbers(&format!("{prefix}roles"), roles);
        Subjects { users, groups, tenants, clients, claims, roles }
    }

    fn role_numbers(&mut self, key: &str, texts: Texts) -> Option<Vec<usize>> {
        let texts = texts?;
        self.check_not_empty(key, &texts);
        let names = self.expand(key, texts.into_inner());
        let mut numbers = Vec::with_capacity(names.len());
        for name in names {
            if let Some(number) = self.roles.number(name.get_ref()) {
                numbers.push(number);
            } else {
                let message = self.roles.unknown(name.get_ref());
                self.add(Spanned::span(&name), key, message);
            }
        }
        Some(numbers)
    }
}
