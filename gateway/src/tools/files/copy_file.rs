//! `copy_file`: another file, or another tree, with the same content.

use cofferdam_journal::Ending;
use cofferdam_proto::file::v1::{FileCopied, FileCopy};
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

pub(crate) struct CopyFile;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The file: absolute, or relative to the workspace.
    from: String,
    /// The path of the copy: the whole name, not only the directory that it goes to.
    to: String,
    /// Replace a file that is there already. Never replaces a directory. Default:
    /// false.
    overwrite: Option<bool>,
    /// Also take a directory, with all that is in it. Default: false.
    recursive: Option<bool>,
    /// The host, as `list_hosts` names it. Default: the project's first.
    host: Option<String>,
    /// The project. Needed only where there are several.
    project: Option<String>,
}

/// What a caller gets.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// What was copied.
    from: String,
    /// The copy.
    to: String,
    /// Files that were copied.
    files: u64,
    /// Directories that were made.
    directories: u64,
    /// Symlinks that were copied, as they are.
    links: u64,
    /// Bytes of all files.
    bytes: u64,
    /// FIFOs, sockets and devices are never copied: how many were left out.
    left_out_count: u64,
    /// The first of those.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<String>,
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

impl HostTool for CopyFile {
    type Input = Input;
    type Wire = FileCopy;
    type Output = Output;

    const ABOUT: About = About {
        name: "copy_file",
        title: "Copy a file",
        description: "Copies a file on a Linux host into the project's workspace; a directory with \
             `recursive`. The copy appears when it is complete. Replaces nothing unless `overwrite` \
             is set. Symlinks within a directory are copied as symlinks.",
        effect: Effect::Writes,
    };

    fn ask(input: Input, _place: &Place) -> Result<Asked<FileCopy>, BadInput> {
        let Input { from, to, overwrite, recursive, host: _, project: _ } = input;
        let (from, to) = (path_bytes("from", &from)?, path_bytes("to", &to)?);
        let (overwrite, recursive) = (overwrite.unwrap_or_default(), recursive.unwrap_or_default());
        let wire = FileCopy { from, to, overwrite, recursive };
        Ok(Asked { wire, wall: None })
    }

    async fn act(
        job: Job<'_>,
        intent: &RecordedIntent<FileCopy>,
    ) -> Result<Acted<Output>, HostError> {
        let Proven { answer, receipt } = job.host.ask(intent, job.cancelled).await?;
        let FileCopied { files, directories, links, bytes, left_out, left_out_count } = answer;
        let FileCopy { from, to, .. } = intent.action();
        let answer = Output {
            from: path_text(from),
            to: path_text(to),
            files,
            directories,
            links,
            bytes,
            left_out_count,
            left_out: left_out.iter().map(|path| path_text(path)).collect(),
            provenance: job.provenance,
        };
        Ok(Acted { answer, ending: Ending::Completed, usage: None, sandbox: None, receipt })
    }
}

impl Answer for Output {
    fn headline(&self) -> String {
        let Self { from, to, files, bytes, .. } = self;
        format!("copied {from} to {to}: {files} files, {bytes} bytes")
    }
}
