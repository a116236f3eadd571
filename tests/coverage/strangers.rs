//! Whoever might call an agent: its gateway, and all those who must not.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cofferdam_tests::agent::{Agent, hour};
use cofferdam_trust::{Authority, IssuedCertificate, Lifetime, client_config, connect};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

/// Somebody whom the agent must refuse.
pub(crate) struct Stranger {
    pub(crate) who: &'static str,
    pub(crate) channel: Channel,
    pub(crate) refused: Refused,
}

/// Where.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Refused {
    /// No connection comes about.
    AtTheDoor,
    /// The connection stands; each call gets this status.
    AtTheCall(Code),
}

/// The gateway that the ceiling names, with its own certificate.
pub(crate) fn the_gateway(agent: &Agent) -> Channel {
    connect(&agent.address, tls(agent)).unwrap()
}

/// One of each kind.
pub(crate) fn strangers(agent: &Agent) -> Vec<Stranger> {
    let directory = TempDir::new().unwrap();
    let elsewhere = Authority::create(directory.path()).unwrap();
    let main = "spiffe://cofferdam/gateway/main";
    let another = elsewhere.issue(&main.parse().unwrap(), hour()).unwrap();
    let at_the_door = |who, channel| Stranger { who, channel, refused: Refused::AtTheDoor };
    vec![
        at_the_door("who shows no certificate", without_certificate(agent)),
        at_the_door("who does not speak TLS", without_tls(agent)),
        at_the_door("a gateway of another authority", showing(agent, &another)),
        at_the_door(
            "a gateway whose certificate has expired",
            showing(agent, &agent.issue(main, past())),
        ),
        at_the_door(
            "an agent",
            showing(agent, &agent.issue("spiffe://cofferdam/agent/another", hour())),
        ),
        at_the_door(
            "a gateway of another trust domain",
            showing(agent, &agent.issue("spiffe://elsewhere/gateway/main", hour())),
        ),
        Stranger {
            who: "a gateway that the ceiling does not name",
            channel: showing(agent, &agent.issue("spiffe://cofferdam/gateway/another", hour())),
            refused: Refused::AtTheCall(Code::PermissionDenied),
        },
    ]
}

fn tls(agent: &Agent) -> Arc<ClientConfig> {
    client_config(&agent.gateway(), &agent.name).unwrap()
}

/// Believes the agent, and shows nothing.
fn without_certificate(agent: &Agent) -> Channel {
    let mut config = ClientConfig::clone(&tls(agent));
    let bare = ClientConfig::builder_with_provider(Arc::clone(config.crypto_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.client_auth_cert_resolver = bare.client_auth_cert_resolver;
    connect(&agent.address, Arc::new(config)).unwrap()
}

/// Speaks HTTP/2 as it is.
fn without_tls(agent: &Agent) -> Channel {
    Endpoint::from_shared(format!("http://{}", agent.address)).unwrap().connect_lazy()
}

/// The gateway's connection, with another certificate shown.
fn showing(agent: &Agent, issued: &IssuedCertificate) -> Channel {
    let mut config = ClientConfig::clone(&tls(agent));
    let chain = vec![CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
    let certified = CertifiedKey::from_der(chain, key, config.crypto_provider()).unwrap();
    config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certified));
    connect(&agent.address, Arc::new(config)).unwrap()
}

fn past() -> Lifetime {
    let hour = Duration::from_hours(1);
    let now = SystemTime::now();
    Lifetime { not_before: now - 2 * hour, not_after: now - hour }
}
