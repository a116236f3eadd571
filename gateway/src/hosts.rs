//! The hosts: the way to each agent, and what is known of its state.
//!
//! Hosts come and go while calls run: a call keeps the host that it found, and finds
//! no other one in the middle. A host whose labels change stays the same host, with
//! its connections; one whose name, key or address means another agent is another.
//!
//! Invariant: whatever makes a host act takes a `RecordedIntent`, which only
//! [`crate::record`] makes; so nothing is asked of a host that was not decided
//! and recorded. Health checks and the trust list ask for nothing and need none.

mod arrivals;
mod gate;
mod ground;
mod health;
mod held;
mod layers;
mod left;
mod link;
mod lost;
mod process;
mod question;
mod receipt;
mod refusal;
mod registry;
mod run;
mod transfer;
mod trust;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use cofferdam_proto::exec::v1::Layer;
use cofferdam_proto::exec::v1::exec_service_client::ExecServiceClient;
use cofferdam_proto::file::v1::file_service_client::FileServiceClient;
use cofferdam_proto::host::v1::host_service_client::HostServiceClient;
use cofferdam_trust::{PeerConnection, PeerName, TrustedKeys, client_config};
use rustls::ClientConfig;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

pub(crate) use ground::Revoked;
pub(crate) use health::{HostState, Reach};
pub(crate) use held::Held;
pub(crate) use process::SKIP;
pub(crate) use question::{Proven, Question};
pub(crate) use receipt::CheckedReceipt;
pub(crate) use refusal::{HostError, Refused};
pub(crate) use registry::Hosts;
pub use registry::HostsError;
pub(crate) use run::{Course, Events, FollowedRun, RunSoFar, RunWatch, SeenRun};
pub(crate) use transfer::Piece;

use crate::holds::HeldBack;
use crate::roster::HostConfig;
use gate::Gate;
use ground::Ground;
use layers::SaidLayers;
use link::{Carries, Link};

/// The largest answer of a host: a file of 4 MiB and what belongs to it.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// One host.
#[derive(Debug)]
pub(crate) struct Host {
    name: String,
    config: HostConfig,
    /// The one key that its receipts are believed from.
    keys: TrustedKeys,
    link: Arc<Link>,
    ground: Arc<Ground>,
    state: watch::Receiver<HostState>,
    layers: Arc<SaidLayers>,
    /// Fires when it is none of the gateway's hosts any more.
    gone: CancellationToken,
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

    /// How the gateway's owner holds it back.
    pub(crate) fn held_back(&self) -> HeldBack {
        self.ground.held_back(&self.name)
    }

    /// Whether nothing of it is believed any more.
    pub(crate) fn is_revoked(&self) -> bool {
        self.ground.shut_out(&self.config.agent).is_some()
    }

    /// Whether a call of this tool may go there now; rules have nothing to do with it.
    ///
    /// # Errors
    /// What holds the host back.
    pub(crate) fn admits(&self, tool: &str) -> Result<(), HostError> {
        let held = self.ground.shut_out(&self.config.agent);
        match held.or_else(|| held::holds_tool(&self.name, self.held_back(), tool)) {
            None => Ok(()),
            Some(held) => Err(HostError::Held(held)),
        }
    }

    /// The layers that it said it holds a cell with; none: it has not said.
    pub(crate) fn layers(&self) -> Option<BTreeSet<String>> {
        self.layers.known()
    }

    /// Takes what it says of that.
    pub(crate) fn learn_layers(&self, said: &[Layer]) {
        self.layers.learn(said);
    }

    /// Whom a connection that the host made has to be, and by which TLS: none where
    /// the gateway dials it, it has as many connections as it may, or is revoked.
    pub(crate) fn expected(&self) -> Option<(OwnedSemaphorePermit, Arc<ClientConfig>)> {
        let place = self.link.arrivals()?.place()?;
        if self.is_revoked() {
            return None;
        }
        let tls = client_config(&self.ground.identity(), &self.config.agent).ok()?;
        Some((place, tls))
    }

    /// Takes a connection that the host made and that is authenticated.
    ///
    /// # Errors
    /// Where it is not believed.
    pub(crate) fn arrived(&self, connection: PeerConnection) -> io::Result<()> {
        self.link.arrived(connection)
    }

    /// Its agent.
    pub(crate) fn agent(&self) -> &PeerName {
        &self.config.agent
    }

    fn gate(&self, carries: Carries) -> Gate {
        Gate::new(Arc::clone(&self.link), Arc::clone(&self.ground), carries)
    }

    fn runs(&self) -> ExecServiceClient<Gate> {
        ExecServiceClient::new(self.gate(Carries::Calls)).max_decoding_message_size(MAX_ANSWER)
    }

    fn files(&self) -> FileServiceClient<Gate> {
        FileServiceClient::new(self.gate(Carries::Calls)).max_decoding_message_size(MAX_ANSWER)
    }

    /// Its files, by the connection for large ones: they hold up nothing else there.
    fn large_files(&self) -> FileServiceClient<Gate> {
        FileServiceClient::new(self.gate(Carries::Streams)).max_decoding_message_size(MAX_ANSWER)
    }

    fn facts(&self) -> HostServiceClient<Gate> {
        HostServiceClient::new(self.gate(Carries::Calls)).max_decoding_message_size(MAX_ANSWER)
    }
}

#[cfg(test)]
mod tests;
