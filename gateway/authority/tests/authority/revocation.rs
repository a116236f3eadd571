//! Revocation, and how it gets around.

use std::time::Duration;

use cofferdam_journal::PeerStep;
use cofferdam_trust::{TrustList, TrustListError};
use tonic::Code;

use crate::office::{Office, list, peer};

const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_host_is_told_to_everybody_within_seconds_and_hears_no_more() {
    let office = Office::open(|_| {}).await;
    let (mut bad, credentials) = office.joined("web-1").await;
    let (good, other) = office.joined("web-2").await;
    let known = list(other.trust.as_ref());
    let mut watching = office.watch(&good, known.version).await.unwrap();
    let mut its_own = office.watch(&bad, known.version).await.unwrap();

    office.owner(|owner| owner.revoke("web-1", "broken into")).unwrap();
    let news = tokio::time::timeout(PATIENCE, watching.message()).await.unwrap().unwrap().unwrap();
    let news = TrustList::verify(&known.next_signers(), news.trust.as_ref().unwrap()).unwrap();
    assert!(news.version > known.version);
    assert!(news.revokes(&peer(&credentials)));
    assert!(!news.revokes(&peer(&other)));

    let told = tokio::time::timeout(PATIENCE, its_own.message()).await.unwrap().unwrap();
    assert!(list(told.unwrap().trust.as_ref()).revokes(&peer(&credentials)));
    let end = tokio::time::timeout(PATIENCE, its_own.message()).await.unwrap().unwrap_err();
    assert_eq!(end.code(), Code::PermissionDenied, "{end}");
    let status = office.renew(&mut bad).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    office.watch(&bad, 0).await.unwrap_err();

    let roster = office.registrar.roster().borrow().clone();
    assert!(roster.revokes(&peer(&credentials)));
    assert!(!roster.hosts.contains_key("web-1"));
    assert!(office.steps("web-1").contains(&PeerStep::Revoked));
    let journal = office.journal.lock().unwrap();
    let record = journal.iter().find(|it| it.step == PeerStep::Revoked).unwrap();
    assert_eq!((record.by.as_str(), record.detail.as_str()), ("tester", "broken into"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_gateway_is_no_gateway_until_it_is_trusted_again() {
    let office = Office::open(|_| {}).await;
    let (guest, credentials) = office.joined("web-1").await;
    let mut watching =
        office.watch(&guest, list(credentials.trust.as_ref()).version).await.unwrap();
    office.owner(|owner| owner.revoke_gateway("main", "")).unwrap();
    assert!(office.owner(|owner| owner.revoke_gateway("main", "")).is_err());
    let news = tokio::time::timeout(PATIENCE, watching.message()).await.unwrap().unwrap().unwrap();
    let news = list(news.trust.as_ref());
    assert!(news.gateways.is_empty());
    assert_eq!(news.revoked_names, [crate::office::gateway()]);
    office.owner(|owner| owner.trust_gateway("main")).unwrap();
    let news = tokio::time::timeout(PATIENCE, watching.message()).await.unwrap().unwrap().unwrap();
    let news = list(news.trust.as_ref());
    assert_eq!(news.gateways.len(), 1);
    assert!(news.revoked_names.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_the_list_go_on_after_a_restart_and_only_its_signer_can_make_one() {
    let office = Office::open(|_| {}).await;
    let (_, credentials) = office.joined("web-1").await;
    let known = list(credentials.trust.as_ref());
    let office = office.restarted().await;
    // The gateway of this test signs with another key now, which is news.
    let now = office.registrar.roster().borrow().clone();
    assert!(now.version > known.version);
    let newer = TrustList::verify(&known.next_signers(), &now.trust).unwrap();
    assert_eq!(newer.version, now.version);
    let stranger = Office::open(|_| {}).await;
    let forged = stranger.registrar.roster().borrow().trust.clone();
    let refused = TrustList::verify(&known.next_signers(), &forged).unwrap_err();
    assert!(matches!(refused, TrustListError::Signature(_)), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_made_anew_before_it_ends() {
    let office = Office::open(|it| it.trust_list_lifetime = Duration::from_secs(4)).await;
    let mut roster = office.registrar.roster();
    let first = roster.borrow_and_update().clone();
    tokio::time::timeout(PATIENCE, roster.changed()).await.unwrap().unwrap();
    let second = roster.borrow_and_update().clone();
    assert_eq!(second.version, first.version + 1);
    assert!(list(Some(&second.trust)).expires_at > list(Some(&first.trust)).expires_at);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hosts_second_stream_ends_its_first() {
    let office = Office::open(|_| {}).await;
    let (guest, credentials) = office.joined("web-1").await;
    let version = list(credentials.trust.as_ref()).version;
    let mut first = office.watch(&guest, version).await.unwrap();
    let _second = office.watch(&guest, version).await.unwrap();
    let end = tokio::time::timeout(PATIENCE, first.message()).await.unwrap();
    assert!(end.unwrap().is_none());
}
