//! Certificates for keys that stay where they were made, intermediates, and how a
//! host without a certificate recognises its authority.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use cofferdam_trust::{
    Authority, AuthorityError, Identity, Lifetime, PeerKey, Recognise, joining_client_config,
    joining_server_config, sha256,
};
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::parties::{HOUR, Office, client, meet, name};

/// A peer whose key was made by itself, certified by `authority`.
fn joined(authority: &Authority, place: &Path, peer: &str) -> Identity {
    let key = PeerKey::generate().unwrap();
    let lifetime = Lifetime::from_now(HOUR);
    let chain = authority.answer(&key.request().unwrap(), &name(peer), lifetime).unwrap();
    let place = tempfile::tempdir_in(place).unwrap().keep();
    let [chain_file, key_file, roots] =
        ["own.crt", "own.key", "roots.crt"].map(|it| place.join(it));
    key.save(&key_file).unwrap();
    assert_eq!(fs::metadata(&key_file).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&chain_file, chain).unwrap();
    fs::write(&roots, authority.certificate_pem()).unwrap();
    Identity::load(&chain_file, &key_file, &roots).unwrap()
}

fn digest_of(authority: &Authority) -> [u8; 32] {
    sha256(&CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes()).unwrap())
}

/// Whether a client without a certificate takes this authority for its own.
async fn greets(authority: &Identity, client: Arc<ClientConfig>) -> Result<(), String> {
    let config = joining_server_config(authority).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        if let Ok(mut stream) = TlsAcceptor::from(config).accept(stream).await {
            stream.write_all(b"!").await.unwrap();
            // The client closes first.
            stream.read_to_end(&mut Vec::new()).await.ok();
        }
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let anyone = ServerName::IpAddress(std::net::IpAddr::from([0, 0, 0, 0]).into());
    let greeted = async {
        let mut stream = TlsConnector::from(client).connect(anyone, stream).await?;
        stream.read_u8().await
    };
    let greeted = greeted.await.map(drop).map_err(|error: std::io::Error| error.to_string());
    serving.await.unwrap();
    greeted
}

#[tokio::test]
async fn peers_whose_keys_were_certified_by_an_intermediate_believe_the_root_alone() {
    let office = Office::new();
    let beneath = office.authority.create_intermediate(&office.path().join("beneath")).unwrap();
    assert_eq!(beneath.certificate_pem(), office.authority.certificate_pem());
    let gateway = joined(&beneath, office.path(), "gateway/main");
    let agent = joined(
        &Authority::open(&office.path().join("beneath")).unwrap(),
        office.path(),
        "agent/one",
    );
    let seen = meet(&agent, client(&gateway, "agent/one")).await.unwrap();
    assert_eq!(seen.name, name("gateway/main"));
    // And with one that the root itself certified.
    let direct = office.identity("agent/one");
    meet(&direct, client(&gateway, "agent/one")).await.unwrap();
    let error = beneath.create_intermediate(&office.path().join("deeper")).unwrap_err();
    assert!(matches!(error, AuthorityError::Depth), "{error}");
}

#[test]
fn an_intermediate_of_another_root_does_not_open() {
    let (one, two) = (Office::new(), Office::new());
    let place = one.path().join("beneath");
    one.authority.create_intermediate(&place).unwrap();
    fs::copy(two.path().join("ca.crt"), place.join("root.crt")).unwrap();
    let error = Authority::open(&place).unwrap_err();
    assert!(error.to_string().contains("not signed by the authority of root.crt"), "{error}");
}

#[test]
fn nothing_but_the_key_is_taken_from_a_request_and_it_must_be_signed_by_that_key() {
    let office = Office::new();
    let lifetime = Lifetime::from_now(HOUR);
    let good = PeerKey::generate().unwrap().request().unwrap();
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 1;
        // Some bits change nothing that counts; none gives another name.
        if let Ok(chain) = office.authority.answer(&changed, &name("agent/one"), lifetime) {
            let der = CertificateDer::from_pem_slice(chain.as_bytes()).unwrap();
            let peer = cofferdam_trust::Peer::from_certificate(&der).unwrap();
            assert_eq!(peer.name, name("agent/one"));
        }
    }
    for length in 0..good.len() {
        let cut = office.authority.answer(&good[..length], &name("agent/one"), lifetime);
        assert!(matches!(cut, Err(AuthorityError::Request(_))), "{length} bytes");
    }
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let other = rcgen::CertificateParams::default().serialize_request(&key).unwrap();
    let error = office.authority.answer(other.der(), &name("agent/one"), lifetime).unwrap_err();
    assert!(error.to_string().contains("P-256"), "{error}");
}

#[test]
fn a_request_that_asks_to_be_somebody_gets_the_name_that_the_authority_knows() {
    let office = Office::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = "spiffe://cofferdam/gateway/main".try_into().unwrap();
    params.subject_alt_names = vec![rcgen::SanType::URI(root)];
    let request = params.serialize_request(&key).unwrap();
    let lifetime = Lifetime::from_now(HOUR);
    let chain = office.authority.answer(request.der(), &name("agent/one"), lifetime).unwrap();
    let der = CertificateDer::from_pem_slice(chain.as_bytes()).unwrap();
    let peer = cofferdam_trust::Peer::from_certificate(&der).unwrap();
    assert_eq!(peer.name, name("agent/one"));
    assert!(peer.is_current(SystemTime::now()));
}

#[tokio::test]
async fn a_host_that_knows_the_roots_digest_finds_its_authority_and_takes_no_other() {
    let (office, stranger) = (Office::new(), Office::new());
    let beneath = office.authority.create_intermediate(&office.path().join("beneath")).unwrap();
    let authority = joined(&beneath, office.path(), "authority/main");
    let by = |digest| joining_client_config(Recognise::Root(digest)).unwrap();
    greets(&authority, by(digest_of(&office.authority))).await.unwrap();
    greets(&authority, by(digest_of(&stranger.authority))).await.unwrap_err();
    // Who joined believes the roots, whoever shows them.
    let host = joined(&beneath, office.path(), "agent/one");
    let believed = || joining_client_config(Recognise::by(&host)).unwrap();
    greets(&authority, believed()).await.unwrap();
    let other = stranger.identity("authority/main");
    greets(&other, believed()).await.unwrap_err();
}

#[tokio::test]
async fn an_agents_certificate_does_not_make_an_authority() {
    let office = Office::new();
    let agent = office.identity("agent/one");
    let error = joining_server_config(&agent).unwrap_err();
    assert!(error.to_string().contains("agent/one is no authority"), "{error}");
    // Neither does an authority's make an agent.
    let authority = office.identity("authority/main");
    let gateway = office.identity("gateway/main");
    assert!(cofferdam_trust::server_config(&authority).is_err());
    assert!(cofferdam_trust::client_config(&gateway, &name("authority/main")).is_err());
}
