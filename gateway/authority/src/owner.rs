//! What the owner does: invites hosts, lets them in or not, revokes and forgets them,
//! and looks after generations and gateways.
//!
//! The commands call it on the state, beside the running gateway, which sees each
//! change within a second. Who may open the state file is the owner.

mod generations;
mod hosts;
mod lapses;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_journal::PeerStep;
use cofferdam_trust::{
    AuthorityError, JoinToken, JoinTokenError, KeyError, NameError, VerifyingKey,
};
use serde::Serialize;

pub(crate) use generations::{TRUST_KEY, first};

use crate::event::Event;
use crate::host::{Host, HostError, Project, Standing};
use crate::state::{Gateways, Moment, State, StateError};

/// Acts in the name of somebody.
#[derive(Debug)]
pub struct Owner<'s> {
    state: &'s State,
    by: String,
}

/// Whom to invite, and what is to be known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The host's name.
    pub host: String,
    /// What rules may select it by.
    pub labels: BTreeMap<String, String>,
    /// What it is for.
    pub projects: Vec<Project>,
    /// Where the gateway reaches it; none: as the host says, else it dials out.
    pub address: Option<String>,
    /// How long the token counts.
    pub valid: Duration,
}

/// A token that was just made; it is nowhere else.
#[derive(Debug)]
pub struct Invited {
    /// The token.
    pub token: JoinToken,
    /// Until when it counts, in seconds since 1970.
    pub expires_at: u64,
}

/// A gateway, as trust lists have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GatewayEntry {
    /// Its name, without role and trust domain.
    pub name: String,
    /// The keys that sign its intents.
    pub keys: Vec<VerifyingKey>,
    /// When it was revoked, in seconds since 1970.
    pub revoked_at: Option<u64>,
}

/// One of the authority's certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GenerationEntry {
    /// From 1.
    pub generation: u32,
    /// Where its files are, beneath the authority's directory.
    pub directory: PathBuf,
    /// Lower-case hex SHA-256 of its root's certificate.
    pub root: String,
    /// From when on it certifies, in seconds since 1970.
    pub certifies_from: u64,
    /// From when on it counts no more.
    pub retires_at: Option<u64>,
    /// When its certificate ends; another one has to follow before.
    pub ends_at: u64,
    /// Whether it certifies now.
    pub certifies: bool,
    /// Whether join tokens name it now.
    pub shown: bool,
}

/// Why an owner cannot have it.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// A name that nobody can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// What was said of a host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The token.
    #[error(transparent)]
    Token(#[from] JoinTokenError),
    /// The files of the authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The key that signs trust lists.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Nobody has the name.
    #[error("there is no host `{0}` here; `cofferdam host list --enrolled` shows those there are")]
    Unknown(String),
    /// Somebody has the name.
    #[error(
        "the name `{name}` is taken: that host is {}; choose another name, or forget it with \
         `cofferdam host remove {name}` first", standing.name()
    )]
    NameTaken {
        /// The name.
        name: String,
        /// How far that host is.
        standing: Standing,
    },
    /// It has come too far, or not far enough.
    #[error("the host `{name}` is {}: {advice}", standing.name())]
    Standing {
        /// The host.
        name: String,
        /// How far it is.
        standing: Standing,
        /// What can be done.
        advice: &'static str,
    },
    /// There is no authority.
    #[error("there is no authority yet; make it with `cofferdam authority init`")]
    NoAuthority,
    /// Its files are not where they were.
    #[error(
        "the state knows an authority whose files are not in `{}` any more: put them back from \
         where they are kept, since hosts believe no other one", .0.display()
    )]
    FilesGone(PathBuf),
    /// Another command was killed that wanted another one.
    #[error(
        "`{}` holds what is left of a rotation beneath another root, or beneath none, which was \
         broken off and counts nowhere: move it away", .0.display()
    )]
    Begun(PathBuf),
    /// An intermediate follows only by its root.
    #[error(
        "what certifies now is an intermediate beneath a root that is kept elsewhere (SHA-256 \
         {digest}), {}: name the directory of that root with --root, or of another one that \
         `cofferdam pki init` made there; hosts join and renew without it meanwhile",
        away(root.as_deref())
    )]
    RootAway {
        /// Where it was looked for.
        root: Option<PathBuf>,
        /// Which, in hex.
        digest: String,
    },
    /// One follows another already.
    #[error(
        "a generation follows another already, until {0}; wait for it, so that no host is lost"
    )]
    Rotating(String),
    /// A gateway that nobody knows.
    #[error("no gateway `{0}` is revoked here")]
    NotRevoked(String),
    /// A gateway that is revoked.
    #[error("the gateway `{0}` is revoked already")]
    AlreadyRevoked(String),
}

