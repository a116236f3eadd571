//! For which calls rules are meant, looked up rather than tried.
//!
//! Each selector has tables of the texts that its rules name and of the fixed
//! heads of their globs. What comes out may hold too much (an expression, a
//! second label), never too little: each rule is asked itself afterwards.

use std::collections::BTreeMap;

use super::bits::{Bits, Table};
use crate::action::{Call, akin};
use crate::rules::role::Held;
use crate::rules::rule::Rule;
use crate::rules::selector::{Names, Selectors, Subjects};
use crate::rules::text::{Shape, TextPattern};

/// One selector of all rules.
#[derive(Debug, Clone)]
struct Field {
    /// Rules that leave it open, or say it in a way that cannot be looked up.
    open: Bits,
    whole: Table,
    heads: Table,
    /// The lengths that heads have, sorted.
    lengths: Vec<usize>,
}

/// All selectors of all rules.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    users: Field,
    groups: Field,
    tenants: Field,
    clients: Field,
    hosts: Field,
    /// The first label of each rule, as `name=value`.
    labels: Field,
    /// The first claim of each rule, likewise.
    claims: Field,
    /// By their numbers.
    roles: Field,
    projects: Field,
    tools: Field,
}

impl Selection {
    pub(super) fn new(rules: usize) -> Self {
        let field = || Field::new(rules);
        Self {
            users: field(),
            groups: field(),
            tenants: field(),
            clients: field(),
            hosts: field(),
            labels: field(),
            claims: field(),
            roles: field(),
            projects: field(),
            tools: field(),
        }
    }

    pub(super) fn insert(&mut self, number: u32, rule: &Rule) {
        let Selectors { subjects, hosts, labels, projects, tools } = &rule.selectors;
        let Subjects { users, groups, tenants, clients, claims, roles } = subjects;
        self.users.insert(number, users);
        self.groups.insert(number, groups);
        self.tenants.insert(number, tenants);
        self.clients.insert(number, clients);
        self.hosts.insert(number, hosts);
        self.projects.insert(number, projects);
        self.tools.insert(number, tools);
        self.labels.insert_first(number, labels);
        self.claims.insert_first(number, claims);
        match roles {
            None => self.roles.open.insert(number),
            Some(roles) => {
                for role in roles {
                    self.roles.whole.insert(&role.to_le_bytes(), number);
                }
            }
        }
    }

    /// Leaves of `bits` those that may be meant, whatever the tool.
    pub(super) fn narrow_by_place(&self, call: &Call, held: &Held, bits: &mut Bits) {
        let mut room = bits.clone();
        let (subject, project, host) = (&call.subject, &call.project, &call.host);
        self.users.narrow([subject.user.as_str()], bits, &mut room);
        self.groups.narrow(subject.groups.iter().map(String::as_str), bits, &mut room);
        self.tenants.narrow([subject.tenant.as_str()], bits, &mut room);
        self.clients.narrow([subject.client.as_str()], bits, &mut room);
        self.hosts.narrow([host.name.as_str()], bits, &mut room);
        self.projects.narrow([project.name.as_str()], bits, &mut room);
        if !self.labels.is_open() {
            let pairs = host.labels.iter().map(|(name, value)| pair(name, value));
            self.labels.narrow(pairs, bits, &mut room);
        }
        if !self.claims.is_open() {
            let pairs = subject
                .claims
                .iter()
                .flat_map(|(name, values)| values.iter().map(move |value| pair(name, value)));
            self.claims.narrow(pairs, bits, &mut room);
        }
        self.roles.narrow(held.numbers().map(usize::to_le_bytes), bits, &mut room);
    }

    /// Leaves of `bits` those that may be meant for the call's tool.
    pub(super) fn narrow_by_tool(&self, call: &Call, bits: &mut Bits) {
        let mut room = bits.clone();
        let tools = [call.tool.as_str()].into_iter().chain(akin(&call.tool).iter().copied());
        self.tools.narrow(tools, bits, &mut room);
    }
}

impl Field {
    fn new(rules: usize) -> Self {
        Self {
            open: Bits::none(rules),
            whole: Table::new(rules),
            heads: Table::new(rules),
            lengths: Vec::new(),
        }
    }

    fn insert(&mut self, rule: u32, names: &Names) {
        match names {
            None => self.open.insert(rule),
            Some(names) => {
                for name in names {
                    self.insert_pattern(rule, "", name);
                }
            }
        }
    }

    /// Of selectors that all have to match, one is enough to look up.
    fn insert_first(&mut self, rule: u32, pairs: &BTreeMap<String, Vec<TextPattern>>) {
        let Some((name, values)) = pairs.first_key_value() else { return self.open.insert(rule) };
        let name = pair(name, "");
        for value in values {
            self.insert_pattern(rule, &name, value);
        }
    }

    fn insert_pattern(&mut self, rule: u32, before: &str, pattern: &TextPattern) {
        match pattern.shape() {
            Shape::Whole(text) => self.whole.insert(format!("{before}{text}").as_bytes(), rule),
            Shape::Head("") if before.is_empty() => self.open.insert(rule),
            Shape::Head(head) => {
                let head = format!("{before}{head}");
                self.heads.insert(head.as_bytes(), rule);
                if let Err(at) = self.lengths.binary_search(&head.len()) {
                    self.lengths.insert(at, head.len());
                }
            }
        }
    }

    /// Whether every rule leaves it open.
    fn is_open(&self) -> bool {
        self.whole.is_empty() && self.heads.is_empty()
    }

    /// Leaves of `bits` those that may match one of these texts; `room` is of
    /// the same size and holds nothing.
    fn narrow<T: AsRef<[u8]>>(
        &self,
        texts: impl IntoIterator<Item = T>,
        bits: &mut Bits,
        room: &mut Bits,
    ) {
        if self.is_open() {
            return;
        }
        room.copy(&self.open);
        for text in texts {
            let text = text.as_ref();
            self.whole.add(text, room);
            for length in &self.lengths {
                let Some(head) = text.get(..*length) else { break };
                self.heads.add(head, room);
            }
        }
        bits.narrow(room);
    }
}

/// A label and its value as one text.
fn pair(name: &str, value: &str) -> String {
    format!("{name}={value}")
}
