//! What is told of the gateway to whoever collects metrics, and how little can be done
//! to it there.
#![allow(clippy::float_cmp, reason = "counts are whole, and compared as they are written")]

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::host::Script;
use crate::service::Served;

const LISTEN: &str = "[metrics]\nlisten = \"127.0.0.1:0\"\n";

/// The text, as a collector gets it.
pub(crate) async fn metrics(served: &Served) -> String {
    // What was told is told again for a second.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let url = format!("http://{}/metrics", served.metrics.unwrap());
    let response = served.client().get(url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.text().await.unwrap()
}

/// The value of a sample, by its name and labels.
pub(crate) fn value(text: &str, sample: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{sample} is missing in\n{text}")).parse().unwrap()
}

#[tokio::test]
async fn a_page_that_leads_its_own_name_to_loopback_reads_nothing() {
    // The same address twice: a socket for IPv6 serves IPv4 too.
    let mapped = LISTEN.replace("127.0.0.1", "[::ffff:127.0.0.1]");
    for listen in [LISTEN, &mapped] {
        let (served, _host) = Served::start_with_host_and(None, Script::default(), listen).await;
        let port = served.metrics.unwrap().port();
        let ask = |host: String| {
            let url = format!("http://127.0.0.1:{port}/metrics");
            let asked = served.client().get(url).header("host", host).send();
            async move { asked.await.unwrap().status().as_u16() }
        };
        for host in
            ["attacker.example", "127.0.0.1.attacker.example", "localhost.attacker.example", ""]
        {
            assert_eq!(ask(host.to_owned()).await, 403, "{host:?} at {listen}");
        }
        for host in ["localhost", "127.0.0.1", "[::1]:80", "[::ffff:127.0.0.1]:9464"] {
            assert_eq!(ask(host.to_owned()).await, 200, "{host:?} at {listen}");
        }
    }
}

#[tokio::test]
async fn calls_are_counted_by_tool_and_end_and_nothing_that_a_caller_says_is_a_label() {
    let (served, _host) = Served::start_with_host_and(None, Script::default(), LISTEN).await;
    let run = |command: &str| served.call("execute_command", json!({ "command": command }));
    run("uname -a").await;
    run("sudo id").await;
    served.call("read_file", json!({ "path": "hunter2.txt", "no": "such" })).await;
    served.call("hunter2", json!({})).await;
    served.client().post(&served.url).bearer_auth("hunter2").body("{}").send().await.unwrap();
    let text = metrics(&served).await;
    let calls = |tool: &str, outcome: &str| {
        let sample = format!("cofferdam_calls_total{{tool=\"{tool}\",outcome=\"{outcome}\"}}");
        value(&text, &sample)
    };
    assert_eq!(calls("execute_command", "exited"), 1.0);
    assert_eq!(calls("execute_command", "denied"), 1.0);
    assert_eq!(calls("read_file", "bad_input"), 1.0);
    assert_eq!(calls("other", "bad_input"), 1.0);
    assert_eq!(value(&text, "cofferdam_call_seconds_count{tool=\"execute_command\"}"), 2.0);
    assert_eq!(value(&text, "cofferdam_requests_refused_total{reason=\"UNAUTHENTICATED\"}"), 1.0);
    assert_eq!(value(&text, "cofferdam_calls_under_way"), 0.0);
    assert_eq!(value(&text, "cofferdam_journal_failed"), 0.0);
    assert!(value(&text, "cofferdam_journal_sequence{state=\"durable\"}") > 4.0);
    assert!(value(&text, "cofferdam_journal_sync_seconds_count") >= 1.0);
    assert!(value(&text, "cofferdam_journal_size_bytes") > 1000.0);
    let left = value(&text, "cofferdam_lapse_left_seconds{what=\"own\"}");
    assert!((3000.0..=3600.0).contains(&left), "{left}");
    for secret in ["hunter2", "ada", &served.token, "uname", "/srv/site"] {
        assert!(!text.contains(secret), "{secret} is told in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn what_waits_for_people_and_what_hits_a_limit_is_told() {
    let more = format!(
        "{LISTEN}[approvals]\npatience_seconds = 1\n\
         [limits]\nrequests_per_second_per_subject = 1\n"
    );
    let (served, _host) = Served::start_with_host_and(None, Script::default(), &more).await;
    served.call("execute_command", json!({ "command": "git push" })).await;
    for _ in 0..12 {
        served.request("tools/list", json!({})).await;
    }
    let text = metrics(&served).await;
    assert_eq!(value(&text, "cofferdam_approvals_waiting"), 1.0);
    assert_eq!(value(&text, "cofferdam_approval_steps_total{step=\"requested\"}"), 1.0);
    let limit = "cofferdam_limits_hit_total{limit=\"requests_per_second_per_subject\"}";
    assert!(value(&text, limit) >= 1.0);
}

#[tokio::test]
async fn a_host_that_is_down_is_told_with_the_wait_until_it_is_asked_again() {
    let served = Served::start_with(LISTEN).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let text = metrics(&served).await;
    assert_eq!(value(&text, "cofferdam_host_up{host=\"down\"}"), 0.0);
    let wait = value(&text, "cofferdam_host_retry_seconds{host=\"down\"}");
    assert!((0.0..36.0).contains(&wait), "{wait}");
}

#[tokio::test]
async fn nobody_is_told_unless_it_is_configured_and_the_endpoint_for_calls_tells_nobody() {
    let served = Served::start().await;
    assert_eq!(served.metrics, None);
    let url = served.url.replace("/mcp", "/metrics");
    assert_eq!(served.client().get(url).send().await.unwrap().status(), 404);
}

/// What comes back to these bytes, until the connection ends or for so long.
async fn told(address: SocketAddr, sent: &[u8], patience: Duration) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    let exchange = async {
        // It may be closed before all of it is taken.
        stream.write_all(sent).await.ok();
        stream.read_to_end(&mut answer).await.ok();
    };
    tokio::time::timeout(patience, exchange).await.ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_are_refused_and_take_nothing_from_the_next_one() {
    let served = Served::start_with(LISTEN).await;
    let address = served.metrics.unwrap();
    let patience = Duration::from_secs(10);
    let close = "connection: close\r\nhost: a\r\n";
    let long = format!("GET /metrics HTTP/1.1\r\n{close}x: {}\r\n\r\n", "a".repeat(1 << 20));
    let many = format!("GET /metrics HTTP/1.1\r\n{close}{}\r\n", "x: y\r\n".repeat(10_000));
    let path = format!("GET /{} HTTP/1.1\r\n{close}\r\n", "a".repeat(1 << 20));
    let body = format!("POST /metrics HTTP/1.1\r\n{close}content-length: 9999999999\r\n\r\nabc");
    let other = format!("GET /metrics/../etc/passwd HTTP/1.1\r\n{close}\r\n");
    for (sent, expected) in [
        (long.as_bytes(), "HTTP/1.1 431 "),
        (many.as_bytes(), "HTTP/1.1 431 "),
        (path.as_bytes(), "HTTP/1.1 4"),
        (body.as_bytes(), "HTTP/1.1 405 "),
        (other.as_bytes(), "HTTP/1.1 404 "),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", ""),
        (&[0xff; 4096], "HTTP/1.1 400 "),
    ] {
        let answer = told(address, sent, patience).await;
        let begin = String::from_utf8_lossy(&sent[..sent.len().min(40)]).into_owned();
        assert!(
            answer.starts_with(expected),
            "{begin}: {}",
            answer.chars().take(200).collect::<String>()
        );
        assert!(!answer.contains("cofferdam_"), "{begin}");
    }
    metrics(&served).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_give_their_places_back_and_many_askers_are_all_answered() {
    let served = Served::start_with(LISTEN).await;
    let address = served.metrics.unwrap();
    let mut silent = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost:").await.unwrap();
        silent.push(stream);
    }
    let began = Instant::now();
    // Forty take sixteen places three times, each for fifteen seconds at most.
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(2)).build();
    let url = format!("http://{address}/metrics");
    let answer = client.unwrap().get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
    let began = Instant::now();
    let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    // Some leave before they are answered.
    for _ in 0..100 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
    }
    let asking = (0..200).map(|_| told(address, request, Duration::from_secs(30)));
    let asking: Vec<_> = asking.map(tokio::spawn).collect();
    for answer in asking {
        let answer = answer.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("# EOF"), "{answer}");
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

/// Names in the README's table, without prefix and ending, each with whether it is the
/// gateway's or the agent's.
fn documented() -> Vec<(String, bool, bool)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `cofferdam_"));
    let mut names = Vec::new();
    for row in rows {
        let first = row.split('|').next().unwrap();
        let whose = first.rsplit('`').next().unwrap();
        for name in format!("`cofferdam_{first}").split('`').skip(1).step_by(2) {
            let name = name.strip_prefix("cofferdam_").unwrap().trim_end_matches("_total");
            names.push((name.to_owned(), whose.contains('G'), whose.contains('A')));
        }
    }
    names
}

