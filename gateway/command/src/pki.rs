//! `cofferdam pki`: an own certificate authority, the certificates of gateways
//! and agents, and their signing keys.
//!
//! A directory holds all of it: `ca.crt` and `ca.key`, and for each peer, in
//! `gateway/` or `agent/`, `NAME.crt`, `NAME.key`, `NAME.signing.key` and
//! `NAME.signing.pub`. Private keys are made with mode 0600 and never
//! overwritten, but for a certificate's that is renewed.

mod init;
mod issue;
mod peer;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use cofferdam_trust::{AuthorityError, KeyError, NameError, PeerError};

use crate::report::Format;

/// What to do with certificates.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a certificate authority, and peers' certificates and signing keys.
    Init(init::Arguments),
    /// Issues certificates from an authority that is there; renews them.
    Issue(issue::Arguments),
    /// Shows what certificates say: name, end, fingerprint.
    Show(show::Arguments),
}

/// Why nothing, or not all, was made or shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PkiError {
    /// A name that no peer can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The authority refuses.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A signing key cannot be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file or directory.
    #[error("cannot {operation} `{path}`: {source}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not a certificate.
    #[error("`{0}` holds no certificate in PEM")]
    NoCertificate(PathBuf),
    /// A certificate of something else.
    #[error("`{path}`: {source}")]
    Peer {
        /// Which.
        path: PathBuf,
        /// Why.
        source: PeerError,
    },
    /// Nothing was asked for.
    #[error("nothing to issue: name a peer with --gateway NAME or --agent NAME")]
    Nobody,
}

pub(crate) fn run(command: Command, format: Format) -> Result<ExitCode, PkiError> {
    match command {
        Command::Init(arguments) => init::run(&arguments, format),
        Command::Issue(arguments) => issue::run(&arguments, format),
        Command::Show(arguments) => show::run(&arguments, format),
    }
}
