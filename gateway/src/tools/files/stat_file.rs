//! `stat_file`: what a file is, without its content.

use cofferdam_journal::Ending;
use cofferdam_proto::file::v1::FileStat;
use cofferdam_trust::hex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::definition::{About, Effect};
use super::super::file_input::path_bytes;
use super::super::view::{Entry, Provenance};
use super::super::{Acted, Asked, HostTool, Job, Target};
use crate::hosts::{HostError, Proven};
use crate::input::BadInput;
use crate::place::Place;
use crate::record::RecordedIntent;
use crate::result::Answer;

pub(crate) struct StatFile;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The file: absolute, or relative to the workspace.
    path: String,
    /// Tell the SHA-256 of a regular file, too (of at most 256 MiB), to give as
    /// `expected_sha256`. Default: false.
    digest: Option<bool>,
    /// The host, as `list_hosts` names it. Default: the project's first.
    host: Option<String>,
    /// The project. Needed only where there are several.
    project: Option<String>,
}

/// What a caller gets.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The file. A symlink is described itself.
    #[serde(flatten)]
    entry: Entry,
    /// SHA-256 of its content.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(flatten)]
    provenance: Provenance,
}

impl Target for Input {
    fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }
    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

impl HostTool for StatFile {
    type Input = Input;
    type Wire = FileStat;
    type Output = Output;

    const ABOUT: About = About {
        name: "stat_file",
        title: "Look at a file",
        description: "Tells kind, size, mode, time of the last change and where a symlink points, \
             of one file or directory on a Linux host, and the SHA-256 of its content if asked for.",
        effect: Effect::Reads,
    };

    fn ask(input: Input, _place: &Place) -> Result<Asked<FileStat>, BadInput> {
        let Input { path, digest, host: _, project: _ } = input;
        let path = path_bytes("path", &path)?;
        let wire = FileStat { path, digest: digest.unwrap_or_default() };
        Ok(Asked { wire, wall: None })
    }

    async fn act(
        job: Job<'_>,
        intent: &RecordedIntent<FileStat>,
    ) -> Result<Acted<Output>, HostError> {
        let Proven { answer, receipt } = job.host.ask(intent, job.cancelled).await?;
        let sha256 = (!answer.sha256.is_empty()).then(|| hex(&answer.sha256));
        let answer = Output { entry: Entry::from(answer), sha256, provenance: job.provenance };
        Ok(Acted { answer, ending: Ending::Completed, usage: None, sandbox: None, receipt })
    }
}

impl Answer for Output {
    fn headline(&self) -> String {
        let Entry { path, kind, size, .. } = &self.entry;
        format!("{path}: {kind}, {size} bytes")
    }
}
