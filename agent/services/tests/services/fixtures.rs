//! Journal files of `fixtures/`, laid out as on a machine, and journalctl's reading of them.

use std::io::Read;
use std::path::{Path, PathBuf};

use cofferdam_services::{Journal, MachineId, Query};
use tempfile::TempDir;

const MACHINE: &str = "0123456789abcdef0123456789abcdef";

/// A directory as `/var/log/journal`.
pub(crate) struct Machine {
    root: TempDir,
}

/// An entry as journalctl shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) cursor: String,
    /// Microseconds since 1970.
    pub(crate) realtime: u64,
    pub(crate) priority: Option<u8>,
    pub(crate) identifier: Option<String>,
    pub(crate) pid: Option<u32>,
    pub(crate) message: String,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let root = TempDir::new().expect("a directory");
        std::fs::create_dir(root.path().join(MACHINE)).expect("a directory");
        Self { root }
    }

    /// A machine with these files of `fixtures/`.
    pub(crate) fn with(names: &[&str]) -> Self {
        let machine = Self::new();
        for name in names {
            machine.put(&format!("{name}.journal"), &file(name));
        }
        machine
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.directory().join(name);
        std::fs::write(&path, bytes).expect("the file is written");
        path
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.root.path().join(MACHINE)
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn journal(&self) -> Journal {
        let machine = MachineId::parse(MACHINE).expect("an id");
        Journal::new(vec![self.root.path().to_owned()], machine)
    }
}

/// A journal file of `fixtures/`.
pub(crate) fn file(name: &str) -> Vec<u8> {
    unpacked(&format!("{name}.journal.zst"))
}

/// What journalctl shows, the newest last.
pub(crate) fn shown(name: &str) -> Vec<Shown> {
    let text = String::from_utf8(unpacked(&format!("{name}.json.zst"))).expect("text");
    text.lines().map(|line| one(&serde_json::from_str(line).expect("JSON"))).collect()
}

/// A query for the newest entries of a unit, as many as there may be.
pub(crate) fn all_of(unit: &str) -> Query {
    let unit = unit.parse().expect("a unit");
    Query { lines: 1_000, bytes: 1 << 20, ..Query::new(unit) }
}

fn unpacked(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services/fixtures").join(name);
    let packed = std::fs::read(path).expect("the fixture is there");
    let mut source = packed.as_slice();
    let mut bytes = Vec::new();
    // zstd(1) writes in frames of its own making, read to their end.
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(&mut source).expect("a frame");
    decoder.read_to_end(&mut bytes).expect("it unpacks");
    bytes
}

fn one(entry: &serde_json::Value) -> Shown {
    let text = |name: &str| entry[name].as_str().map(str::to_owned);
    let message = match &entry["MESSAGE"] {
        serde_json::Value::Array(bytes) => {
            let bytes: Vec<u8> = bytes
                .iter()
                .map(|byte| u8::try_from(byte.as_u64().expect("a byte")).expect("a byte"))
                .collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        message => message.as_str().expect("a text").to_owned(),
    };
    let harmless = |c: char| if c.is_control() && !"\n\t".contains(c) { '\u{fffd}' } else { c };
    Shown {
        cursor: text("__CURSOR").expect("a cursor"),
        realtime: text("__REALTIME_TIMESTAMP").expect("a time").parse().expect("a number"),
        priority: text("PRIORITY").and_then(|priority| priority.parse().ok()),
        identifier: text("SYSLOG_IDENTIFIER").or_else(|| text("_COMM")),
        pid: text("_PID").or_else(|| text("SYSLOG_PID")).map(|pid| pid.parse().expect("a pid")),
        message: message.chars().map(harmless).collect(),
    }
}
