//! An authority in a temporary directory, served on loopback, and hosts that ask it.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use cofferdam_authority::{
    GenerationEntry, Invitation, JoinServer, Owner, Registrar, Settings, State,
};
use cofferdam_journal::{Peer as Recorded, PeerStep};
use cofferdam_proto::join::v1::enrol_response::Answer;
use cofferdam_proto::join::v1::join_service_client::JoinServiceClient;
use cofferdam_proto::join::v1::{
    Credentials, Enrolment, RenewRequest, Renewal, SignedTrustList, WatchResponse, Watching,
};
use cofferdam_trust::{
    Identity, JoinToken, Peer, PeerKey, PeerName, Recognise, SigningKey, TrustList, connect,
    joining_client_config, sign_enrolment, sign_renewal, sign_watching,
};
use prost_types::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::Channel;
use tonic::{Status, Streaming};

pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// What the gateway's journal would have got.
pub(crate) type Journal = Arc<Mutex<Vec<Recorded>>>;

/// An authority that serves.
pub(crate) struct Office {
    pub(crate) directory: TempDir,
    pub(crate) settings: Settings,
    pub(crate) registrar: Arc<Registrar>,
    pub(crate) journal: Journal,
    address: String,
    serving: DropGuard,
}

/// Somebody who wants to be a host, or is one.
pub(crate) struct Guest {
    pub(crate) host: String,
    pub(crate) key: PeerKey,
    pub(crate) signing: Arc<SigningKey>,
    pub(crate) counter: u64,
    recognise: Recognise,
    secret: Vec<u8>,
}

/// Settings whose authority was made in `directory`.
pub(crate) fn prepared(directory: &Path, change: impl FnOnce(&mut Settings)) -> Settings {
    let state = directory.join("authority.sqlite");
    let mut settings = Settings::new(directory.join("authority"), state);
    settings.approval = cofferdam_authority::Approval::None;
    change(&mut settings);
    let state = State::open(&settings.state).unwrap();
    Owner::new(&state, "tester").begin(&settings, None).unwrap();
    settings
}

/// The gateway that the authority is part of.
pub(crate) fn gateway() -> PeerName {
    "spiffe://cofferdam/gateway/main".parse().unwrap()
}

/// Opens the authority of these settings, recording into `journal`.
pub(crate) fn registrar(
    settings: &Settings,
    journal: &Journal,
) -> Result<Arc<Registrar>, cofferdam_authority::OpenError> {
    let key = SigningKey::generate().unwrap().public_key();
    let journal = Arc::clone(journal);
    let record = move |peer| {
        journal.lock().unwrap().push(peer);
        Ok(())
    };
    Registrar::open(settings.clone(), &gateway(), key, Box::new(record))
}

