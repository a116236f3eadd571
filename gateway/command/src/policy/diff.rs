//! `cofferdam policy diff`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cofferdam_policy::{Call, ChangeKind, Decision, Difference, FacetChange, RuleChange, RuleSet};
use serde::Serialize;

use super::past::{Past, Read, Source};
use super::replay::Undecided;
use super::told::{Told, write_change};
use super::{Files, PolicyError};
use crate::report::{Format, Report};

const EXAMPLES: &str = "\
What do these changes to the rules mean?
  cofferdam policy diff rules.toml new.toml

The same, with every call of the last month decided by both:
  cofferdam policy diff /etc/cofferdam/rules.toml new.toml --recorded --since 30d

Rules are compared by what they mean: sets and roles are put in, and the order of
lists that are alternatives does not count. Decisions are compared for the calls
of the tests in both files, and with --recorded for those of the journal. That
other rules say the same is no difference.

Exits with 1 when something is different, with 2 when the files cannot be read or
are wrong.

--json: {same, rules: [{id, change: added|removed|changed, effect, facets: [{name,
removed, added}]}], calls, decisions: [{change: wider|narrower|grant, from, asker,
action, before: {effect, rules, reason, grant}, after}], undecidable: [{time, run_id,
user, host, project, tool, why}], broken}";

/// What is compared.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The rule file that there is.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The rule file that shall be.
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Compares the calls of the gateway's journal, too; so do --journal,
    /// --since and --until.
    #[arg(long)]
    recorded: bool,
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, Default, Serialize)]
struct Compared {
    /// Nothing is different.
    same: bool,
    rules: Vec<RuleView>,
    /// Calls that both decided.
    calls: usize,
    decisions: Vec<Changed>,
    undecidable: Vec<Undecided>,
    /// Lines of the journal that are no records.
    broken: usize,
}

#[derive(Debug, Serialize)]
struct RuleView {
    id: String,
    change: &'static str,
    /// Of one that was added or removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    effect: Option<String>,
    facets: Vec<FacetView>,
}

#[derive(Debug, Serialize)]
struct FacetView {
    name: String,
    removed: Vec<String>,
    added: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Changed {
    change: &'static str,
    /// Where the call comes from: a test's place and name, or a record.
    from: String,
    asker: String,
    action: String,
    before: Side,
    after: Side,
}

#[derive(Debug, Serialize)]
struct Side {
    #[serde(flatten)]
    told: Told,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<String>,
}

pub(super) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, PolicyError> {
    let one =
        |path: &PathBuf| Ok::<_, PolicyError>(Files::read(std::slice::from_ref(path))?.parse()?);
    let (old, new) = (one(&arguments.old)?, one(&arguments.new)?);
    let rules = old.changes(&new).into_iter().map(RuleView::from).collect();
    let mut compared = Compared { rules, ..Compared::default() };
    compared.take_tests(&old, &new);
    if arguments.recorded || arguments.source.is_asked_for() {
        let config = arguments.source.config()?;
        let take = |past: Past| compared.take_past(&past, &old, &new);
        let Read { broken } = arguments.source.each(&config, take)?;
        compared.broken = broken;
    }
    compared.same =
        compared.rules.is_empty() && compared.decisions.is_empty() && compared.broken == 0;
    let shown = format.show(&compared);
    Ok(if compared.same { shown } else { ExitCode::FAILURE })
}

impl Compared {
    /// The calls of the tests, each once.
    fn take_tests(&mut self, old: &RuleSet, new: &RuleSet) {
        let mut seen: Vec<&Call> = Vec::new();
        for case in old.cases().iter().chain(new.cases()) {
            if seen.contains(&case.call()) {
                continue;
            }
            seen.push(case.call());
            let call = case.call();
            let from = format!("test «{}» at {}", case.name(), case.place());
            let asker = format!("{} on {}", call.subject, call.host.name);
            let decisions = (old.decide(call.clone()), new.decide(call.clone()));
            self.take(from, asker, call.action.to_string(), &decisions.0, &decisions.1);
        }
    }

    fn take_past(&mut self, past: &Past, old: &RuleSet, new: &RuleSet) {
        match (past.decide(old), past.decide(new)) {
            (Ok(before), Ok(after)) => {
                let from = format!("run {} at {}", past.run_id, past.time);
                self.take(from, past.who_where(), past.action(), &before, &after);
            }
            (Err(why), _) | (_, Err(why)) => self.undecidable.push(Undecided::of(past, why)),
        }
    }

    fn take(
        &mut self,
        from: String,
        asker: String,
        action: String,
        before: &Decision,
        after: &Decision,
    ) {
        self.calls += 1;
        if let Some(difference) = Difference::of(before, after) {
            let [before, after] = [before, after].map(Side::of);
            let change = difference.name();
            self.decisions.push(Changed { change, from, asker, action, before, after });
        }
    }
}

impl Side {
    fn of(decision: &Decision) -> Self {
        Self { told: Told::of(decision), grant: decision.grant().map(ToString::to_string) }
    }
}

impl From<RuleChange> for RuleView {
    fn from(change: RuleChange) -> Self {
        let RuleChange { id, kind, facets } = change;
        let (change, effect) = match kind {
            ChangeKind::Added(effect) => ("added", Some(effect.to_string())),
            ChangeKind::Removed(effect) => ("removed", Some(effect.to_string())),
            ChangeKind::Changed => ("changed", None),
        };
        let facets = facets
            .into_iter()
            .map(|FacetChange { name, removed, added }| FacetView { name, removed, added })
            .collect();
        Self { id, change, effect, facets }
    }
}

impl Report for Compared {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { same: _, rules, calls, decisions, undecidable, broken } = self;
        for RuleView { id, change, effect, facets } in rules {
            let effect = effect.as_ref().map(|effect| format!(" ({effect})")).unwrap_or_default();
            writeln!(out, "rule {change}: {id}{effect}")?;
            for FacetView { name, removed, added } in facets {
                removed.iter().try_for_each(|text| writeln!(out, "  - {name}: {text}"))?;
                added.iter().try_for_each(|text| writeln!(out, "  + {name}: {text}"))?;
            }
        }
        if !rules.is_empty() {
            writeln!(out)?;
        }
        for Changed { change, from, asker, action, before, after } in decisions {
            writeln!(out, "{change:8}  {asker}: {action}")?;
            write_change(out, &before.told, &after.told)?;
            if let (Some(old), Some(new)) = (&before.grant, &after.grant)
                && old != new
            {
                writeln!(out, "  - {old}\n  + {new}")?;
            }
            writeln!(out, "  {from}")?;
        }
        undecidable.iter().try_for_each(|one| one.write(out))?;
        if !decisions.is_empty() || !undecidable.is_empty() {
            writeln!(out)?;
        }
        writeln!(
            out,
            "rules: {} differ; calls: {} of {calls} are decided differently{}",
            rules.len(),
            decisions.len(),
            match undecidable.len() {
                0 => String::new(),
                count => format!(", {count} are undecidable"),
            }
        )?;
        if *calls == 0 {
            writeln!(out, "(there was no call to try: write tests, or add --recorded)")?;
        }
        match broken {
            0 => Ok(()),
            broken => writeln!(out, "{broken} records are broken and were left out"),
        }
    }
}
