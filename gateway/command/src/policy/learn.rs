//! `cofferdam policy learn`.

mod grant;
mod kernel;
mod proposal;
pub(crate) mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cofferdam_policy::{Call, Decision, RuleSet};
use serde::Serialize;

use self::kernel::{Refusal, Refusals};
use self::proposal::{Bench, Proposal, Wish};
use self::wanted::Wanted;
use super::past::{Past, Source};
use super::{PolicyError, files_or_configured};
use crate::report::{Format, Report};

const EXAMPLES: &str = "\
What would have to be permitted for the work of the last week?
  cofferdam policy learn --since 7d > proposed.toml

Each proposal names exactly the programs with their arguments, or the paths, that
were denied because no rule permits them, for exactly who asked where. It was tried
together with the rules: it permits those calls and no other refused one, and every
test still passes. Nothing is proposed for what a deny rule names, nor for command
lines that cannot be seen through. Where a rule asks, an allow rule cannot help,
because ask beats allow: that is told. What the kernel refused to runs is told, too;
where a grant left out the program or the destination, a rule for exactly those calls
is proposed whose grant has it, and otherwise is as it was. Read a proposal, and make
it wider by hand where it is meant wider.

Exits with 0; with 2 when the files cannot be read or are wrong.

--json: {proposals: [{id, count, users, host, project, first, last, example, why,
warnings, toml}], asked: [{rules, count, users, example}], kept: [{count, why,
example}], kernel: [{operation, object, setting, remedy, count, users, host, project,
rules, denied_by}], broken}";

/// Which calls, and beside which rules.
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
struct Learnt {
    proposals: Vec<Proposal>,
    /// Calls that people were asked about.
    asked: Vec<Asked>,
    /// Calls that stay refused.
    kept: Vec<Kept>,
    /// What the kernel refused.
    kernel: Vec<Refusal>,
    /// Lines of the journal that are no records.
    broken: usize,
}

#[derive(Debug, Serialize)]
struct Asked {
    rules: Vec<String>,
    count: usize,
    users: Vec<String>,
    example: String,
}

#[derive(Debug, Serialize)]
struct Kept {
    count: usize,
    why: String,
    example: String,
}

pub(super) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, PolicyError> {
    let config = arguments.source.config()?;
    let files = files_or_configured(&arguments.rules, &config)?;
    let rules = files.parse()?;
    let mut gathered = Gathered::default();
    let read = arguments.source.each(&config, |past| gathered.take(&past, &rules))?;
    let mut refusals = Refusals::default();
    arguments.source.each_record(&config, |record| refusals.take(record, &config, &rules))?;
    let refused = std::mem::take(&mut gathered.refused);
    let bench = Bench { files: &files, rules: &rules, refused: &refused };
    let mut learnt = Learnt { broken: read.broken, ..Learnt::default() };
    for wish in &merged(std::mem::take(&mut gathered.wishes)) {
        let id = format!("learnt-{}", learnt.proposals.len() + 1);
        match bench.propose(wish, id) {
            Ok(proposal) => learnt.proposals.push(proposal),
            Err(why) => gathered.kept.entry(why).or_default().add(wish.calls.len(), &wish.example),
        }
    }
    for lack in refusals.lacks.list() {
        let id = format!("learnt-{}", learnt.proposals.len() + 1);
        match bench.widen(&lack, id) {
            Ok(proposal) => learnt.proposals.push(proposal),
            Err(why) => gathered.kept.entry(why).or_default().add(lack.count(), lack.example()),
        }
    }
    learnt.asked = gathered.asked.into_values().collect();
    learnt.kept = gathered
        .kept
        .into_iter()
        .map(|(why, Count { count, example })| Kept { count, why, example })
        .collect();
    learnt.kernel = refusals.list();
    Ok(format.show(&learnt))
}

/// What the rules of today still do not simply permit.
#[derive(Default)]
struct Gathered {
    /// Denied by default.
    refused: Vec<Call>,
    wishes: BTreeMap<Key, Wish>,
    asked: BTreeMap<Vec<String>, Asked>,
    kept: BTreeMap<String, Count>,
}

/// What one rule can hold together: one user on one host in one project, and
/// plain programs, or else exactly the same.
type Key = (String, String, String, Option<Wanted>, Wanted);

#[derive(Default)]
struct Count {
    count: usize,
    example: String,
}

impl Count {
    fn add(&mut self, count: usize, example: &str) {
        if self.count == 0 {
            example.clone_into(&mut self.example);
        }
        self.count += count;
    }
}

impl Gathered {
    fn take(&mut self, past: &Past, rules: &RuleSet) {
        let example = format!("{}: {}", past.who_where(), past.action());
        match past.decide(rules) {
            Err(why) => self.keep(why, &example),
            Ok(Decision::Permit(_)) => {}
            Ok(decision @ Decision::Ask(_)) => self.ask(past, decision.involved(), example),
            Ok(Decision::Deny(denial)) if denial.rules().is_empty() => {
                let why = denial.reasons.first().map(cofferdam_policy::Reason::line);
                match Wanted::of(&denial.call) {
                    Ok(wanted) => self.wish(past, denial.call, wanted, &why.unwrap_or_default()),
                    Err(why) => self.keep(why, &example),
                }
            }
            Ok(Decision::Deny(denial)) => {
                let why = format!("refused by `{}`", denial.rules().join("`, `"));
                self.keep(why, &example);
            }
        }
    }

