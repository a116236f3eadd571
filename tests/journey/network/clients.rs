//! Real clients fetch what they are for, with nothing but the environment that
//! a run gets and the test authority's certificate.

use std::net::Ipv4Addr;

use cofferdam_tests::packages;
use cofferdam_tests::servers::{Files, http};

use super::{Net, missing};

/// Bytes of a file that is counted.
const SIZE: usize = 3 << 20;

#[test]
fn curl_in_a_cell_fetches_over_http_https_and_socks() {
    if missing("curl_in_a_cell_fetches_over_http_https_and_socks", "curl") {
        return;
    }
    let net = Net::start();
    net.files.put("/a", "there");
    let plain = net.run(&format!("curl -sS {}/a", net.http()));
    assert_eq!(plain.output(), "there");
    plain.reached_only(&net.plain);
    let curl = format!("curl -sS --cacert ca.pem {}/a", net.https());
    let tls = net.run(&curl);
    assert_eq!(tls.output(), "there");
    tls.reached_only(&net.tls);
    let socks = net.run(&format!("{curl} --proxy \"socks5h://${{http_proxy#http://}}\""));
    assert_eq!(socks.output(), "there");
    assert_eq!(net.tls.reached(), 2);
}

#[test]
fn a_name_is_looked_up_outside_the_cell() {
    if missing("a_name_is_looked_up_outside_the_cell", "curl") {
        return;
    }
    let files = Files::default();
    files.put("/a", "there");
    let named = http(Ipv4Addr::LOCALHOST.into(), files);
    let port = named.port();
    // The name, and the address that is not public and that it resolves to.
    let allow = ["localhost", "127.0.0.1"].map(|host| format!("{host}:{port}"));
    let net = Net::start_with(&allow);
    let ran = net.run(&format!("curl -sS --noproxy '' http://localhost:{port}/a"));
    assert_eq!(ran.output(), "there");
    assert_eq!(ran.network()[0]["destination"], allow[0], "{:#}", ran.0);
    assert_eq!(named.reached(), 1);
}

#[test]
fn the_bytes_that_the_outcome_tells_are_those_that_went_through() {
    if missing("the_bytes_that_the_outcome_tells_are_those_that_went_through", "curl") {
        return;
    }
    let net = Net::start();
    net.files.put("/large", vec![b'x'; SIZE]);
    for (url, overhead) in [(net.http(), 512), (net.https(), 64 * 1024)] {
        let ran = net.run(&format!("curl -sS --cacert ca.pem {url}/large | wc -c"));
        assert_eq!(ran.output().trim(), SIZE.to_string());
        let [one] = ran.network() else { panic!("{:#}", ran.0) };
        let received = usize::try_from(one["received_bytes"].as_u64().unwrap()).unwrap();
        assert!((SIZE..SIZE + overhead).contains(&received), "{one:#}");
        assert!((1..8192).contains(&one["sent_bytes"].as_u64().unwrap()), "{one:#}");
    }
}

#[test]
fn git_in_a_cell_clones_over_https() {
    if missing("git_in_a_cell_clones_over_https", "git") {
        return;
    }
    let net = Net::start();
    packages::repository(&net.files);
    let clone = "git -c http.sslCAInfo=$PWD/ca.pem clone -q";
    let ran = net.run(&format!("{clone} {}/repo.git here && cat here/README", net.https()));
    assert_eq!(ran.output(), "hello\n");
    ran.reached_only(&net.tls);
}

#[test]
fn pip_in_a_cell_installs_from_an_index() {
    if missing("pip_in_a_cell_installs_from_an_index", "pip") {
        return;
    }
    let net = Net::start();
    packages::wheel(&net.files);
    // Not by the shims of pyenv, which want to write beside themselves afterwards.
    let ran = net.run(&format!(
        "python=$(python3 -c 'import sys; print(sys.executable)')
         $python -m pip install -q --disable-pip-version-check --root-user-action ignore \
             --cert ca.pem --index-url {}/simple/ --target lib sample &&
         PYTHONPATH=lib $python -c 'import sample; print(sample.WORD)'",
        net.https()
    ));
    assert_eq!(ran.output(), "sample\n");
    ran.reached_only(&net.tls);
}

#[test]
fn npm_in_a_cell_installs_from_a_registry() {
    if missing("npm_in_a_cell_installs_from_a_registry", "npm") {
        return;
    }
    let net = Net::start();
    packages::npm_package(&net.files, &net.https());
    std::fs::write(net.dev.workspace.join("package.json"), r#"{"name":"own"}"#).unwrap();
    let ran = net.run(&format!(
        "npm install --silent --fetch-retries 0 --no-audit --no-fund --no-update-notifier --cafile ca.pem \
         --registry {}/ sample && node -p \"require('sample')\"",
        net.https()
    ));
    assert!(ran.output().ends_with("sample\n"), "{:#}", ran.0);
    ran.reached_only(&net.tls);
}

#[test]
fn cargo_in_a_cell_fetches_and_builds_from_a_registry() {
    let test = "cargo_in_a_cell_fetches_and_builds_from_a_registry";
    if missing(test, "cargo") || missing(test, "cc") {
        return;
    }
    let net = Net::start();
    packages::published_crate(&net.files, &net.https());
    packages::project(&net.dev.workspace, &net.https());
    let own = "export CARGO_HOME=$PWD/cargo-home CARGO_HTTP_CAINFO=$PWD/ca.pem";
    let fetched = net.run(&format!("{own}; cargo fetch -q"));
    fetched.output();
    fetched.reached_only(&net.tls);
    let built = net.run(&format!("{own}; cargo run -q --offline"));
    assert_eq!(built.output(), "sample\n");
    assert!(built.network().is_empty(), "{:#}", built.0);
}
