//! Rule files, a gateway's configuration and a gateway's journal in a directory
//! of their own, and the command run on them.

use std::path::PathBuf;
use std::process::Command;

use cofferdam_journal::{
    Approval, ApprovalStep, Call, Denial, Digest, Entry, Intent, Journal, Options, Subject,
};
use cofferdam_trust::SigningKey;
use serde_json::{Value, json};

/// A gateway's configuration, as far as the command looks at it.
const CONFIG: &str = "
name = 'main'
state = 'state.sqlite'
rules = 'rules.toml'
[identity]
certificate = 'a'
key = 'b'
authorities = 'c'
[signing]
key = 'd'
[journal]
directory = 'journal'
[[host]]
name = 'web-1'
address = 'web-1.example.org:8461'
agent = 'spiffe://cofferdam/agent/web-1'
key = 'ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo='
labels = { stage = 'test' }
[[project]]
name = 'shop'
workspace = '/srv/shop'
";

pub(crate) struct Desk {
    directory: tempfile::TempDir,
}

/// What the command said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) error: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl std::fmt::Debug for Said {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "exit code {}\n{}\n{}", self.code, self.out, self.error)
    }
}

impl Desk {
    /// With these rules.
    pub(crate) fn new(rules: &str) -> Self {
        let desk = Self { directory: tempfile::tempdir().unwrap() };
        desk.write("gateway.toml", CONFIG);
        desk.write("rules.toml", rules);
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A rule file's `version` is put before its text.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let head = if name == "gateway.toml" { "" } else { "version = 1\n" };
        std::fs::write(self.path(name), format!("{head}{text}")).unwrap();
    }

    /// Appends entries to the gateway's journal.
    pub(crate) fn record(&self, entries: Vec<Entry>) {
        let options =
            Options::new("spiffe://cofferdam/gateway/main", SigningKey::generate().unwrap());
        let (journal, _) = Journal::open(&self.path("journal"), options).unwrap();
        for entry in entries {
            journal.append(entry).unwrap();
        }
        journal.close().unwrap();
    }

    /// `cofferdam policy ARGUMENTS`, in the directory.
    pub(crate) fn policy(&self, arguments: &[&str]) -> Said {
        self.policy_reading(arguments, "")
    }

    /// The same, with something on standard input.
    pub(crate) fn policy_reading(&self, arguments: &[&str], input: &str) -> Said {
        std::fs::write(self.path("input"), input).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_cofferdam"))
            .arg("policy")
            .args(arguments)
            .current_dir(self.directory.path())
            .stdin(std::fs::File::open(self.path("input")).unwrap())
            .output()
            .unwrap();
        Said {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            error: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A call of `user`, as the gateway records it.
pub(crate) fn call(run_id: &str, user: &str, tool: &str, action: Value) -> Call {
    Call {
        run_id: run_id.to_owned(),
        subject: Some(Subject {
            user: user.to_owned(),
            client: "test 1.0".to_owned(),
            ..Subject::default()
        }),
        project: "shop".to_owned(),
        host: "web-1".to_owned(),
        tool: tool.to_owned(),
        action,
        ..Call::default()
    }
}

/// A program with its arguments, asked for by `user`.
pub(crate) fn run(run_id: &str, user: &str, words: &[&str]) -> Call {
    let action = json!({"program": words[0], "arguments": words[1..]});
    call(run_id, user, "execute_command", action)
}

pub(crate) fn permitted(call: Call, rule: &str) -> Entry {
    Entry::Intent(Intent { call, rules: vec![rule.to_owned()], ..Intent::default() })
}

pub(crate) fn denied(call: Call, rules: &[&str]) -> Entry {
    let rules = rules.iter().map(ToString::to_string).collect();
    Entry::Denial(Denial { call, rules, reasons: vec!["no".to_owned()], ..Denial::default() })
}

pub(crate) fn asked(call: Call, rule: &str, step: ApprovalStep) -> Entry {
    Entry::Approval(Approval {
        call,
        request: "request-1".to_owned(),
        step,
        binding: Digest([1; 32]),
        rules: vec![rule.to_owned()],
        policy_digest: Digest([2; 32]),
        signed_version: None,
        by: None,
        through: String::new(),
        scope: String::new(),
        note: String::new(),
    })
}
