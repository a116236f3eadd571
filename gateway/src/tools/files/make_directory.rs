//! `make_directory`: a new directory.

use cofferdam_journal::Ending;
use cofferdam_proto::file::v1::{DirectoryMade, DirectoryMake};
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

pub(crate) struct MakeDirectory;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The directory: absolute, or relative to the workspace.
    path: String,
    /// Make missing parents, too; then a directory that is there already is no
    /// error. Default: false.
    make_parents: Option<bool>,
    /// The host, as `list_hosts` names it. Default: the project's first.
    host: Option<String>,
    /// The project. Needed only where there are several.
    project: Option<String>,
}

/// What a caller gets.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The directory.
    path: String,
    /// There was none before.
    created: bool,
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

impl HostTool for MakeDirectory {
    type Input = Input;
    type Wire = DirectoryMake;
    type Output = Output;

    const ABOUT: About = About {
        name: "make_directory",
        title: "Make a directory",
        description: "Makes a directory in the project's workspace on a Linux host, with its \
             parents if asked for.",
        effect: Effect::Writes,
    };

    fn ask(input: Input, _place: &Place) -> Result<Asked<DirectoryMake>, BadInput> {
        let Input { path, make_parents, host: _, project: _ } = input;
        let path = path_bytes("path", &path)?;
        let wire =
            DirectoryMake { path, make_parents: make_parents.unwrap_or_default(), mode: 0o755 };
        Ok(Asked { wire, wall: None })
    }

    async fn act(
        job: Job<'_>,
        intent: &RecordedIntent<DirectoryMake>,
    ) -> Result<Acted<Output>, HostError> {
        let Proven { answer, receipt } = job.host.ask(intent, job.cancelled).await?;
        let DirectoryMade { created } = answer;
        let path = path_text(&intent.action().path);
        let answer = Output { path, created, provenance: job.provenance };
        Ok(Acted { answer, ending: Ending::Completed, usage: None, sandbox: None, receipt })
    }
}

impl Answer for Output {
    fn headline(&self) -> String {
        let what = if self.created { "made" } else { "is there already:" };
        format!("{what} {}", self.path)
    }
}
