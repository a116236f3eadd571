//! Real clients through the proxy, against servers that the tests start, with
//! nothing but the environment that a run gets.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Output};

use cofferdam_proxy_protocol::{Protocol, Verdict, environment};
use cofferdam_tests::packages;
use cofferdam_tests::servers::{self, Authority, Files, Server};

use crate::dns::Dns;
use crate::harness::{Entry, Proxy};

/// A server, a proxy that reaches it by one name, and a home for a client.
struct Setting {
    authority: Authority,
    server: Server,
    files: Files,
    proxy: Proxy,
    entry: Entry,
    home: tempfile::TempDir,
    _dns: Dns,
}

impl Setting {
    /// Serves `name` over TLS, which the proxy checks.
    fn over_tls(name: &str) -> Self {
        let (authority, files) = (Authority::create(), Files::default());
        let server = servers::https(Ipv4Addr::LOCALHOST.into(), &authority, &[name], files.clone());
        Self::with(name, "tls://", authority, files, server)
    }

    fn plain(name: &str) -> Self {
        let (authority, files) = (Authority::create(), Files::default());
        let server = servers::http(Ipv4Addr::LOCALHOST.into(), files.clone());
        Self::with(name, "", authority, files, server)
    }

    fn with(name: &str, scheme: &str, authority: Authority, files: Files, server: Server) -> Self {
        let dns = Dns::start();
        dns.set(name, &[&["127.0.0.1"]]);
        dns.set("other.test", &[&["127.0.0.1"]]);
        let proxy = Proxy::start(dns.address);
        let port = server.port();
        let entry = proxy.serve(&[&format!("{scheme}{name}:{port}"), &format!("127.0.0.1:{port}")]);
        let home = tempfile::tempdir().unwrap();
        Self { authority, server, files, proxy, entry, home, _dns: dns }
    }

    /// A client with a clean environment and the proxy's variables.
    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(
                ["PATH", "RUSTUP_HOME", "PYENV_ROOT"]
                    .iter()
                    .filter_map(|n| Some((n, std::env::var_os(n)?))),
            )
            .env("HOME", self.home.path())
            .env("LC_ALL", "C")
            .envs(environment(self.entry.address))
            .current_dir(self.home.path());
        command
    }

    fn url(&self, name: &str, path: &str) -> String {
        format!("https://{name}:{}{path}", self.server.port())
    }

    /// Every connection so far was allowed and to `name`.
    fn all_were_to(&self, name: &str) {
        let totals = self.proxy.stop(self.entry);
        assert!(totals.allowed > 0 && totals.refused == 0, "{totals:?}");
        assert_eq!(totals.allowed, self.server.reached());
        for _ in 0..totals.allowed {
            let report = self.proxy.report(self.entry);
            assert_eq!((report.name.as_str(), report.verdict), (name, Verdict::Allowed));
            assert!(report.sent > 0 && report.received > 0);
        }
    }
}

/// What a client said, if it did what it was asked to.
fn succeeds(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", words(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn fails(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{command:?}\n{}", words(&output));
    words(&output)
}

fn words(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

/// Skips a test whose client is not installed.
fn missing(test: &str, program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success());
    if !there {
        cofferdam_tests::skip(test, &format!("{program} is not installed"));
    }
    !there
}

#[test]
fn curl_fetches_over_http_https_and_socks() {
    if missing("curl_fetches_over_http_https_and_socks", "curl") {
        return;
    }
    let plain = Setting::plain("files.test");
    plain.files.put("/a", "plain");
    let mut curl = plain.client("curl");
    curl.args(["-sS", &format!("http://files.test:{}/a", plain.server.port())]);
    assert_eq!(succeeds(curl), "plain");
    assert_eq!(plain.proxy.report(plain.entry).protocol, Protocol::Http);

    let tls = Setting::over_tls("files.test");
    tls.files.put("/a", "secret");
    let get = |name: &str, proxy: Option<&str>| {
        let mut curl = tls.client("curl");
        curl.args(["-sS", "--cacert"]).arg(tls.authority.certificate()).arg(tls.url(name, "/a"));
        if let Some(proxy) = proxy {
            curl.args(["--proxy", proxy]);
        }
        curl
    };
    assert_eq!(succeeds(get("files.test", None)), "secret");
    let socks = format!("socks5h://{}", tls.entry.address);
    assert_eq!(succeeds(get("files.test", Some(&socks))), "secret");
    let protocols = [0, 1].map(|_| tls.proxy.report(tls.entry).protocol);
    assert_eq!(protocols, [Protocol::Connect, Protocol::Socks5]);
    assert!(fails(get("other.test", None)).contains("403"));
    assert!(fails(get("other.test", Some(&socks))).contains("SOCKS5"));
}

