//! TLS for the MCP endpoint, from configured PEM files.
//!
//! Unlike the mutual TLS towards agents this is ordinary server TLS (1.3 and
//! 1.2), because MCP clients are other people's programs. Callers prove who they
//! are with tokens.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cofferdam_trust::{PrivateFileError, read_private_file};
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::KeyPair;

/// Why the MCP endpoint cannot have TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsFilesError {
    /// A file cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not PEM, or holds nothing of what is needed.
    #[error("`{path}` holds no {what} in PEM: {source}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// Certificate or private key.
        what: &'static str,
        /// Why.
        source: pem::Error,
    },
    /// The key cannot be read, or others could have taken it.
    #[error(transparent)]
    Key(#[from] PrivateFileError),
    /// Certificate and key do not make a configuration.
    #[error("`{certificate}` and `{key}` cannot be used together: {source}")]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// Loads the files and makes a server's configuration of them.
pub(crate) fn load(files: &KeyPair) -> Result<Arc<ServerConfig>, TlsFilesError> {
    let KeyPair { certificate, key } = files;
    let chain = certificates(certificate)?;
    let private = private_key(key)?;
    let unusable = |source| TlsFilesError::Unusable {
        certificate: certificate.clone(),
        key: key.clone(),
        source,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFilesError> {
    let failed = |source| TlsFilesError::Pem { path: path.to_owned(), what: "certificate", source };
    let text = read(path)?;
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(failed)?;
    if chain.is_empty() { Err(failed(pem::Error::NoItemsFound)) } else { Ok(chain) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFilesError> {
    let text = read_private_file(path)?;
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|source| TlsFilesError::Pem {
        path: path.to_owned(),
        what: "private key",
        source,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFilesError> {
    std::fs::read(path).map_err(|source| TlsFilesError::Read { path: path.to_owned(), source })
}
