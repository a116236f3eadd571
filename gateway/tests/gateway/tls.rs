//! TLS towards MCP clients.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cofferdam_gateway::{Config, Service, StartError};
use serde_json::json;

use crate::service::{Served, prepare};

const TLS: &str = "[tls]\ncertificate = \"front.crt\"\nkey = \"front.key\"";

/// A certificate for loopback, and its key.
fn write_front(directory: &Path) {
    let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
    let front = rcgen::generate_simple_self_signed(names).unwrap();
    std::fs::write(directory.join("front.crt"), front.cert.pem()).unwrap();
    let key = directory.join("front.key");
    std::fs::write(&key, front.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn the_endpoint_speaks_tls_where_it_is_configured_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    write_front(directory.path());
    let token = prepare(directory.path(), TLS);
    let served = Served::serve(directory, token).await;
    assert!(served.url.starts_with("https://127.0.0.1:"), "{}", served.url);
    assert_eq!(served.request("tools/list", json!({})).await.0, 200);
    let plain = served.url.replace("https", "http");
    assert!(served.client().get(plain).send().await.is_err());
}

#[tokio::test]
async fn a_key_that_everybody_can_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    write_front(directory.path());
    prepare(directory.path(), TLS);
    let key = directory.path().join("front.key");
    std::fs::set_permissions(key, PermissionsExt::from_mode(0o644)).unwrap();
    let config = Config::load(&directory.path().join("gateway.toml")).unwrap();
    let error = Service::start(config).await.err().unwrap();
    assert!(matches!(error, StartError::Tls(_)), "{error}");
    assert!(error.to_string().contains("chmod"), "{error}");
}

#[tokio::test]
async fn another_gateways_certificate_is_refused_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    prepare(directory.path(), "");
    let path = directory.path().join("gateway.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("name = \"main\"", "name = \"other\"")).unwrap();
    let error = Service::start(Config::load(&path).unwrap()).await.err().unwrap();
    assert!(error.to_string().contains("gateway/other"), "{error}");
}

#[tokio::test]
async fn an_address_in_use_is_told() {
    let served = Served::start().await;
    let address = served.url.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap();
    let directory = tempfile::tempdir().unwrap();
    prepare(directory.path(), "");
    let path = directory.path().join("gateway.toml");
    let text = std::fs::read_to_string(&path).unwrap().replace("127.0.0.1:0", address);
    std::fs::write(&path, text).unwrap();
    let error = Service::start(Config::load(&path).unwrap()).await.err().unwrap();
    assert!(error.to_string().contains("cannot listen on"), "{error}");
}
