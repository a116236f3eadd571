//! For which calls a rule is meant: subject, host, project, tool. What is left
//! out is any; entries of one list are alternatives; lists all have to match.

use std::collections::BTreeMap;

use super::text::TextPattern;
use crate::action::Call;

/// Names, of which one has to match.
pub(crate) type Names = Option<Vec<TextPattern>>;

/// For which calls a rule is meant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selectors {
    pub(crate) users: Names,
    pub(crate) groups: Names,
    pub(crate) tenants: Names,
    pub(crate) clients: Names,
    pub(crate) hosts: Names,
    pub(crate) labels: BTreeMap<String, Vec<TextPattern>>,
    pub(crate) projects: Names,
    pub(crate) tools: Names,
}

impl Selectors {
    /// Whether the rule is meant for this call.
    pub(crate) fn select(&self, call: &Call) -> bool {
        self.select_place(call) && one(&self.tools, &call.tool)
    }

    /// As [`select`](Self::select), whatever the tool: whether the rule's scope
    /// has something to say about this caller here.
    pub(crate) fn select_place(&self, call: &Call) -> bool {
        let subject = &call.subject;
        one(&self.users, &subject.user)
            && one(&self.tenants, &subject.tenant)
            && one(&self.clients, &subject.client)
            && some(&self.groups, &subject.groups)
            && one(&self.hosts, &call.host.name)
            && one(&self.projects, &call.project.name)
            && self.labels.iter().all(|(label, values)| {
                call.host.labels.get(label).is_some_and(|value| {
                    values.iter().any(|pattern| pattern.is_match(value.as_bytes()))
                })
            })
    }

    /// Whether the rule names the tool, rather than leaving it open.
    pub(crate) fn names_tool(&self, tool: &str) -> bool {
        self.tools.is_some() && one(&self.tools, tool)
    }

    /// How many kinds of selection it makes, for telling the narrower of two.
    pub(crate) fn count(&self) -> usize {
        let Self { users, groups, tenants, clients, hosts, labels, projects, tools } = self;
        [users, groups, tenants, clients, hosts, projects, tools]
            .into_iter()
            .filter(|names| names.is_some())
            .count()
            + labels.len()
    }
}

fn one(names: &Names, text: &str) -> bool {
    names.as_ref().is_none_or(|names| names.iter().any(|name| name.is_match(text.as_bytes())))
}

fn some(names: &Names, texts: &[String]) -> bool {
    names.as_ref().is_none_or(|names| {
        texts.iter().any(|text| names.iter().any(|name| name.is_match(text.as_bytes())))
    })
}
