//! `cofferdam pki show`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use cofferdam_trust::{Peer, PeerName, hex};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Serialize;

use super::PkiError;
use super::peer::failed;
use crate::report::{Format, Report};
use crate::time;

const EXAMPLES: &str = "\
One certificate:
  cofferdam pki show /etc/cofferdam/agent.crt

Every certificate of an authority's directory:
  cofferdam pki show /etc/cofferdam/pki

Exits with 1 when one of them counts no more.";

/// Which certificates.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Certificate files, or directories that `cofferdam pki init` made.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Certificates {
    certificates: Vec<Shown>,
}

#[derive(Debug, Serialize)]
struct Shown {
    file: PathBuf,
    name: PeerName,
    /// RFC 3339, UTC.
    not_after: String,
    expired: bool,
    /// SHA-256 of the certificate, in hex.
    fingerprint: String,
}

pub(super) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, PkiError> {
    let mut certificates = Vec::new();
    for path in &arguments.paths {
        let files = if path.is_dir() { certificates_in(path)? } else { vec![path.clone()] };
        for file in files {
            certificates.push(look(file)?);
        }
    }
    let expired = certificates.iter().any(|certificate| certificate.expired);
    let shown = format.show(&Certificates { certificates });
    Ok(if expired { ExitCode::FAILURE } else { shown })
}

/// Peers' certificates in a directory of `cofferdam pki init`, sorted.
fn certificates_in(directory: &Path) -> Result<Vec<PathBuf>, PkiError> {
    let mut files = Vec::new();
    for role in ["gateway", "agent"] {
        let of_role = directory.join(role);
        let Ok(entries) = of_role.read_dir() else { continue };
        for entry in entries {
            let path = entry.map_err(failed("read the directory", &of_role))?.path();
            if path.extension().is_some_and(|extension| extension == "crt") {
                files.push(path);
            }
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(PkiError::NoCertificate(directory.to_owned()));
    }
    Ok(files)
}

fn look(file: PathBuf) -> Result<Shown, PkiError> {
    let pem = std::fs::read(&file).map_err(failed("read", &file))?;
    let der =
        CertificateDer::from_pem_slice(&pem).map_err(|_| PkiError::NoCertificate(file.clone()))?;
    let peer = Peer::from_certificate(&der)
        .map_err(|source| PkiError::Peer { path: file.clone(), source })?;
    let expired = !peer.is_current(SystemTime::now());
    let Peer { name, not_after, fingerprint } = peer;
    let not_after = time::rfc3339(not_after);
    Ok(Shown { file, name, not_after, expired, fingerprint: hex(&fingerprint) })
}

impl Report for Certificates {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for Shown { file, name, not_after, expired, fingerprint } in &self.certificates {
            let state = if *expired { "EXPIRED" } else { "until" };
            writeln!(out, "{name}, {state} {not_after}")?;
            writeln!(out, "  file         {}", file.display())?;
            writeln!(out, "  fingerprint  sha256:{fingerprint}")?;
        }
        Ok(())
    }
}
