//! What a run met at the walls of its sandbox, as its caller is told: what it
//! was refused, and what it reached through the proxy.
//!
//! A run that failed tells as much as helps to see why; of one that succeeded a
//! few words are enough. Invariants: what is told is bounded, in one line each;
//! what is left out is counted in a note; the words say all that the fields say.

use std::collections::BTreeMap;
use std::fmt;

use cofferdam_proto::exec::v1::{Connection, Denial, Sandbox};
use schemars::JsonSchema;
use serde::Serialize;

use crate::line::one_line;
use crate::result::InWords;
use crate::tools::within_budget;

/// Denials, and destinations, of a run that failed.
const IN_FULL: usize = 12;
/// The same of a run that succeeded.
const IN_BRIEF: usize = 3;

/// Characters of an operation, a setting, or a destination's name.
const NAME: usize = 260;
/// Characters of a path, a reason, or a remedy.
const TEXT: usize = 400;

/// What it met.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::tools) struct Met {
    /// What the sandbox refused, what matters most first: programs often try such
    /// things and go on without, so look for what the output complains about.
    pub(super) denials: Vec<DenialView>,
    /// How many refusals are not told, or why they cannot be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) denials_note: Option<String>,
    /// What was reached through the network proxy, or refused by it.
    pub(super) network: Vec<Reached>,
    /// How many connections are not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) network_note: Option<String>,
}

/// Something that the sandbox refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct DenialView {
    /// What was tried, such as `read the file`.
    pub(super) operation: String,
    /// The path, address or system call, where the kernel tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) object: Option<String>,
    /// How many times.
    pub(super) count: u32,
    /// The setting of the sandbox's profile that governs it.
    pub(super) setting: String,
    /// What would allow it; only people can give that.
    pub(super) remedy: String,
}

/// A destination, with all the connections to it that went alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Reached {
    /// Name or address, and port.
    pub(super) destination: String,
    /// How many connections.
    pub(super) connections: u64,
    /// Bytes that the command sent.
    pub(super) sent_bytes: u64,
    /// Bytes that it received.
    pub(super) received_bytes: u64,
    /// Why they were refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<String>,
}

impl Met {
    /// What to tell of a run, in about `budget` bytes of JSON.
    pub(in crate::tools) fn of(sandbox: Option<Sandbox>, succeeded: bool, budget: usize) -> Self {
        let Some(sandbox) = sandbox else {
            let note = "this host does not tell what its sandbox refuses";
            let denials_note = (!succeeded).then(|| note.to_owned());
            return Self { denials_note, ..Self::default() };
        };
        let Sandbox {
            layers: _,
            kernel: _,
            profile: _,
            profile_digest: _,
            ceiling_digest: _,
            denials,
            denials_untold,
            denials_unseen,
            connections,
            connections_untold,
        } = sandbox;
        let most = if succeeded { IN_BRIEF } else { IN_FULL };
        let all: u64 = denials.iter().map(|denial| u64::from(denial.count)).sum();
        let views = denials.into_iter().take(most).map(DenialView::from);
        let (denials, _) = within_budget(views, budget / 2);
        let told: u64 = denials.iter().map(|denial| u64::from(denial.count)).sum();
        let silent = succeeded && all == 0 && denials_untold == 0;
        let unseen = if silent { "" } else { &denials_unseen };
        let denials_note = denials_note(all - told, denials_untold, unseen);

        let all = connections_untold.saturating_add(connections.len() as u64);
        let reached = by_destination(connections).into_iter().take(most);
        let (network, _) = within_budget(reached, budget / 2);
        let told: u64 = network.iter().map(|reached| reached.connections).sum();
        let network_note =
            (all > told).then(|| format!("{} connections more are not told", all - told));
        Self { denials, denials_note, network, network_note }
    }

    /// Bytes of it as JSON.
    pub(super) fn size(&self) -> usize {
        serde_json::to_vec(self).map_or(0, |json| json.len())
    }

    /// All of it in words.
    pub(in crate::tools) fn in_words(&self) -> Vec<InWords> {
        let Self { denials, denials_note, network, network_note } = self;
        vec![
            InWords {
                title: "denials",
                fields: &["denials", "denials_note"],
                text: list(denials, denials_note.as_ref()),
            },
            InWords {
                title: "network",
                fields: &["network", "network_note"],
                text: list(network, network_note.as_ref()),
            },
        ]
    }
}

fn denials_note(hidden: u64, untold: u64, unseen: &str) -> Option<String> {
    let mut notes = Vec::new();
    if hidden > 0 {
        notes.push(format!("{hidden} refusals more are not told"));
    }
    if untold > 0 {
        notes.push(format!(
            "{untold} refusals more were counted, and nothing else is known of them"
        ));
    }
    if !unseen.is_empty() {
        notes.push(one_line(unseen, TEXT));
    }
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// Connections that went alike as one, refused ones first, then by destination.
fn by_destination(connections: Vec<Connection>) -> Vec<Reached> {
    let mut alike: BTreeMap<(bool, String, String), Reached> = BTreeMap::new();
    for connection in connections {
        let Connection { protocol: _, name, port, address: _, refused, sent_bytes, received_bytes } =
            connection;
        let name = one_line(&name, NAME);
        let destination =
            if name.contains(':') { format!("[{name}]:{port}") } else { format!("{name}:{port}") };
        let refused = one_line(&refused, TEXT);
        let key = (refused.is_empty(), destination.clone(), refused.clone());
        let reached = alike.entry(key).or_insert(Reached {
            destination,
            connections: 0,
            sent_bytes: 0,
            received_bytes: 0,
            refused: (!refused.is_empty()).then_some(refused),
        });
        reached.connections += 1;
        reached.sent_bytes = reached.sent_bytes.saturating_add(sent_bytes);
        reached.received_bytes = reached.received_bytes.saturating_add(received_bytes);
    }
    alike.into_values().collect()
}

/// A line for each element, and the note as a last one.
fn list<T: fmt::Display>(elements: &[T], note: Option<&String>) -> String {
    let lines = elements.iter().map(|element| format!("- {element}\n"));
    lines.chain(note.map(|note| format!("- {note}\n"))).collect()
}

impl From<Denial> for DenialView {
    fn from(denial: Denial) -> Self {
        let Denial { layer: _, operation, object, count, setting, remedy } = denial;
        Self {
            operation: one_line(&operation, NAME),
            object: (!object.is_empty()).then(|| one_line(&object, TEXT)),
            count,
            setting: one_line(&setting, NAME),
            remedy: one_line(&remedy, TEXT),
        }
    }
}

/// ``cannot read the file `/etc/shadow` (2 times): setting `view.read`; what would
/// allow it: a profile …``
impl fmt::Display for DenialView {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, object, count, setting, remedy } = self;
        write!(out, "cannot {operation}")?;
        if let Some(object) = object {
            write!(out, " `{object}`")?;
        }
        let times = if *count == 1 { "time" } else { "times" };
        write!(out, " ({count} {times}): setting `{setting}`; what would allow it: {remedy}")
    }
}

/// `crates.io:443: 3 connections, 1200 bytes sent, 50000 received`
impl fmt::Display for Reached {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { destination, connections, sent_bytes, received_bytes, refused } = self;
        let word = if *connections == 1 { "connection" } else { "connections" };
        write!(out, "{destination}: {connections} {word}")?;
        if refused.is_some() {
            out.write_str(" refused")?;
        }
        write!(out, ", {sent_bytes} bytes sent, {received_bytes} received")?;
        match refused {
            Some(why) => write!(out, ": {why}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
