//! `list_directory`: what is in a directory, some levels deep.

use cofferdam_journal::Ending;
use cofferdam_proto::file::v1::{DirectoryList, DirectoryListing};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definition::{About, Effect};
use super::file_input::path_bytes;
use super::view::{Entry, Provenance, path_text};
use super::{Acted, Asked, HostTool, Job, Target, within_budget};
use crate::hosts::{HostError, Proven};
use crate::input::{BadInput, bounded};
use crate::place::Place;
use crate::record::RecordedIntent;
use crate::result::Answer;

const MAX_DEPTH: u64 = 32;
const MAX_ENTRIES: u64 = 10_000;
const DEFAULT_ENTRIES: u64 = 1000;

pub(crate) struct ListDirectory;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The directory: absolute, or relative to the workspace. Default: the
    /// workspace.
    path: Option<String>,
    /// How many levels: 1 (the default) is the directory itself, at most 32.
    #[schemars(range(min = 1, max = 32))]
    depth: Option<u64>,
    /// Leave out what ignore files such as .gitignore name. Default: false.
    respect_ignore_files: Option<bool>,
    /// Show names that start with a dot. Default: true.
    include_hidden: Option<bool>,
    /// At most this many entries, 1 to 10000. Default: 1000.
    #[schemars(range(min = 1, max = 10_000))]
    max_entries: Option<u64>,
    /// Go on after this entry: `next` of the answer before, everything else the
    /// same.
    after: Option<String>,
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
    /// What is in it.
    entries: Vec<Entry>,
    /// There is more than is shown: go on with `next`, list a subdirectory, or use
    /// search_files.
    truncated: bool,
    /// What to give as `after` for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
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

impl HostTool for ListDirectory {
    type Input = Input;
    type Wire = DirectoryList;
    type Output = Output;

    const ABOUT: About = About {
        name: "list_directory",
        title: "List a directory",
        description: "Lists a directory on a Linux host with kind, size, mode and time of each \
             entry, one level deep or as many as `depth` says.",
        effect: Effect::Reads,
    };

    fn ask(input: Input, _place: &Place) -> Result<Asked<DirectoryList>, BadInput> {
        let Input {
            path,
            depth,
            respect_ignore_files,
            include_hidden,
            max_entries,
            after,
            host: _,
            project: _,
        } = input;
        let path = path.unwrap_or_else(|| ".".to_owned());
        let path = path_bytes("path", &path)?;
        let after = after.map(|after| path_bytes("after", &after)).transpose()?;
        let depth = bounded("depth", depth, 1, 1..=MAX_DEPTH)?;
        let max_entries = bounded("max_entries", max_entries, DEFAULT_ENTRIES, 1..=MAX_ENTRIES)?;
        let wire = DirectoryList {
            path,
            depth: u32::try_from(depth).unwrap_or(1),
            respect_ignore_files: respect_ignore_files.unwrap_or(false),
            include_hidden: include_hidden.unwrap_or(true),
            max_entries: u32::try_from(max_entries).unwrap_or(1),
            after: after.unwrap_or_default(),
        };
        Ok(Asked { wire, wall: None })
    }

    async fn act(
        job: Job<'_>,
        intent: &RecordedIntent<DirectoryList>,
    ) -> Result<Acted<Output>, HostError> {
        let Proven { answer, receipt } = job.host.ask(intent, job.cancelled).await?;
        let DirectoryListing { entries, truncated, next } = answer;
        let entries = entries.into_iter().map(Entry::from);
        let (entries, cut) = within_budget(entries, job.budget);
        let next = if cut {
            entries.last().map(|entry| entry.path.clone())
        } else {
            (!next.is_empty()).then(|| path_text(&next))
        };
        let path = path_text(&intent.action().path);
        let truncated = truncated || cut;
        let answer = Output { path, entries, truncated, next, provenance: job.provenance };
        Ok(Acted { answer, ending: Ending::Completed, usage: None, sandbox: None, receipt })
    }
}

impl Answer for Output {
    fn headline(&self) -> String {
        let more = if self.truncated { ", and there are more" } else { "" };
        format!("entries of {}: {}{more}", self.path, self.entries.len())
    }
}