impl Office {
    pub(crate) async fn open(change: impl FnOnce(&mut Settings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = prepared(directory.path(), change);
        Self::serve(directory, settings).await
    }

    async fn serve(directory: TempDir, settings: Settings) -> Self {
        let journal = Journal::default();
        let registrar = registrar(&settings, &journal).unwrap();
        Self { journal, ..Self::around(directory, settings, registrar).await }
    }

    /// Serves an authority that is open.
    pub(crate) async fn around(
        directory: TempDir,
        settings: Settings,
        registrar: Arc<Registrar>,
    ) -> Self {
        let stop = CancellationToken::new();
        let anywhere = "127.0.0.1:0".parse().unwrap();
        let server = JoinServer::bind(anywhere, Arc::clone(&registrar), stop.clone());
        let server = server.await.unwrap();
        let address = server.address().to_string();
        tokio::spawn(server.run());
        let journal = Journal::default();
        let serving = stop.drop_guard();
        Self { directory, settings, registrar, journal, address, serving }
    }

    /// Another process of the same authority: what a restart leaves.
    pub(crate) async fn restarted(self) -> Self {
        let Self { directory, settings, serving, .. } = self;
        drop(serving);
        Self::serve(directory, settings).await
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The state, as an owner's command opens it.
    pub(crate) fn state(&self) -> State {
        State::open(&self.settings.state).unwrap()
    }

    /// Does something as the owner, from another connection to the state.
    pub(crate) fn owner<T>(&self, act: impl FnOnce(&Owner<'_>) -> T) -> T {
        act(&Owner::new(&self.state(), "tester"))
    }

    /// The authority's generations, as its owner sees them.
    pub(crate) fn generations(&self) -> Vec<GenerationEntry> {
        Owner::new(&self.state(), "tester").generations().unwrap()
    }

    /// A join token.
    pub(crate) fn invite(&self, host: &str) -> JoinToken {
        self.invite_for(host, HOUR)
    }

    pub(crate) fn invite_for(&self, host: &str, valid: Duration) -> JoinToken {
        let invitation = Invitation {
            host: host.to_owned(),
            labels: [("stage".to_owned(), "test".to_owned())].into(),
            projects: Vec::new(),
            address: None,
            valid,
        };
        self.owner(|owner| owner.invite(&invitation)).unwrap().token
    }

    /// A host that joined.
    pub(crate) async fn joined(&self, host: &str) -> (Guest, Credentials) {
        let guest = Guest::with(&self.invite(host));
        let credentials = self.credentials(&guest).await.unwrap();
        (guest, credentials)
    }

    pub(crate) fn channel(&self, recognise: Recognise) -> Channel {
        connect(&self.address, joining_client_config(recognise).unwrap()).unwrap()
    }

    pub(crate) fn client(&self, recognise: Recognise) -> JoinServiceClient<Channel> {
        JoinServiceClient::new(self.channel(recognise))
    }

    pub(crate) async fn enrol(&self, guest: &Guest) -> Result<Answer, Status> {
        let request = sign_enrolment(&guest.signing, &guest.enrolment());
        let answer = self.client(guest.recognise.clone()).enrol(request).await?;
        Ok(answer.into_inner().answer.unwrap())
    }

    pub(crate) async fn credentials(&self, guest: &Guest) -> Result<Credentials, Status> {
        match self.enrol(guest).await? {
            Answer::Credentials(credentials) => Ok(credentials),
            Answer::Pending(_) => Err(Status::unknown("pending")),
        }
    }

    pub(crate) async fn send_renewal(
        &self,
        guest: &Guest,
        request: RenewRequest,
    ) -> Result<Credentials, Status> {
        let answer = self.client(guest.recognise.clone()).renew(request).await?;
        Ok(answer.into_inner().credentials.unwrap())
    }

    pub(crate) async fn renew(&self, guest: &mut Guest) -> Result<Credentials, Status> {
        let request = guest.renewal();
        self.send_renewal(guest, request).await
    }

    pub(crate) async fn watch(
        &self,
        guest: &Guest,
        version: u64,
    ) -> Result<Streaming<WatchResponse>, Status> {
        let watching = Watching {
            host: guest.host.clone(),
            authority: "spiffe://cofferdam/authority/main".to_owned(),
            at: Some(now()),
            nonce: nonce(),
            version,
        };
        let request = sign_watching(&guest.signing, &watching);
        Ok(self.client(guest.recognise.clone()).watch(request).await?.into_inner())
    }

    /// The steps that were recorded of a host.
    pub(crate) fn steps(&self, host: &str) -> Vec<PeerStep> {
        let journal = self.journal.lock().unwrap();
        journal.iter().filter(|it| it.peer == host).map(|it| it.step).collect()
    }
}

impl Guest {
    pub(crate) fn with(token: &JoinToken) -> Self {
        Self {
            host: token.host().to_owned(),
            key: PeerKey::generate().unwrap(),
            signing: Arc::new(SigningKey::generate().unwrap()),
            counter: 0,
            recognise: Recognise::Root(token.authority()),
            secret: token.secret().to_vec(),
        }
    }

    /// Another machine with all that this one has.
    pub(crate) fn copied(&self) -> Self {
        Self {
            host: self.host.clone(),
            key: PeerKey::generate().unwrap(),
            signing: Arc::clone(&self.signing),
            counter: self.counter,
            recognise: self.recognise.clone(),
            secret: self.secret.clone(),
        }
    }

    pub(crate) fn enrolment(&self) -> Enrolment {
        Enrolment {
            host: self.host.clone(),
            token: self.secret.clone(),
            request: self.key.request().unwrap(),
            signing_key: self.signing.public_key().to_string(),
            address: "127.0.0.1:8461".to_owned(),
            agent_version: "0.1.0".to_owned(),
            at: Some(now()),
        }
    }

    pub(crate) fn said(&mut self) -> Renewal {
        self.counter += 1;
        Renewal {
            host: self.host.clone(),
            authority: "spiffe://cofferdam/authority/main".to_owned(),
            request: self.key.request().unwrap(),
            at: Some(now()),
            nonce: nonce(),
            counter: self.counter,
            address: "127.0.0.1:8461".to_owned(),
            agent_version: "0.1.0".to_owned(),
        }
    }

    pub(crate) fn renewal(&mut self) -> RenewRequest {
        let said = self.said();
        sign_renewal(&self.signing, &said)
    }

    /// Who it is with these credentials, believing what they say.
    pub(crate) fn identity(&self, credentials: &Credentials) -> Identity {
        let list = list(credentials.trust.as_ref());
        let key = self.key.to_pem();
        let place = Path::new("a test");
        Identity::from_parts(place, &credentials.certificate_chain, &key, &list.roots).unwrap()
    }

    pub(crate) fn recognise(&self) -> Recognise {
        self.recognise.clone()
    }

    pub(crate) fn believing(&mut self, identity: &Identity) {
        self.recognise = Recognise::by(identity);
    }
}

pub(crate) fn list(signed: Option<&SignedTrustList>) -> TrustList {
    TrustList::verify_first(signed.unwrap()).unwrap()
}

/// Whom a chain names, until when, by which certificate.
pub(crate) fn peer(credentials: &Credentials) -> Peer {
    let chain = credentials.certificate_chain.as_bytes();
    Peer::from_certificate(&CertificateDer::from_pem_slice(chain).unwrap()).unwrap()
}

pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

fn nonce() -> Vec<u8> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    [number.to_be_bytes(), number.to_be_bytes()].concat()
}

/// Tries until it is so; a few seconds at most.
pub(crate) async fn soon(mut is_so: impl FnMut() -> bool) {
    for _ in 0..100 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not come to be");
}
