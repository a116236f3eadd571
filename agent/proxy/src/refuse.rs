//! Refusals in words: what was asked, which setting governs it, what is allowed.
//! The reader is a model that can ask for another grant or do without.

use std::fmt::Write as _;
use std::net::IpAddr;

use cofferdam_proxy_protocol::{AllowList, Block, Lists, Refusal, RefusalKind, Target, special};

/// Bytes of destinations that a refusal lists.
const MAX_LISTED: usize = 600;
/// Bytes of a status line's words: some clients show nothing else.
const MAX_REASON: usize = 160;

/// No destination of `list` names `target`.
pub(crate) fn not_allowed(target: &Target, list: Option<&AllowList>, lists: &Lists) -> Refusal {
    let setting = setting(list);
    let mut words = format!("`{target}` is not allowed: {setting} does not name it. ");
    let names = lists.names();
    if names.is_empty() {
        words.push_str("No name is allowed.");
    } else {
        words.push_str("Allowed: ");
        let mut told = 0;
        for (index, destination) in names.iter().enumerate() {
            let text = destination.to_string();
            if told + text.len() > MAX_LISTED {
                // Writing to a String does not fail.
                let _ = write!(words, " and {} more", names.len() - index);
                break;
            }
            told += text.len();
            let comma = if index == 0 { "" } else { ", " };
            let _ = write!(words, "{comma}{text}");
        }
        words.push('.');
    }
    Refusal::new(RefusalKind::NotAllowed, words)
}

/// `target` is `address`, or resolves to it, and that needs a destination of
/// its own.
pub(crate) fn address(target: &Target, address: IpAddr, list: Option<&AllowList>) -> Refusal {
    let what = special::of(address).map_or("an address of this host", |special| special.what);
    let setting = setting(list);
    let named = format!("{}:{}", Block::single(address), target.port);
    let words = format!(
        "`{target}` is at {address}, which is {what}: {setting} would have to name `{named}` too."
    );
    Refusal::new(RefusalKind::Address, words)
}

/// What was spoken to `target` is not TLS.
pub(crate) fn not_tls(target: &Target, why: &str) -> Refusal {
    let words = format!(
        "`{target}` must speak TLS, and {why}; `network.allow` would have to name `tcp://{target}`."
    );
    Refusal::new(RefusalKind::NotTls, words)
}

/// The TLS greeting to `target` names another server, or none.
pub(crate) fn server_name(target: &Target, server_name: Option<&str>) -> Refusal {
    let words = match server_name {
        Some(other) => {
            format!(
                "the TLS greeting to `{target}` asks for `{other}`; it must ask for what was connected to."
            )
        }
        None => format!(
            "the TLS greeting to `{target}` has no server name; connect with one, or `network.allow` would have to name `tcp://{target}`."
        ),
    };
    Refusal::new(RefusalKind::ServerName, words)
}

fn setting(list: Option<&AllowList>) -> &str {
    list.map_or("`network.allow`", |list| list.setting.as_str())
}

/// The refusal as an HTTP answer. Its first words stand in the status line too
/// (RFC 9112, section 4), `Proxy-Status` has the kind (RFC 9209).
pub(crate) fn http(refusal: &Refusal) -> Vec<u8> {
    let (status, error) = match refusal.kind {
        RefusalKind::Malformed => (400, "http_request_error"),
        RefusalKind::TimedOut => (408, "http_request_error"),
        RefusalKind::Address => (403, "destination_ip_prohibited"),
        RefusalKind::NotAllowed | RefusalKind::NotTls | RefusalKind::ServerName => {
            (403, "http_request_denied")
        }
        RefusalKind::Unresolved => (502, "dns_error"),
        RefusalKind::Unreachable => (502, "destination_unavailable"),
    };
    let detail = &refusal.detail;
    let printable = detail.chars().filter(|c| c.is_ascii_graphic() || *c == ' ');
    let reason: String = printable.take(MAX_REASON).collect();
    let body = format!("cofferdam: {detail}\n");
    format!(
        "HTTP/1.1 {status} cofferdam: {reason}\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\n\
         Proxy-Status: cofferdam; error={error}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
