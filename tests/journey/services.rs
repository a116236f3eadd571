//! `read_service`, the whole way: through an MCP client, both daemons, and the
//! system bus and the journal as they stand on a host.
//!
//! The host's bus and journal are stood in for by what a real systemd once said
//! and wrote (`agent/services/tests`), put in their usual places in a mount
//! namespace of the test's own. Only root can do that.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use cofferdam_tests::dev::Dev;
use cofferdam_tests::system_bus::SystemBus;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{content, refusal};

/// Whose journal the fixtures are.
const MACHINE: &str = "0123456789abcdef0123456789abcdef";
/// What is read and answered, compiled in: a test machine has no source.
macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../agent/services/tests/services/fixtures/", $name)).as_slice()
    };
}
const JOURNAL: &[u8] = fixture!("compact.journal.zst");
const RECORDINGS: [(&str, &[u8]); 6] = [
    ("killed.bus", fixture!("bus/killed.bus")),
    ("list.bus", fixture!("bus/list.bus")),
    ("not-loaded.bus", fixture!("bus/not-loaded.bus")),
    ("running.bus", fixture!("bus/running.bus")),
    ("timer.bus", fixture!("bus/timer.bus")),
    ("unknown.bus", fixture!("bus/unknown.bus")),
];

/// Puts bus, journal and the machine's id in their places, and goes on.
const PLACES: &str = "set -e
mount -t tmpfs none /run && mkdir /run/dbus && mount --bind \"$1/bus\" /run/dbus
mount -t tmpfs none /var/log && mkdir /var/log/journal
mount --bind \"$1/journal\" /var/log/journal
mount --bind \"$1/machine-id\" /etc/machine-id
shift && exec \"$@\"";

const RULES: &str = r#"
version = 1

[[rule]]
id = "states"
effect = "allow"
reason = "the people of web look after these"
services = ["web*.service", "tick.timer"]
grant = { profile = "dev" }

[[rule]]
id = "journal"
effect = "ask"
reason = "journals hold what visitors wrote"
services = ["web.service"]
journal = true
grant = { profile = "dev" }
approval = { own = true }

[[rule]]
id = "no-admin"
effect = "deny"
reason = "it is nobody's business"
services = ["web-admin.service"]
"#;

/// The stand-ins of one test, and the rules and ceiling that it gives.
struct Ground {
    place: TempDir,
    _bus: SystemBus,
}

