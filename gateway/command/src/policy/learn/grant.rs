//! Grants that were too narrow for what runs did: a program that a grant did not name,
//! a destination that its list left out.
//!
//! Invariant: a proposal is for exactly the calls that were refused something, and was
//! tried: what they are given is what they were given before and what was lacking.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use cofferdam_policy::{Call, Decision, Effect, Grant, Limits, Network, Programs, runs_anything};
use cofferdam_proxy_protocol::Destination;
use serde_json::Value;

use super::proposal::{Bench, Proposal, head};
use super::wanted::{Wanted, quoted};

/// Something that a wider grant would give.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lack {
    /// A program, by its absolute path.
    Program(String),
    /// A name or address with its port.
    Destination(String),
}

/// What calls lacked, by who asked where and what for.
#[derive(Debug, Default)]
pub(super) struct Lacks(BTreeMap<(String, String, String, Wanted), Wider>);

/// A call, and what it lacked.
#[derive(Debug)]
pub(super) struct Wider {
    call: Call,
    wanted: Wanted,
    lacks: BTreeSet<Lack>,
    count: usize,
    first: String,
    last: String,
    example: String,
}

impl Lack {
    /// Of a denial of the sandbox. Only where the host said that the grant is what
    /// left it out.
    pub(super) fn of_denial(denial: &Value) -> Option<Self> {
        let text = |key: &str| denial.get(key).and_then(Value::as_str).unwrap_or_default();
        let object = text("object");
        let by_grant = text("setting") == "programs.execute"
            && text("remedy").starts_with("a rule whose grant has `");
        // What was cut or escaped is no path.
        let whole = object.starts_with('/') && !object.contains(['\\', '…']);
        (by_grant && whole).then(|| Self::Program(object.to_owned()))
    }

    /// Of a connection that the proxy refused.
    pub(super) fn of_connection(connection: &Value) -> Option<Self> {
        let text = |key: &str| connection.get(key).and_then(Value::as_str).unwrap_or_default();
        let (name, port) = (text("name"), connection.get("port")?.as_u64()?);
        // The run chose the name: a pattern would be more than it tried.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        let named = !name.is_empty() && name.chars().all(plain);
        let unlisted = text("refused").contains(" is not allowed: ");
        (named && unlisted).then(|| Self::Destination(format!("{name}:{port}")))
    }
}

impl Lacks {
    /// Takes in what a call lacked; `None` of either: nothing that is known.
    pub(super) fn add(&mut self, call: Option<&Call>, lack: Option<Lack>, time: &str) {
        let (Some(call), Some(lack)) = (call, lack) else { return };
        let Ok(wanted) = Wanted::of(call) else { return };
        let Call { subject, project, host, action, .. } = call;
        let key = (subject.user.clone(), host.name.clone(), project.name.clone(), wanted.clone());
        let wider = self.0.entry(key).or_insert_with(|| Wider {
            call: call.clone(),
            wanted,
            lacks: BTreeSet::new(),
            count: 0,
            first: time.to_owned(),
            last: String::new(),
            example: format!("{} on {} in {}: {action}", subject.user, host.name, project.name),
        });
        wider.lacks.insert(lack);
        wider.count += 1;
        time.clone_into(&mut wider.last);
    }

    /// By who asked where.
    pub(super) fn list(&mut self) -> Vec<Wider> {
        std::mem::take(&mut self.0).into_values().collect()
    }
}

impl Wider {
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn example(&self) -> &str {
        &self.example
    }

    /// What the call is given, and what was lacking.
    fn wanted_grant(&self, grant: &Grant) -> Result<Grant, String> {
        let mut programs: BTreeSet<String> = grant.programs.to_texts().into_iter().collect();
        let lists = grant.network.to_texts();
        let mut destinations: BTreeSet<String> = lists.iter().flatten().cloned().collect();
        for lack in &self.lacks {
            match lack {
                Lack::Program(path) if programs.is_empty() => {
                    return Err(format!("`{path}` is left to the profile by every grant"));
                }
                Lack::Program(path) => programs.insert(path.clone()),
                Lack::Destination(to) if lists.len() != 1 => {
                    return Err(format!(
                        "`{to}` is left to the profile, or to the lists of several rules"
                    ));
                }
                Lack::Destination(to) => destinations.insert(to.clone()),
            };
        }
        let programs: Vec<String> = programs.into_iter().collect();
        let programs = Programs::parse(&programs).map_err(|error| error.to_string())?;
        let mut network = grant.network.clone();
        if lists.len() == 1 {
            let destinations: Result<Vec<Destination>, _> =
                destinations.iter().map(|text| text.parse()).collect();
            network = Network::only(destinations.map_err(|error| error.to_string())?);
        }
        Ok(Grant { programs, network, ..grant.clone() })
    }

