//! `cofferdam policy key`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cofferdam_trust::{SigningKey, VerifyingKey};
use serde::Serialize;

use super::PolicyError;
use crate::report::{Format, Report};

const EXAMPLES: &str = "\
A publisher's key, mode 0600; its public part goes into `rules_keys` of gateways
and `policy.keys` of ceilings:
  cofferdam policy key publisher.key

The public part of one that is there:
  cofferdam policy key --show publisher.key

--json: {key, public_key, key_id}";

/// Which key.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Where it is kept. None that is there is ever overwritten.
    file: PathBuf,
    /// Make none; show the public part of the one that is there.
    #[arg(long)]
    show: bool,
}

#[derive(Debug, Serialize)]
struct Publisher {
    key: PathBuf,
    public_key: VerifyingKey,
    key_id: String,
}

pub(super) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, PolicyError> {
    let Arguments { file, show } = arguments;
    let key = if *show {
        SigningKey::load(file)?
    } else {
        let key = SigningKey::generate()?;
        key.save(file)?;
        key
    };
    let (public_key, key_id) = (key.public_key(), key.key_id());
    Ok(format.show(&Publisher { key: file.clone(), public_key, key_id }))
}

impl Report for Publisher {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { key, public_key, key_id } = self;
        writeln!(out, "{public_key}")?;
        writeln!(out, "  private part: {}; key id {key_id}", key.display())
    }
}
