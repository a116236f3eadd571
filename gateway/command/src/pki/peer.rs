//! What one peer gets: a certificate, its key, and a signing key.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;
use cofferdam_trust::{
    Authority, CertificateFiles, DEFAULT_TRUST_DOMAIN, Lifetime, NameError, PeerName, Role,
    SigningKey,
};
use serde::Serialize;

use super::PkiError;
use crate::time;

/// Which peers, and for how long.
#[derive(Debug, Args)]
pub(super) struct Peers {
    /// A gateway's name; may be repeated.
    #[arg(long = "gateway", value_name = "NAME")]
    gateways: Vec<String>,
    /// A host's name, for its agent; may be repeated.
    #[arg(long = "agent", value_name = "NAME")]
    agents: Vec<String>,
    /// How long the certificates count.
    #[arg(long, value_name = "SPAN", default_value = "90d", value_parser = time::span)]
    valid: Duration,
    /// The first part of every name: `spiffe://DOMAIN/…`.
    #[arg(long, value_name = "DOMAIN", default_value = DEFAULT_TRUST_DOMAIN)]
    trust_domain: String,
}

/// What a peer was given.
#[derive(Debug, Serialize)]
pub(super) struct Issued {
    pub(super) name: PeerName,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) signing_key: PathBuf,
    /// `ed25519:…`; the other side is told to believe it.
    pub(super) public_key: String,
    /// RFC 3339, UTC.
    pub(super) not_after: String,
}

impl Peers {
    /// Their names, checked before anything is made.
    pub(super) fn names(&self) -> Result<Vec<PeerName>, NameError> {
        let of = |role, names: &[String]| {
            let name = |name: &String| PeerName::new(&self.trust_domain, role, name);
            names.iter().map(name).collect::<Result<Vec<_>, _>>()
        };
        Ok([of(Role::Gateway, &self.gateways)?, of(Role::Agent, &self.agents)?].concat())
    }

    pub(super) fn valid(&self) -> Duration {
        self.valid
    }
}

/// Where a peer's files are.
pub(super) fn directory(base: &Path, name: &PeerName) -> PathBuf {
    base.join(name.role().to_string())
}

/// Makes everything that a new peer needs, beneath `base`.
pub(super) fn equip(
    authority: &Authority,
    base: &Path,
    name: &PeerName,
    valid: Duration,
) -> Result<Issued, PkiError> {
    let directory = directory(base, name);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&directory)
        .map_err(failed("make the directory", &directory))?;
    let lifetime = Lifetime::from_now(valid);
    let files = authority.issue(name, lifetime)?.write(&directory)?;
    let path = signing_key_path(&directory, name);
    let signing_key = SigningKey::generate()?;
    signing_key.save(&path)?;
    let public_key = signing_key.public_key().to_string();
    write_public(&directory.join(format!("{}.signing.pub", name.name())), &public_key)?;
    Ok(issued(name, files, path, public_key, lifetime.not_after))
}

/// Where a peer's signing key is.
pub(super) fn signing_key_path(directory: &Path, name: &PeerName) -> PathBuf {
    directory.join(format!("{}.signing.key", name.name()))
}

pub(super) fn issued(
    name: &PeerName,
    files: CertificateFiles,
    signing_key: PathBuf,
    public_key: String,
    not_after: SystemTime,
) -> Issued {
    let CertificateFiles { certificate, key } = files;
    let not_after = time::rfc3339(not_after);
    Issued { name: name.clone(), certificate, key, signing_key, public_key, not_after }
}

fn write_public(path: &Path, text: &str) -> Result<(), PkiError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)
        .and_then(|mut file| writeln!(file, "{text}"))
        .map_err(failed("write", path))
}

pub(super) fn failed<'a>(
    operation: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> PkiError + use<'a> {
    move |source| PkiError::File { operation, path: path.to_owned(), source }
}

/// What a peer's owner does with it.
pub(super) fn write_issued(out: &mut dyn Write, issued: &Issued) -> io::Result<()> {
    let Issued { name, certificate, key, signing_key, public_key, not_after } = issued;
    writeln!(out, "{name}, until {not_after}")?;
    writeln!(out, "  certificate  {}", certificate.display())?;
    writeln!(out, "  key          {}", key.display())?;
    writeln!(out, "  signing key  {}", signing_key.display())?;
    writeln!(out, "  public key   {public_key}")
}
