//! `read_files`: several files at once, within one answer.

use std::fmt::Write;

use cofferdam_journal::Ending;
use cofferdam_proto::file::v1::content_or_error::Result as Either;
use cofferdam_proto::file::v1::{ContentOrError, FileContent, FileRead, FilesContent, FilesRead};
use cofferdam_trust::hex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::definition::{About, Effect};
use super::super::file_content::{Reading, Shown};
use super::super::file_input::path_bytes;
use super::super::view::{Provenance, path_text};
use super::super::{Acted, Asked, HostTool, Job, Target};
use crate::hosts::{HostError, Proven};
use crate::input::BadInput;
use crate::place::Place;
use crate::record::RecordedIntent;
use crate::result::{Answer, InWords};

/// Files of one call.
const MAX_FILES: usize = 64;

pub(crate) struct ReadFiles;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The files, at most 64: absolute, or relative to the workspace.
    paths: Vec<String>,
    /// The host, as `list_hosts` names it. Default: the project's first.
    host: Option<String>,
    /// The project. Needed only where there are several.
    project: Option<String>,
}

/// What a caller gets.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The files, in the order in which they were asked for.
    files: Vec<One>,
    #[serde(flatten)]
    provenance: Provenance,
}

/// One file.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct One {
    /// Its path.
    path: String,
    /// Its content from the begin, as far as the answer had room.
    #[serde(skip_serializing_if = "String::is_empty")]
    content: String,
    /// Bytes of the whole file.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// The `offset` at which `read_file` goes on; absent where this is all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
    /// SHA-256 of the whole file, where it has at most 4 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// Why it is not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// Why it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Target for Input {
    fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }
    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

impl HostTool for ReadFiles {
    type Input = Input;
    type Wire = FilesRead;
    type Output = Output;

    const ABOUT: About = About {
        name: "read_files",
        title: "Read several files",
        description: "Reads several text files on a Linux host at once, each from its begin; they \
             share the room of one answer. Why one cannot be read is told in its place. Longer files \
             go on with read_file.",
        effect: Effect::Reads,
    };

    fn ask(input: Input, _place: &Place) -> Result<Asked<FilesRead>, BadInput> {
        let Input { paths, host: _, project: _ } = input;
        if paths.is_empty() || paths.len() > MAX_FILES {
            let message = format!("`paths` has {} entries; give 1 to {MAX_FILES}", paths.len());
            return Err(BadInput::field("paths", message));
        }
        let reads = paths.iter().enumerate().map(|(index, path)| {
            let path = path_bytes(&format!("paths[{index}]"), path)?;
            Ok(FileRead { path, ..FileRead::default() })
        });
        let wire = FilesRead { reads: reads.collect::<Result<_, _>>()?, length: 0 };
        Ok(Asked { wire, wall: None })
    }

    fn fit(wire: &mut FilesRead, budget: usize) {
        wire.length = budget as u64;
    }

    async fn act(
        job: Job<'_>,
        intent: &RecordedIntent<FilesRead>,
    ) -> Result<Acted<Output>, HostError> {
        let Proven { answer, receipt } = job.host.ask(intent, job.cancelled).await?;
        let FilesContent { files } = answer;
        let asked = intent.action().reads.iter();
        let files = asked.zip(files).map(|(read, file)| one(read, file)).collect();
        let answer = Output { files, provenance: job.provenance };
        Ok(Acted { answer, ending: Ending::Completed, usage: None, sandbox: None, receipt })
    }
}

fn one(read: &FileRead, file: ContentOrError) -> One {
    let path = path_text(&read.path);
    let mut content = match file.result {
        Some(Either::Content(content)) => content,
        Some(Either::Error(error)) => {
            return One { path, error: Some(error.message), ..One::default() };
        }
        None => return One { path, error: Some("no answer".to_owned()), ..One::default() },
    };
    let shown = Shown::of(&mut content, Reading::Utf8);
    let FileContent { size, sha256, .. } = content;
    let Shown { content, length, note, .. } = shown;
    One {
        path,
        content,
        size: Some(size),
        next_offset: (length > 0 && length < size).then_some(length),
        sha256: (!sha256.is_empty()).then(|| hex(&sha256)),
        note,
        error: None,
    }
}

impl Answer for Output {
    fn in_words(&self) -> Vec<InWords> {
        let told = self.files.iter().map(|file| {
            let One { path, content, size, next_offset, sha256, note, error } = file;
            let mut head = format!("==> {path} <==");
            // Writing to a text never fails.
            if let Some(size) = size {
                _ = write!(head, " {size} bytes");
            }
            if let Some(next) = next_offset {
                _ = write!(head, ", goes on at offset {next}");
            }
            if let Some(sha256) = sha256 {
                _ = write!(head, ", sha256 {sha256}");
            }
            let more = note.as_deref().or(error.as_deref()).unwrap_or_default();
            let newline = if content.is_empty() || content.ends_with('\n') { "" } else { "\n" };
            let more = if more.is_empty() { String::new() } else { format!("{more}\n") };
            format!("{head}\n{content}{newline}{more}")
        });
        let text = told.collect::<Vec<_>>().join("\n");
        vec![InWords { title: "files", fields: &["files"], text }]
    }

    fn headline(&self) -> String {
        let failed = self.files.iter().filter(|file| file.error.is_some()).count();
        format!("files: {}, not read: {failed}", self.files.len())
    }
}
