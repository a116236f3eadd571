//! The host's ceiling as the proxy reads it: for each listener anew, so that a
//! captured agent gets no more of the network than the ceiling says.

use std::path::{Path, PathBuf};

use cofferdam_ceiling::LoadError;
use cofferdam_proxy_protocol::{AllowList, DestinationError};

/// The ceiling's file.
#[derive(Debug, Clone)]
pub struct CeilingFile {
    path: PathBuf,
    /// Who besides root may own it: whom the proxy runs as.
    owner: u32,
}

/// Why the ceiling allows nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CeilingError {
    /// The file is missing, could be somebody else's, or means nothing.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// One of its destinations.
    #[error("`network.proxy` of the ceiling has {text:?}: {problem}")]
    Destination {
        /// As it is written there.
        text: String,
        /// What is wrong with it.
        problem: DestinationError,
    },
}

impl CeilingFile {
    /// The file at `path`, which root or the proxy's user must own.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, owner: rustix::process::geteuid().as_raw() }
    }

    /// Where a newer version of it comes to be: beside it.
    pub(crate) fn directory(&self) -> Option<&Path> {
        self.path.parent()
    }

    /// What it allows now.
    pub(crate) fn list(&self) -> Result<AllowList, CeilingError> {
        let (ceiling, _) = cofferdam_ceiling::load(&self.path, self.owner)?;
        let parse = |text: &String| {
            text.parse()
                .map_err(|problem| CeilingError::Destination { text: text.clone(), problem })
        };
        Ok(AllowList {
            setting: "`network.proxy` of the host's ceiling".to_owned(),
            destinations: ceiling.network.proxy.iter().map(parse).collect::<Result<_, _>>()?,
        })
    }
}
