//! `cofferdam pki init`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cofferdam_trust::{Authority, Role};
use serde::Serialize;

use super::PkiError;
use super::peer::{Issued, Peers, equip, write_issued};
use crate::report::{Format, Report};

const EXAMPLES: &str = "\
An authority, a gateway and two hosts:
  cofferdam pki init /etc/cofferdam/pki --gateway main --agent web-1 --agent web-2

Each side gets its own three files and ca.crt; ca.key stays here, best offline:
  gateway   gateway/main.{crt,key,signing.key}   and ca.crt
  web-1     agent/web-1.{crt,key,signing.key}    and ca.crt";

/// Where, and for whom.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The directory to make it in; made where it is missing.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    peers: Peers,
}

#[derive(Debug, Serialize)]
struct Made {
    authority: PathBuf,
    peers: Vec<Issued>,
}

pub(super) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, PkiError> {
    let Arguments { directory, peers } = arguments;
    let names = peers.names()?;
    let authority = Authority::create(directory)?;
    let peers = names
        .iter()
        .map(|name| equip(&authority, directory, name, peers.valid()))
        .collect::<Result<_, _>>()?;
    Ok(format.show(&Made { authority: directory.join("ca.crt"), peers }))
}

impl Report for Made {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "authority  {}", self.authority.display())?;
        for peer in &self.peers {
            writeln!(out)?;
            write_issued(out, peer)?;
        }
        let of = |role| self.peers.iter().filter(move |peer| peer.name.role() == role);
        if of(Role::Gateway).next().is_some() {
            writeln!(out, "\nFor agent.toml of every host:\n\n[gateways]\nkeys = [")?;
            of(Role::Gateway).try_for_each(|peer| writeln!(out, "    \"{}\",", peer.public_key))?;
            writeln!(out, "]")?;
        }
        if of(Role::Agent).next().is_some() {
            writeln!(out, "\nFor gateway.toml, with the hosts' addresses:")?;
        }
        for Issued { name, public_key, .. } in of(Role::Agent) {
            let host = name.name();
            writeln!(out, "\n[[host]]\nname = \"{host}\"\naddress = \"{host}:8461\"")?;
            writeln!(out, "agent = \"{name}\"\nkey = \"{public_key}\"")?;
        }
        Ok(())
    }
}
