//! Messages between agent and proxy: one encoding for each value, nothing
//! hostile decodes, and a listener's socket travels with its request.

#![allow(clippy::unwrap_used, reason = "a test may fail so")]

use std::os::fd::AsFd;

use cofferdam_plan::channel;
use cofferdam_plan::{Decode, Encode};
use cofferdam_proxy_protocol::{
    AllowList, ConnectionReport, ListenerId, Lists, Protocol, ProxyEvent, ProxyRequest, Refusal,
    RefusalKind, ServeLimits, Totals, Verdict,
};
use proptest::prelude::*;

fn serve(texts: &[&str]) -> ProxyRequest {
    let destinations = texts.iter().map(|text| text.parse().unwrap()).collect();
    let list = AllowList { setting: "`network.allow` of profile `build`".to_owned(), destinations };
    ProxyRequest::Serve {
        listener: ListenerId(7),
        lists: Lists(vec![list.clone(), list]),
        limits: ServeLimits::default(),
    }
}

fn report(verdict: Verdict) -> ProxyEvent {
    ProxyEvent::Connection(ConnectionReport {
        listener: ListenerId(7),
        protocol: Protocol::Socks5,
        name: "example.org".to_owned(),
        port: 443,
        address: Some("2001:db8::1".parse().unwrap()),
        verdict,
        sent: 1,
        received: u64::MAX,
        micros: 3,
    })
}

fn comes_back<M: Encode + Decode + PartialEq + std::fmt::Debug>(message: &M) {
    let body = message.to_frame();
    assert!(body.len() <= M::MAX_FRAME);
    assert_eq!(M::from_frame(&body).as_ref(), Ok(message));
    for end in 0..body.len() {
        assert!(M::from_frame(&body[..end]).is_err());
    }
}

#[test]
fn every_message_comes_back_as_it_was_and_never_in_part() {
    comes_back(&serve(&["*.example.org:443", "tcp://10.0.0.0/8:1-65535", "[::1]:80"]));
    comes_back(&ProxyRequest::Stop { listener: ListenerId(u64::MAX) });
    comes_back(&ProxyEvent::Serving { listener: ListenerId(1) });
    comes_back(&ProxyEvent::Refused { listener: ListenerId(1), reason: "no".to_owned() });
    comes_back(&report(Verdict::Allowed));
    comes_back(&report(Verdict::Refused(Refusal::new(RefusalKind::TimedOut, "slow"))));
    let totals = Totals { allowed: 1, refused: 2, unreported: 3, sent: 4, received: 5 };
    comes_back(&ProxyEvent::Stopped { listener: ListenerId(1), totals });
}

#[test]
fn words_are_made_plain_and_cut_to_what_an_event_carries() {
    let refusal = Refusal::new(RefusalKind::Malformed, "é\0\n".repeat(2000));
    assert_eq!(refusal.detail.len(), 1000);
    comes_back(&report(Verdict::Refused(refusal)));
}

#[test]
fn a_destination_in_another_spelling_is_refused() {
    let body = serve(&["example.org:443"]).to_frame();
    let spelled = String::from_utf8_lossy(&body).replace("example.org", "Example.org");
    assert!(ProxyRequest::from_frame(spelled.as_bytes()).is_err());
}

#[test]
fn the_listening_socket_travels_with_its_request() {
    let (agent, proxy) = std::os::unix::net::UnixStream::pair().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let request = serve(&["example.org:443"]);
    channel::send(&agent, &request, &[listener.as_fd()]).unwrap();
    let (received, descriptors) = channel::receive::<ProxyRequest>(&proxy).unwrap();
    assert_eq!((received, descriptors.len()), (request, 1));
    let theirs: std::net::TcpListener = descriptors.into_iter().next().unwrap().into();
    assert_eq!(theirs.local_addr().unwrap(), listener.local_addr().unwrap());
}

proptest! {
    #[test]
    fn any_bytes_decode_to_what_encodes_to_them_or_not_at_all(
        body in prop::collection::vec(any::<u8>(), 0..200)
    ) {
        let body = [&[1], &body[..]].concat();
        if let Ok(request) = ProxyRequest::from_frame(&body) {
            prop_assert_eq!(request.to_frame(), &body[..]);
        }
        if let Ok(event) = ProxyEvent::from_frame(&body) {
            prop_assert_eq!(event.to_frame(), &body[..]);
        }
    }
}
