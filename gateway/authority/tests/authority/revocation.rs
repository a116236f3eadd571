//! Revocation, and how it gets around.

use std::time::{Duration, SystemTime};

use cofferdam_journal::PeerStep;
use cofferdam_trust::{TrustList, TrustListError};
use tonic::Code;

use crate::office::{Guest, HOUR, Office, list, peer, soon};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_removed_stays_shut_out_until_its_last_certificate_is_over_by_any_clock() {
    // Clocks may be five minutes apart: whoever is late believes it for that much longer.
    let lifetime = Duration::from_secs(2);
    let office = Office::open(|it| it.certificate_lifetime = lifetime).await;
    let (mut guest, first) = office.joined("web-1").await;
    let second = office.renew(&mut guest).await.unwrap();
    office.owner(|owner| owner.revoke("web-1", "broken into")).unwrap();
    office.owner(|owner| owner.remove("web-1")).unwrap();
    let roster = office.registrar.roster();
    soon(|| roster.borrow().revoked_certificates.len() == 2).await;
    tokio::time::sleep(lifetime + Duration::from_secs(1)).await;
    office.registrar.look(SystemTime::now()).unwrap();
    let (_, other) = office.joined("web-1").await;
    soon(|| roster.borrow().hosts.contains_key("web-1")).await;
    let roster = roster.borrow().clone();
    let told = list(Some(&roster.trust));
    for old in [&first, &second] {
        assert!(roster.revokes(&peer(old)) && told.revokes(&peer(old)));
    }
    assert!(!roster.revokes(&peer(&other)) && !told.revokes(&peer(&other)));
    office.renew(&mut guest).await.unwrap_err();
    office.watch(&guest, 0).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_ahead_for_a_moment_forgets_no_revocation() {
    let office = Office::open(|_| {}).await;
    let (_, credentials) = office.joined("web-1").await;
    office.owner(|owner| owner.remove("web-1")).unwrap();
    let roster = office.registrar.roster();
    soon(|| roster.borrow().revokes(&peer(&credentials))).await;
    // A day later by this clock, it ended long ago.
    office.registrar.look(SystemTime::now() + 24 * HOUR).unwrap();
    office.registrar.look(SystemTime::now()).unwrap();
    let roster = roster.borrow().clone();
    assert!(roster.revokes(&peer(&credentials)));
    assert!(list(Some(&roster.trust)).revokes(&peer(&credentials)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_a_removed_host_is_nobodys_when_another_one_gets_its_name() {
    let approval = cofferdam_authority::Approval::Required;
    let office = Office::open(|it| it.approval = approval).await;
    let old = Guest::with(&office.invite_for("web-1", HOUR));
    office.enrol(&old).await.unwrap();
    office.owner(|owner| owner.approve("web-1")).unwrap();
    office.credentials(&old).await.unwrap();
    office.owner(|owner| owner.remove("web-1")).unwrap();

    let new = Guest::with(&office.invite("web-1"));
    office.enrol(&new).await.unwrap();
    office.owner(|owner| owner.approve("web-1")).unwrap();
    // It has the keys that its token was shown with, and asks first.
    let status = office.credentials(&old).await.unwrap_err();
    assert!(status.message().contains("withdrawn"), "{status}");
    // With other keys it raises no alarm about the host that has the name now.
    let mut again = old.copied();
    again.signing = Guest::with(&office.invite("web-2")).signing;
    let status = office.credentials(&again).await.unwrap_err();
    assert!(status.message().contains("withdrawn"), "{status}");
    let credentials = office.credentials(&new).await.unwrap();
    assert_eq!(office.owner(|owner| owner.host("web-1")).unwrap().alarm, None);
    assert!(!office.registrar.roster().borrow().revokes(&peer(&credentials)));
}
