//! `cofferdam policy shadow`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use cofferdam_journal::Shadow;
use serde::Serialize;

use super::PolicyError;
use super::past::{Past, Read, Source};
use super::told::{Told, write_change};
use crate::report::{Format, Report};

const EXAMPLES: &str = "\
Let new rules look on, beside those that decide (gateway.toml):
  rules_shadow = \"rules-new.toml\"

What would they have decided otherwise since yesterday?
  cofferdam policy shadow --since 1d

Calls that differ in the same way, for the same user, are told together.

Exits with 1 when something differs or a record is broken, with 2 when the journal
cannot be read.

--json: {calls, differing, broken, groups: [{change: wider|narrower|grant, count,
user, before: {effect, rules}, after: {effect, rules}, digest, first, last, example:
{run_id, host, project, action}}]}";

/// Which calls.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, Default, Serialize)]
struct Summary {
    /// Calls that reached the rules.
    calls: usize,
    /// Calls that the shadow rules would have decided differently.
    differing: usize,
    /// Lines of the journal that are no records.
    broken: usize,
    groups: Vec<Group>,
}

/// Calls of one user that differ in the same way.
#[derive(Debug, Serialize)]
struct Group {
    change: String,
    count: usize,
    user: String,
    before: Told,
    after: Told,
    /// Of the shadow rules.
    digest: String,
    /// When it was recorded first and last.
    first: String,
    last: String,
    /// The first of them.
    example: Example,
}

#[derive(Debug, Serialize)]
struct Example {
    run_id: String,
    host: String,
    project: String,
    action: String,
    #[serde(skip)]
    who_where: String,
}

/// What makes two calls differ in the same way.
type Key = (String, String, Vec<String>, String, Vec<String>, String);

pub(super) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, PolicyError> {
    let config = arguments.source.config()?;
    let mut summary = Summary::default();
    let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
    let Read { broken } = arguments.source.each(&config, |past| {
        summary.calls += 1;
        if let Some(shadow) = &past.shadow {
            summary.differing += 1;
            let group = groups.entry(key(&past, shadow)).or_insert_with(|| group(&past, shadow));
            group.count += 1;
            group.last.clone_from(&past.time);
        }
    })?;
    summary.broken = broken;
    summary.groups = groups.into_values().collect();
    summary.groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    let good = summary.groups.is_empty() && broken == 0;
    let shown = format.show(&summary);
    Ok(if good { shown } else { ExitCode::FAILURE })
}

fn key(past: &Past, shadow: &Shadow) -> Key {
    (
        past.subject.user.clone(),
        past.effect.to_string(),
        past.rules.clone(),
        format!("{} {}", shadow.difference, shadow.effect),
        shadow.rules.clone(),
        shadow.policy_digest.to_string(),
    )
}

fn group(past: &Past, shadow: &Shadow) -> Group {
    let Shadow { difference, effect, rules, policy_digest } = shadow;
    let told = |effect: String, rules: &[String]| Told {
        effect,
        rules: rules.to_vec(),
        reason: String::new(),
    };
    Group {
        change: difference.clone(),
        count: 0,
        user: past.subject.user.clone(),
        before: told(past.effect.to_string(), &past.rules),
        after: told(effect.clone(), rules),
        digest: policy_digest.to_string(),
        first: past.time.clone(),
        last: past.time.clone(),
        example: Example {
            run_id: past.run_id.clone(),
            host: past.host.clone(),
            project: past.project.clone(),
            action: past.action(),
            who_where: past.who_where(),
        },
    }
}

impl Report for Summary {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { calls, differing, broken, groups } = self;
        for Group { change, count, before, after, first, last, example, digest, .. } in groups {
            let Example { action, who_where, run_id, .. } = example;
            writeln!(out, "{count} {change}  {who_where}: {action}")?;
            write_change(out, before, after)?;
            writeln!(out, "  first {first}, last {last}; such as run {run_id}")?;
            writeln!(out, "  by shadow rules {}", digest.get(..12).unwrap_or(digest))?;
        }
        if !groups.is_empty() {
            writeln!(out)?;
        }
        writeln!(out, "{differing} of {calls} calls would be decided differently")?;
        match broken {
            0 => Ok(()),
            broken => writeln!(out, "{broken} records are broken and were left out"),
        }
    }
}
