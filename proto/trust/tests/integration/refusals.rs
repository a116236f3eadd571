//! Everybody who must not get in, tried over real TLS.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cofferdam_trust::{
    Handshakes, Identity, Lifetime, TlsError, TlsListener, client_config, server_config,
};
use rcgen::string::Ia5String;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS12;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::StreamExt;

use crate::parties::{HOUR, Office, client, future, meet, name, past};

/// A gateway's TLS client that shows the given certificate instead of its own.
fn showing(office: &Office, certificate_pem: &str, key_pem: &str) -> Arc<ClientConfig> {
    let honest = client(&office.identity("gateway/main"), "agent/one");
    let mut config = ClientConfig::clone(&honest);
    let chain = vec![CertificateDer::from_pem_slice(certificate_pem.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).unwrap();
    let certified = CertifiedKey::from_der(chain, key, config.crypto_provider()).unwrap();
    config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certified));
    Arc::new(config)
}

/// A certificate from the right authority with whatever names and usage.
fn forge(office: &Office, uris: &[&str], usage: ExtendedKeyUsagePurpose) -> (String, String) {
    let read = |file: &str| fs::read_to_string(office.path().join(file)).unwrap();
    let authority = KeyPair::from_pem(&read("ca.key")).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&read("ca.crt"), authority).unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names =
        uris.iter().map(|uri| SanType::URI(Ia5String::try_from(*uri).unwrap())).collect();
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    (certificate.pem(), key.serialize_pem())
}

#[tokio::test]
async fn the_right_peers_talk_and_the_server_knows_who_called() {
    let office = Office::new();
    let gateway = office.identity("gateway/main");
    let peer = meet(&office.identity("agent/one"), client(&gateway, "agent/one")).await.unwrap();
    assert_eq!(&peer, gateway.own());
    assert_eq!(peer.name, name("gateway/main"));
}

#[tokio::test]
async fn a_certificate_from_another_authority_is_refused_on_both_sides() {
    let (office, stranger) = (Office::new(), Office::new());
    let agent = office.identity("agent/one");
    let foreign = client(&stranger.identity("gateway/main"), "agent/one");
    let told = meet(&agent, foreign).await.unwrap_err();
    assert!(told.contains("UnknownIssuer"), "the client refuses the server first: {told}");

    let issued = stranger.authority.issue(&name("gateway/main"), Lifetime::from_now(HOUR)).unwrap();
    let believing = showing(&office, &issued.certificate_pem, &issued.key_pem);
    let told = meet(&agent, believing).await.unwrap_err();
    assert!(told.contains("UnknownCA") || told.contains("DecryptError"), "{told}");
}

#[tokio::test]
async fn a_certificate_out_of_its_time_is_refused_on_both_sides() {
    let office = Office::new();
    for (lifetime, reason) in [(past(), "expired"), (future(), "not valid yet")] {
        let late = office.identity_for("gateway/main", lifetime);
        let told =
            meet(&office.identity("agent/one"), client(&late, "agent/one")).await.unwrap_err();
        assert!(told.contains("alert"), "the server refuses with an alert: {told}");

        let gateway = office.identity("gateway/main");
        let late = office.identity_for("agent/one", lifetime);
        let told = meet(&late, client(&gateway, "agent/one")).await.unwrap_err();
        assert!(told.contains(reason), "{told}");
    }
}

#[tokio::test]
async fn a_gateways_certificate_is_no_agents() {
    let office = Office::new();
    let gateway = office.identity("gateway/main");
    let false_agent = office.identity("gateway/one");
    let told = meet(&false_agent, client(&gateway, "agent/one")).await.unwrap_err();
    assert!(told.contains("certificate"), "{told}");
}

#[tokio::test]
async fn an_agents_certificate_is_no_gateways() {
    let office = Office::new();
    let agent = office.identity("agent/one");
    let issued = office.authority.issue(&name("agent/two"), Lifetime::from_now(HOUR)).unwrap();
    let disguised = showing(&office, &issued.certificate_pem, &issued.key_pem);
    assert!(meet(&agent, disguised).await.is_err());

    let error = client_config(&office.identity("agent/two"), &name("agent/one")).unwrap_err();
    assert!(matches!(error, TlsError::WrongPeer { .. }), "{error}");
}

