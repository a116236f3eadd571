//! Hosts that come, change, leave and are revoked, over real TLS: an agent's server
//! with nothing but the health service.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use cofferdam_trust::{
    Authority, Handshakes, Identity, Lifetime, PeerName, ServerConfigHandle, SigningKey,
    TlsListener, server_config,
};
use tempfile::TempDir;
use tokio_util::task::TaskTracker;
use tonic::transport::Server;
use tonic::{Status, Streaming};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::left::Untold;
use super::refusal::{Fate, fate};
use super::*;
use crate::roster::HostConfig;

struct Place {
    directory: TempDir,
    authority: Authority,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::create(&directory.path().join("ca")).unwrap();
        std::fs::write(directory.path().join("ca.crt"), authority.certificate_pem()).unwrap();
        Self { directory, authority }
    }

    fn identity(&self, name: &str) -> Identity {
        let name: PeerName = name.parse().unwrap();
        let lifetime = Lifetime::from_now(Duration::from_hours(1));
        let place = tempfile::tempdir().unwrap();
        let files = self.authority.issue(&name, lifetime).unwrap().write(place.path()).unwrap();
        let authorities = self.directory.path().join("ca.crt");
        Identity::load(&files.certificate, &files.key, &authorities).unwrap()
    }

    /// A host that serves until the test ends.
    async fn serve(&self, name: &str) -> HostConfig {
        let agent: PeerName = format!("spiffe://cofferdam/agent/{name}").parse().unwrap();
        let tls = server_config(&self.identity(&agent.to_string())).unwrap();
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls = ServerConfigHandle::new(tls);
        let listener = TlsListener::sharing(socket, tls, Handshakes::default()).unwrap();
        let address = listener.local_addr().to_string();
        let (_, health) = tonic_health::server::health_reporter();
        tokio::spawn(Server::builder().add_service(health).serve_with_incoming(listener));
        let key = SigningKey::generate().unwrap().public_key();
        HostConfig { address: Some(address), labels: BTreeMap::new(), agent, key }
    }

    fn hosts(&self) -> Hosts {
        self.hosts_until(&CancellationToken::new())
    }

    fn hosts_until(&self, shutdown: &CancellationToken) -> Hosts {
        let gateway = self.identity("spiffe://cofferdam/gateway/main");
        Hosts::new(gateway, &TaskTracker::new(), shutdown)
    }
}

/// A host that is asked by calls and by a stream that goes on.
struct Asked {
    hosts: Hosts,
    host: Arc<Host>,
    client: HealthClient<Gate>,
    stream: Streaming<HealthCheckResponse>,
}

impl Asked {
    async fn of(place: &Place) -> Self {
        let (hosts, config) = (place.hosts(), place.serve("a").await);
        assert!(hosts.take(&named("a", &config)).is_empty());
        let host = hosts.get("a").unwrap();
        let mut client = HealthClient::new(host.gate(Carries::Calls));
        let mut stream = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        assert!(stream.message().await.unwrap().is_some());
        Self { hosts, host, client, stream }
    }

    async fn call(&mut self) -> Result<(), Status> {
        self.client.check(HealthCheckRequest::default()).await.map(drop)
    }

    /// How the stream ends, which it does within seconds.
    async fn end(&mut self) -> Status {
        let ended = tokio::time::timeout(Duration::from_secs(5), self.stream.message()).await;
        ended.unwrap().unwrap_err()
    }
}

