//! Requests: what is taken, what is refused, and what the target gets.

use proptest::prelude::*;

use super::*;

fn parse(head: &str) -> Result<Request, RequestError> {
    Request::parse(head.as_bytes())
}

fn forwarded(head: &str) -> (String, Body) {
    match parse(head) {
        Ok(Request { asks: Asks::Forward { head, body }, .. }) => {
            (String::from_utf8(head).unwrap(), body)
        }
        other => panic!("{head:?}: {other:?}"),
    }
}

#[test]
fn connect_is_a_tunnel_to_its_authority() {
    for head in [
        "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n",
        "CONNECT Example.ORG:443 HTTP/1.1\r\nHost: example.org\r\nProxy-Connection: x\r\n\r\n",
        "CONNECT example.org:443 HTTP/1.0\r\n\r\n",
        "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nContent-Length: 0\r\n\r\n",
    ] {
        let request = parse(head).unwrap();
        assert_eq!(
            (request.target.to_string().as_str(), request.asks),
            ("example.org:443", Asks::Tunnel)
        );
    }
}

#[test]
fn a_connect_that_says_two_things_is_refused() {
    for (head, error) in [
        ("CONNECT a:443 HTTP/1.1\r\nHost: b:443\r\n\r\n", RequestError::OtherHost),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:444\r\n\r\n", RequestError::OtherHost),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", RequestError::Host),
        ("CONNECT a:443 HTTP/1.1\r\nContent-Length: 5\r\n\r\n", RequestError::ConnectBody),
        ("CONNECT a:443 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", RequestError::ConnectBody),
    ] {
        assert_eq!(parse(head), Err(error), "{head:?}");
    }
    for authority in ["a", "a:0", "http://a:443", "u@a:443", "a.:443", "0x7f.1:443", "a:443/x"] {
        let refused = parse(&format!("CONNECT {authority} HTTP/1.1\r\n\r\n"));
        assert!(matches!(refused, Err(RequestError::Target(_))), "{authority}: {refused:?}");
    }
}

