//! Bytes of strangers: cut, grown, changed, and connections that say nothing.

use cofferdam_authority::Approval;
use cofferdam_proto::join::v1::{EnrolRequest, Enrolment, RenewRequest, WatchRequest};
use cofferdam_trust::{MAX_CLAIM, sign_enrolment};
use tonic::Code;

use crate::office::{Guest, Office};

/// What a stranger may be told.
const REFUSALS: [Code; 4] =
    [Code::InvalidArgument, Code::Unauthenticated, Code::OutOfRange, Code::ResourceExhausted];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused_by_all_three() {
    let office = Office::open(|_| {}).await;
    let guest = Guest::with(&office.invite("web-1"));
    let mut client = office.client(guest.recognise());
    let long = vec![0; MAX_CLAIM + 1];
    for bytes in [Vec::new(), vec![0xff; 64], b"hello".to_vec(), long, vec![0; 1 << 20]] {
        let signature = vec![7; 64];
        let enrol = EnrolRequest { enrolment: bytes.clone(), signature: signature.clone() };
        let renew = RenewRequest { renewal: bytes.clone(), signature: signature.clone() };
        let watch = WatchRequest { watching: bytes, signature };
        let codes = [
            client.enrol(enrol).await.unwrap_err().code(),
            client.renew(renew).await.unwrap_err().code(),
            client.watch(watch).await.unwrap_err().code(),
        ];
        assert!(codes.iter().all(|code| REFUSALS.contains(code)), "{codes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_changed_anywhere_is_refused_and_uses_nothing_up() {
    let office = Office::open(|_| {}).await;
    let guest = Guest::with(&office.invite("web-1"));
    let good = sign_enrolment(&guest.signing, &guest.enrolment());
    let mut client = office.client(guest.recognise());
    for at in (0..good.enrolment.len()).step_by(7) {
        let mut changed = good.clone();
        changed.enrolment[at] ^= 1;
        let status = client.enrol(changed).await.unwrap_err();
        assert!(REFUSALS.contains(&status.code()), "byte {at}: {status}");
    }
    office.credentials(&guest).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn names_addresses_and_versions_that_cannot_be_are_refused_though_they_are_signed() {
    let office = Office::open(|it| it.approval = Approval::Required).await;
    let guest = Guest::with(&office.invite("web-1"));
    let mut client = office.client(guest.recognise());
    let said = || guest.enrolment();
    let wrong = [
        Enrolment { host: "../web-1".to_owned(), ..said() },
        Enrolment { host: "a".repeat(64), ..said() },
        Enrolment { token: Vec::new(), ..said() },
        Enrolment { request: Vec::new(), ..said() },
        Enrolment { request: vec![0x30; 512], ..said() },
        Enrolment { signing_key: "ed25519:AAAA".to_owned(), ..said() },
        Enrolment { address: "http://169.254.169.254/".to_owned(), ..said() },
        Enrolment { agent_version: "\u{1b}[2J".to_owned(), ..said() },
        Enrolment { at: None, ..said() },
    ];
    for wrong in wrong {
        let status = client.enrol(sign_enrolment(&guest.signing, &wrong)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{wrong:?}: {status}");
    }
    office.enrol(&guest).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_connects_and_says_nothing_keeps_nobody_out() {
    let office = Office::open(|_| {}).await;
    let mut silent = Vec::new();
    for _ in 0..80 {
        silent.push(tokio::net::TcpStream::connect(office.address()).await.unwrap());
    }
    // Those beyond the share of one address are closed at once.
    let mut closed = 0;
    for stream in &silent {
        let gone = tokio::time::timeout(std::time::Duration::from_millis(50), stream.readable());
        closed += usize::from(gone.await.is_ok());
    }
    assert!(closed >= 16, "{closed}");
    drop(silent);
    office.joined("web-1").await;
}
