//! `get_system_info`: what a host is, and what its sandbox can enforce.

use cofferdam_journal::Ending;
use cofferdam_proto::host::v1::{Disk, Host, HostQuery};
use cofferdam_proto::intent::v1::Limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definition::{About, Effect};
use super::view::{Provenance, WeakLayer, layers, timestamp};
use super::{Acted, Asked, HostTool, Job, Target};
use crate::hosts::{HostError, Proven};
use crate::input::BadInput;
use crate::place::Place;
use crate::record::RecordedIntent;
use crate::result::Answer;

pub(crate) struct GetSystemInfo;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The host, as `list_hosts` names it. Default: the project's first.
    host: Option<String>,
    /// The project. Needed only where there are several.
    project: Option<String>,
}

/// What a caller gets.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Output {
    os_name: String,
    os_version: String,
    kernel: String,
    architecture: String,
    cpu_model: String,
    cpus: u32,
    memory_total_bytes: u64,
    memory_available_bytes: u64,
    /// Over 1, 5 and 15 minutes, in hundredths.
    load_hundredths: Vec<u32>,
    disks: Vec<DiskView>,
    /// RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    booted_at: Option<String>,
    agent_version: String,
    /// The layers of the sandbox that this host can give.
    sandbox: Vec<String>,
    /// The layers that it cannot give completely.
    degraded: Vec<WeakLayer>,
    /// Profiles that the host's owner allows.
    profiles: Vec<String>,
    /// The most that the host's owner allows; 0: not limited here.
    limits: LimitsView,
    /// Directories that workspaces may be in.
    workspace_roots: Vec<String>,
    /// Where relative paths start.
    workspace: String,
    #[serde(flatten)]
    provenance: Provenance,
}

/// A file system.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct DiskView {
    mount_point: String,
    total_bytes: u64,
    available_bytes: u64,
}

/// Limits of one run.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct LimitsView {
    memory_bytes: u64,
    processes: u32,
    cpu_millis: u32,
    wall_ms: u64,
    output_bytes: u64,
    file_size_bytes: u64,
    open_files: u32,
}

impl Target for Input {
    fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }
    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

impl HostTool for GetSystemInfo {
    type Input = Input;
    type Wire = HostQuery;
    type Output = Output;

    const ABOUT: About = About {
        name: "get_system_info",
        title: "Describe a host",
        description: "Describes a Linux host: operating system, kernel, CPU, memory, disks, load, \
             and what its sandbox can enforce and allows at most.",
        effect: Effect::Reads,
    };

    fn ask(input: Input, _place: &Place) -> Result<Asked<HostQuery>, BadInput> {
        let Input { host: _, project: _ } = input;
        Ok(Asked { wire: HostQuery {}, wall: None })
    }

    async fn act(
        job: Job<'_>,
        intent: &RecordedIntent<HostQuery>,
    ) -> Result<Acted<Output>, HostError> {
        let Proven { answer, receipt } = job.host.ask(intent, job.cancelled).await?;
        job.host.learn_layers(&answer.layers);
        let answer = shape(answer, job.workspace, job.provenance);
        Ok(Acted { answer, ending: Ending::Completed, usage: None, sandbox: None, receipt })
    }
}

fn shape(host: Host, workspace: String, provenance: Provenance) -> Output {
    let Host {
        name: _,
        agent_version,
        os_name,
        os_version,
        kernel,
        architecture,
        cpu_model,
        cpus,
        memory_total_bytes,
        memory_available_bytes,
        load_hundredths,
        disks,
        booted_at,
        layers: given,
        profiles,
        limits,
        workspace_roots,
    } = host;
    let (sandbox, degraded) = layers(given);
    Output {
        os_name,
        os_version,
        kernel,
        architecture,
        cpu_model,
        cpus,
        memory_total_bytes,
        memory_available_bytes,
        load_hundredths,
        disks: disks.into_iter().map(DiskView::from).collect(),
        booted_at: booted_at.as_ref().and_then(timestamp),
        agent_version,
        sandbox,
        degraded,
        profiles,
        limits: limits.unwrap_or_default().into(),
        workspace_roots,
        workspace,
        provenance,
    }
}

impl From<Disk> for DiskView {
    fn from(disk: Disk) -> Self {
        let Disk { mount_point, total_bytes, available_bytes } = disk;
        Self { mount_point, total_bytes, available_bytes }
    }
}

impl From<Limits> for LimitsView {
    fn from(limits: Limits) -> Self {
        let Limits {
            memory_bytes,
            processes,
            cpu_millis,
            wall_millis,
            output_bytes,
            file_size_bytes,
            open_files,
        } = limits;
        Self {
            memory_bytes,
            processes,
            cpu_millis,
            wall_ms: wall_millis,
            output_bytes,
            file_size_bytes,
            open_files,
        }
    }
}

impl Answer for Output {
    fn headline(&self) -> String {
        format!(
            "{}: {} {}, Linux {}, {} CPUs",
            self.provenance.host, self.os_name, self.os_version, self.kernel, self.cpus
        )
    }
}
