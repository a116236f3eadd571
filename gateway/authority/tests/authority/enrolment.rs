//! First certificates, by join tokens.

use std::collections::BTreeMap;

use cofferdam_authority::{Approval, Standing};
use cofferdam_journal::PeerStep;
use cofferdam_proto::join::v1::enrol_response::Answer;
use cofferdam_trust::{JoinToken, sign_enrolment};
use prost_types::Timestamp;
use tonic::Code;

use crate::office::{Guest, HOUR, Office, gateway, list, now, peer, soon};

#[tokio::test(flavor = "multi_thread")]
async fn a_host_with_a_token_gets_its_certificate_and_is_told_whom_to_trust() {
    let office = Office::open(|_| {}).await;
    let (guest, credentials) = office.joined("web-1").await;
    let name = peer(&credentials).name.to_string();
    assert_eq!(name, "spiffe://cofferdam/agent/web-1");
    assert_eq!(credentials.host, name);
    assert_eq!(credentials.authority, "spiffe://cofferdam/authority/main");
    let list = list(credentials.trust.as_ref());
    assert_eq!(list.gateways[0].name, gateway());
    assert_eq!(guest.identity(&credentials).name().to_string(), name);
    let host = office.owner(|owner| owner.host("web-1")).unwrap();
    assert_eq!(host.standing, Standing::Joined);
    assert_eq!(host.signing_key, Some(guest.signing.public_key().to_string()));
    soon(|| office.registrar.roster().borrow().hosts.contains_key("web-1")).await;
    let steps = [PeerStep::Invited, PeerStep::Enrolled, PeerStep::Certified];
    assert_eq!(office.steps("web-1"), steps);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_waits_for_its_owner_where_that_is_required() {
    let office = Office::open(|it| it.approval = Approval::Required).await;
    let guest = Guest::with(&office.invite("web-1"));
    for _ in 0..2 {
        assert!(matches!(office.enrol(&guest).await.unwrap(), Answer::Pending(_)));
    }
    assert!(!office.registrar.roster().borrow().hosts.contains_key("web-1"));
    office.owner(|owner| owner.approve("web-1")).unwrap();
    let credentials = office.credentials(&guest).await.unwrap();
    assert_eq!(peer(&credentials).name.name(), "web-1");
    let refused = Guest::with(&office.invite("web-2"));
    office.enrol(&refused).await.unwrap();
    office.owner(|owner| owner.refuse("web-2", "not ours")).unwrap();
    let status = office.enrol(&refused).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert!(status.message().contains("did not let this host in"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_killed_in_the_middle_gets_the_same_answer_again() {
    let office = Office::open(|_| {}).await;
    let guest = Guest::with(&office.invite("web-1"));
    let first = office.credentials(&guest).await.unwrap();
    // The request is signed anew each time; the key is the same.
    assert_eq!(office.credentials(&guest).await.unwrap(), first);
    // The gateway of a test signs with another key after it, which is another list.
    let office = office.restarted().await;
    let again = office.credentials(&guest).await.unwrap();
    assert_eq!(again.certificate_chain, first.certificate_chain);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_shown_twice_before_approval_lets_nobody_in_and_is_an_alarm() {
    let office = Office::open(|it| it.approval = Approval::Required).await;
    let token = office.invite("web-1");
    let (first, second) = (Guest::with(&token), Guest::with(&token));
    office.enrol(&first).await.unwrap();
    let status = office.enrol(&second).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert!(status.message().contains("two different keys"), "{status}");
    // Which of the two is right cannot be told: the first is refused, too.
    let status = office.enrol(&first).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    let host = office.owner(|owner| owner.host("web-1")).unwrap();
    assert_eq!(host.standing, Standing::Refused);
    assert!(host.alarm.unwrap().contains("join token"));
    assert!(office.owner(|owner| owner.approve("web-1")).is_err());
    assert!(office.steps("web-1").contains(&PeerStep::Alarmed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_shown_again_after_its_host_joined_stops_renewals_until_the_owner_trusts() {
    let office = Office::open(|_| {}).await;
    let token = office.invite("web-1");
    let mut guest = Guest::with(&token);
    office.credentials(&guest).await.unwrap();
    office.enrol(&Guest::with(&token)).await.unwrap_err();
    let status = office.renew(&mut guest).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert!(status.message().contains("cofferdam host trust"), "{status}");
    office.owner(|owner| owner.trust("web-1")).unwrap();
    office.renew(&mut guest).await.unwrap();
    // The token itself stays dead.
    office.enrol(&guest).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_unknown_expired_withdrawn_or_for_another_host_are_told_so() {
    let office = Office::open(|_| {}).await;
    let token = office.invite("web-1");
    let unknown = Guest::with(&JoinToken::generate("web-1", token.authority()).unwrap());
    let status = office.enrol(&unknown).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    assert!(office.steps("web-1").contains(&PeerStep::TurnedAway));

    let mut other = Guest::with(&token);
    other.host = "web-9".to_owned();
    let status = office.enrol(&other).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");

    let newer = office.invite("web-1");
    let status = office.enrol(&Guest::with(&token)).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert!(status.message().contains("withdrawn"), "{status}");
    office.credentials(&Guest::with(&newer)).await.unwrap();

    let short = office.invite_for("web-2", std::time::Duration::from_secs(1));
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    let status = office.enrol(&Guest::with(&short)).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    assert!(status.message().contains("expired"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_given_once_until_it_is_removed() {
    let office = Office::open(|_| {}).await;
    let (mut guest, _) = office.joined("web-1").await;
    let invitation = cofferdam_authority::Invitation {
        host: "web-1".to_owned(),
        labels: BTreeMap::new(),
        projects: Vec::new(),
        address: None,
        valid: HOUR,
    };
    let taken = office.owner(|owner| owner.invite(&invitation)).unwrap_err().to_string();
    assert!(taken.contains("`web-1` is taken: that host is joined"), "{taken}");
    office.owner(|owner| owner.remove("web-1")).unwrap();
    let status = office.renew(&mut guest).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    let (_, credentials) = office.joined("web-1").await;
    // The first host's certificate counts for nothing; the second one's does.
    soon(|| !office.registrar.roster().borrow().revoked_certificates.is_empty()).await;
    let roster = office.registrar.roster().borrow().clone();
    assert!(!roster.revokes(&peer(&credentials)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_a_day_off_is_told_so_with_both_times() {
    let office = Office::open(|_| {}).await;
    let guest = Guest::with(&office.invite("web-1"));
    let mut said = guest.enrolment();
    let late = now().seconds + 24 * 60 * 60;
    said.at = Some(Timestamp { seconds: late, nanos: 0 });
    let request = sign_enrolment(&guest.signing, &said);
    let status = office.client(guest.recognise()).enrol(request).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    assert!(status.message().contains("the host's clock says"), "{status}");
    // Nothing was used up.
    office.credentials(&guest).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_notices_that_it_talks_to_the_wrong_authority_before_it_says_anything() {
    let (office, other) = (Office::open(|_| {}).await, Office::open(|_| {}).await);
    let guest = Guest::with(&office.invite("web-1"));
    let status = other.enrol(&guest).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert_eq!(other.steps("web-1"), []);
    office.credentials(&guest).await.unwrap();
}
