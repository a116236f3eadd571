//! `move_file`: another name for a file or directory.

use cofferdam_journal::Ending;
use cofferdam_proto::file::v1::{FileMove, FileMoved};
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

pub(crate) struct MoveFile;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The file: absolute, or relative to the workspace.
    from: String,
    /// Its new path: the whole name, not only the directory that it goes to.
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
    /// Where it was.
    from: String,
    /// Where it is now.
    to: String,
    /// A file was replaced.
    replaced: bool,
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

impl HostTool for MoveFile {
    type Input = Input;
    type Wire = FileMove;
    type Output = Output;

    const ABOUT: About = About {
        name: "move_file",
        title: "Move a file",
        description: "Moves or renames a file in the project's workspace on a Linux host, at once; \
             a directory with `recursive`. Replaces nothing unless `overwrite` is set. A symlink is \
             moved itself.",
        effect: Effect::Writes,
    };

    fn ask(input: Input, _place: &Place) -> Result<Asked<FileMove>, BadInput> {
        let Input { from, to, overwrite, recursive, host: _, project: _ } = input;
        let (from, to) = (path_bytes("from", &from)?, path_bytes("to", &to)?);
        let (overwrite, recursive) = (overwrite.unwrap_or_default(), recursive.unwrap_or_default());
        let wire = FileMove { from, to, overwrite, recursive };
        Ok(Asked { wire, wall: None })
    }

    async fn act(
        job: Job<'_>,
        intent: &RecordedIntent<FileMove>,
    ) -> Result<Acted<Output>, HostError> {
        let Proven { answer, receipt } = job.host.ask(intent, job.cancelled).await?;
        let FileMoved { info: _, replaced } = answer;
        let FileMove { from, to, .. } = intent.action();
        let (from, to) = (path_text(from), path_text(to));
        let answer = Output { from, to, replaced, provenance: job.provenance };
        Ok(Acted { answer, ending: Ending::Completed, usage: None, sandbox: None, receipt })
    }
}

impl Answer for Output {
    fn headline(&self) -> String {
        let also = if self.replaced { ", which replaced a file" } else { "" };
        format!("moved {} to {}{also}", self.from, self.to)
    }
}
