//! `cofferdam policy who-can`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cofferdam_gateway::tokens::{TokenRecord, TokenStore};
use cofferdam_journal::{Body, read};
use cofferdam_policy::{Asker, Claims, Decision, Effect, Subject};
use serde::Serialize;

use super::asked::Asked;
use super::told::{Told, rules_in_words};
use super::{Files, PolicyError};
use crate::report::{Format, Report};

const EXAMPLES: &str = "\
Who may push from the project shop on web-1?
  cofferdam policy who-can rules.toml --host web-1 --project shop -- git push origin main

Who may write there, of those who have a token or asked before?
  cofferdam policy who-can rules.toml --tool write_file --path src/main.rs \\
      --tokens state.sqlite --journal journal

Everybody whom the rules tell apart is asked about: each user, group, tenant, claim
and client that they name. For a pattern such as `ops-*` somebody is made up who
matches it. The labels of a host, its layers and a workspace are as given here.

Exits with 0; with 2 when files cannot be read or are wrong, or the call is none.

--json: {action, host, project, allow: [{who, user, groups, tenant, client, from,
effect, rules, reason}], ask: […], deny: […]}";

/// The rules, the call, and who could ask.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Rule files, taken together.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    asked: Asked,
    /// A gateway's state file: who has a token is asked about, too.
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// A gateway's journal: who asked before is asked about, too.
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Findings {
    action: String,
    host: String,
    project: String,
    allow: Vec<Found>,
    ask: Vec<Found>,
    deny: Vec<Found>,
}

#[derive(Debug, Serialize)]
struct Found {
    who: String,
    user: String,
    groups: Vec<String>,
    tenant: String,
    client: String,
    /// `rules`, `tokens` or `journal`.
    from: &'static str,
    #[serde(flatten)]
    told: Told,
}

pub(super) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, PolicyError> {
    let rules = Files::read(&arguments.files)?.parse()?;
    let mut askers: Vec<(Asker, &'static str)> = Vec::new();
    if let Some(state) = &arguments.tokens {
        askers.extend(of_tokens(state)?.into_iter().map(|asker| (asker, "tokens")));
    }
    if let Some(journal) = &arguments.journal {
        askers.extend(of_journal(journal)?.into_iter().map(|asker| (asker, "journal")));
    }
    askers.extend(rules.askers().into_iter().map(|asker| (asker, "rules")));
    let mut findings = Findings {
        action: arguments.asked.action()?.to_string(),
        host: arguments.asked.place.host.clone(),
        project: arguments.asked.place.project.clone(),
        allow: Vec::new(),
        ask: Vec::new(),
        deny: Vec::new(),
    };
    let mut seen = BTreeSet::new();
    for (asker, from) in askers {
        if seen.insert(asker.name.clone()) {
            let decision = rules.decide(arguments.asked.call(asker.subject.clone())?);
            findings.add(asker, from, &decision);
        }
    }
    Ok(format.show(&findings))
}

/// Those who have a token that is valid now.
fn of_tokens(state: &PathBuf) -> Result<Vec<Asker>, PolicyError> {
    if let Err(source) = std::fs::metadata(state) {
        return Err(PolicyError::Read { path: state.clone(), source });
    }
    // The clock before 1970 is no time at which a token ends.
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
    let is_valid = |token: &TokenRecord| {
        token.revoked_at.is_none() && token.expires_at.is_none_or(|end| end > now)
    };
    let tokens = TokenStore::look(state)?.list()?.into_iter().filter(is_valid);
    Ok(tokens
        .map(|token| {
            let TokenRecord { user, groups, tenant, claims, .. } = token;
            Asker::known(Subject { user, groups, tenant, claims, client: String::new() })
        })
        .collect())
}

/// Those who asked before. Lines that are no records tell of nobody.
fn of_journal(journal: &std::path::Path) -> Result<Vec<Asker>, PolicyError> {
    let mut found = BTreeMap::new();
    for record in read(journal)?.flatten() {
        let call = match record.body {
            Body::Intent(intent) => intent.call,
            Body::Denial(denial) => denial.call,
            _ => continue,
        };
        let Some(subject) = call.subject else { continue };
        let cofferdam_journal::Subject { user, groups, client, tenant, claims } = subject;
        let Ok(claims) = Claims::try_from(claims) else { continue };
        let asker = Asker::known(Subject { user, groups, client, tenant, claims });
        found.insert(asker.name.clone(), asker);
    }
    Ok(found.into_values().collect())
}

impl Findings {
    fn add(&mut self, asker: Asker, from: &'static str, decision: &Decision) {
        let Asker { name, subject: Subject { user, groups, client, tenant, claims: _ } } = asker;
        let told = Told::of(decision);
        let found = Found { who: name, user, groups, tenant, client, from, told };
        match decision.effect() {
            Effect::Allow => self.allow.push(found),
            Effect::Ask => self.ask.push(found),
            Effect::Deny => self.deny.push(found),
        }
    }
}

impl Report for Findings {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { action, host, project, allow, ask, deny } = self;
        let host = if host.is_empty() { String::new() } else { format!(" on {host}") };
        let project = if project.is_empty() { String::new() } else { format!(" in {project}") };
        writeln!(out, "{action}{host}{project}")?;
        let all = [("may", allow), ("may, once people agree", ask), ("may not", deny)];
        let width = all.iter().flat_map(|(_, found)| *found).map(|one| one.who.chars().count());
        let width = width.max().unwrap_or_default();
        for (what, found) in all {
            if found.is_empty() {
                continue;
            }
            writeln!(out, "\n{what}")?;
            for Found { who, told, .. } in found {
                writeln!(out, "  {who:width$}  {}", rules_in_words(&told.rules))?;
            }
        }
        Ok(())
    }
}