    fn keep(&mut self, why: String, example: &str) {
        self.kept.entry(why).or_default().add(1, example);
    }

    fn ask(&mut self, past: &Past, rules: Vec<String>, example: String) {
        let asked = self.asked.entry(rules.clone()).or_insert_with(|| Asked {
            rules,
            count: 0,
            users: Vec::new(),
            example,
        });
        asked.count += 1;
        if !asked.users.contains(&past.subject.user) {
            asked.users.push(past.subject.user.clone());
        }
    }

    fn wish(&mut self, past: &Past, call: Call, wanted: Wanted, why: &str) {
        let index = self.refused.len();
        self.refused.push(call);
        // Plain programs come together; what has paths or stands in a command
        // line would permit mixtures of them.
        let plain = wanted.paths.is_empty() && !wanted.shell && !wanted.programs.is_empty();
        let alone = (!plain).then(|| wanted.clone());
        let frame = Wanted { programs: BTreeSet::new(), ..wanted.clone() };
        let frame = if plain { frame } else { Wanted::default() };
        let key =
            (past.subject.user.clone(), past.host.clone(), past.project.clone(), alone, frame);
        let wish = self.wishes.entry(key).or_insert_with(|| Wish {
            users: [past.subject.user.clone()].into(),
            host: past.host.clone(),
            project: past.project.clone(),
            wanted: Wanted { programs: BTreeSet::new(), ..wanted.clone() },
            calls: Vec::new(),
            first: past.time.clone(),
            last: past.time.clone(),
            example: format!("{}: {}", past.who_where(), past.action()),
            why: why.to_owned(),
        });
        wish.wanted.programs.extend(wanted.programs);
        wish.calls.push(index);
        wish.last.clone_from(&past.time);
    }
}

/// Users who want the same in the same place come together.
fn merged(wishes: BTreeMap<Key, Wish>) -> Vec<Wish> {
    let mut out: Vec<Wish> = Vec::new();
    for wish in wishes.into_values() {
        let same = out.iter_mut().find(|known| {
            known.wanted == wish.wanted && known.host == wish.host && known.project == wish.project
        });
        match same {
            Some(known) => {
                known.users.extend(wish.users);
                known.calls.extend(wish.calls);
                known.first = known.first.clone().min(wish.first);
                known.last = known.last.clone().max(wish.last);
            }
            None => out.push(wish),
        }
    }
    out
}

impl Report for Learnt {
    /// As a rule file, so that it can be kept as one.
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { proposals, asked, kept, kernel, broken } = self;
        writeln!(
            out,
            "# Proposed by `cofferdam policy learn`. Read each rule before you take it."
        )?;
        writeln!(out, "version = 1")?;
        for Proposal { count, first, last, example, why, warnings, toml, .. } in proposals {
            writeln!(out, "\n# {} from {first} to {last}, such as", times(*count))?;
            writeln!(out, "# {}", comment(example))?;
            writeln!(out, "# {}", comment(why))?;
            for warning in warnings {
                writeln!(out, "# WARNING: {}", comment(warning))?;
            }
            write!(out, "{toml}")?;
        }
        for Asked { rules, count, users, example } in asked {
            writeln!(
                out,
                "\n# asked {} by `{}`: {}",
                times(*count),
                rules.join("`, `"),
                users.join(", ")
            )?;
            writeln!(out, "# such as {}", comment(example))?;
            writeln!(out, "# ask beats allow: to ask no more, change that rule itself")?;
        }
        for Kept { count, why, example } in kept {
            writeln!(out, "\n# nothing for {}: {}", times(*count), comment(why))?;
            writeln!(out, "# such as {}", comment(example))?;
        }
        for refusal in kernel {
            write_refusal(out, refusal)?;
        }
        if proposals.is_empty() && asked.is_empty() && kept.is_empty() && kernel.is_empty() {
            writeln!(out, "\n# nothing was refused that the rules would still refuse")?;
        }
        match broken {
            0 => Ok(()),
            broken => writeln!(out, "\n# {broken} records are broken and were left out"),
        }
    }
}

fn write_refusal(out: &mut dyn Write, refusal: &Refusal) -> io::Result<()> {
    let Refusal {
        operation,
        object,
        setting,
        remedy,
        count,
        users,
        host,
        project,
        rules,
        denied_by,
    } = refusal;
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let what = comment(&format!("{operation} {object}"));
    writeln!(
        out,
        "\n# the kernel refused {}: {what}",
        times(usize::try_from(*count).unwrap_or(usize::MAX))
    )?;
    writeln!(
        out,
        "# to {} on {host} in {project}, permitted by `{}`",
        users.join(", "),
        rules.join("`, `")
    )?;
    match (denied_by.as_slice(), remedy.as_str()) {
        ([], "") => writeln!(out, "# governed by {}", comment(setting)),
        ([], remedy) => writeln!(out, "# governed by {}; {}", comment(setting), comment(remedy)),
        (rules, _) => writeln!(out, "# and that is as `{}` wants it", rules.join("`, `")),
    }
}

fn times(count: usize) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// Nothing that a caller wrote may end a comment.
fn comment(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}