#[tokio::test]
async fn every_metric_is_in_the_readme_and_nothing_there_is_made_up() {
    let documented = documented();
    assert!(documented.len() > 30, "{documented:?}");
    let (served, _host) = Served::start_with_host_and(None, Script::default(), LISTEN).await;
    served.call("read_file", json!({ "path": "a" })).await;
    let text = metrics(&served).await;
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE cofferdam_")) {
        let name = line.split(' ').next().unwrap();
        let known = documented.iter().any(|(known, gateway, _)| known == name && *gateway);
        assert!(known, "{name} is not in the README");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |paths: &[&str]| -> String {
        paths.iter().map(|path| std::fs::read_to_string(root.join(path)).unwrap()).collect()
    };
    let shared =
        ["journal.rs", "lapses.rs", "renewals.rs"].map(|it| format!("proto/metrics/src/{it}"));
    let shared = read(&shared.each_ref().map(String::as_str));
    let gateway = read(&["gateway/src/metrics.rs", "gateway/src/metrics/now.rs"]);
    let agent = read(&["agent/daemon/src/metrics.rs"]);
    for (name, of_gateway, of_agent) in documented {
        let literal = format!("\"{name}\"");
        let is_there = |own: &str| own.contains(&literal) || shared.contains(&literal);
        assert!(!of_gateway || is_there(&gateway), "the gateway has no {name}");
        assert!(!of_agent || is_there(&agent), "the agent has no {name}");
    }
}