    fn why(&self) -> String {
        let lacks: Vec<String> = self
            .lacks
            .iter()
            .map(|lack| match lack {
                Lack::Program(path) => format!("may not execute `{path}`"),
                Lack::Destination(to) => format!("may not reach `{to}`"),
            })
            .collect();
        format!("by its grant it {}", lacks.join(", and "))
    }

    fn warnings(&self) -> Vec<String> {
        self.lacks
            .iter()
            .map(|lack| match lack {
                Lack::Program(path) => match runs_anything(path, &[]) {
                    Some(why) => format!("`{path}` can run anything, because {why}"),
                    None => format!("profile and ceiling have to have `{path}`, too"),
                },
                Lack::Destination(to) => format!("profile and ceiling have to allow `{to}`, too"),
            })
            .collect()
    }
}

impl Bench<'_> {
    /// A rule for the very call, with a grant that has what it lacked.
    ///
    /// # Errors
    /// Why no rule can give it.
    pub(super) fn widen(&self, wider: &Wider, id: String) -> Result<Proposal, String> {
        let Decision::Permit(permit) = self.rules.decide(wider.call.clone()) else {
            return Err("the rules do not simply permit the call any more".to_owned());
        };
        let Call { subject, project, host, at, .. } = &wider.call;
        let access = self.rules.access(subject, project, host, *at);
        let bound =
            access.may.iter().find(|one| one.only.is_some() && permit.rules().contains(&one.rule));
        if let Some(rule) = bound {
            return Err(format!(
                "`{}` applies at some times or on some hosts only: widen its own grant",
                rule.rule
            ));
        }
        let grant = wider.wanted_grant(permit.grant())?;
        if grant == *permit.grant() {
            return Err("the grant has it by now".to_owned());
        }
        let users = BTreeSet::from([subject.user.clone()]);
        let mut why = "no rule of its own can give more, as a narrower scope speaks".to_owned();
        for scope in [None, Some("system"), Some("project"), Some("user")] {
            let mut toml = head(&id, &users, &host.name, &project.name, scope)?;
            wider.wanted.write(&mut toml);
            write_grant(&mut toml, &grant);
            let rules = match self.try_out(&toml, &[]) {
                Ok(rules) => rules,
                Err(problem) => {
                    why = problem;
                    continue;
                }
            };
            let decision = rules.decide(wider.call.clone());
            let given = matches!(&decision, Decision::Permit(now) if *now.grant() == grant);
            if decision.effect() == Effect::Allow && given {
                return Ok(Proposal {
                    count: wider.count,
                    users: users.into_iter().collect(),
                    host: host.name.clone(),
                    project: project.name.clone(),
                    first: wider.first.clone(),
                    last: wider.last.clone(),
                    example: wider.example.clone(),
                    why: wider.why(),
                    warnings: wider.warnings(),
                    id,
                    toml,
                });
            }
        }
        Err(why)
    }
}

fn write_grant(out: &mut String, grant: &Grant) {
    let Grant { profile, workspace: _, workspace_access, programs, limits, network, layers: _ } =
        grant;
    let list = |texts: &[String]| {
        let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
        format!("[{}]", texts.join(", "))
    };
    let _ = writeln!(out, "[rule.grant]\nprofile = {}", quoted(profile));
    let _ = writeln!(out, "workspace_access = \"{workspace_access}\"");
    if *programs != Programs::Profile {
        let _ = writeln!(out, "programs = {}", list(&programs.to_texts()));
    }
    if let [only] = &network.to_texts()[..] {
        let _ = writeln!(out, "network = {}", list(only));
    }
    let limits = written(*limits);
    if !limits.is_empty() {
        let _ = writeln!(out, "limits = {{ {} }}", limits.join(", "));
    }
}

fn written(limits: Limits) -> Vec<String> {
    let Limits { memory, processes, cpu_millis, wall, output, file_size, open_files } = limits;
    let all = [
        memory.map(|limit| format!("memory = \"{}B\"", limit.0)),
        processes.map(|limit| format!("processes = {limit}")),
        cpu_millis.map(|limit| format!("cpu_millis = {limit}")),
        wall.map(|limit| format!("wall = \"{}ms\"", limit.0)),
        output.map(|limit| format!("output = \"{}B\"", limit.0)),
        file_size.map(|limit| format!("file_size = \"{}B\"", limit.0)),
        open_files.map(|limit| format!("open_files = {limit}")),
    ];
    all.into_iter().flatten().collect()
}