#[test]
fn a_request_is_written_anew_for_its_target() {
    let (head, body) = forwarded(
        "GET http://Example.org/a?b=c HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\n\
         Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic x\r\nUpgrade: h2c\r\n\
         Connection: X-Own, keep-alive\r\nX-Own: 1\r\nTE: trailers\r\n\r\n",
    );
    assert_eq!(
        head,
        "GET /a?b=c HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(body, Body::Length(0));
}

#[test]
fn paths_and_ports_are_those_of_the_uri() {
    let first = |head: &str| forwarded(head).0.split("\r\nConn").next().unwrap().to_owned();
    let get = |uri: &str, host: &str| first(&format!("GET {uri} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    assert_eq!(get("http://a", "a"), "GET / HTTP/1.1\r\nHost: a");
    assert_eq!(get("http://a?x", "a:80"), "GET /?x HTTP/1.1\r\nHost: a");
    assert_eq!(get("http://a:8080/y", "a:8080"), "GET /y HTTP/1.1\r\nHost: a:8080");
    assert_eq!(get("http://[::1]/", "[::1]"), "GET / HTTP/1.1\r\nHost: [::1]");
    assert_eq!(get("http://a//http://b/", "a"), "GET //http://b/ HTTP/1.1\r\nHost: a");
    assert_eq!(
        first("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n"),
        "OPTIONS * HTTP/1.1\r\nHost: a"
    );
}

#[test]
fn a_body_has_one_length() {
    let post = |fields: &str| parse(&format!("POST http://a/ HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    let body = |fields: &str| match post(fields) {
        Ok(Request { asks: Asks::Forward { body, .. }, .. }) => Ok(body),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    };
    assert_eq!(body("Content-Length: 12\r\n"), Ok(Body::Length(12)));
    assert_eq!(body("Transfer-Encoding: chunked\r\n"), Ok(Body::Chunked));
    for fields in [
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: 1\r\ncontent-length: 2\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x1\r\n",
        "Content-Length: \r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
    ] {
        assert_eq!(body(fields), Err(RequestError::Length), "{fields:?}");
    }
    let old = "POST http://a/ HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(parse(old), Err(RequestError::Length));
}

#[test]
fn lines_that_two_readers_could_split_in_two_ways_are_refused() {
    for head in [
        "GET http://a/ HTTP/1.1\nHost: a\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\n\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\0\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\nX: \u{b}\r\n\r\n",
        "\r\nGET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert!(parse(head).is_err(), "{head:?}");
    }
    for head in [
        "GET http://a/ HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\nNo colon\r\n\r\n",
        "GET  http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/ HTTP/2.0\r\nHost: a\r\n\r\n",
    ] {
        assert!(matches!(parse(head), Err(RequestError::Parse(_))), "{head:?}: {:?}", parse(head));
    }
}

#[test]
fn a_request_that_is_not_for_a_proxy_is_refused_with_what_to_write() {
    let get =
        |uri: &str, host: &str| parse(&format!("GET {uri} HTTP/1.1\r\n{host}\r\n")).unwrap_err();
    let host = "Host: a\r\n";
    assert_eq!(get("/", host), RequestError::Origin);
    assert_eq!(get("https://a/", host), RequestError::Scheme);
    assert_eq!(get("ftp://a/", host), RequestError::Scheme);
    assert_eq!(get("http://u:p@a/", host), RequestError::Uri);
    assert_eq!(get("http://a/#x", host), RequestError::Uri);
    assert_eq!(get("http://a/", ""), RequestError::Host);
    assert_eq!(get("http://a/", "Host: a\r\nHost: a\r\n"), RequestError::Host);
    assert_eq!(get("http://a/", "Host: b\r\n"), RequestError::OtherHost);
    assert_eq!(get("http://a:8080/", host), RequestError::OtherHost);
    assert_eq!(get("http://a/", "Host: a:8080\r\n"), RequestError::OtherHost);
    assert!(matches!(get("http://a.:80/", host), RequestError::Target(_)));
    assert!(matches!(get("http://2130706433/", host), RequestError::Target(_)));
    assert!(matches!(get("http:///x", host), RequestError::Target(_)));
}

#[test]
fn chunks_are_followed_to_their_end_and_no_further() {
    let follow = |bytes: &[u8]| {
        let mut chunked = Chunked::default();
        chunked.follow(bytes).map(|own| (own, chunked.is_done()))
    };
    assert_eq!(follow(b"5\r\nhello\r\n0\r\n\r\nGET /"), Ok((15, true)));
    assert_eq!(follow(b"5\r\nhel"), Ok((6, false)));
    assert_eq!(follow(b"00A\r\n0123456789\r\n"), Ok((17, false)));
    for bytes in [
        &b"5;x=y\r\nhello\r\n"[..],
        b"5 \r\nhello\r\n",
        b"+5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"\r\n",
        b"5\nhello\r\n",
        b"5\r\nhelloX\r\n",
        b"5\r\nhello\n",
        b"0\r\nX: y\r\n\r\n",
        b"fffffffffff\r\n",
    ] {
        assert_eq!(follow(bytes), Err(ChunkedError), "{}", bytes.escape_ascii());
    }
}

proptest! {
    #[test]
    fn chunks_read_the_same_however_they_are_cut(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..5),
        cuts in prop::collection::vec(1..20_usize, 1..60),
    ) {
        let mut bytes = Vec::new();
        for body in &bodies {
            bytes.extend(format!("{:x}\r\n", body.len()).bytes());
            bytes.extend(body);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        let length = bytes.len();
        bytes.extend(b"behind");
        let (mut chunked, mut rest, mut own) = (Chunked::default(), &bytes[..], 0);
        for cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            own += chunked.follow(now).unwrap();
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert!(chunked.is_done());
        prop_assert_eq!(own, length);
    }

    #[test]
    fn what_is_sent_on_is_understood_in_the_same_way(
        method in "[A-Z]{1,7}", name in "[a-z]{1,5}(\\.[a-z]{1,5})?", path in "[ -~]{0,12}",
        fields in prop::collection::vec(("[A-Za-z-]{1,18}", "[\\t\\r\\n -~]{0,12}"), 0..6),
    ) {
        let mut head = format!("{method} http://{name}/{path} HTTP/1.1\r\nHost: {name}\r\n");
        for (field, value) in &fields {
            let _ = write!(head, "{field}: {value}\r\n");
        }
        head.push_str("\r\n");
        if let Ok(Request { asks: Asks::Forward { head, .. }, .. }) = parse(&head) {
            prop_assert_eq!(head_length(&head), Some(head.len()));
            let mut space = [httparse::EMPTY_HEADER; MAX_FIELDS];
            let mut parsed = httparse::Request::new(&mut space);
            prop_assert!(parsed.parse(&head).unwrap().is_complete());
            let sent = Fields(parsed.headers);
            prop_assert_eq!(sent.all("host").collect::<Vec<_>>(), [name.as_bytes()]);
            prop_assert!(check_lines(&head).is_some());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Request::parse(&bytes);
        let _ = crate::response::Head::read(&bytes);
        let _ = Chunked::default().follow(&bytes);
    }
}
