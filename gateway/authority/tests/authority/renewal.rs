//! Next certificates, by signing keys.

use std::time::Duration;

use cofferdam_journal::PeerStep;
use cofferdam_trust::sign_renewal;
use prost_types::Timestamp;
use tonic::Code;

use crate::office::{Office, now, peer};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_host_renews_with_the_same_key_or_a_new_one_and_the_same_bytes_get_the_same_answer() {
    let office = Office::open(|_| {}).await;
    let (mut guest, first) = office.joined("web-1").await;
    let second = office.renew(&mut guest).await.unwrap();
    assert_ne!(peer(&first).fingerprint, peer(&second).fingerprint);
    guest.key = cofferdam_trust::PeerKey::generate().unwrap();
    let request = guest.renewal();
    let third = office.send_renewal(&guest, request.clone()).await.unwrap();
    assert_eq!(guest.identity(&third).name().name(), "web-1");
    assert_eq!(office.send_renewal(&guest, request).await.unwrap(), third);
    assert_eq!(office.steps("web-1")[3..], [PeerStep::Renewed, PeerStep::Renewed]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_renewal_that_comes_again_is_refused_and_is_no_alarm() {
    let office = Office::open(|_| {}).await;
    let (mut guest, _) = office.joined("web-1").await;
    let old = guest.renewal();
    office.send_renewal(&guest, old.clone()).await.unwrap();
    office.renew(&mut guest).await.unwrap();
    let status = office.send_renewal(&guest, old).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    office.renew(&mut guest).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_with_one_key_are_an_alarm_and_neither_renews_until_the_owner_says_who_counts() {
    let office = Office::open(|_| {}).await;
    let (mut guest, _) = office.joined("web-1").await;
    let mut copy = guest.copied();
    office.renew(&mut guest).await.unwrap();
    let status = office.renew(&mut copy).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert!(status.message().contains("used by two"), "{status}");
    office.renew(&mut guest).await.unwrap_err();
    let host = office.owner(|owner| owner.host("web-1")).unwrap();
    assert!(host.alarm.unwrap().contains("used by two"));
    assert!(office.steps("web-1").contains(&PeerStep::Alarmed));
    office.owner(|owner| owner.trust("web-1")).unwrap();
    office.renew(&mut guest).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_restored_from_a_backup_renews_again_once_it_is_trusted() {
    let office = Office::open(|_| {}).await;
    let (mut guest, _) = office.joined("web-1").await;
    let backup = guest.counter;
    for _ in 0..3 {
        office.renew(&mut guest).await.unwrap();
    }
    guest.counter = backup;
    office.renew(&mut guest).await.unwrap_err();
    office.owner(|owner| owner.trust("web-1")).unwrap();
    office.renew(&mut guest).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_slept_past_the_end_re_attests_so_often_and_no_more() {
    let office = Office::open(|it| {
        it.certificate_lifetime = SECOND;
        it.reattestations = 2;
    })
    .await;
    let (mut guest, _) = office.joined("web-1").await;
    for _ in 0..2 {
        tokio::time::sleep(2 * SECOND).await;
        office.renew(&mut guest).await.unwrap();
    }
    tokio::time::sleep(2 * SECOND).await;
    let status = office.renew(&mut guest).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    assert!(status.message().contains("too often in a row"), "{status}");
    let reattested = office.steps("web-1").iter().filter(|it| **it == PeerStep::Reattested).count();
    assert_eq!(reattested, 2);
    office.owner(|owner| owner.trust("web-1")).unwrap();
    office.renew(&mut guest).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_in_time_forgives_those_that_came_late() {
    let office = Office::open(|it| {
        it.certificate_lifetime = 3 * SECOND;
        it.reattestations = 1;
    })
    .await;
    let (mut guest, _) = office.joined("web-1").await;
    for _ in 0..2 {
        tokio::time::sleep(4 * SECOND).await;
        office.renew(&mut guest).await.unwrap();
        office.renew(&mut guest).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_slept_too_long_needs_a_new_token() {
    let office = Office::open(|it| {
        it.certificate_lifetime = SECOND;
        it.reattest_within = SECOND;
    })
    .await;
    let (mut guest, _) = office.joined("web-1").await;
    tokio::time::sleep(4 * SECOND).await;
    let status = office.renew(&mut guest).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    assert!(status.message().contains("too long ago"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn renewals_by_another_key_for_another_authority_or_at_another_time_are_refused() {
    let office = Office::open(|_| {}).await;
    let (mut guest, _) = office.joined("web-1").await;
    let (other, _) = office.joined("web-2").await;

    let said = guest.said();
    let status = office.send_renewal(&guest, sign_renewal(&other.signing, &said)).await;
    assert_eq!(status.unwrap_err().code(), Code::Unauthenticated);

    let mut said = guest.said();
    said.authority = "spiffe://cofferdam/authority/other".to_owned();
    let status = office.send_renewal(&guest, sign_renewal(&guest.signing, &said)).await;
    assert_eq!(status.unwrap_err().code(), Code::FailedPrecondition);

    for off in [-24 * 60 * 60, 24 * 60 * 60, 301, -301] {
        let mut said = guest.said();
        said.at = Some(Timestamp { seconds: now().seconds + off * 11 / 10, nanos: 0 });
        let status = office.send_renewal(&guest, sign_renewal(&guest.signing, &said)).await;
        let status = status.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
        assert!(status.message().contains("clock"), "{status}");
    }
    // Five minutes of skew survive.
    let mut said = guest.said();
    said.at = Some(Timestamp { seconds: now().seconds - 290, nanos: 0 });
    office.send_renewal(&guest, sign_renewal(&guest.signing, &said)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_renews_all_the_time_is_slowed_down_and_raises_no_alarm() {
    let office = Office::open(|_| {}).await;
    let (mut guest, _) = office.joined("web-1").await;
    let mut refused = None;
    for _ in 0..20 {
        refused = refused.or(office.renew(&mut guest).await.err());
    }
    let status = refused.unwrap();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert_eq!(office.owner(|owner| owner.host("web-1")).unwrap().alarm, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_own_certificate_renews_itself() {
    let office = Office::open(|it| it.certificate_lifetime = 3 * SECOND).await;
    let mut identity = office.registrar.gateway_identity();
    let first = identity.borrow_and_update().own().clone();
    assert_eq!(first.name, crate::office::gateway());
    tokio::time::timeout(5 * SECOND, identity.changed()).await.unwrap().unwrap();
    let second = identity.borrow_and_update().own().clone();
    assert!(second.not_after > first.not_after);
    // The listener's has been renewed with it: who comes now is served.
    office.joined("web-1").await;
}
