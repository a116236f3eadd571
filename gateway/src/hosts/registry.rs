//! Which hosts there are, now.
//!
//! Invariant: a host that stays keeps its connections and what is known of it; one
//! that leaves is looked after no more, while calls under way there may end. Changes
//! are made one after the other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use cofferdam_proto::join::v1::SignedTrustList;
use cofferdam_trust::{
    AddressError, Identity, PeerName, TlsError, TrustedKeys, check_address, client_config,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::gate::Gate;
use super::ground::{Ground, Revoked};
use super::health::{self, HostState};
use super::link::Link;
use super::{Host, lost, trust};
use crate::holds::HeldBack;
use crate::roster::HostConfig;

/// All hosts of one gateway.
#[derive(Debug)]
pub(crate) struct Hosts {
    now: ArcSwap<BTreeMap<String, Arc<Host>>>,
    ground: Arc<Ground>,
    trust: watch::Sender<Option<Arc<SignedTrustList>>>,
    tasks: TaskTracker,
    pub(super) shutdown: CancellationToken,
    changing: Mutex<()>,
}

/// Why a host cannot be one of the gateway's.
#[derive(Debug, thiserror::Error)]
pub enum HostsError {
    /// The gateway's identity does not make a TLS configuration.
    #[error("cannot prepare TLS towards the host `{host}`: {source}")]
    Tls {
        /// The host.
        host: String,
        /// Why.
        source: Box<TlsError>,
    },
    /// The configured address cannot be used.
    #[error("cannot prepare the connection to the host `{host}`: {source}")]
    Address {
        /// The host.
        host: String,
        /// Why.
        source: Box<AddressError>,
    },
}

impl Hosts {
    /// None yet.
    pub(crate) fn new(
        identity: Identity,
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
    ) -> Self {
        Self {
            now: ArcSwap::default(),
            ground: Arc::new(Ground::new(identity)),
            trust: watch::Sender::new(None),
            tasks: tasks.clone(),
            shutdown: shutdown.clone(),
            changing: Mutex::default(),
        }
    }

    /// The host with this name.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Host>> {
        self.now.load().get(name).cloned()
    }

    /// The host whose agent this is.
    pub(crate) fn of_agent(&self, agent: &PeerName) -> Option<Arc<Host>> {
        self.get(agent.name()).filter(|host| host.agent() == agent)
    }

    /// Every host, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Host>> {
        self.now.load().values().cloned().collect()
    }

    /// Has exactly these hosts from now on. Connects to none yet. Those that cannot be
    /// used are left out, and told.
    pub(crate) fn take(&self, wanted: &BTreeMap<String, HostConfig>) -> Vec<HostsError> {
        // What is changed is one pointer, whole at any time.
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now.load_full();
        let (mut next, mut errors) = (BTreeMap::new(), Vec::new());
        for (name, config) in wanted {
            let host = match now.get(name) {
                Some(host) if host.config == *config => Ok(Arc::clone(host)),
                Some(host) if host.is_reached_by(config) => Ok(Arc::new(host.with(config))),
                _ => self.host(name, config).map(Arc::new),
            };
            match host {
                Ok(host) => drop(next.insert(name.clone(), host)),
                Err(error) => errors.push(error),
            }
        }
        let next = Arc::new(next);
        // Who hears that a host is gone finds what is there instead.
        self.now.store(Arc::clone(&next));
        for (name, host) in now.iter() {
            let stays = next.get(name).is_some_and(|it| Arc::ptr_eq(&it.link, &host.link));
            if !stays {
                tracing::info!(host = name, "the gateway has this host no more");
                host.gone.cancel();
            }
        }
        errors
    }

    /// Has every host end runs that an earlier process left behind.
    pub(crate) fn end_lost(&self, runs: &[String]) {
        if runs.is_empty() {
            return;
        }
        for host in self.all() {
            self.tasks.spawn(lost::end(host, runs.to_vec(), self.shutdown.clone()));
        }
    }

    /// Shows hosts this certificate from now on. What goes on over older connections
    /// may end there.
    pub(crate) fn use_identity(&self, identity: Identity) {
        self.ground.set_identity(identity);
        for host in self.all() {
            host.link.renew();
        }
    }

    /// Believes these no more: they are refused at the next call, and what they are
    /// answering ends at its next message.
    pub(crate) fn revoke(&self, revoked: Revoked) {
        if *self.ground.revoked() == revoked {
            return;
        }
        self.ground.set_revoked(revoked);
        for host in self.all() {
            host.link.cut_if_revoked();
        }
    }

    /// Brings this list to every host that takes it.
    pub(crate) fn spread(&self, list: SignedTrustList) {
        self.trust.send_if_modified(|newest| {
            let is_new = newest.as_deref() != Some(&list);
            if is_new {
                *newest = Some(Arc::new(list));
            }
            is_new
        });
    }

    /// Holds hosts back like this.
    pub(crate) fn hold(&self, holds: BTreeMap<String, HeldBack>) {
        self.ground.set_holds(holds);
    }

    fn host(&self, name: &str, config: &HostConfig) -> Result<Host, HostsError> {
        client_config(&self.ground.identity(), &config.agent).map_err(|source| {
            HostsError::Tls { host: name.to_owned(), source: Box::new(source) }
        })?;
        if let Some(address) = &config.address {
            check_address(address).map_err(|source| HostsError::Address {
                host: name.to_owned(),
                source: Box::new(source),
            })?;
        }
        let ground = Arc::clone(&self.ground);
        let link = Link::new(config.agent.clone(), config.address.clone(), Arc::clone(&ground));
        let link = Arc::new(link);
        let gone = self.shutdown.child_token();
        let (report, state) = watch::channel(HostState::default());
        let gate = || Gate::for_itself(Arc::clone(&link), Arc::clone(&ground));
        let came = link.arrivals().map(super::arrivals::Arrivals::came);
        let watch = health::watch(name.to_owned(), gate(), came, report, gone.clone());
        self.tasks.spawn(watch);
        let told = self.trust.subscribe();
        self.tasks.spawn(trust::tell(name.to_owned(), gate(), told, gone.clone()));
        Ok(Host {
            name: name.to_owned(),
            config: config.clone(),
            keys: TrustedKeys::from_iter([config.key]),
            link,
            ground,
            state,
            layers: Arc::default(),
            gone,
        })
    }
}

impl Host {
    /// Whether `config` means the same agent by the same way.
    fn is_reached_by(&self, config: &HostConfig) -> bool {
        let HostConfig { address, labels: _, agent, key } = config;
        *address == self.config.address && *agent == self.config.agent && *key == self.config.key
    }

    /// The same host with other labels.
    fn with(&self, config: &HostConfig) -> Self {
        Self {
            name: self.name.clone(),
            config: config.clone(),
            keys: TrustedKeys::from_iter([config.key]),
            link: Arc::clone(&self.link),
            ground: Arc::clone(&self.ground),
            state: self.state.clone(),
            layers: Arc::clone(&self.layers),
            gone: self.gone.clone(),
        }
    }
}
