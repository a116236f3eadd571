//! The state of a gateway's authority, as a person on the gateway's machine works on
//! it: `cofferdam host`, `gateway` and `authority` open it here.
//!
//! Invariant: nothing is made in root's name that the gateway's user has to read.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::Args;
use cofferdam_authority::{OwnerError, State, StateError};
use cofferdam_gateway::config::{AuthorityConfig, Config, ConfigError};
use rustix::process::getuid;

/// Whose state.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The gateway's configuration, which names the authority and its state.
    #[arg(long, value_name = "FILE", default_value = "/etc/cofferdam/gateway.toml")]
    config: PathBuf,
    /// The authority's state file itself.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    state: Option<PathBuf>,
}

/// Why the authority's state cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OfficeError {
    /// The configuration cannot be used.
    #[error("{0}; name the authority's state file by itself with --state FILE")]
    Config(#[from] ConfigError),
    /// The gateway has no authority.
    #[error(
        "the configuration `{0}` has no `[authority]`: hosts cannot join this gateway by \
         themselves; write one, then `cofferdam authority init`"
    )]
    NoAuthority(PathBuf),
    /// There is no state.
    #[error("there is no authority's state `{0}`; `cofferdam authority init` makes it")]
    Missing(PathBuf),
    /// It would become root's.
    #[error(
        "`{path}` belongs to another user ({owner}), who could not use what root makes there; do \
         it as that user: `runuser -u {owner} -- cofferdam …`"
    )]
    Root {
        /// Where.
        path: PathBuf,
        /// Whose it is.
        owner: String,
    },
    /// A name that the configuration has.
    #[error("the configuration has a host `{0}` of its own; choose another name")]
    Configured(String),
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// It says no.
    #[error(transparent)]
    Owner(#[from] OwnerError),
}

impl Place {
    /// The state that is there: looking must not make one.
    pub(crate) fn open(&self) -> Result<State, OfficeError> {
        let path = match &self.state {
            Some(state) => state.clone(),
            None => self.authority()?.settings.state,
        };
        if !path.exists() {
            return Err(OfficeError::Missing(path));
        }
        check_owner(&path)?;
        Ok(State::open(&path)?)
    }

    fn authority(&self) -> Result<AuthorityConfig, OfficeError> {
        authority(&self.config)
    }

    /// Refuses the name of a host that the configuration has.
    pub(crate) fn refuse_name(&self, name: &str) -> Result<(), OfficeError> {
        if self.state.is_some() {
            return Ok(());
        }
        let config = Config::load(&self.config)?;
        if config.roster.hosts.contains_key(name) {
            return Err(OfficeError::Configured(name.to_owned()));
        }
        Ok(())
    }

    /// What hosts are told the authority's address is.
    pub(crate) fn told_address(&self) -> String {
        let authority = self.state.is_none().then(|| self.authority().ok()).flatten();
        authority.map_or_else(
            || "HOST:PORT".to_owned(),
            |it| it.address.unwrap_or_else(|| reached_at(it.listen)),
        )
    }
}

/// Where it listens on all addresses, whoever reads this knows a name of the machine.
fn reached_at(listen: SocketAddr) -> String {
    if listen.ip().is_unspecified() {
        format!("HOST:{}", listen.port())
    } else {
        listen.to_string()
    }
}

/// The authority that a configuration names.
pub(crate) fn authority(config: &Path) -> Result<AuthorityConfig, OfficeError> {
    let there = Config::load(config)?.authority;
    there.ok_or_else(|| OfficeError::NoAuthority(config.to_owned()))
}

/// Refuses root where what is at `path`, or nearest above it, is another user's.
pub(crate) fn check_owner(path: &Path) -> Result<(), OfficeError> {
    if !getuid().is_root() {
        return Ok(());
    }
    let nearest = path.ancestors().find_map(|it| fs::metadata(it).ok().map(|found| (it, found)));
    match nearest {
        Some((path, found)) if found.uid() != 0 => {
            Err(OfficeError::Root { path: path.to_owned(), owner: user(found.uid()) })
        }
        _ => Ok(()),
    }
}

/// Who works here, for the record.
pub(crate) fn person() -> String {
    user(getuid().as_raw())
}

/// The name of a user (passwd(5)), or the number where there is none.
fn user(uid: u32) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let wanted = uid.to_string();
    lines
        .find(|fields| fields.get(2).is_some_and(|it| **it == wanted))
        .and_then(|fields| fields.first().map(|name| (*name).to_owned()))
        .unwrap_or_else(|| format!("uid {uid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_told_by_name_or_else_by_number() {
        assert_eq!(user(0), "root");
        assert_eq!(user(4_000_000_000), "uid 4000000000");
    }

    #[test]
    fn nobody_is_told_to_connect_to_all_addresses() {
        assert_eq!(reached_at("0.0.0.0:8463".parse().unwrap()), "HOST:8463");
        assert_eq!(reached_at("[::]:8463".parse().unwrap()), "HOST:8463");
        assert_eq!(reached_at("192.0.2.1:8463".parse().unwrap()), "192.0.2.1:8463");
    }

    #[test]
    fn a_state_that_is_not_there_is_not_made() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("authority.sqlite");
        let place = Place { config: "/nowhere".into(), state: Some(state.clone()) };
        assert!(matches!(place.open(), Err(OfficeError::Missing(_))));
        assert!(!state.exists());
    }
}
