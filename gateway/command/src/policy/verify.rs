//! `cofferdam policy verify`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use cofferdam_gateway::signed_rules::SignedRules;
use cofferdam_trust::{TrustedKeys, VerifyingKey, hex};
use serde::Serialize;

use super::PolicyError;
use crate::report::{Format, Report};
use crate::time;

const EXAMPLES: &str = "\
Is this what the publisher signed, and which version is it?
  cofferdam policy verify policy.bundle --key ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=

Exits with 1 where the seal holds and tests of the rules fail, so that no gateway
takes them; with 2 where the seal does not hold, or the rules are not right.

--json: {version, digest, key_id, issued_at, files, rules, failed_tests}";

/// Which bundle, and who may have signed it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The bundle.
    bundle: PathBuf,
    /// Public keys of publishers that are believed.
    #[arg(long, required = true, value_name = "KEY")]
    key: Vec<VerifyingKey>,
}

/// What the publisher says.
#[derive(Debug, Serialize)]
struct Verified {
    version: u64,
    digest: String,
    key_id: String,
    issued_at: Option<String>,
    files: usize,
    rules: usize,
    /// Tests in the files that fail; a gateway does not take the bundle then.
    failed_tests: usize,
}

pub(super) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, PolicyError> {
    let Arguments { bundle, key } = arguments;
    let keys: TrustedKeys = key.iter().copied().collect();
    let signed = SignedRules::read(bundle)?;
    let (rules, verified) = signed.verify(&keys)?;
    let failed_tests = rules.check_tests().err().map_or(0, |failed| failed.len());
    let shown = format.show(&Verified {
        version: verified.word.version,
        digest: hex(&verified.word.digest),
        key_id: verified.statement.key_id,
        issued_at: verified.word.issued_at.map(|at: SystemTime| time::rfc3339(at)),
        files: signed.file_count(),
        rules: rules.len(),
        failed_tests,
    });
    Ok(if failed_tests == 0 { shown } else { ExitCode::FAILURE })
}

impl Report for Verified {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { version, digest, key_id, issued_at, files, rules, failed_tests } = self;
        let signed = issued_at.as_deref().unwrap_or("at a time that it does not say");
        writeln!(out, "the seal holds: version {version}, signed {signed}")?;
        writeln!(out, "  {rules} rules in {files} files, digest {digest}")?;
        writeln!(out, "  key {key_id}")?;
        match failed_tests {
            0 => Ok(()),
            failed => writeln!(out, "  {failed} of its tests fail: a gateway does not take it"),
        }
    }
}
