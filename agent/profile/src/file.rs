//! A profile as its TOML file says it, nothing filled in: what is absent is
//! `None`, so that [`crate::resolve`] can take it from a parent. Unknown keys are
//! refused.

use std::collections::BTreeMap;

use cofferdam_ceiling::{Bytes, Millis};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) version: u32,
    pub(crate) description: Option<String>,
    pub(crate) inherits: Option<String>,
    #[serde(default)]
    pub(crate) workspace: WorkspaceSection,
    #[serde(default)]
    pub(crate) view: ViewSection,
    #[serde(default)]
    pub(crate) programs: ProgramsSection,
    #[serde(default)]
    pub(crate) home: HomeSection,
    pub(crate) scratch: Option<Vec<ScratchSection>>,
    #[serde(default)]
    pub(crate) network: NetworkSection,
    #[serde(default)]
    pub(crate) syscalls: SyscallsSection,
    #[serde(default)]
    pub(crate) limits: LimitsSection,
    #[serde(default)]
    pub(crate) session: SessionSection,
    #[serde(default)]
    pub(crate) environment: EnvironmentSection,
    #[serde(default)]
    pub(crate) enforcement: EnforcementSection,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkspaceSection {
    pub(crate) access: Option<AccessWord>,
    pub(crate) execute: Option<bool>,
    /// On top of the parent's.
    #[serde(default)]
    pub(crate) protect: Vec<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AccessWord {
    Read,
    Write,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct ViewSection {
    /// What is mounted; without it, what may be read or executed.
    pub(crate) show: Option<Vec<String>>,
    pub(crate) read: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProgramsSection {
    pub(crate) path: Option<Vec<String>>,
    pub(crate) execute: Option<Vec<String>>,
    pub(crate) libraries: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct HomeSection {
    pub(crate) path: Option<String>,
    pub(crate) size: Option<Bytes>,
    pub(crate) execute: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScratchSection {
    pub(crate) path: String,
    pub(crate) size: Bytes,
    #[serde(default)]
    pub(crate) execute: bool,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct NetworkSection {
    pub(crate) mode: Option<NetworkWord>,
    pub(crate) allow: Option<Vec<String>>,
    pub(crate) loopback: Option<bool>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NetworkWord {
    None,
    Proxy,
    Host,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct SyscallsSection {
    pub(crate) filter: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsSection {
    pub(crate) memory: Option<Bytes>,
    pub(crate) swap: Option<Bytes>,
    pub(crate) processes: Option<u32>,
    pub(crate) cpu_millis: Option<u32>,
    pub(crate) cpu_weight: Option<u32>,
    pub(crate) io_bytes_per_second: Option<u64>,
    pub(crate) wall: Option<Millis>,
    pub(crate) idle: Option<Millis>,
    pub(crate) output: Option<Bytes>,
    pub(crate) file_size: Option<Bytes>,
    pub(crate) open_files: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionSection {
    pub(crate) idle: Option<Millis>,
    pub(crate) background: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnvironmentSection {
    /// On top of the parent's.
    #[serde(default)]
    pub(crate) set: BTreeMap<String, String>,
    pub(crate) allow: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnforcementSection {
    pub(crate) may_lack: Option<Layers>,
}

/// Names of layers, or the word `all`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a list of layers' names, or \"all\"")]
pub(crate) enum Layers {
    Word(String),
    Names(Vec<String>),
}
