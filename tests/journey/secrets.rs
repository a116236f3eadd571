//! No secret is anywhere but in its file: after calls that are permitted, refused and
//! broken, and starts that fail, keys, tokens and shared secrets are looked for in
//! arguments and environments of all processes, in logs, journals, databases and
//! error texts, in every form that a program might have written them in.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cofferdam_tests::dev::until;
use cofferdam_tests::host::{Host, Setup};
use cofferdam_tests::programs::program;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::gateways::{Gateway, field};
use crate::joined::Joined;

/// Names of secrets, with all forms that each is looked for in.
#[derive(Default)]
struct Secrets(BTreeMap<String, Vec<Vec<u8>>>);

impl Secrets {
    /// One that is text as it stands.
    fn add_text(&mut self, name: &str, text: &str) {
        let text = text.trim();
        assert!(text.len() >= 16, "{name} is no secret");
        let forms = vec![text.as_bytes().to_vec(), hex(text.as_bytes()), base64(text.as_bytes())];
        self.0.insert(name.to_owned(), forms);
    }

    /// A private key in PEM in a file of its owner's.
    fn add_key(&mut self, path: &Path) {
        let pem = fs::read_to_string(path).unwrap();
        let mode = path.metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o600, "{}", path.display());
        self.add_pem(&path.display().to_string(), &pem);
    }

    /// A private key in PEM: its lines, and the key itself in DER, hex and base64.
    fn add_pem(&mut self, name: &str, pem: &str) {
        assert!(pem.contains("PRIVATE KEY"), "{name}");
        let lines: Vec<&str> = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = unbase64(&lines.concat());
        // PKCS #8: the key's own 32 bytes are an octet string (RFC 5958, RFC 8410, RFC 5915).
        let at = der.windows(2).position(|two| two == [0x04, 0x20]).expect("an octet string");
        let own = &der[at + 2..at + 34];
        let mut forms: Vec<_> = [der.as_slice(), own].into_iter().flat_map(every_form).collect();
        // The last line can be short, and the first is the same in all keys of a kind.
        forms.push(lines[1..].concat().into_bytes());
        self.0.insert(name.to_owned(), forms);
    }

    /// Fails where one of them is in there.
    fn are_not_in(&self, place: &str, bytes: &[u8]) {
        for (name, forms) in &self.0 {
            for form in forms {
                let found = form.len() >= 16 && bytes.windows(form.len()).any(|it| it == form);
                assert!(!found, "{name} is in {place}");
            }
        }
    }

    fn are_not_in_files_of(&self, directory: &Path) {
        let mut looked = 0;
        for entry in fs::read_dir(directory).unwrap().flatten() {
            if entry.path().is_file() {
                looked += 1;
                let name = entry.path().display().to_string();
                self.are_not_in(&name, &fs::read(entry.path()).unwrap());
            }
        }
        assert!(looked > 0, "nothing is in {}", directory.display());
    }

    /// In arguments and environment of no process of this machine.
    fn are_in_no_process(&self) {
        let mut looked = 0;
        for process in fs::read_dir("/proc").unwrap().flatten() {
            for file in ["cmdline", "environ"] {
                // Who has gone, or is another user's, is not to be looked at.
                let Ok(bytes) = fs::read(process.path().join(file)) else { continue };
                looked += 1;
                self.are_not_in(&process.path().join(file).display().to_string(), &bytes);
            }
        }
        assert!(looked > 10, "nothing was looked at");
    }
}

