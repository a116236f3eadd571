//! Roles: names for who asks, so that many rules can mean the same people.
//!
//! A role is what `subjects` of a rule is, or several such tables, of which one
//! has to match. A role may name other roles.
//!
//! Invariant: a role stands behind those that it names, so that one pass tells
//! which ones a subject holds, however they are nested; [`super::resolve`]
//! refuses cycles.

use super::selector::Subjects;
use crate::subject::Subject;

/// A role: whoever one of these means holds it.
pub(crate) type Role = Vec<Subjects>;

/// All roles; rules name them by their number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roles(pub(super) Vec<Role>);

/// The roles that a subject holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Held(Vec<bool>);

impl Roles {
    /// The alternatives of the role of this number.
    pub(crate) fn get(&self, role: usize) -> &[Subjects] {
        self.0.get(role).map(Vec::as_slice).unwrap_or_default()
    }

    /// The roles that `subject` holds.
    pub(crate) fn held_by(&self, subject: &Subject) -> Held {
        let mut held = Held(Vec::with_capacity(self.0.len()));
        for role in &self.0 {
            let has = role.iter().any(|subjects| subjects.select(subject, &held));
            held.0.push(has);
        }
        held
    }
}

impl Held {
    /// The numbers of the roles that are held.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = usize> {
        (0..self.0.len()).filter(|role| self.has(*role))
    }

    /// Whether the role of this number is held.
    pub(crate) fn has(&self, role: usize) -> bool {
        self.0.get(role).copied().unwrap_or(false)
    }
}
