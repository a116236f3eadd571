//! What rules give together: across scopes, and across the commands of a line.

use std::collections::BTreeSet;

use cofferdam_policy::{Action, Call, Grant};
use toml::Table;

use super::parts::Part;
use super::{Rules, strings, tables};

/// A grant in plain values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    profile: String,
    writes: bool,
    /// `None`: those of the profile.
    programs: Option<BTreeSet<String>>,
    processes: Option<i64>,
    /// Lists of which each has to allow a destination.
    network: BTreeSet<Vec<String>>,
}

impl Given {
    /// A grant of the engine in the same form.
    pub(crate) fn of(grant: &Grant) -> Self {
        let programs: BTreeSet<String> = grant.programs.to_texts().into_iter().collect();
        Self {
            profile: grant.profile.clone(),
            writes: grant.workspace_access.to_string() == "write",
            programs: (!programs.is_empty()).then_some(programs),
            processes: grant.limits.processes.map(i64::from),
            network: grant.network.to_texts().into_iter().collect(),
        }
    }
}

impl Rules {
    /// The grant of all parts; `None` where the grants have nothing in common.
    pub(crate) fn given(&self, permitted: &[(&Part, Vec<&Table>)], call: &Call) -> Option<Given> {
        let is_path = |part: &Part| matches!(part, Part::Path(_));
        // What commands are given counts; where there are none, what paths are.
        let runs = permitted.iter().any(|(part, _)| !is_path(part));
        let mut all: Option<Given> = None;
        for (_, rules) in permitted.iter().filter(|(part, _)| !runs || !is_path(part)) {
            let one = self.narrowed(rules, call)?;
            all = Some(match all {
                None => one,
                Some(all) => self.beside(all, one)?,
            });
        }
        let mut given = all?;
        let writes =
            permitted.iter().any(|(part, _)| matches!(part, Part::Path(used) if used.writes));
        if writes && !given.writes {
            return None;
        }
        given.writes &= writes || matches!(call.action, Action::Execute(_));
        if let (Action::Execute(execute), Some(programs)) = (&call.action, &mut given.programs)
            && execute.script.is_some()
        {
            programs.extend(["/bin/bash", "/usr/bin/bash"].map(str::to_owned));
        }
        Some(given)
    }

    /// One part: the widest scope's grant, narrowed by each narrower one.
    fn narrowed(&self, rules: &[&Table], call: &Call) -> Option<Given> {
        let mut all: Option<Given> = None;
        for rule in rules {
            let next = of_rule(rule, all.as_ref(), call);
            all = Some(match all {
                None => next,
                Some(all) => {
                    let programs = match (&all.programs, &next.programs) {
                        (None, only) | (only, None) => only.clone(),
                        (Some(one), Some(other)) => Some(both(one, other)?),
                    };
                    Given { programs, ..self.shared(all, next)? }
                }
            });
        }
        all
    }

    /// Two commands in one cell: the programs of both, of the rest what both have.
    fn beside(&self, one: Given, other: Given) -> Option<Given> {
        let programs = match (&one.programs, &other.programs) {
            (None, _) | (_, None) => None,
            (Some(one), Some(other)) => Some(one | other),
        };
        Some(Given { programs, ..self.shared(one, other)? })
    }

    fn shared(&self, one: Given, other: Given) -> Option<Given> {
        let place = |name: &str| self.profiles.iter().position(|known| known == name);
        let one_is_narrower =
            one.profile == other.profile || place(&one.profile)? < place(&other.profile)?;
        let profile = if one_is_narrower { one.profile } else { other.profile };
        let network = &one.network | &other.network;
        (network.len() <= 16).then(|| Given {
            profile,
            writes: one.writes && other.writes,
            programs: None,
            processes: [one.processes, other.processes].into_iter().flatten().min(),
            network,
        })
    }
}

/// What one rule gives; what it does not say is as the wider scope has it.
fn of_rule(rule: &Table, wider: Option<&Given>, call: &Call) -> Given {
    let empty = Table::new();
    let grant = rule.get("grant").map_or(&empty, |grant| grant.as_table().unwrap());
    let needs = match &call.action {
        Action::WriteFile { .. }
        | Action::EditFile { .. }
        | Action::MakeDirectory { .. }
        | Action::MoveFile { .. }
        | Action::CopyFile { .. }
        | Action::DeleteFile { .. } => true,
        Action::Execute(_) => {
            tables(rule, "paths").iter().any(|path| path["mode"].as_str().unwrap() == "write")
        }
        _ => false,
    };
    let profile = grant.get("profile").map(|name| name.as_str().unwrap().to_owned());
    let writes = grant.get("workspace_access").map(|access| access.as_str().unwrap() == "write");
    Given {
        profile: profile
            .or_else(|| wider.map(|wider| wider.profile.clone()))
            .unwrap_or_else(|| "default".to_owned()),
        writes: writes.or_else(|| wider.map(|wider| wider.writes)).unwrap_or(needs),
        programs: grant.get("programs").map(|list| strings(list).into_iter().collect()),
        processes: grant
            .get("limits")
            .and_then(|limits| limits.get("processes"))
            .map(|limit| limit.as_integer().unwrap()),
        network: grant
            .get("network")
            .map(|list| {
                let sorted: BTreeSet<String> = strings(list).into_iter().collect();
                sorted.into_iter().collect()
            })
            .into_iter()
            .collect(),
    }
}

/// The programs that both name; a directory ends in a slash.
fn both(one: &BTreeSet<String>, other: &BTreeSet<String>) -> Option<BTreeSet<String>> {
    let covers = |wide: &String, path: &String| {
        wide == path || (wide.ends_with('/') && path.starts_with(wide.as_str()))
    };
    let covered = |path: &&String, by: &BTreeSet<String>| by.iter().any(|wide| covers(wide, path));
    let mut all: BTreeSet<String> =
        one.iter().filter(|path| covered(path, other)).cloned().collect();
    all.extend(other.iter().filter(|path| covered(path, one)).cloned());
    (!all.is_empty()).then_some(all)
}
