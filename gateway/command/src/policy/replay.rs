//! `cofferdam policy replay`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cofferdam_policy::{Decision, Difference, RuleSet};
use serde::Serialize;

use super::past::{Past, Read, Source};
use super::told::{Told, write_change};
use super::{PolicyError, files_or_configured};
use crate::report::{Format, Report};

const EXAMPLES: &str = "\
Which calls of the last week would new rules decide differently?
  cofferdam policy replay --rules new.toml --since 7d

Another gateway's journal, with that gateway's configuration:
  cofferdam policy replay --config gateway.toml --journal copy/journal --rules new.toml

A call is decided as it was asked: by its subject as recorded and at its time,
with the labels and workspaces that hosts and projects have today, those of hosts that
joined included. One whose
deciding part was a secret, or too long, is told as undecidable and never guessed.
That other rules decide the same is no difference. Of what was permitted, the
grant of then is not compared.

Exits with 1 when a call would be decided differently, or a record is broken;
with 2 when the files cannot be read or are wrong.

--json: {calls, same, broken, changed: [{change: wider|narrower, time, run_id,
user, host, project, tool, action, before: {effect, rules}, after: {effect, rules,
reason}}], undecidable: [{time, run_id, user, host, project, tool, why}]}";

/// Which calls, and by which rules.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Rule files, taken together; may be repeated. Default: the configuration's.
    #[arg(long = "rules", value_name = "FILE")]
    rules: Vec<PathBuf>,
}

#[derive(Debug, Default, Serialize)]
struct Replayed {
    /// Calls that reached the rules.
    calls: usize,
    same: usize,
    /// Lines of the journal that are no records.
    broken: usize,
    changed: Vec<Changed>,
    undecidable: Vec<Undecided>,
}

/// A recorded call, for a report.
#[derive(Debug, Serialize)]
pub(super) struct Recorded {
    time: String,
    run_id: String,
    user: String,
    host: String,
    project: String,
    tool: String,
    #[serde(skip)]
    who_where: String,
}

#[derive(Debug, Serialize)]
struct Changed {
    change: &'static str,
    #[serde(flatten)]
    recorded: Recorded,
    action: String,
    before: Told,
    after: Told,
}

#[derive(Debug, Serialize)]
pub(super) struct Undecided {
    #[serde(flatten)]
    recorded: Recorded,
    why: String,
}

pub(super) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, PolicyError> {
    let config = arguments.source.config()?;
    let rules = files_or_configured(&arguments.rules, &config)?.parse()?;
    let mut replayed = Replayed::default();
    let Read { broken } = arguments.source.each(&config, |past| replayed.take(&past, &rules))?;
    replayed.broken = broken;
    let good = replayed.changed.is_empty() && broken == 0;
    let shown = format.show(&replayed);
    Ok(if good { shown } else { ExitCode::FAILURE })
}

impl Replayed {
    fn take(&mut self, past: &Past, rules: &RuleSet) {
        self.calls += 1;
        match past.decide(rules) {
            Err(why) => self.undecidable.push(Undecided::of(past, why)),
            Ok(decision) => match Changed::of(past, &decision) {
                Some(changed) => self.changed.push(changed),
                None => self.same += 1,
            },
        }
    }
}

impl Changed {
    fn of(past: &Past, decision: &Decision) -> Option<Self> {
        let difference = Difference::of_effects(past.effect, decision.effect())?;
        Some(Self {
            change: difference.name(),
            recorded: Recorded::of(past),
            action: past.action(),
            before: Told {
                effect: past.effect.to_string(),
                rules: past.rules.clone(),
                reason: String::new(),
            },
            after: Told::of(decision),
        })
    }
}

impl Recorded {
    pub(super) fn of(past: &Past) -> Self {
        Self {
            time: past.time.clone(),
            run_id: past.run_id.clone(),
            user: past.subject.user.clone(),
            host: past.host.clone(),
            project: past.project.clone(),
            tool: past.tool.clone(),
            who_where: past.who_where(),
        }
    }
}

impl Undecided {
    pub(super) fn of(past: &Past, why: String) -> Self {
        Self { recorded: Recorded::of(past), why }
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { recorded: Recorded { time, tool, who_where, run_id, .. }, why } = self;
        writeln!(out, "undecidable  {time}  {who_where}: {tool}\n  {why} (run {run_id})")
    }
}

impl Report for Replayed {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { calls, same, broken, changed, undecidable } = self;
        for Changed { change, recorded, action, before, after } in changed {
            let Recorded { time, run_id, who_where, .. } = recorded;
            writeln!(out, "{change:8}  {time}  {who_where}: {action}")?;
            write_change(out, before, after)?;
            writeln!(out, "  run {run_id}")?;
        }
        for one in undecidable {
            one.write(out)?;
        }
        if !changed.is_empty() || !undecidable.is_empty() {
            writeln!(out)?;
        }
        writeln!(
            out,
            "{calls} recorded calls: {same} the same, {} differently, {} undecidable",
            changed.len(),
            undecidable.len()
        )?;
        if *broken > 0 {
            writeln!(out, "{broken} records are broken and were left out")?;
        }
        Ok(())
    }
}
