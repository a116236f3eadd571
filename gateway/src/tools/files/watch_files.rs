//! `watch_files`: waits until something changes.

use cofferdam_journal::Ending;
use cofferdam_proto::file::v1::{FileChange, FileChanges, FileWatch};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::definition::{About, Effect};
use super::super::file_input::path_bytes;
use super::super::view::{Provenance, path_text};
use super::super::{Acted, Asked, HostTool, Job, Target, within_budget};
use crate::hosts::{HostError, Proven};
use crate::input::{BadInput, bounded};
use crate::place::Place;
use crate::record::RecordedIntent;
use crate::result::Answer;

pub(crate) struct WatchFiles;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// A directory or a file: absolute, or relative to the workspace. Default: the
    /// workspace.
    path: Option<String>,
    /// Also watch directories beneath, but for hidden and ignored ones. Default:
    /// true.
    recursive: Option<bool>,
    /// How long to wait for a change, in seconds, 1 to 50. Default: 30.
    #[schemars(range(min = 1, max = 50))]
    timeout_seconds: Option<u64>,
    /// Answer once nothing changed for so many milliseconds, 1 to 5000. Default:
    /// 100.
    #[schemars(range(min = 1, max = 5000))]
    settle_milliseconds: Option<u64>,
    /// The host, as `list_hosts` names it. Default: the project's first.
    host: Option<String>,
    /// The project. Needed only where there are several.
    project: Option<String>,
}

/// What a caller gets.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// What was watched.
    path: String,
    /// What changed, each path once.
    changes: Vec<Change>,
    /// Nothing changed in time.
    timed_out: bool,
    /// More changed than is told, or the tree is too large to watch all of it.
    overflow: bool,
    #[serde(flatten)]
    provenance: Provenance,
}

/// What happened to one path.
#[derive(Debug, Serialize, JsonSchema)]
struct Change {
    /// The path.
    path: String,
    /// created, removed, modified, attributes; several where several happened.
    what: Vec<&'static str>,
}

impl Target for Input {
    fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }
    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

impl HostTool for WatchFiles {
    type Input = Input;
    type Wire = FileWatch;
    type Output = Output;

    const ABOUT: About = About {
        name: "watch_files",
        title: "Wait for changes",
        description: "Waits until files at or beneath a path change on a Linux host, and tells which; \
             several changes at once are told together. Changes from before the call are not seen.",
        effect: Effect::Reads,
    };

    fn ask(input: Input, _place: &Place) -> Result<Asked<FileWatch>, BadInput> {
        let Input { path, recursive, timeout_seconds, settle_milliseconds, host: _, project: _ } =
            input;
        let path = path_bytes("path", path.as_deref().unwrap_or("."))?;
        let wait = bounded("timeout_seconds", timeout_seconds, 30, 1..=50)? * 1000;
        let settle = bounded("settle_milliseconds", settle_milliseconds, 100, 1..=5000)?;
        let wire = FileWatch {
            path,
            recursive: recursive.unwrap_or(true),
            wait_millis: u32::try_from(wait).unwrap_or(0),
            settle_millis: u32::try_from(settle).unwrap_or(0),
        };
        Ok(Asked { wire, wall: None })
    }

    async fn act(
        job: Job<'_>,
        intent: &RecordedIntent<FileWatch>,
    ) -> Result<Acted<Output>, HostError> {
        let Proven { answer, receipt } = job.host.ask(intent, job.cancelled).await?;
        let FileChanges { changes, timed_out, overflow } = answer;
        let (changes, cut) = within_budget(changes.into_iter().map(Change::from), job.budget);
        let path = path_text(&intent.action().path);
        let overflow = overflow || cut;
        let answer = Output { path, changes, timed_out, overflow, provenance: job.provenance };
        Ok(Acted { answer, ending: Ending::Completed, usage: None, sandbox: None, receipt })
    }
}

impl Answer for Output {
    fn headline(&self) -> String {
        let more = if self.overflow { ", and there were more" } else { "" };
        match self.changes.len() {
            0 if self.timed_out => format!("nothing changed in {}", self.path),
            changed => format!("changed in {}: {changed}{more}", self.path),
        }
    }
}

impl From<FileChange> for Change {
    fn from(change: FileChange) -> Self {
        let FileChange { path, created, removed, modified, attributes } = change;
        let what = [
            (created, "created"),
            (removed, "removed"),
            (modified, "modified"),
            (attributes, "attributes"),
        ];
        let what = what.into_iter().filter(|(is, _)| *is).map(|(_, word)| word).collect();
        Self { path: path_text(&path), what }
    }
}
