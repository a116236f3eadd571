//! Files that are missing, unreadable, cut off, or of another role, at the start of each
//! program: a refusal that names the file, and nothing listens.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use cofferdam_tests::host::{Host, Setup};
use cofferdam_tests::programs::program;
use serde_json::Value;

use super::{Joined, PLAIN, said};

/// What is wrong with a file.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    Missing,
    /// Others may read it.
    Exposed,
    /// Its first half.
    Cut,
    /// A directory is in its place.
    Directory,
}

/// Does it to `path`; what undoes it.
fn spoil(path: &Path, wrong: Wrong) -> impl FnOnce() + use<> {
    let (path, aside) = (path.to_owned(), path.with_extension("aside"));
    fs::rename(&path, &aside).unwrap();
    let bytes = fs::read(&aside).unwrap();
    let mode = aside.metadata().unwrap().permissions();
    match wrong {
        Wrong::Missing => {}
        Wrong::Exposed => {
            fs::copy(&aside, &path).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        }
        Wrong::Cut => {
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
            fs::set_permissions(&path, mode).unwrap();
        }
        Wrong::Directory => fs::create_dir(&path).unwrap(),
    }
    cofferdam_tests::host::keep_owner(&aside, &path);
    move || {
        _ = fs::remove_file(&path);
        _ = fs::remove_dir(&path);
        fs::rename(&aside, &path).unwrap();
    }
}

/// What the gateway says that does not start.
fn gateways_refusal(joined: &Joined) -> String {
    let config = joined.gateway.place.join("gateway.toml");
    let mut command = Command::new("timeout");
    let program = program("cofferdam-gateway");
    let output = command.arg("20").arg(program).arg("--config").arg(config).output().unwrap();
    assert!(!output.status.success() && output.status.code() != Some(124), "it starts");
    said(&output)
}

fn nobody_listens(address: &str) {
    assert!(TcpStream::connect(address).is_err(), "somebody listens on {address}");
}

#[test]
fn a_gateway_whose_authoritys_files_are_not_right_names_them_and_opens_nothing() {
    let mut joined = Joined::start(PLAIN);
    joined.gateway.kill();
    let at = |name: &str| joined.gateway.place.join(name);
    let cases: [(PathBuf, &[Wrong]); 4] = [
        (at("authority/ca.crt"), &[Wrong::Missing, Wrong::Cut, Wrong::Directory]),
        (at("authority/ca.key"), &[Wrong::Missing, Wrong::Exposed, Wrong::Cut, Wrong::Directory]),
        (at("authority/trust.key"), &[Wrong::Missing, Wrong::Exposed, Wrong::Cut]),
        (at("signing.key"), &[Wrong::Missing, Wrong::Exposed, Wrong::Cut]),
    ];
    let listens = joined.gateway.url().replace("http://", "").replace("/mcp", "");
    for (path, all) in cases {
        for wrong in all {
            let undo = spoil(&path, *wrong);
            let told = gateways_refusal(&joined);
            let names = [path.display().to_string(), path.parent().unwrap().display().to_string()];
            assert!(names.iter().any(|name| told.contains(name)), "{wrong:?} {names:?}: {told}");
            nobody_listens(&listens);
            undo();
        }
    }
    // A certificate of another role: a host's, in the place of the authority's.
    let undo = spoil(&at("authority/ca.crt"), Wrong::Missing);
    let place = joined.directory.path().canonicalize().unwrap().join("other");
    let other = cofferdam_trust::Authority::create(&place).unwrap();
    let lifetime = cofferdam_trust::Lifetime::from_now(std::time::Duration::from_hours(1));
    let name = "spiffe://cofferdam/agent/web-1".parse().unwrap();
    let issued = other.issue(&name, lifetime).unwrap();
    fs::write(at("authority/ca.crt"), &issued.certificate_pem).unwrap();
    let told = gateways_refusal(&joined);
    assert!(told.contains("not an authority's certificate"), "{told}");
    undo();
    joined.start_gateway();
}

#[test]
fn a_host_whose_identity_is_not_right_names_it_and_serves_nobody() {
    let mut joined = Joined::start(PLAIN);
    let index = joined.join(Setup::default());
    let host = &mut joined.hosts[index];
    host.stop();
    let identity = host.identity();
    for wrong in [Wrong::Missing, Wrong::Exposed, Wrong::Cut, Wrong::Directory] {
        let undo = spoil(&identity, wrong);
        let told = host.refusal_to_start();
        assert!(told.contains("identity.json"), "{wrong:?}: {told}");
        undo();
    }
    // A certificate of another role.
    let text = fs::read_to_string(&identity).unwrap();
    let edit = |host: &Host, from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        fs::write(host.identity(), text.replace(from, to)).unwrap();
    };
    edit(host, "spiffe://cofferdam/agent/test", "spiffe://cofferdam/gateway/test");
    let told = host.refusal_to_start();
    assert!(told.contains("identity.json"), "{told}");
    edit(host, "spiffe://cofferdam/authority/main", "spiffe://cofferdam/gateway/main");
    let told = host.refusal_to_start();
    assert!(told.contains("identity.json"), "{told}");
    // Signed for by nobody whom it believes.
    let mut parsed: Value = serde_json::from_str(&text).unwrap();
    parsed["trust"]["vouched_by"] = Value::Array(Vec::new());
    fs::write(&identity, parsed.to_string()).unwrap();
    let told = host.refusal_to_start();
    assert!(told.contains("identity.json"), "{told}");
    fs::write(&identity, &text).unwrap();
    // Its signing key, without which it cannot renew.
    let key = identity.with_file_name("signing.key");
    for wrong in [Wrong::Missing, Wrong::Exposed, Wrong::Cut] {
        let undo = spoil(&key, wrong);
        let told = host.refusal_to_start();
        assert!(told.contains("signing.key"), "{wrong:?}: {told}");
        undo();
    }
    host.start_again();
    let ann = joined.gateway.token("ann");
    assert!(joined.works(&ann, index));
}
