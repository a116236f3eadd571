//! For which calls a rule is meant: subject, host, project, tool. What is left
//! out is any; entries of one list are alternatives; lists all have to match.

use std::collections::BTreeMap;

use super::role::Held;
use super::text::TextPattern;
use crate::action::{Call, akin};
use crate::subject::Subject;

/// Names, of which one has to match.
pub(crate) type Names = Option<Vec<TextPattern>>;

/// For which calls a rule is meant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selectors {
    pub(crate) subjects: Subjects,
    pub(crate) hosts: Names,
    pub(crate) labels: BTreeMap<String, Vec<TextPattern>>,
    pub(crate) projects: Names,
    pub(crate) tools: Names,
}

/// Who is meant: of a rule, or of one alternative of a role.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subjects {
    pub(crate) users: Names,
    pub(crate) groups: Names,
    pub(crate) tenants: Names,
    pub(crate) clients: Names,
    /// Each of these claims has a value that one of its patterns matches.
    pub(crate) claims: BTreeMap<String, Vec<TextPattern>>,
    /// Numbers of roles, of which one has to be held.
    pub(crate) roles: Option<Vec<usize>>,
}

impl Selectors {
    /// Whether the rule is meant for this call, or for such a one by a tool that is
    /// akin; what it says to that, the decision knows.
    pub(crate) fn select(&self, call: &Call, held: &Held) -> bool {
        self.select_place(call, held)
            && (self.is_for(&call.tool) || akin(&call.tool).iter().any(|it| self.is_for(it)))
    }

    /// Whether the rule is meant for the tool itself.
    pub(crate) fn is_for(&self, tool: &str) -> bool {
        one(&self.tools, tool)
    }

    /// As [`select`](Self::select), whatever the tool: whether the rule's scope
    /// has something to say about this caller here.
    pub(crate) fn select_place(&self, call: &Call, held: &Held) -> bool {
        self.subjects.select(&call.subject, held)
            && one(&self.hosts, &call.host.name)
            && one(&self.projects, &call.project.name)
            && self.labels.iter().all(|(label, values)| {
                call.host.labels.get(label).is_some_and(|value| any(values, value))
            })
    }

    /// Whether the rule names the tool, rather than leaving it open.
    pub(crate) fn names_tool(&self, tool: &str) -> bool {
        self.tools.is_some() && one(&self.tools, tool)
    }

    /// How many kinds of selection it makes, for telling the narrower of two.
    pub(crate) fn count(&self) -> usize {
        let Self { subjects, hosts, labels, projects, tools } = self;
        named([hosts, projects, tools]) + labels.len() + subjects.count()
    }
}

impl Subjects {
    /// Whether this subject, who holds these roles, is meant.
    pub(crate) fn select(&self, subject: &Subject, held: &Held) -> bool {
        one(&self.users, &subject.user)
            && one(&self.tenants, &subject.tenant)
            && one(&self.clients, &subject.client)
            && some(&self.groups, &subject.groups)
            && self.roles.as_ref().is_none_or(|roles| roles.iter().any(|role| held.has(*role)))
            && self.claims.iter().all(|(name, patterns)| {
                subject.claims.values(name).iter().any(|value| any(patterns, value))
            })
    }

    /// How many kinds of selection it makes; none: everybody is meant.
    pub(crate) fn count(&self) -> usize {
        let Self { users, groups, tenants, clients, claims, roles } = self;
        named([users, groups, tenants, clients]) + claims.len() + usize::from(roles.is_some())
    }
}

fn named<const N: usize>(all: [&Names; N]) -> usize {
    all.into_iter().filter(|names| names.is_some()).count()
}

fn any(patterns: &[TextPattern], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.is_match(text.as_bytes()))
}

fn one(names: &Names, text: &str) -> bool {
    names.as_ref().is_none_or(|names| any(names, text))
}

fn some(names: &Names, texts: &[String]) -> bool {
    names.as_ref().is_none_or(|names| texts.iter().any(|text| any(names, text)))
}
