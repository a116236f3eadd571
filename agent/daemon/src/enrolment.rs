//! How this host became a host of its gateway, and how it stays one.
//!
//! Words used here:
//!
//! - An **authority** certifies hosts and says whom to trust. A host **enrols** with
//!   it once, by a join token ([`join`]), with keys that it made itself.
//! - What the host has from then on is its [`Membership`]: one file, replaced as a
//!   whole or not at all, so that a process that is killed leaves no half of it.
//! - Its **standing** is the same as the daemon uses it ([`Standing`]): who may call,
//!   whose signatures count, who was revoked, with which certificate it shows itself.
//! - The daemon **renews** its certificate in time ([`renew`]) and **watches** for
//!   trust lists ([`watch`]); gateways bring them as well.
//!
//! A host with certificates made by hand has none of this: its standing is what its
//! configuration names.

mod authority;
#[cfg(test)]
mod example;
pub mod join;
mod membership;
pub mod renew;
mod standing;
mod store;
pub mod watch;

use std::path::PathBuf;

use cofferdam_trust::{Identity, IdentityError, Role};

use crate::config::{Config, IdentityFiles};

pub use membership::{FILE, Membership, MembershipError};
pub use standing::{Standing, TakeError};

/// By what gateways know this host.
#[derive(Debug)]
pub struct Loaded {
    /// Its certificate and key, and whom it believes.
    pub identity: Identity,
    /// What it has of its authority, and where; none: it was made by hand.
    pub enrolled: Option<(PathBuf, Membership)>,
}

/// Why this host has no identity that can be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// What it has of its authority.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// Key, certificate and authorities.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// There is neither.
    #[error(
        "this host has no identity: `{0}` is not there; `cofferdam-agent enroll` makes it with a \
         join token, or `[identity]` of the configuration names files of `cofferdam pki`"
    )]
    None(PathBuf),
    /// Another peer's certificate.
    #[error("the certificate is {0}'s; an agent needs a certificate of its own")]
    NotAnAgent(cofferdam_trust::PeerName),
}

/// Loads this host's identity: the one that it enrolled for, if it did; else the files
/// that its configuration names.
///
/// # Errors
/// See [`LoadError`].
pub fn load(config: &Config) -> Result<Loaded, LoadError> {
    let directory = config.identity.directory.as_ref();
    let membership = directory.map(|it| Membership::load(it)).transpose()?.flatten();
    let loaded = match (directory, membership, &config.identity.files) {
        (Some(directory), Some(membership), _) => Loaded {
            identity: membership.identity(directory)?,
            enrolled: Some((directory.clone(), membership)),
        },
        (_, None, Some(IdentityFiles { certificate, key, authorities })) => {
            Loaded { identity: Identity::load(certificate, key, authorities)?, enrolled: None }
        }
        (directory, ..) => {
            let directory = directory.cloned().unwrap_or_default();
            return Err(LoadError::None(directory.join(FILE)));
        }
    };
    match loaded.identity.name().role() {
        Role::Agent => Ok(loaded),
        _ => Err(LoadError::NotAnAgent(loaded.identity.name().clone())),
    }
}

/// What this host is called: as its configuration or its certificate has it.
#[must_use]
pub fn host_name(config: &Config) -> String {
    let certified = || load(config).ok().map(|loaded| loaded.identity.name().name().to_owned());
    let named = Some(config.name.clone()).filter(|name| !name.is_empty()).or_else(certified);
    named.unwrap_or_else(|| "this host".to_owned())
}

/// Where the authority is that this host enrolled with, if it did: HOST:PORT.
#[must_use]
pub fn address(config: &Config) -> Option<String> {
    let directory = config.identity.directory.as_ref()?;
    Membership::load(directory).ok().flatten().map(|it| it.address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use example::Example;

    #[test]
    fn a_host_is_called_as_its_configuration_says_or_else_its_certificate() {
        let directory = tempfile::tempdir().unwrap();
        let text = include_str!("../../../packaging/config/agent.toml");
        let mut config = Config::parse(&directory.path().join("agent.toml"), text).unwrap();
        let place = directory.path().join("identity");
        config.identity.directory = Some(place.clone());
        config.identity.files = None;
        assert_eq!(host_name(&config), "this host");
        Example::new(directory.path()).membership().save(&place).unwrap();
        assert_eq!(host_name(&config), "web-1");
        config.name = "web-1.example".to_owned();
        assert_eq!(host_name(&config), "web-1.example");
    }
}