impl Ground {
    fn new() -> Self {
        let place = TempDir::new().unwrap();
        let at = |name: &str| place.path().join(name);
        for name in ["bus", "journal", &format!("journal/{MACHINE}")] {
            std::fs::create_dir(at(name)).unwrap();
            std::fs::set_permissions(at(name), PermissionsExt::from_mode(0o755)).unwrap();
        }
        std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::write(at("machine-id"), format!("{MACHINE}\n")).unwrap();
        let journal = at("journal").join(MACHINE).join("system.journal");
        std::fs::write(journal, unpacked(JOURNAL)).unwrap();
        std::fs::write(at("rules.toml"), RULES).unwrap();
        let recordings = at("recordings");
        std::fs::create_dir(&recordings).unwrap();
        for (name, recording) in RECORDINGS {
            std::fs::write(recordings.join(name), recording).unwrap();
        }
        let bus = SystemBus::start(&at("bus/system_bus_socket"), recordings);
        Self { place, _bus: bus }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Dev with this in its ceiling. The first start is for the ceiling that dev
    /// makes for this machine.
    fn dev(&self, services: &str) -> Dev {
        let mut first = Dev::start();
        let ceiling = std::fs::read_to_string(first.state().join("host/ceiling.toml")).unwrap();
        first.end(libc::SIGTERM);
        std::fs::write(self.at("ceiling.toml"), format!("{ceiling}\n{services}")).unwrap();
        let place = self.place.path().to_str().unwrap();
        let wrapper =
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", PLACES, "sh", place];
        let (rules, ceiling) = (self.at("rules.toml"), self.at("ceiling.toml"));
        let arguments =
            ["--rules", rules.to_str().unwrap(), "--ceiling", ceiling.to_str().unwrap()];
        Dev::start_in(first.into_directory(), &wrapper, &arguments)
    }
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut source = packed;
    let mut bytes = Vec::new();
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(&mut source).unwrap();
    decoder.read_to_end(&mut bytes).unwrap();
    bytes
}

fn read(dev: &Dev, what: &str, unit: &str) -> Value {
    dev.tool("read_service", &json!({ "what": what, "unit": unit }))
}

/// Records of a kind in a journal, as text.
fn recorded(dev: &Dev, journal: &str, kind: &str) -> String {
    let journal = dev.state().join(journal);
    let shown =
        dev.cofferdam(&["audit", "show", "--json", "--kind", kind, journal.to_str().unwrap()]);
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    String::from_utf8(shown.stdout).unwrap()
}

#[test]
fn what_rules_and_ceiling_name_is_told_and_nothing_else() {
    if cofferdam_tests::skip_unless_root("what_rules_and_ceiling_name_is_told_and_nothing_else") {
        return;
    }
    let ground = Ground::new();
    let dev = ground.dev("[services]\nshow = [\"web*.service\"]\njournal = true\n");
    let (_, listed) = dev.post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    assert!(listed.to_string().contains("\"read_service\""), "{listed:#}");

    let status = read(&dev, "status", "web");
    let told = &content(&status)["status"];
    assert_eq!(told["name"], "web.service", "{status:#}");
    assert_eq!((&told["active_state"], &told["sub_state"]), (&json!("active"), &json!("running")));
    assert!(!status.to_string().contains("hunter2"), "a secret of its environment: {status:#}");

    // A listing that could hold what is denied shows nothing.
    let wide = refusal(&read(&dev, "list", "web*.service"));
    assert!(wide.contains("the rule names some of these units"), "{wide}");
    let wider = refusal(&read(&dev, "list", "w*b.service"));
    assert!(wider.contains("permits only the units"), "{wider}");
    let admin = refusal(&read(&dev, "status", "web-admin.service"));
    assert!(admin.contains("no-admin") && admin.contains("nobody's business"), "{admin}");
    let other = refusal(&read(&dev, "status", "ssh.service"));
    assert!(other.contains("web*.service (state)"), "what is allowed instead: {other}");

    // The rules permit the timer; the host's owner does not show it.
    let timer = read(&dev, "status", "tick.timer");
    let error = &timer["result"]["structuredContent"]["error"];
    assert_eq!(error["reason"], "ABOVE_CEILING", "{timer:#}");
    assert!(error["rules"].to_string().contains("ceiling.services.show"), "{timer:#}");
    for (journal, kind, words) in [
        ("agent/journal", "denial", "ceiling.services.show"),
        ("gateway/journal", "denial", "no-admin"),
        ("agent/journal", "intent", "read_service"),
        ("gateway/journal", "intent", "read_service"),
    ] {
        assert!(recorded(&dev, journal, kind).contains(words), "{journal} {kind}");
    }
    assert!(recorded(&dev, "agent/journal", "outcome").contains("completed"));
}

#[test]
fn a_list_that_the_rules_permit_holds_only_what_the_ceiling_shows() {
    if cofferdam_tests::skip_unless_root(
        "a_list_that_the_rules_permit_holds_only_what_the_ceiling_shows",
    ) {
        return;
    }
    let ground = Ground::new();
    let dev = ground.dev("[services]\nshow = [\"web.service\"]\n");
    let rules = RULES.replace("\"web*.service\", ", "\"*.service\", \"*.timer\", ");
    let rules = rules.split("[[rule]]\nid = \"no-admin\"").next().unwrap().to_owned();
    std::fs::write(dev.state().join("gateway/rules.toml"), rules).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let answer = loop {
        let answer = read(&dev, "list", "*.service");
        if answer["result"]["isError"] != true || std::time::Instant::now() > deadline {
            break answer;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    };
    let units = content(&answer)["units"].as_array().unwrap();
    let names: Vec<&str> = units.iter().map(|unit| unit["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["web.service"], "{answer:#}");
    // Without `journal` in the ceiling no rule gives one.
    let journal = dev.tool("read_service", &json!({ "what": "journal", "unit": "web.service" }));
    assert!(journal["result"]["isError"] == true, "{journal:#}");
}

#[test]
fn a_journal_that_people_are_asked_about_is_read_by_an_mcp_client_and_on_from_where_it_was() {
    if cofferdam_tests::skip_unless_root(
        "a_journal_that_people_are_asked_about_is_read_by_an_mcp_client_and_on_from_where_it_was",
    ) {
        return;
    }
    let ground = Ground::new();
    let dev = ground.dev("[services]\nshow = [\"web.service\"]\njournal = true\n");
    let credential = dev.told("approver_file").to_owned();
    let dev = &dev;
    let call = |arguments: Value| -> Value {
        let arguments = arguments.to_string();
        let output = std::thread::scope(|scope| {
            let words = ["call", "read_service", "--json", "--args", &arguments];
            let called = scope.spawn(move || dev.cofferdam(&words));
            agree(dev, &credential);
            called.join().unwrap()
        });
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let told = call(json!({ "what": "journal", "unit": "web", "lines": 5, "priority": "err" }));
    let told = structured(&told);
    let entries = told["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 5, "{told:#}");
    let urgent = ["emerg", "alert", "crit", "err"];
    assert!(entries.iter().all(|it| urgent.contains(&it["priority"].as_str().unwrap())));
    assert!(!told.to_string().contains("forged"), "{told:#}");
    let older = told["older"].as_str().unwrap();
    let more = call(json!({ "what": "journal", "unit": "web", "lines": 2, "before": older }));
    let more = structured(&more);
    assert_eq!(more["entries"].as_array().unwrap().len(), 2, "{more:#}");
    assert!(more["entries"][1]["at"].as_str() <= entries[0]["at"].as_str(), "{more:#}");
}

/// Agrees to the next request that waits.
fn agree(dev: &Dev, credential: &str) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let listed = dev.cofferdam(&["approve", "list", "--json", "--credential-file", credential]);
        let told: Value = serde_json::from_slice(&listed.stdout).unwrap();
        if let Some(request) = told["approvals"].as_array().and_then(|all| all.first()) {
            let id = request["id"].as_str().unwrap();
            assert_eq!(request["action"], "read the journal of `web.service`", "{request:#}");
            let agreed = dev.cofferdam(&["approve", "--credential-file", credential, id, "--yes"]);
            assert!(agreed.status.success(), "{}", String::from_utf8_lossy(&agreed.stderr));
            return;
        }
        assert!(std::time::Instant::now() < deadline, "nothing waits");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// What the client printed, whichever way it wraps it.
fn structured(printed: &Value) -> &Value {
    let inner = &printed["structuredContent"];
    if inner.is_object() { inner } else { printed }
}
