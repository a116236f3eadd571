//! What a profile means, as one JSON value, and its digest.
//!
//! Canonical: keys and lists are sorted unless their order means something, so
//! that profiles with the same meaning have the same text. Name, description and
//! ancestors are not meaning: two profiles that let a cell do the same have the
//! same digest, and one whose parent changes gets another.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::layers::layer_name;
use crate::{Limits, Profile, Scratch, Session};

impl Profile {
    /// What it means, in canonical form.
    #[must_use]
    pub fn meaning(&self) -> Value {
        let Self {
            name: _,
            description: _,
            inherits: _,
            write,
            execute,
            protect,
            show,
            read,
            programs,
            libraries,
            search_path,
            home,
            scratch,
            network,
            loopback,
            filter,
            limits,
            session: Session { idle_millis, background },
            environment,
            allowed_variables,
            may_lack,
        } = self;
        let allow = network.destinations().iter().map(ToString::to_string);
        json!({
            "workspace": {
                "access": if *write { "write" } else { "read" },
                "execute": execute,
                "protect": texts(protect),
            },
            "view": { "show": texts(show), "read": texts(read) },
            "programs": {
                "path": texts(search_path),
                "execute": texts(programs),
                "libraries": texts(libraries),
            },
            "home": home.to_string(),
            "scratch": scratch.iter().map(place).collect::<Vec<_>>(),
            "network": {
                "mode": network.word(),
                "allow": allow.collect::<Vec<_>>(),
                "loopback": loopback,
            },
            "syscalls": { "filter": filter, "digest": filter_digest(filter) },
            "limits": amounts(limits),
            "session": { "idle_millis": idle_millis, "background": background },
            "environment": { "set": environment, "allow": allowed_variables },
            "may_lack": may_lack.iter().map(|layer| layer_name(*layer)).collect::<Vec<_>>(),
        })
    }

    /// SHA-256 over [`Self::meaning`]. A receipt names a profile by it.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.meaning().to_string()).into()
    }
}

fn texts<T: std::fmt::Display>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

fn place(Scratch { path, bytes, execute }: &Scratch) -> Value {
    json!({ "path": path.to_string(), "bytes": bytes, "execute": execute })
}

/// A filter of the same name may refuse more tomorrow.
fn filter_digest(name: &str) -> String {
    let digest = cofferdam_filter::by_name(name).map(|filter| filter.digest).unwrap_or_default();
    hex(&digest)
}

fn amounts(limits: &Limits) -> Value {
    let Limits {
        memory_bytes,
        swap_bytes,
        processes,
        cpu_millis,
        cpu_weight,
        io_bytes_per_second,
        wall_millis,
        idle_millis,
        output_bytes,
        file_size_bytes,
        open_files,
    } = limits;
    json!({
        "memory_bytes": memory_bytes,
        "swap_bytes": swap_bytes,
        "processes": processes,
        "cpu_millis": cpu_millis,
        "cpu_weight": cpu_weight,
        "io_bytes_per_second": io_bytes_per_second,
        "wall_millis": wall_millis,
        "idle_millis": idle_millis,
        "output_bytes": output_bytes,
        "file_size_bytes": file_size_bytes,
        "open_files": open_files,
    })
}

/// Bytes as lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}
