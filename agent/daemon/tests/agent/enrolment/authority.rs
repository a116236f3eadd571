//! The gateway's authority, as the gateway runs it, with lifetimes of seconds.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_authority::{Approval, Invitation, JoinServer, Owner, Registrar, Settings, State};
use cofferdam_trust::{Authority as Certifier, Identity, Lifetime, SigningKey};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::host::GATEWAY_NAME;

pub(super) struct Authority {
    pub(super) address: String,
    settings: Settings,
    registrar: Arc<Registrar>,
    serving: Option<(CancellationToken, JoinHandle<()>)>,
    directory: TempDir,
}

impl Authority {
    pub(super) async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let directory = TempDir::new().unwrap();
        let at = |name: &str| directory.path().join(name);
        let mut settings = Settings::new(at("ca"), at("authority.db"));
        settings.approval = Approval::None;
        change(&mut settings);
        let state = State::open(&settings.state).unwrap();
        Owner::new(&state, "root").begin(&settings, None).unwrap();
        drop(state);
        SigningKey::generate().unwrap().save(&at("gateway.key")).unwrap();
        let (registrar, address, serving) =
            serve(&settings, &directory, "127.0.0.1:0".parse().unwrap()).await;
        Self { address, settings, registrar, serving: Some(serving), directory }
    }

    pub(super) async fn stop(&mut self) {
        let (stop, serving) = self.serving.take().unwrap();
        stop.cancel();
        serving.await.unwrap();
    }

    pub(super) async fn restart(&mut self) {
        let address = self.address.parse().unwrap();
        let (registrar, _, serving) = serve(&self.settings, &self.directory, address).await;
        (self.registrar, self.serving) = (registrar, Some(serving));
    }

    pub(super) fn invite(&self, host: &str) -> String {
        self.invite_for(host, Duration::from_mins(10))
    }

    pub(super) fn invite_for(&self, host: &str, valid: Duration) -> String {
        let invitation = Invitation {
            host: host.to_owned(),
            labels: BTreeMap::new(),
            projects: Vec::new(),
            address: None,
            valid,
        };
        self.as_owner(|owner| owner.invite(&invitation).unwrap().token.text().to_string())
    }

    pub(super) fn approve(&self, host: &str) {
        self.as_owner(|owner| owner.approve(host).unwrap());
    }

    pub(super) fn revoke_gateway(&self, name: &str) {
        self.as_owner(|owner| owner.revoke_gateway(name, "lost").unwrap());
    }

    pub(super) fn has_alarm(&self, host: &str) -> bool {
        self.as_owner(|owner| owner.host(host).unwrap().alarm.is_some())
    }

    fn as_owner<T>(&self, act: impl FnOnce(&Owner<'_>) -> T) -> T {
        let state = State::open(&self.settings.state).unwrap();
        act(&Owner::new(&state, "root"))
    }

    /// The gateway's own identity, as of now.
    pub(super) fn gateway(&self) -> Identity {
        self.registrar.gateway_identity().borrow().as_ref().clone()
    }

    pub(super) fn gateway_key(&self) -> SigningKey {
        SigningKey::load(&self.directory.path().join("gateway.key")).unwrap()
    }

    /// A gateway that this authority's certifier certified and no list names.
    pub(super) fn other_gateway(&self) -> Identity {
        let certifier = Certifier::open(&self.settings.directory).unwrap();
        let lifetime = Lifetime::from_now(Duration::from_mins(10));
        let name = "spiffe://cofferdam/gateway/other".parse().unwrap();
        let place = self.directory.path().join("other");
        std::fs::create_dir_all(&place).unwrap();
        let files = certifier.issue(&name, lifetime).unwrap().write(&place).unwrap();
        let roots = self.settings.directory.join("ca.crt");
        Identity::load(&files.certificate, &files.key, &roots).unwrap()
    }

    /// SHA-256 of its root.
    pub(super) fn root(&self) -> [u8; 32] {
        Certifier::open(&self.settings.directory).unwrap().root_digest()
    }
}

async fn serve(
    settings: &Settings,
    directory: &TempDir,
    address: SocketAddr,
) -> (Arc<Registrar>, String, (CancellationToken, JoinHandle<()>)) {
    let key = SigningKey::load(&directory.path().join("gateway.key")).unwrap().public_key();
    let gateway = GATEWAY_NAME.parse().unwrap();
    let recording = Box::new(|_| Ok(()));
    let registrar = Registrar::open(settings.clone(), &gateway, key, recording).unwrap();
    let stop = CancellationToken::new();
    let server = JoinServer::bind(address, Arc::clone(&registrar), stop.clone()).await.unwrap();
    let address = server.address().to_string();
    let serving = tokio::spawn(async move { server.run().await.unwrap() });
    (registrar, address, (stop, serving))
}