fn every_form(bytes: &[u8]) -> [Vec<u8>; 3] {
    [bytes.to_vec(), hex(bytes), base64(bytes)]
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    cofferdam_trust::hex(bytes).into_bytes()
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Without padding, which some leave out; the last character is left out, too, as it
/// depends on what follows.
fn base64(bytes: &[u8]) -> Vec<u8> {
    let whole = bytes.chunks_exact(3);
    let quartets = whole.flat_map(|three| {
        let number = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        [18, 12, 6, 0].map(|shift| ALPHABET[(number >> shift & 63) as usize])
    });
    quartets.collect()
}

fn unbase64(text: &str) -> Vec<u8> {
    let digits = text.bytes().filter_map(|it| ALPHABET.iter().position(|own| *own == it));
    let digits: Vec<u32> = digits.map(|it| u32::try_from(it).unwrap()).collect();
    let mut bytes = Vec::new();
    for quartet in digits.chunks(4) {
        let number = quartet.iter().fold(0, |number, digit| number << 6 | digit);
        let number = number << (6 * (4 - quartet.len()));
        bytes.extend(&number.to_be_bytes()[1..quartet.len()]);
    }
    bytes
}

/// Makes a file of its owner's alone.
fn write_private(path: &Path, text: &str) {
    use std::io::Write;
    let mut file = fs::File::options().create_new(true).write(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// What a start says that fails.
fn fails(gateway: &Path) -> Output {
    let output =
        Command::new(program("cofferdam-gateway")).arg("--config").arg(gateway).output().unwrap();
    assert!(!output.status.success());
    assert!(!output.stderr.is_empty());
    output
}

/// A configuration beside the gateway's own, with another text in one place.
fn other_configuration(gateway: &Gateway, from: &str, to: &str) -> PathBuf {
    let text = fs::read_to_string(gateway.place.join("gateway.toml")).unwrap();
    assert!(text.contains(from), "{from}");
    let path = gateway.place.join("other.toml");
    fs::write(&path, text.replace(from, to).replace("state.sqlite", "other.sqlite")).unwrap();
    path
}

/// Who said it, and what.
type Saying = (String, Vec<u8>);

/// What is said to calls that are permitted, refused, broken, and by nobody.
fn calls_of_all_kinds(gateway: &Gateway, ann: &str, revoked: &str) -> Vec<Saying> {
    let mut said = Vec::new();
    let mut call = |token: &str, tool: &str, arguments: serde_json::Value| {
        let called = Command::new(program("cofferdam"))
            .args(["call", "--json", "--url", gateway.url(), tool, "--args"])
            .arg(arguments.to_string())
            .env("COFFERDAM_TOKEN", token)
            .output()
            .unwrap();
        said.push((format!("what {tool} said"), [called.stdout, called.stderr].concat()));
    };
    let shop = |command: &str| json!({ "command": command, "project": "shop" });
    call(ann, "execute_command", shop("env; cat /proc/self/environ /proc/self/cmdline; ls /"));
    call(ann, "execute_command", shop("cat /proc/1/environ; exit 3"));
    call(ann, "start_process", shop("exec sleep 60"));
    call(ann, "read_file", json!({ "path": "/etc/shadow", "project": "shop" }));
    call(ann, "execute_command", json!({ "wrong": 1 }));
    call(ann, "execute_command", json!({ "command": "true", "hosts": ["away"] }));
    call(revoked, "execute_command", shop("true"));
    call(&format!("{ann}x"), "list_hosts", json!({}));
    let listed = gateway.call(ann, "list_processes", &json!({ "project": "shop" }));
    assert_eq!(field(&listed, "processes").as_array().map(Vec::len), Some(3), "{listed:#}");
    said
}

/// What is said where a gateway cannot start for one of its secrets.
fn starts_that_fail(host: &Host, gateway: &Gateway) -> Vec<Saying> {
    let mut said = Vec::new();
    let key = fs::read_to_string(host.place().join("gateway/signing.key")).unwrap();
    let wrong = [
        ("garbled.key", key.replace("BEGIN", "BEGUN"), 0o600),
        ("short.key", key[..key.len() / 2].to_owned(), 0o600),
        ("exposed.key", key.clone(), 0o644),
    ];
    for (name, text, mode) in wrong {
        let path = gateway.place.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let config = other_configuration(gateway, "../gateway/signing.key", name);
        let failed = fails(&config);
        said.push((format!("the refusal of {name}"), [failed.stdout, failed.stderr].concat()));
    }
    // A token where a path is expected, as people do by mistake.
    let failed = fails(&other_configuration(gateway, "state = \"", "token = \""));
    said.push(("the refusal of a key".to_owned(), failed.stderr));
    said
}

#[test]
fn no_secret_is_in_arguments_environments_logs_journals_databases_or_errors() {
    let mut host = Host::start_with(Setup::default());
    let mut gateway = Gateway::of(&host, "one");
    let mut secrets = Secrets::default();
    for (side, name) in [("agent", "test"), ("gateway", "main")] {
        for file in [format!("{name}.key"), "signing.key".to_owned()] {
            secrets.add_key(&host.place().join(side).join(file));
        }
    }
    secrets.add_key(&host.place().join("ca/ca.key"));
    let hook = "hook-4d1f0b7a9c3e5d2f8a6b7c8d9e0f1a2b";
    write_private(&gateway.place.join("webhook.secret"), hook);
    secrets.add_text("the webhook's secret", hook);
    let config = gateway.place.join("gateway.toml");
    let mut text = fs::read_to_string(&config).unwrap();
    text += "\n[approvals.webhook]\nurl = \"http://127.0.0.1:1/\"\nsecret = \"webhook.secret\"\n";
    fs::write(&config, text).unwrap();
    gateway.kill();
    gateway.start();
    let ann = gateway.token("ann");
    let revoked = gateway.token("eve");
    secrets.add_text("a token", &ann);
    secrets.add_text("a token that was revoked", &revoked);
    gateway.revoke("eve");

    let mut said = calls_of_all_kinds(&gateway, &ann, &revoked);
    secrets.are_in_no_process();

    said.extend(starts_that_fail(&host, &gateway));
    for (place, bytes) in &said {
        secrets.are_not_in(place, bytes);
    }
    host.stop();
    gateway.kill();
    secrets.are_not_in("the agent's log", host.agent_log().as_bytes());
    secrets.are_not_in("the warden's log", host.warden_log().as_bytes());
    secrets.are_not_in("the gateway's log", &fs::read(gateway.place.join("log")).unwrap());
    secrets.are_not_in_files_of(&host.place().join("agent/journal"));
    secrets.are_not_in_files_of(&gateway.place.join("journal"));
    for entry in fs::read_dir(&gateway.place).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.contains(".sqlite") {
            secrets.are_not_in(&name, &fs::read(entry.path()).unwrap());
        }
    }
}

/// What the programs of people and hosts say, on the way in and afterwards.
fn sayings_of_joining(joined: &mut Joined, secrets: &mut Secrets) -> Vec<Saying> {
    let mut said = Vec::new();
    let mut heard = |what: &str, output: Output| {
        said.push((what.to_owned(), [output.stdout, output.stderr].concat()));
    };
    let index = joined.add(Setup::default());
    let withdrawn = joined.invite(index);
    let token = joined.invite(index);
    secrets.add_text("a join token", &token);
    secrets.add_text("a withdrawn join token", &withdrawn);
    // Wrong, cut, withdrawn, of another host, at the wrong place; then right, and again.
    let other = joined.add(Setup { name: "other".to_owned(), ..Setup::default() });
    for (what, host, text) in [
        ("a garbled token", index, token.replace(|it: char| it.is_ascii_digit(), "x")),
        ("a cut token", index, token[..token.len() - 7].to_owned()),
        ("a withdrawn token", index, withdrawn),
        ("another host's token", other, token.clone()),
    ] {
        let output = joined.enroll(host, &text, &[]);
        assert!(!output.status.success(), "{what}");
        heard(what, output);
    }
    let nowhere = joined.hosts[index].enroll("127.0.0.1:1", &token, "127.0.0.1:1").output();
    heard("an authority that is not there", nowhere.unwrap());
    let waiting = joined.enroll(index, &token, &[]);
    assert_eq!(waiting.status.code(), Some(75), "it has to be approved");
    heard("a host that waits", waiting);
    for words in [&["host", "show", "test"][..], &["--json", "host", "list", "--enrolled"]] {
        heard("what is told of a host that waits", joined.gateway.cofferdam(words));
    }
    heard("approving", joined.gateway.cofferdam(&["host", "approve", "test"]));
    let asked = std::thread::scope(|scope| {
        let asking = scope.spawn(|| joined.enroll(index, &token, &["--wait"]));
        // In the middle of it, too.
        while !asking.is_finished() {
            secrets.are_in_no_process();
        }
        asking.join().unwrap()
    });
    assert!(asked.status.success());
    heard("a host that joined", asked);
    heard("a host that joins again", joined.enroll(index, &token, &[]));
    joined.hosts[index].start_again();
    for words in
        [&["authority", "show"][..], &["authority", "rotate"], &["--json", "host", "show", "test"]]
    {
        heard("what is told afterwards", joined.gateway.cofferdam(words));
    }
    said.push(("status".to_owned(), joined.hosts[index].status().to_string().into_bytes()));
    said
}

#[test]
fn no_secret_of_hosts_that_join_and_of_their_authority_is_anywhere_but_in_its_file() {
    let authority = "certificate_seconds = 4\nannounce_seconds = 1\noverlap_seconds = 4\n";
    let mut joined = Joined::start(authority);
    let mut secrets = Secrets::default();
    let place = joined.gateway.place.clone();
    let at = |name: &str| place.join(name);
    for name in ["authority/ca.key", "authority/trust.key", "signing.key"] {
        secrets.add_key(&at(name));
    }
    let mut said = sayings_of_joining(&mut joined, &mut secrets);
    let identity = joined.hosts[0].identity();
    let key_of = |text: &str| -> String {
        let file: serde_json::Value = serde_json::from_str(text).unwrap();
        file["key"].as_str().unwrap().to_owned()
    };
    let first = key_of(&fs::read_to_string(&identity).unwrap());
    secrets.add_pem("the key of a host that joined", &first);
    secrets.add_key(&identity.with_file_name("signing.key"));
    let ann = joined.gateway.token("ann");
    secrets.add_text("a token", &ann);
    let command = "env; cat /proc/self/environ /proc/1/environ";
    said.push(("a run".to_owned(), joined.run(&ann, 0, command).to_string().into_bytes()));
    // Each renewal makes another key.
    until("it is renewed", || joined.steps("renewed") >= 2);
    let later = key_of(&fs::read_to_string(&identity).unwrap());
    assert_ne!(first, later);
    secrets.add_pem("the key of a renewed host", &later);
    until("a root follows", || at("authority/generation-2/ca.key").exists());
    secrets.add_key(&at("authority/generation-2/ca.key"));
    secrets.are_in_no_process();
    let others: Vec<_> = ["show", "refuse"]
        .map(|word| joined.gateway.cofferdam(&["host", word, "other"]))
        .into_iter()
        .collect();
    said.extend(
        others.into_iter().map(|it| ("others".to_owned(), [it.stdout, it.stderr].concat())),
    );
    for (place, bytes) in &said {
        secrets.are_not_in(place, bytes);
    }
    joined.hosts[0].stop();
    joined.gateway.kill();
    secrets.are_not_in("the agent's log", joined.hosts[0].agent_log().as_bytes());
    secrets.are_not_in("the warden's log", joined.hosts[0].warden_log().as_bytes());
    secrets.are_not_in("the gateway's log", &fs::read(joined.gateway.place.join("log")).unwrap());
    secrets.are_not_in_files_of(&joined.hosts[0].place().join("agent/journal"));
    secrets.are_not_in_files_of(&joined.gateway.place.join("journal"));
    // Its state has digests of tokens, and public keys.
    for entry in fs::read_dir(&joined.gateway.place).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.contains(".sqlite") {
            secrets.are_not_in(&name, &fs::read(entry.path()).unwrap());
        }
    }
}

#[test]
fn a_daemon_that_crashes_leaves_no_core_dump() {
    if !dumps_are_files_here() {
        cofferdam_tests::skip("a daemon that crashes", "core_pattern(5) makes no file here");
        return;
    }

    let host = Host::start();
    let gateway = Gateway::of(&host, "one");
    // Both were started here, where a dump would be put; see core(5).
    let before = cores();
    for pid in [gateway.pid(), host.agent_pid()] {
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let process = Pid::from_raw(pid.cast_signed()).unwrap();
        // However high the limit may be.
        let any = rustix::process::Rlimit { current: None, maximum: None };
        let raised = rustix::process::prlimit(Some(process), rustix::process::Resource::Core, any);
        kill_process(process, Signal::ABORT).unwrap();
        until("it has ended", || {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
        });
        assert_eq!(cores(), before, "{raised:?} {limits}");
    }
}

/// Whether a process that may be dumped leaves a file here: else nothing is tried by one
/// that may not.
fn dumps_are_files_here() -> bool {
    let before = cores();
    let crash = "ulimit -c unlimited && kill -ABRT $$";
    let ended = Command::new("/bin/sh").args(["-c", crash]).status().unwrap();
    assert!(!ended.success());
    let left: Vec<String> = cores().into_iter().filter(|it| !before.contains(it)).collect();
    for name in &left {
        fs::remove_file(name).unwrap();
    }
    !left.is_empty()
}

/// Files that look like dumps, where this process and its children are.
fn cores() -> Vec<String> {
    let here = fs::read_dir(".").unwrap().flatten();
    let names = here.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("core")).collect()
}
