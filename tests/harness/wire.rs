//! The connection between a [`Dev`]'s gateway and its agent, as the gateway's
//! own configuration file describes it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cofferdam_trust::{Identity, PeerName, SigningKey, VerifyingKey, client_config};
use serde::Deserialize;

use crate::dev::Dev;

/// What the gateway needs to speak to the agent.
#[derive(Debug)]
pub struct Wire {
    /// The gateway's own name, the last part of its URI name.
    pub gateway: String,
    /// The one host's name.
    pub host: String,
    /// Where its agent listens.
    pub address: String,
    /// The agent's URI name.
    pub agent: PeerName,
    /// The key that the agent's receipts are signed with.
    pub receipts: VerifyingKey,
    identity: IdentityFiles,
    signing_key: PathBuf,
}

/// The part of `gateway.toml` that matters here; its paths start beside it.
#[derive(Deserialize)]
struct GatewayFile {
    name: String,
    identity: IdentityFiles,
    signing: SigningFile,
    host: Vec<HostTable>,
}

#[derive(Debug, Deserialize)]
struct IdentityFiles {
    certificate: PathBuf,
    key: PathBuf,
    authorities: PathBuf,
}

#[derive(Deserialize)]
struct SigningFile {
    key: PathBuf,
}

#[derive(Deserialize)]
struct HostTable {
    name: String,
    address: String,
    agent: String,
    key: String,
}

impl Wire {
    /// Reads it from the state of a running `cofferdam dev`.
    ///
    /// # Panics
    /// When the configuration is not there or has not exactly one host.
    #[must_use]
    pub fn of(dev: &Dev) -> Self {
        let place = dev.state().join("gateway");
        let text = std::fs::read_to_string(place.join("gateway.toml")).expect("gateway.toml");
        let GatewayFile { name, identity, signing, host } =
            toml::from_str(&text).expect("a gateway's configuration");
        let [host] = <[HostTable; 1]>::try_from(host).ok().expect("`cofferdam dev` has one host");
        Self {
            gateway: name,
            host: host.name,
            address: host.address,
            agent: host.agent.parse().expect("a peer's name"),
            receipts: host.key.parse().expect("a public key"),
            identity: identity.beneath(&place),
            signing_key: place.join(signing.key),
        }
    }

    /// Who the gateway is.
    ///
    /// # Panics
    /// When its files cannot be used.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let IdentityFiles { certificate, key, authorities } = &self.identity;
        Identity::load(certificate, key, authorities).expect("the gateway's identity")
    }

    /// The key that signs the gateway's intents.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::load(&self.signing_key).expect("the gateway's signing key")
    }

    /// The gateway's TLS configuration towards the agent.
    ///
    /// # Panics
    /// When the identity does not make one.
    #[must_use]
    pub fn tls(&self) -> Arc<rustls::ClientConfig> {
        client_config(&self.identity(), &self.agent).expect("a TLS configuration")
    }
}

impl IdentityFiles {
    fn beneath(self, place: &Path) -> Self {
        Self {
            certificate: place.join(self.certificate),
            key: place.join(self.key),
            authorities: place.join(self.authorities),
        }
    }
}
