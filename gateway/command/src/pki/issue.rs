//! `cofferdam pki issue`: for peers that come later, and for renewals.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use cofferdam_trust::{Authority, CertificateFiles, Lifetime, PeerName, SigningKey};
use serde::Serialize;

use super::PkiError;
use super::peer::{
    Issued, Peers, directory, equip, failed, issued, signing_key_path, write_issued,
};
use crate::report::{Format, Report};

const EXAMPLES: &str = "\
A third host:
  cofferdam pki issue /etc/cofferdam/pki --agent web-3

New certificates and keys before the old ones end; signing keys stay:
  cofferdam pki issue /etc/cofferdam/pki --renew --gateway main --agent web-1";

/// Of which authority, and for whom.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The directory that `cofferdam pki init` made.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    peers: Peers,
    /// Replaces the certificate and key of a peer that has them.
    #[arg(long)]
    renew: bool,
}

#[derive(Debug, Serialize)]
struct Made {
    peers: Vec<Issued>,
}

pub(super) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, PkiError> {
    let Arguments { directory, peers, renew } = arguments;
    let names = peers.names()?;
    if names.is_empty() {
        return Err(PkiError::Nobody);
    }
    let authority = Authority::open(directory)?;
    let one = |name: &PeerName| match renew {
        true => replace(&authority, directory, name, Lifetime::from_now(peers.valid())),
        false => equip(&authority, directory, name, peers.valid()),
    };
    let peers = names.iter().map(one).collect::<Result<_, _>>()?;
    Ok(format.show(&Made { peers }))
}

/// Writes the new pair beside the old one, then puts it in its place. A peer
/// reads both when it starts.
fn replace(
    authority: &Authority,
    base: &Path,
    name: &PeerName,
    lifetime: Lifetime,
) -> Result<Issued, PkiError> {
    let directory = directory(base, name);
    let signing_key = signing_key_path(&directory, name);
    let public_key = SigningKey::load(&signing_key)?.public_key().to_string();
    let beside = tempfile::Builder::new()
        .prefix(".new-")
        .tempdir_in(&directory)
        .map_err(failed("make a directory in", &directory))?;
    let new = authority.issue(name, lifetime)?.write(beside.path())?;
    let settle = |new: &Path| {
        let place = directory.join(new.file_name().unwrap_or_default());
        fs::rename(new, &place).map_err(failed("replace", &place))?;
        Ok::<_, PkiError>(place)
    };
    let files = CertificateFiles { key: settle(&new.key)?, certificate: settle(&new.certificate)? };
    Ok(issued(name, files, signing_key, public_key, lifetime.not_after))
}

impl Report for Made {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.peers.iter().try_for_each(|peer| write_issued(out, peer))
    }
}