/// Where a root is not.
fn away(root: Option<&Path>) -> String {
    match root {
        Some(root) => format!("and there is none in `{}`", root.display()),
        None => "and no directory of a root is named".to_owned(),
    }
}

impl<'s> Owner<'s> {
    /// Acts on this state as `by`, a user of this machine.
    #[must_use]
    pub fn new(state: &'s State, by: &str) -> Self {
        Self { state, by: by.to_owned() }
    }

    /// The gateways that were named or revoked.
    ///
    /// # Errors
    /// Where the state cannot be read.
    pub fn gateways(&self) -> Result<Vec<GatewayEntry>, OwnerError> {
        let rows = self.state.read(|it| Gateways(it).all())?;
        let entry = |row: crate::state::GatewayRow| GatewayEntry {
            name: row.name,
            keys: row.keys,
            revoked_at: row.revoked_at,
        };
        Ok(rows.into_iter().map(entry).collect())
    }

    /// Revokes a gateway: no host takes anything from it any more.
    ///
    /// # Errors
    /// Where it is revoked already.
    pub fn revoke_gateway(&self, name: &str, why: &str) -> Result<(), OwnerError> {
        crate::host::check_name(name)?;
        let now = Moment::now();
        let revoked = self.state.change(|it| {
            let news = Gateways(it).revoke(name, now.seconds())?;
            if news {
                self.event(name, PeerStep::Revoked, format!("gateway; {why}"), now).note(it)?;
            }
            Ok(news)
        })?;
        if !revoked {
            return Err(OwnerError::AlreadyRevoked(name.to_owned()));
        }
        Ok(())
    }

    /// Takes the revocation of a gateway back.
    ///
    /// # Errors
    /// Where it is not revoked.
    pub fn trust_gateway(&self, name: &str) -> Result<(), OwnerError> {
        let now = Moment::now();
        let was_revoked = self.state.change(|it| {
            let was_revoked = Gateways(it).trust(name)?;
            if was_revoked {
                self.event(name, PeerStep::Trusted, "gateway".to_owned(), now).note(it)?;
            }
            Ok(was_revoked)
        })?;
        if !was_revoked {
            return Err(OwnerError::NotRevoked(name.to_owned()));
        }
        Ok(())
    }

    fn event(&self, peer: &str, step: PeerStep, detail: String, now: Moment) -> Event {
        let (peer, by) = (peer.to_owned(), self.by.clone());
        Event { at: now.seconds(), peer, step, by, detail }
    }
}

/// Kept apart from the transaction that it is in: a refusal changes nothing.
fn found(
    connection: &rusqlite::Connection,
    name: &str,
) -> Result<Result<crate::state::HostRow, OwnerError>, StateError> {
    let host = crate::state::HostRow::find(connection, name)?;
    Ok(host.ok_or_else(|| OwnerError::Unknown(name.to_owned())))
}

impl Owner<'_> {
    /// Every host, by name.
    ///
    /// # Errors
    /// Where the state cannot be read.
    pub fn hosts(&self) -> Result<Vec<Host>, OwnerError> {
        let rows = self.state.read(crate::state::HostRow::all)?;
        Ok(rows.iter().map(crate::state::HostRow::shown).collect())
    }

    /// One host.
    ///
    /// # Errors
    /// Where there is none of this name.
    pub fn host(&self, name: &str) -> Result<Host, OwnerError> {
        Ok(self.state.read(|it| found(it, name))??.shown())
    }
}
