//! An authority and a host of it, for tests of this module.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cofferdam_trust::{Authority, GatewayKeys, Lifetime, PeerKey, PeerName, SigningKey, TrustList};

use super::membership::Membership;

pub(super) struct Example {
    certifier: Authority,
    pub(super) signer: SigningKey,
    pub(super) gateway: SigningKey,
}

pub(super) fn name(text: &str) -> PeerName {
    text.parse().unwrap()
}

impl Example {
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            certifier: Authority::create(&directory.join("ca")).unwrap(),
            signer: SigningKey::generate().unwrap(),
            gateway: SigningKey::generate().unwrap(),
        }
    }

    /// A list of this version, which names one gateway.
    pub(super) fn list(&self, version: u64) -> TrustList {
        let pem = self.certifier.certificate_pem();
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let gateway = name("spiffe://cofferdam/gateway/main");
        TrustList {
            version,
            trust_domain: "cofferdam".to_owned(),
            issued_at: SystemTime::now(),
            expires_at: SystemTime::now() + Duration::from_hours(1),
            roots: vec![BASE64_STANDARD.decode(body).unwrap()],
            signers: vec![self.signer.public_key()],
            gateways: vec![GatewayKeys {
                name: gateway,
                signing_keys: vec![self.gateway.public_key()],
            }],
            revoked_names: Vec::new(),
            revoked_certificates: Vec::new(),
        }
    }

    /// A host with the first list.
    pub(super) fn membership(&self) -> Membership {
        let host = name("spiffe://cofferdam/agent/web-1");
        let key = PeerKey::generate().unwrap();
        let lifetime = Lifetime::from_now(Duration::from_mins(1));
        let chain = self.certifier.answer(&key.request().unwrap(), &host, lifetime).unwrap();
        // As it is read: times of a list are whole on the wire.
        let signed = self.list(1).sign(&self.signer);
        let trust = TrustList::verify_first(&signed).unwrap();
        Membership {
            host,
            authority: name("spiffe://cofferdam/authority/main"),
            address: "127.0.0.1:8463".to_owned(),
            chain,
            received: UNIX_EPOCH + Duration::from_secs(7),
            signed,
            vouched_by: vec![self.signer.public_key()],
            trust,
            counter: 3,
            renewal: None,
            key: key.to_pem(),
        }
    }
}