#[tokio::test]
async fn the_role_in_the_name_counts_even_where_the_key_usage_would_allow() {
    let office = Office::new();
    let agent = office.identity("agent/one");
    for uris in [
        &["spiffe://cofferdam/agent/two"][..],
        &["spiffe://elsewhere/gateway/main"],
        &["https://cofferdam/gateway/main"],
        &["spiffe://cofferdam/gateway/main", "spiffe://cofferdam/gateway/other"],
        &[],
    ] {
        let (certificate, key) = forge(&office, uris, ExtendedKeyUsagePurpose::ClientAuth);
        let told = meet(&agent, showing(&office, &certificate, &key)).await;
        assert!(told.is_err(), "{uris:?} was let in");
    }
    let (certificate, key) =
        forge(&office, &["spiffe://cofferdam/gateway/x"], ExtendedKeyUsagePurpose::ClientAuth);
    meet(&agent, showing(&office, &certificate, &key)).await.unwrap();
}

#[tokio::test]
async fn another_agent_than_the_expected_one_is_refused() {
    let office = Office::new();
    let gateway = office.identity("gateway/main");
    let other = office.identity("agent/two");
    let told = meet(&other, client(&gateway, "agent/one")).await.unwrap_err();
    assert!(told.contains("spiffe://cofferdam/agent/two"), "{told}");
    assert!(told.contains("expected spiffe://cofferdam/agent/one"), "{told}");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let office = Office::new();
    let honest = client(&office.identity("gateway/main"), "agent/one");
    let mut config = ClientConfig::clone(&honest);
    let bare = ClientConfig::builder_with_provider(Arc::clone(config.crypto_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.client_auth_cert_resolver = bare.client_auth_cert_resolver;
    let told = meet(&office.identity("agent/one"), Arc::new(config)).await.unwrap_err();
    assert!(told.contains("CertificateRequired"), "{told}");
}

#[tokio::test]
async fn a_client_that_speaks_only_tls_1_2_is_refused() {
    let office = Office::new();
    let honest = client(&office.identity("gateway/main"), "agent/one");
    let mut config = ClientConfig::builder_with_provider(Arc::clone(honest.crypto_provider()))
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.client_auth_cert_resolver = Arc::clone(&honest.client_auth_cert_resolver);
    let told = meet(&office.identity("agent/one"), Arc::new(config)).await.unwrap_err();
    assert!(told.contains("ProtocolVersion"), "{told}");
}

async fn listener(server: &Identity, handshakes: Handshakes) -> TlsListener {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    TlsListener::new(socket, server_config(server).unwrap(), handshakes).unwrap()
}

#[tokio::test]
async fn what_is_not_tls_is_closed_at_once() {
    let office = Office::new();
    let agent = office.identity("agent/one");
    let mut listener = listener(&agent, Handshakes::default()).await;
    for garbage in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], &[0xff; 4096], &[0; 4096]] {
        let mut stream = TcpStream::connect(listener.local_addr()).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest));
        let _ = end.await.expect("the connection stays open");
        assert!(rest.len() < 64, "more than an alert came back");
    }
    let nobody = tokio::time::timeout(Duration::from_millis(50), listener.next()).await;
    assert!(nobody.is_err(), "garbage came through as a connection");
}

#[tokio::test]
async fn silent_callers_are_dropped_in_time_and_do_not_keep_others_out() {
    let office = Office::new();
    let agent = office.identity("agent/one");
    let limits = Handshakes { timeout: Duration::from_millis(200), at_once: 2 };
    let mut listener = listener(&agent, limits).await;
    let address = listener.local_addr();
    let mut silent = Vec::new();
    for _ in 0..5 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let begun = Instant::now();
    let config = client(&office.identity("gateway/main"), "agent/one");
    let honest = tokio::spawn(async move {
        let stream = TcpStream::connect(address).await.unwrap();
        let anyone = "nobody.invalid".try_into().unwrap();
        tokio_rustls::TlsConnector::from(config).connect(anyone, stream).await.map(drop)
    });
    let taken = tokio::time::timeout(Duration::from_secs(10), listener.next()).await;
    assert_eq!(taken.unwrap().unwrap().unwrap().peer().name, name("gateway/main"));
    honest.await.unwrap().unwrap();
    for mut stream in silent {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty());
    }
    assert!(begun.elapsed() >= limits.timeout, "nobody waited for the silent callers");
}
