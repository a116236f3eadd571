//! The hosts: one mutual-TLS channel to each agent, and what is known of its
//! state.
//!
//! Invariant: whatever makes a host act takes a `RecordedIntent`, which only
//! [`crate::record`] makes; so nothing is asked of a host that was not decided
//! and recorded. Health checks ask for nothing and need none.

mod health;
mod layers;
mod lost;
mod process;
mod question;
mod receipt;
mod refusal;
mod run;
mod transfer;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cofferdam_proto::exec::v1::Layer;
use cofferdam_proto::exec::v1::exec_service_client::ExecServiceClient;
use cofferdam_proto::file::v1::file_service_client::FileServiceClient;
use cofferdam_proto::host::v1::host_service_client::HostServiceClient;
use cofferdam_trust::{
    AddressError, Identity, TlsError, TrustedKeys, client_config, connect, connect_for_streams,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::Channel;

pub(crate) use health::{HostState, Reach};
pub(crate) use process::SKIP;
pub(crate) use question::{Proven, Question};
pub(crate) use receipt::CheckedReceipt;
pub(crate) use refusal::{HostError, Refused};
pub(crate) use run::{Course, Events, FollowedRun, RunSoFar, RunWatch, SeenRun};
pub(crate) use transfer::Piece;

use crate::config::HostConfig;
use layers::SaidLayers;

/// The largest answer of a host: a file of 4 MiB and what belongs to it.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// All hosts of one gateway.
#[derive(Debug)]
pub(crate) struct Hosts(BTreeMap<String, Arc<Host>>);

/// One host.
#[derive(Debug)]
pub(crate) struct Host {
    name: String,
    config: HostConfig,
    /// The one key that its receipts are believed from.
    keys: TrustedKeys,
    channel: Channel,
    /// For large files: they hold up nothing else there.
    streams: Channel,
    state: watch::Receiver<HostState>,
    layers: SaidLayers,
}

/// Why the hosts cannot be prepared.
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
    /// Prepares a channel to every host and starts to watch their states.
    /// Connects to none yet.
    pub(crate) fn prepare(
        configs: &BTreeMap<String, HostConfig>,
        identity: &Identity,
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
    ) -> Result<Self, HostsError> {
        let mut hosts = BTreeMap::new();
        for (name, config) in configs {
            let tls = client_config(identity, &config.agent).map_err(|source| HostsError::Tls {
                host: name.clone(),
                source: Box::new(source),
            })?;
            let address =
                |source| HostsError::Address { host: name.clone(), source: Box::new(source) };
            let channel = connect(&config.address, Arc::clone(&tls)).map_err(address)?;
            let streams = connect_for_streams(&config.address, tls).map_err(address)?;
            let (report, state) = watch::channel(HostState::default());
            tasks.spawn(health::watch(channel.clone(), report, shutdown.clone()));
            let host = Host {
                name: name.clone(),
                config: config.clone(),
                keys: TrustedKeys::from_iter([config.key]),
                channel,
                streams,
                state,
                layers: SaidLayers::default(),
            };
            hosts.insert(name.clone(), Arc::new(host));
        }
        Ok(Self(hosts))
    }

    /// Has every host end runs that an earlier process left behind.
    pub(crate) fn end_lost(
        &self,
        runs: &[String],
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
    ) {
        if runs.is_empty() {
            return;
        }
        for host in self.iter() {
            tasks.spawn(lost::end(Arc::clone(host), runs.to_vec(), shutdown.clone()));
        }
    }

    /// The host with this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Host>> {
        self.0.get(name)
    }

    /// Every host, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Host>> {
        self.0.values()
    }
}

impl Host {
    /// The host's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How it is configured.
    pub(crate) fn config(&self) -> &HostConfig {
        &self.config
    }

    /// What is known of it now.
    pub(crate) fn state(&self) -> HostState {
        self.state.borrow().clone()
    }

    /// The layers that it said it holds a cell with; none: it has not said.
    pub(crate) fn layers(&self) -> Option<BTreeSet<String>> {
        self.layers.known()
    }

    /// Takes what it says of that.
    pub(crate) fn learn_layers(&self, said: &[Layer]) {
        self.layers.learn(said);
    }

    fn runs(&self) -> ExecServiceClient<Channel> {
        ExecServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER)
    }

    fn files(&self) -> FileServiceClient<Channel> {
        FileServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER)
    }

    /// Its files, by the connection for large ones.
    fn large_files(&self) -> FileServiceClient<Channel> {
        FileServiceClient::new(self.streams.clone()).max_decoding_message_size(MAX_ANSWER)
    }

    fn facts(&self) -> HostServiceClient<Channel> {
        HostServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER)
    }
}
