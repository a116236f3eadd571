//! Hosts that join by themselves: the gateway's authority, and what its word changes
//! here.
//!
//! Invariant: what the authority says of hosts counts before anything is sent to one of
//! them again: whom it revoked is refused first, then hosts come and go. The gateway
//! opens it ([`crate::gateway::Gateway::open`]), the service serves it.

use std::sync::Arc;

use cofferdam_authority::{Counts, JoinedHost, OpenError, Project, Registrar, Roster};
use cofferdam_trust::{Identity, KeyError, PeerName, SigningKey};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::{AuthorityConfig, Config};
use crate::gateway::Gateway;
use crate::hosts::{Hosts, Revoked};
use crate::record::Recorder;
use crate::roster::{EnrolledHost, EnrolledProject, HostConfig};

/// The authority, and what it says.
#[derive(Debug)]
pub(crate) struct Joining {
    registrar: Arc<Registrar>,
    roster: watch::Receiver<Arc<Roster>>,
    identity: watch::Receiver<Arc<Identity>>,
}

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum JoiningError {
    /// The gateway's signing key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Its own files.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl Joining {
    /// Opens the authority of `gateway`, whose word is recorded by `recorder`.
    pub(crate) fn open(
        config: &Config,
        authority: &AuthorityConfig,
        gateway: &PeerName,
        recorder: &Recorder,
    ) -> Result<Self, JoiningError> {
        let key = SigningKey::load(&config.signing_key)?.public_key();
        let journal = recorder.peers();
        let record = move |peer| journal(peer).map_err(|error| error.to_string());
        let settings = authority.settings.clone();
        let registrar = Registrar::open(settings, gateway, key, Box::new(record))?;
        let (roster, identity) = (registrar.roster(), registrar.gateway_identity());
        Ok(Self { registrar, roster, identity })
    }

    /// What serves hosts.
    pub(crate) fn registrar(&self) -> Arc<Registrar> {
        Arc::clone(&self.registrar)
    }

    /// Who the gateway is towards agents now.
    pub(crate) fn identity(&self) -> Identity {
        (**self.identity.borrow()).clone()
    }

    /// What the authority says now.
    pub(crate) fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.roster.borrow())
    }

    /// What hosts asked of it so far.
    pub(crate) fn counts(&self) -> Counts {
        self.registrar.counts()
    }

    /// Whom not to believe, and the list that says so.
    pub(crate) fn revoke(&self, hosts: &Hosts) {
        let roster = self.roster.borrow();
        hosts.revoke(Revoked {
            names: roster.revoked_names.clone(),
            certificates: roster.revoked_certificates.clone(),
        });
        hosts.spread(roster.trust.clone());
    }

    /// The hosts that joined.
    pub(crate) fn enrolled(&self) -> Vec<EnrolledHost> {
        let roster = self.roster.borrow();
        roster.hosts.iter().map(|(name, host)| enrolled(name, host)).collect()
    }
}

fn enrolled(name: &str, host: &JoinedHost) -> EnrolledHost {
    let project = |Project { name, workspace }: &Project| EnrolledProject {
        name: name.clone(),
        workspace: workspace.clone(),
    };
    EnrolledHost {
        name: name.to_owned(),
        host: HostConfig {
            address: host.address.clone(),
            labels: host.labels.clone(),
            agent: host.agent.clone(),
            key: host.key,
        },
        projects: host.projects.iter().map(project).collect(),
    }
}

/// Lets what the authority says take effect, whenever it says something, until
/// shutdown.
pub(crate) async fn follow(gateway: Arc<Gateway>, shutdown: CancellationToken) {
    let Some(joining) = gateway.joining() else { return };
    let (mut roster, mut identity) = (joining.roster.clone(), joining.identity.clone());
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = roster.changed() => {
                if changed.is_err() {
                    return;
                }
                joining.revoke(gateway.hosts());
                gateway.take_enrolled();
            }
            changed = identity.changed() => {
                if changed.is_err() {
                    return;
                }
                gateway.hosts().use_identity(joining.identity());
                gateway.metrics().renewed();
                tracing::info!("the gateway shows hosts a new certificate");
            }
        }
    }
}
