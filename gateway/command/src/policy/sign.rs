//! `cofferdam policy sign`.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use cofferdam_gateway::signed_rules::SignedRules;
use cofferdam_trust::{SigningKey, hex};
use serde::Serialize;
use tempfile::NamedTempFile;

use super::{Files, PolicyError};
use crate::report::{Format, Report};

const EXAMPLES: &str = "\
Once, on the machine of whoever publishes rules:
  cofferdam policy key publisher.key

For each new version:
  cofferdam policy sign rules.toml --version 7 --key publisher.key -o policy.bundle

A gateway takes it with `rules = \"policy.bundle\"` and `rules_keys = [...]`; a
host requires it with `[policy]` in its ceiling. Versions only grow: neither
takes one that is lower than one it took before.

Rules that are wrong, or that fail their own tests, are not signed.

--json: {bundle, version, digest, key_id, files, rules}";

/// What to sign, and as what.
#[derive(Debug, Args)]
// `--version` is what is signed, here; the program says its own everywhere else.
#[command(after_help = EXAMPLES, disable_version_flag = true)]
pub(crate) struct Arguments {
    /// Rule files, taken together, with all that they include.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Which version this is; higher than each before it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    version: u64,
    /// The publisher's key, as `cofferdam policy key` makes it.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The bundle; one that is there is replaced as a whole.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// What was signed.
#[derive(Debug, Serialize)]
struct Signed {
    bundle: PathBuf,
    version: u64,
    /// SHA-256, as in records.
    digest: String,
    key_id: String,
    files: usize,
    rules: usize,
}

pub(super) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, PolicyError> {
    let Arguments { files, version, key, output } = arguments;
    if output.extension().is_none_or(|extension| extension != "bundle") {
        return Err(PolicyError::NotABundle(output.clone()));
    }
    let key = SigningKey::load(key)?;
    let Files(files) = Files::read(files)?;
    let (signed, rules) = SignedRules::sign(&files, &key, *version, SystemTime::now())?;
    rules.check_tests().map_err(|failed| PolicyError::Tests(failed.len()))?;
    replace(output, &signed.to_text())
        .map_err(|source| PolicyError::Write { path: output.clone(), source })?;
    Ok(format.show(&Signed {
        bundle: output.clone(),
        version: *version,
        digest: hex(rules.digest()),
        key_id: key.key_id(),
        files: signed.file_count(),
        rules: rules.len(),
    }))
}

/// A gateway that watches the file sees the old bundle or the new one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    // Rules are no secret, and the gateway's user has to read them.
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(directory)?.sync_all()
}

impl Report for Signed {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { bundle, version, digest, key_id, files, rules } = self;
        writeln!(out, "signed {}: version {version}", bundle.display())?;
        writeln!(out, "  {rules} rules in {files} files, digest {digest}")?;
        writeln!(out, "  key {key_id}")
    }
}