#[test]
fn curl_shows_the_words_of_a_refused_plain_request() {
    if missing("curl_shows_the_words_of_a_refused_plain_request", "curl") {
        return;
    }
    let setting = Setting::plain("files.test");
    let mut curl = setting.client("curl");
    curl.args(["-sS", &format!("http://other.test:{}/a", setting.server.port())]);
    let said = succeeds(curl);
    assert!(
        said.starts_with("cofferdam: `other.test:") && said.contains("Allowed: files.test"),
        "{said}"
    );
}

#[test]
fn curl_to_another_server_behind_the_same_address_is_refused() {
    if missing("curl_to_another_server_behind_the_same_address_is_refused", "curl") {
        return;
    }
    let setting = Setting::over_tls("files.test");
    let port = setting.server.port();
    let mut curl = setting.client("curl");
    // CONNECT to the allowed name, and TLS to another one.
    curl.args(["-sS", "--connect-to", &format!("other.test:{port}:files.test:{port}")])
        .arg("--cacert")
        .arg(setting.authority.certificate())
        .arg(setting.url("other.test", "/a"));
    fails(curl);
    let (kind, words) = setting.proxy.refusal(setting.entry);
    assert_eq!(kind, cofferdam_proxy_protocol::RefusalKind::ServerName, "{words}");
}

#[test]
fn git_clones_over_https() {
    if missing("git_clones_over_https", "git") {
        return;
    }
    let setting = Setting::over_tls("git.test");
    packages::repository(&setting.files);
    let mut clone = setting.client("git");
    clone.env("GIT_SSL_CAINFO", setting.authority.certificate()).args([
        "clone",
        "-q",
        &setting.url("git.test", "/repo.git"),
        "here",
    ]);
    succeeds(clone);
    assert_eq!(
        std::fs::read_to_string(setting.home.path().join("here/README")).unwrap(),
        "hello\n"
    );
    setting.all_were_to("git.test");
}

#[test]
fn pip_installs_from_an_index() {
    if missing("pip_installs_from_an_index", "pip") {
        return;
    }
    let setting = Setting::over_tls("pypi.test");
    packages::wheel(&setting.files);
    let mut pip = setting.client("pip");
    pip.env("PIP_CONFIG_FILE", "/dev/null")
        .args(["install", "-q", "--no-cache-dir", "--disable-pip-version-check", "--target", "lib"])
        .args(["--index-url", &setting.url("pypi.test", "/simple/"), "--cert"])
        .arg(setting.authority.certificate())
        .args(["--root-user-action", "ignore", "sample"]);
    succeeds(pip);
    assert!(setting.home.path().join("lib/sample.py").exists());
    setting.all_were_to("pypi.test");
}

#[test]
fn npm_installs_from_a_registry() {
    if missing("npm_installs_from_a_registry", "npm") {
        return;
    }
    let setting = Setting::over_tls("npm.test");
    packages::npm_package(&setting.files, &setting.url("npm.test", ""));
    let own = setting.home.path().join("package.json");
    std::fs::write(own, r#"{"name":"own","version":"1.0.0"}"#).unwrap();
    let mut npm = setting.client("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-update-notifier"])
        .args(["--registry", &setting.url("npm.test", "/"), "--cafile"])
        .arg(setting.authority.certificate())
        .arg("sample");
    succeeds(npm);
    assert!(setting.home.path().join("node_modules/sample/index.js").exists());
    setting.all_were_to("npm.test");
}

#[test]
fn cargo_fetches_from_a_registry() {
    if missing("cargo_fetches_from_a_registry", env!("CARGO")) {
        return;
    }
    let setting = Setting::over_tls("crates.test");
    let (base, home) = (setting.url("crates.test", ""), setting.home.path());
    packages::published_crate(&setting.files, &base);
    packages::project(home, &base);
    let cargo = Path::new(env!("CARGO"));
    let mut command = setting.client(env!("CARGO"));
    command
        .env("CARGO_HOME", home.join("cargo-home"))
        .env("RUSTC", cargo.with_file_name("rustc"))
        .env("CARGO_HTTP_CAINFO", setting.authority.certificate())
        .args(["fetch", "-q"]);
    succeeds(command);
    setting.all_were_to("crates.test");
}
