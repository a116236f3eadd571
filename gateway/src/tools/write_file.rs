//! `write_file`: replaces, makes or extends a file, atomically.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cofferdam_journal::Ending;
use cofferdam_proto::file::v1::write_precondition::Precondition;
use cofferdam_proto::file::v1::{FileWrite, FileWritten, WritePrecondition};
use cofferdam_trust::hex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definition::{About, Effect};
use super::file_input::{digest, path_bytes};
use super::view::{Provenance, path_text};
use super::{Acted, Asked, HostTool, Job, Target};
use crate::hosts::{HostError, Proven};
use crate::input::BadInput;
use crate::place::Place;
use crate::record::RecordedIntent;
use crate::result::Answer;

/// Bytes of one write.
const MAX_CONTENT: usize = 4 * 1024 * 1024;

pub(crate) struct WriteFile;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The file: absolute, or relative to the workspace.
    path: String,
    /// What to write.
    content: String,
    /// How `content` is written. Default: `utf-8`.
    encoding: Option<Encoding>,
    /// Only make a new file; refused where one exists. Default: false.
    must_not_exist: Option<bool>,
    /// Replace only if the file's content has this SHA-256 (64 hexadecimal
    /// digits), as `read_file` showed it.
    expected_sha256: Option<String>,
    /// Add to the end instead of replacing. Default: false.
    append: Option<bool>,
    /// Make missing parent directories. Default: false.
    make_parents: Option<bool>,
    /// A new file may be executed (mode 0755 instead of 0644). Default: false.
    executable: Option<bool>,
    /// The host, as `list_hosts` names it. Default: the project's first.
    host: Option<String>,
    /// The project. Needed only where there are several.
    project: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
enum Encoding {
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    #[serde(rename = "base64")]
    Base64,
}

/// What a caller gets.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The file.
    path: String,
    /// There was none before.
    created: bool,
    /// Bytes of the whole file now.
    size: u64,
    /// SHA-256 of the whole file now.
    sha256: String,
    /// What could not be kept of the old file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
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

impl HostTool for WriteFile {
    type Input = Input;
    type Wire = FileWrite;
    type Output = Output;

    const ABOUT: About = About {
        name: "write_file",
        title: "Write a file",
        description: "Writes a file in the project's workspace on a Linux host. Readers see the \
             old content or the new, never a part (appending excepted). Give `expected_sha256` to \
             be sure that nobody changed the file in between.",
        effect: Effect::Writes,
    };

    fn ask(input: Input, _place: &Place) -> Result<Asked<FileWrite>, BadInput> {
        let Input {
            path,
            content,
            encoding,
            must_not_exist,
            expected_sha256,
            append,
            make_parents,
            executable,
            host: _,
            project: _,
        } = input;
        let path = path_bytes("path", &path)?;
        let data = decode(content, encoding.unwrap_or_default())?;
        if data.len() > MAX_CONTENT {
            let message = format!(
                "`content` has {} bytes; at most {MAX_CONTENT} are taken: write the first part and \
                 append the rest",
                data.len()
            );
            return Err(BadInput::too_large("content", message));
        }
        let wire = FileWrite {
            path,
            data,
            precondition: precondition(must_not_exist.unwrap_or_default(), expected_sha256)?,
            make_parents: make_parents.unwrap_or_default(),
            mode: if executable.unwrap_or_default() { 0o755 } else { 0o644 },
            append: append.unwrap_or_default(),
        };
        Ok(Asked { wire, wall: None })
    }

    async fn act(
        job: Job<'_>,
        intent: &RecordedIntent<FileWrite>,
    ) -> Result<Acted<Output>, HostError> {
        let Proven { answer, receipt } = job.host.ask(intent, job.cancelled).await?;
        let FileWritten { created, size, sha256, notes } = answer;
        let path = path_text(&intent.action().path);
        let (sha256, provenance) = (hex(&sha256), job.provenance);
        let answer = Output { path, created, size, sha256, notes, provenance };
        Ok(Acted { answer, ending: Ending::Completed, usage: None, sandbox: None, receipt })
    }
}

fn decode(content: String, encoding: Encoding) -> Result<Vec<u8>, BadInput> {
    match encoding {
        Encoding::Utf8 => Ok(content.into_bytes()),
        Encoding::Base64 => BASE64_STANDARD.decode(content).map_err(|error| {
            BadInput::field("content", format!("`content` is not standard base64: {error}"))
        }),
    }
}

fn precondition(
    must_not_exist: bool,
    expected: Option<String>,
) -> Result<Option<WritePrecondition>, BadInput> {
    let precondition = match (must_not_exist, expected) {
        (true, Some(_)) => {
            return Err(BadInput::field(
                "expected_sha256",
                "a file that must not exist has no content to expect; leave out \
                 `expected_sha256` or `must_not_exist`",
            ));
        }
        (true, None) => Precondition::MustNotExist(true),
        (false, Some(text)) => Precondition::Sha256(digest("expected_sha256", &text)?),
        (false, None) => return Ok(None),
    };
    Ok(Some(WritePrecondition { precondition: Some(precondition) }))
}

impl Answer for Output {
    fn headline(&self) -> String {
        let what = if self.created { "made" } else { "wrote" };
        format!("{what} {} ({} bytes)", self.path, self.size)
    }
}
