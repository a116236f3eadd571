//! For whom, where and for which tool a rule is meant. What is left out is any;
//! entries of one list are alternatives; all lists have to match.

use std::slice::from_ref;

use cofferdam_policy::{Call, Subject};
use toml::{Table, Value};

use super::{Rules, glob, strings};

impl Rules {
    /// Whether a rule is meant for a call.
    pub(crate) fn is_meant(&self, rule: &Table, call: &Call) -> bool {
        // Who is meant for starting something is meant for using it.
        let mut tools = vec![call.tool.clone()];
        if call.tool.ends_with("_process") && call.tool != "start_process"
            || call.tool == "list_processes"
        {
            tools.extend(["execute_command", "start_process"].map(str::to_owned));
        }
        // What is forbidden there is forbidden here.
        if call.tool == "start_process" {
            tools.push("execute_command".to_owned());
        }
        self.is_meant_here(rule, call) && self.one_of(rule.get("tools"), &tools)
    }

    /// The same, whatever the tool.
    pub(crate) fn is_meant_here(&self, rule: &Table, call: &Call) -> bool {
        let empty = Table::new();
        let table = |key: &str| rule.get(key).map_or(&empty, |table| table.as_table().unwrap());
        let hosts = table("hosts");
        let labels = hosts.get("labels").map_or(&empty, |labels| labels.as_table().unwrap());
        self.is_subject(table("subjects"), &call.subject)
            && self.one_of(hosts.get("names"), from_ref(&call.host.name))
            && self.one_of(rule.get("projects"), from_ref(&call.project.name))
            && labels.iter().all(|(name, wanted)| {
                let wanted = Value::Array(vec![wanted.clone()]);
                call.host
                    .labels
                    .get(name)
                    .is_some_and(|value| self.one_of(Some(&wanted), from_ref(value)))
            })
    }

    fn is_subject(&self, wanted: &Table, subject: &Subject) -> bool {
        let roles = wanted.get("roles").map(|roles| self.expand(&strings(roles)));
        let claims = wanted.get("claims").map(|claims| claims.as_table().unwrap().clone());
        self.one_of(wanted.get("users"), from_ref(&subject.user))
            && self.one_of(wanted.get("groups"), &subject.groups)
            && self.one_of(wanted.get("tenants"), from_ref(&subject.tenant))
            && self.one_of(wanted.get("clients"), from_ref(&subject.client))
            && roles.is_none_or(|roles| roles.iter().any(|role| self.holds(role, subject)))
            && claims.is_none_or(|claims| {
                claims
                    .iter()
                    .all(|(name, wanted)| self.one_of(Some(wanted), subject.claims.values(name)))
            })
    }

    /// A role is one table of subjects, or several of which one has to match.
    fn holds(&self, role: &str, subject: &Subject) -> bool {
        match &self.roles[role] {
            Value::Table(one) => self.is_subject(one, subject),
            Value::Array(several) => {
                several.iter().any(|one| self.is_subject(one.as_table().unwrap(), subject))
            }
            other => panic!("{other:?}"),
        }
    }

    /// Whether one of the texts is one of the list, whose entries are globs.
    fn one_of(&self, list: Option<&Value>, texts: &[String]) -> bool {
        let Some(list) = list else { return true };
        let wanted = self.expand(&strings(list));
        texts.iter().any(|text| wanted.iter().any(|one| glob::matches(one, text)))
    }

    /// Puts the members of sets in place of `@name`.
    pub(crate) fn expand(&self, list: &[String]) -> Vec<String> {
        list.iter()
            .flat_map(|text| match text.strip_prefix('@') {
                None => vec![text.clone()],
                Some(rest) if rest.starts_with('@') => vec![rest.to_owned()],
                Some(name) => strings(&self.sets[name]),
            })
            .collect()
    }
}
