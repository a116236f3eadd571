//! `delete_file`: a file, a link, or a directory less.

use cofferdam_journal::Ending;
use cofferdam_proto::file::v1::{FileDelete, FileDeleted};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::definition::{About, Effect};
use super::super::file_input::path_bytes;
use super::super::view::{Provenance, path_text};
use super::super::{Acted, Asked, HostTool, Job, Target};
use crate::hosts::{HostError, Proven};
use crate::input::BadInput;
use crate::place::Place;
use crate::record::RecordedIntent;
use crate::result::Answer;

pub(crate) struct DeleteFile;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The file, symlink or directory: absolute, or relative to the workspace.
    path: String,
    /// Remove a directory with all that is in it. Without this only an empty one
    /// is removed. Default: false.
    recursive: Option<bool>,
    /// The host, as `list_hosts` names it. Default: the project's first.
    host: Option<String>,
    /// The project. Needed only where there are several.
    project: Option<String>,
}

/// What a caller gets.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// What was removed.
    path: String,
    /// Files, symlinks and directories that are gone.
    entries: u64,
    /// Why it stopped before everything was gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<String>,
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

impl HostTool for DeleteFile {
    type Input = Input;
    type Wire = FileDelete;
    type Output = Output;

    const ABOUT: About = About {
        name: "delete_file",
        title: "Remove a file",
        description: "Removes a file, a symlink (not what it points to) or an empty directory in the \
             project's workspace on a Linux host; with `recursive` a directory with all that is in \
             it. It cannot be undone. What the profile protects stays.",
        effect: Effect::Writes,
    };

    fn ask(input: Input, _place: &Place) -> Result<Asked<FileDelete>, BadInput> {
        let Input { path, recursive, host: _, project: _ } = input;
        let path = path_bytes("path", &path)?;
        let wire = FileDelete { path, recursive: recursive.unwrap_or_default() };
        Ok(Asked { wire, wall: None })
    }

    async fn act(
        job: Job<'_>,
        intent: &RecordedIntent<FileDelete>,
    ) -> Result<Acted<Output>, HostError> {
        let Proven { answer, receipt } = job.host.ask(intent, job.cancelled).await?;
        let FileDeleted { entries, stopped } = answer;
        let stopped = stopped.map(|error| error.message);
        let path = path_text(&intent.action().path);
        let answer = Output { path, entries, stopped, provenance: job.provenance };
        Ok(Acted { answer, ending: Ending::Completed, usage: None, sandbox: None, receipt })
    }
}

impl Answer for Output {
    fn is_error(&self) -> bool {
        self.stopped.is_some()
    }

    fn headline(&self) -> String {
        match &self.stopped {
            None => format!("removed {}: {} entries", self.path, self.entries),
            Some(why) => format!("removed {} entries of {}, then: {why}", self.entries, self.path),
        }
    }
}
