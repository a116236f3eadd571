//! `cofferdam profile show`.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use cofferdam_abilities::probe;
use cofferdam_filter::{Extent, Refusal, refusals};
use cofferdam_profile::Profile;
use serde::Serialize;
use serde_json::Value;

use super::enforced::{self, Enforced, Word};
use super::page::{self, Line, Section, write_wrapped};
use super::{ProfileCommandError, Source, words};
use crate::report::{Format, Report};

const EXAMPLES: &str = "\
What may a cell of the profile `default` do, and does this kernel hold it to that?
  cofferdam profile show default

One of a host's own profiles:
  cofferdam profile show ours --directory /etc/cofferdam/profiles

Exits with 1 where this host could not build such a cell.";

/// Which, and where.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The profile's name.
    name: String,
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    description: String,
    inherits: Vec<String>,
    /// SHA-256 over `meaning`, as receipts name it.
    digest: String,
    meaning: Value,
    /// What its filter refuses.
    refusals: Vec<Refused>,
    kernel: String,
    layers: Vec<Enforced>,
    #[serde(skip)]
    sections: Vec<Section>,
    #[serde(skip)]
    width: usize,
}

#[derive(Debug, Serialize)]
struct Refused {
    /// `always`, `some_arguments`, or `no_such_call`.
    extent: &'static str,
    reason: &'static str,
    syscalls: &'static [&'static str],
}

impl From<&'static Refusal> for Refused {
    fn from(refusal: &'static Refusal) -> Self {
        let extent = match refusal.extent {
            Extent::Always => "always",
            Extent::SomeArguments => "some_arguments",
            Extent::NoSuchCall => "no_such_call",
        };
        Self { extent, reason: refusal.reason, syscalls: refusal.syscalls }
    }
}

pub(super) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, ProfileCommandError> {
    let Arguments { name, source } = arguments;
    let profiles = source.load()?;
    let profile = profiles.get(name).ok_or_else(|| ProfileCommandError::Unknown {
        name: name.clone(),
        known: profiles.names().collect::<Vec<_>>().join(", "),
    })?;
    let abilities = probe();
    let kernel = format!("{} on {}", abilities.kernel.release, abilities.kernel.architecture);
    let shown = Shown::of(profile, kernel, enforced::layers(profile, &abilities));
    let refused = shown.layers.iter().any(|layer| layer.state == Word::Refused);
    let written = format.show(&shown);
    Ok(if refused { ExitCode::FAILURE } else { written })
}

impl Shown {
    fn of(profile: &Profile, kernel: String, layers: Vec<Enforced>) -> Self {
        Self {
            name: profile.name.clone(),
            description: profile.description.clone(),
            inherits: profile.inherits.clone(),
            digest: cofferdam_trust::hex(&profile.digest()),
            meaning: profile.meaning(),
            refusals: refusals(&profile.filter).map(Refused::from).collect(),
            kernel,
            layers,
            sections: words::sections(profile),
            width: page::width(),
        }
    }

    fn head(&self, out: &mut dyn Write) -> io::Result<()> {
        write_wrapped(out, &format!("{}: ", self.name), 2, &self.description, self.width)?;
        if !self.inherits.is_empty() {
            let chain = format!("{}; each is narrower than the next", self.inherits.join(", "));
            write_wrapped(out, "inherits: ", 2, &chain, self.width)?;
        }
        writeln!(out, "digest: {}", self.digest)
    }

    fn enforcement(&self) -> Section {
        let mut lines = vec![Line::Text(format!("Linux {}", self.kernel))];
        for Enforced { layer, state, words, fixes } in &self.layers {
            let word = match state {
                Word::Full => "held",
                Word::Unused => "not used",
                Word::Partial => "held in part",
                Word::Unknown => "not known here",
                Word::Lacking => "MISSING, which the profile lets be",
                Word::Refused => "MISSING: no cell of this profile can be built here",
            };
            let fixes = fixes.iter().map(|fix| format!("To do: {fix}"));
            let text: Vec<_> = [word.to_owned(), words.clone()].into_iter().chain(fixes).collect();
            lines.push(Line::Item((*layer).to_owned(), 10, text.join(". ")));
        }
        Section { title: "What this kernel enforces", lines }
    }
}

impl Report for Shown {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.head(out)?;
        for section in self.sections.iter().chain([&self.enforcement()]) {
            section.write(out, self.width)?;
        }
        Ok(())
    }
}