async fn until_ready(host: &Host) {
    let began = Instant::now();
    while host.state().reach != Reach::Ready {
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", host.state());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn named(name: &str, host: &HostConfig) -> BTreeMap<String, HostConfig> {
    BTreeMap::from([(name.to_owned(), host.clone())])
}

#[tokio::test]
async fn a_host_that_stays_keeps_its_connections_when_its_labels_change() {
    let place = Place::new();
    let (hosts, config) = (place.hosts(), place.serve("a").await);
    assert!(hosts.take(&named("a", &config)).is_empty());
    let before = hosts.get("a").unwrap();
    until_ready(&before).await;
    let labels = BTreeMap::from([("role".to_owned(), "web".to_owned())]);
    assert!(hosts.take(&named("a", &HostConfig { labels, ..config.clone() })).is_empty());
    let after = hosts.get("a").unwrap();
    assert_eq!(after.config().labels["role"], "web");
    assert!(Arc::ptr_eq(&before.link, &after.link));
    assert_eq!(after.state().reach, Reach::Ready);
    // Another address is another way there.
    let other = HostConfig { address: Some("127.0.0.1:1".to_owned()), ..config.clone() };
    assert!(hosts.take(&named("a", &other)).is_empty());
    assert!(before.gone.is_cancelled());
    assert!(!Arc::ptr_eq(&before.link, &hosts.get("a").unwrap().link));
    assert!(hosts.take(&BTreeMap::new()).is_empty());
    assert!(hosts.get("a").is_none() && hosts.all().is_empty());
    let nowhere = HostConfig { address: Some("nowhere".to_owned()), ..config };
    assert_eq!(hosts.take(&named("a", &nowhere)).len(), 1);
}

#[tokio::test]
async fn a_revoked_host_is_refused_at_the_next_call_and_its_streams_end() {
    let place = Place::new();
    let mut asked = Asked::of(&place).await;
    let names = BTreeSet::from([asked.host.config().agent.clone()]);
    asked.hosts.revoke(Revoked { names, certificates: BTreeSet::new() });
    let status = asked.end().await;
    assert_eq!(fate(&status), Fate::Held);
    let error = HostError::from_status("a", &status);
    assert!(matches!(error, HostError::Held(Held::Cut { .. })), "{error}");
    let error = HostError::from_status("a", &asked.call().await.unwrap_err());
    assert_eq!(error.reason(), "HOST_REVOKED");
    assert!(asked.host.is_revoked() && asked.host.admits("read_file").is_err());
}

#[tokio::test]
async fn a_revoked_certificate_ends_its_connection_and_another_one_of_the_host_counts() {
    let place = Place::new();
    let mut asked = Asked::of(&place).await;
    let other = Revoked { certificates: BTreeSet::from([[7; 32]]), ..Revoked::default() };
    asked.hosts.revoke(other.clone());
    assert!(asked.call().await.is_ok());

    let shown = asked.host.link.met().unwrap().fingerprint;
    let certificates = other.certificates.into_iter().chain([shown]).collect();
    asked.hosts.revoke(Revoked { certificates, names: BTreeSet::new() });
    assert_eq!(fate(&asked.end().await), Fate::Held);
    // The same certificate again: nobody believes the host until it has another one.
    let refused = asked.call().await.unwrap_err();
    assert_ne!(fate(&refused), Fate::Answered);
    assert!(!asked.host.is_revoked());
}

#[tokio::test]
async fn a_gateway_that_has_another_certificate_connects_anew_and_ends_nothing() {
    let place = Place::new();
    let mut asked = Asked::of(&place).await;
    asked.hosts.use_identity(place.identity("spiffe://cofferdam/gateway/main"));
    assert!(asked.call().await.is_ok());
    let goes_on = tokio::time::timeout(Duration::from_millis(300), asked.stream.message()).await;
    assert!(goes_on.is_err(), "the stream over the older connection has ended: {goes_on:?}");
}

/// Why the end of a run on the host `a` is not learned, once `then` happened while it was
/// waited for; none: the gateway stopped.
async fn untold(hosts: &Hosts, then: impl FnOnce()) -> Option<Untold> {
    let later = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        then();
    };
    let (ended, ()) = tokio::join!(hosts.end_of("a", "run"), later);
    ended.map(|ended| ended.expect_err("no host of these tests has runs"))
}

#[tokio::test]
async fn the_end_of_a_run_is_waited_for_where_its_host_is_now_and_no_longer_than_it_is_one() {
    let place = Place::new();
    let (shutdown, config) = (CancellationToken::new(), place.serve("a").await);
    let hosts = place.hosts_until(&shutdown);
    let away = HostConfig { address: Some("127.0.0.1:1".to_owned()), ..config.clone() };
    let waited = async {
        assert!(hosts.take(&named("a", &away)).is_empty());
        // By its new address it answers, and has no such run.
        let moved = untold(&hosts, || drop(hosts.take(&named("a", &config)))).await;
        assert!(matches!(moved, Some(Untold::Refused(_))), "{moved:?}");

        hosts.take(&named("a", &away));
        let removed = untold(&hosts, || drop(hosts.take(&BTreeMap::new()))).await;
        assert!(matches!(removed, Some(Untold::Left)), "{removed:?}");

        hosts.take(&named("a", &away));
        let names = BTreeSet::from([away.agent.clone()]);
        let revoke = || hosts.revoke(Revoked { names, certificates: BTreeSet::new() });
        let revoked = untold(&hosts, revoke).await;
        let held = matches!(revoked, Some(Untold::Host(HostError::Held(Held::Revoked { .. }))));
        assert!(held, "{revoked:?}");

        hosts.revoke(Revoked::default());
        assert!(untold(&hosts, || shutdown.cancel()).await.is_none());
    };
    tokio::time::timeout(Duration::from_mins(1), waited).await.unwrap();
}
