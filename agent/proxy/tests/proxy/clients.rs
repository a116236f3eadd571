//! Real clients through the proxy, against servers that the tests start, with
//! nothing but the environment that a run gets.

use std::path::Path;
use std::process::{Command, Output};

use cofferdam_proxy_protocol::{Protocol, Verdict, environment};

use crate::harness::{Entry, Proxy};
use crate::servers::{self, Authority, Dns, Files, Server};

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
        let (authority, files) = (Authority::new(), Files::default());
        let server = servers::https(&authority, &[name], Files::clone(&files));
        Self::with(name, "tls://", authority, files, server)
    }

    fn plain(name: &str) -> Self {
        let (authority, files) = (Authority::new(), Files::default());
        let server = servers::http(Files::clone(&files));
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

    fn file(&self, path: &str, body: impl Into<Vec<u8>>) {
        self.files.lock().unwrap().insert(path.to_owned(), body.into());
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

fn tar(directory: &Path, archive: &str, member: &str) -> Vec<u8> {
    let mut command = Command::new("tar");
    command.current_dir(directory).args(["-czf", archive, member]);
    succeeds(command);
    std::fs::read(directory.join(archive)).unwrap()
}

fn write(directory: &Path, path: &str, text: &str) {
    let path = directory.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn curl_fetches_over_http_https_and_socks() {
    if missing("curl_fetches_over_http_https_and_socks", "curl") {
        return;
    }
    let plain = Setting::plain("files.test");
    plain.file("/a", "plain");
    let mut curl = plain.client("curl");
    curl.args(["-sS", &format!("http://files.test:{}/a", plain.server.port())]);
    assert_eq!(succeeds(curl), "plain");
    assert_eq!(plain.proxy.report(plain.entry).protocol, Protocol::Http);

    let tls = Setting::over_tls("files.test");
    tls.file("/a", "secret");
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
    let source = tempfile::tempdir().unwrap();
    write(source.path(), "README", "hello\n");
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(source.path()).args(["-c", "user.name=a", "-c", "user.email=a@test"]);
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").args(arguments);
        succeeds(git);
    };
    git(&["init", "-q", "."]);
    git(&["add", "README"]);
    git(&["commit", "-q", "-m", "first"]);
    git(&["update-server-info"]);
    publish(&setting, "/repo.git", &source.path().join(".git"));
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

/// Every file beneath `directory`, as the dumb HTTP protocol reads it.
fn publish(setting: &Setting, prefix: &str, directory: &Path) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}/{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            publish(setting, &path, &entry.path());
        } else {
            setting.file(&path, std::fs::read(entry.path()).unwrap());
        }
    }
}

#[test]
fn pip_installs_from_an_index() {
    if missing("pip_installs_from_an_index", "pip") {
        return;
    }
    let setting = Setting::over_tls("pypi.test");
    let made = tempfile::tempdir().unwrap();
    write(made.path(), "sample.py", "WORD = 'sample'\n");
    let dist = "sample-1.0.dist-info";
    write(
        made.path(),
        &format!("{dist}/METADATA"),
        "Metadata-Version: 2.1\nName: sample\nVersion: 1.0\n",
    );
    write(
        made.path(),
        &format!("{dist}/WHEEL"),
        "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    );
    write(made.path(), &format!("{dist}/RECORD"), "");
    let wheel = "sample-1.0-py3-none-any.whl";
    let mut zip = Command::new("python3");
    zip.current_dir(made.path()).args(["-m", "zipfile", "-c", wheel, "sample.py", dist]);
    succeeds(zip);
    setting.file(&format!("/files/{wheel}"), std::fs::read(made.path().join(wheel)).unwrap());
    setting.file("/simple/sample/", format!("<a href=\"/files/{wheel}\">{wheel}</a>"));
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
    let made = tempfile::tempdir().unwrap();
    write(made.path(), "package/package.json", r#"{"name":"sample","version":"1.0.0"}"#);
    write(made.path(), "package/index.js", "module.exports = 'sample'\n");
    setting.file("/sample-1.0.0.tgz", tar(made.path(), "sample.tgz", "package"));
    let tarball = setting.url("npm.test", "/sample-1.0.0.tgz");
    setting.file(
        "/sample",
        format!(
            r#"{{"name":"sample","dist-tags":{{"latest":"1.0.0"}},"versions":{{"1.0.0":{{"name":"sample","version":"1.0.0","dist":{{"tarball":"{tarball}"}}}}}}}}"#
        ),
    );
    write(setting.home.path(), "package.json", r#"{"name":"own","version":"1.0.0"}"#);
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
    let made = tempfile::tempdir().unwrap();
    let manifest = "[package]\nname = \"sample-crate\"\nversion = \"1.0.0\"\nedition = \"2021\"\n";
    write(made.path(), "sample-crate-1.0.0/Cargo.toml", manifest);
    write(made.path(), "sample-crate-1.0.0/src/lib.rs", "");
    let archive = tar(made.path(), "sample.crate", "sample-crate-1.0.0");
    let mut sum = Command::new("sha256sum");
    sum.arg(made.path().join("sample.crate"));
    let sum = succeeds(sum).split_whitespace().next().unwrap().to_owned();
    setting.file("/dl/sample-crate/1.0.0.crate", archive);
    let download = setting.url("crates.test", "/dl/{crate}/{version}.crate");
    setting.file("/index/config.json", format!(r#"{{"dl":"{download}"}}"#));
    setting.file(
        "/index/sa/mp/sample-crate",
        format!(
            "{{\"name\":\"sample-crate\",\"vers\":\"1.0.0\",\"deps\":[],\"cksum\":\"{sum}\",\"features\":{{}},\"yanked\":false}}\n"
        ),
    );
    let index = setting.url("crates.test", "/index/");
    let home = setting.home.path();
    write(home, ".cargo/config.toml", &format!("[registries.test]\nindex = \"sparse+{index}\"\n"));
    write(
        home,
        "Cargo.toml",
        "[package]\nname = \"own\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[dependencies]\nsample-crate = { version = \"1\", registry = \"test\" }\n",
    );
    write(home, "src/lib.rs", "");
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
