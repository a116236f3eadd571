//! Whatever a run sends as HTTP, reading it ends without a panic, and what is
//! sent on can be read in one way only: a second reading of the rewritten head
//! finds the same request, one `Host`, and one length or none.
//!
//! The input is a head, and what follows its empty line: the same bytes are
//! followed as chunks, in one piece and cut in two.
#![no_main]

use cofferdam_proxy::request::{Asks, Body, Chunked, Request, head_length};
use cofferdam_proxy::response::Head;
use libfuzzer_sys::fuzz_target;

fn sent_on(request: &Request, head: &[u8], body: Body) {
    assert_eq!(head_length(head), Some(head.len()), "the head ends where it ends");
    let mut space = [httparse::EMPTY_HEADER; 110];
    let mut parsed = httparse::Request::new(&mut space);
    let whole = parsed.parse(head).is_ok_and(|status| status.is_complete());
    assert!(whole, "the head can be read");
    let values = |name: &str| {
        let named = parsed.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value).collect::<Vec<_>>()
    };
    let place = request.target.place.to_string();
    assert!(values("host").len() == 1 && values("host")[0].starts_with(place.as_bytes()));
    assert_eq!(values("connection"), [b"close"]);
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
    match body {
        Body::Chunked => assert!(lengths.is_empty() && codings == [b"chunked"]),
        Body::Length(0) => assert!(lengths.len() <= 1 && codings.is_empty()),
        Body::Length(_) => assert!(lengths.len() == 1 && codings.is_empty()),
    }
}

fuzz_target!(|data: &[u8]| {
    let end = head_length(data).unwrap_or(data.len());
    let (head, rest) = data.split_at(end);
    if let Ok(request) = Request::parse(head)
        && let Asks::Forward { head, body } = &request.asks
    {
        sent_on(&request, head, *body);
    }
    if let Ok(Some(head)) = Head::read(data) {
        assert!(head.length <= data.len());
    }
    let (mut at_once, mut cut) = (Chunked::default(), Chunked::default());
    let whole = at_once.follow(rest);
    let (first, second) = rest.split_at(rest.len() / 2);
    let parts = cut.follow(first).and_then(|own| Ok(own + cut.follow(second)?));
    assert_eq!(whole, parts, "chunks read the same however they are cut");
});
