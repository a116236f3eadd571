//! `read_file`: a file's content, page by page.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cofferdam_journal::Ending;
use cofferdam_proto::file::v1::{FileContent, FileRead};
use cofferdam_trust::hex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definition::{About, Effect};
use super::view::{Provenance, lossy};
use super::{Acted, Asked, HostTool, Job, Target};
use crate::hosts::{HostError, Proven};
use crate::input::{BadInput, bounded, check_path};
use crate::place::Place;
use crate::record::RecordedIntent;
use crate::result::Answer;

/// The most that the wire gives at once.
const MAX_LENGTH: u64 = 4 * 1024 * 1024;

pub(crate) struct ReadFile;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The file: absolute, or relative to the workspace.
    path: String,
    /// Where to begin, in bytes. Default: 0. To go on reading, give the
    /// `next_offset` of the answer before.
    offset: Option<u64>,
    /// At most this many bytes; one answer shows no more than about 24000.
    #[schemars(range(min = 1, max = 4_194_304))]
    length: Option<u64>,
    /// The host, as `list_hosts` names it. Default: the project's first.
    host: Option<String>,
    /// The project. Needed only where there are several.
    project: Option<String>,
}

/// What a caller gets.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The file's path as the host resolved it.
    path: String,
    /// The bytes from `offset` on.
    content: String,
    /// How `content` is written: `utf-8`, or `base64` for bytes that are not text.
    encoding: &'static str,
    /// Where `content` begins, in bytes.
    offset: u64,
    /// Bytes of the file that `content` stands for.
    length: u64,
    /// Bytes of the whole file.
    size: u64,
    /// Where to go on reading; absent at the end of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
    /// SHA-256 of the whole file, where all of it was read at once. Give it to
    /// `write_file` to replace exactly this content.
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

impl HostTool for ReadFile {
    type Input = Input;
    type Wire = FileRead;
    type Output = Output;

    const ABOUT: About = About {
        name: "read_file",
        title: "Read a file",
        description: "Reads a regular file on a Linux host, from `offset`, at most `length` bytes. \
             Long files are read page by page: each answer says where to go on. Text is returned \
             as it is, anything else in base64.",
        effect: Effect::Reads,
    };

    fn ask(input: Input, _place: &Place) -> Result<Asked<FileRead>, BadInput> {
        let Input { path, offset, length, host: _, project: _ } = input;
        check_path("path", &path)?;
        let length = bounded("length", length, MAX_LENGTH, 1..=MAX_LENGTH)?;
        let offset = bounded("offset", offset, 0, 0..=i64::MAX as u64)?;
        let wire = FileRead { path: path.into_bytes(), offset, length };
        Ok(Asked { wire, wall: None })
    }

    /// One answer shows one page, so no more than that is asked for.
    fn fit(wire: &mut FileRead, budget: usize) {
        wire.length = wire.length.min(budget as u64);
    }

    async fn act(
        job: Job<'_>,
        intent: &RecordedIntent<FileRead>,
    ) -> Result<Acted<Output>, HostError> {
        let Proven { answer, receipt } = job.host.ask(intent, job.cancelled).await?;
        let read = intent.action();
        let answer = shape(answer, read, job.provenance);
        Ok(Acted { answer, ending: Ending::Completed, usage: None, sandbox: None, receipt })
    }
}

fn shape(content: FileContent, read: &FileRead, provenance: Provenance) -> Output {
    let FileContent { data, size, sha256, info } = content;
    let offset = read.offset;
    let read_to = offset.saturating_add(data.len() as u64);
    let (content, encoding, length) = readable(data, read_to < size);
    let next = offset.saturating_add(length);
    let path = info.map_or_else(|| read.path.clone(), |info| info.path);
    Output {
        path: lossy(&path),
        content,
        encoding,
        offset,
        length,
        size,
        next_offset: (next < size && length > 0).then_some(next),
        sha256: (!sha256.is_empty()).then(|| hex(&sha256)),
        provenance,
    }
}

/// Text where it is text. A character that the page's end cuts is left to the
/// next page.
fn readable(data: Vec<u8>, more: bool) -> (String, &'static str, u64) {
    match String::from_utf8(data) {
        Ok(text) => {
            let length = text.len() as u64;
            (text, "utf-8", length)
        }
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let is_cut = error.utf8_error().error_len().is_none();
            let mut data = error.into_bytes();
            if is_cut && more && valid > 0 {
                data.truncate(valid);
                return (lossy(&data), "utf-8", valid as u64);
            }
            (BASE64_STANDARD.encode(&data), "base64", data.len() as u64)
        }
    }
}

impl Answer for Output {
    const VERBATIM: &'static [&'static str] = &["content"];

    fn headline(&self) -> String {
        let end = self.offset.saturating_add(self.length);
        format!("{}: bytes {} to {end} of {}", self.path, self.offset, self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(data: &[u8], size: u64) -> Output {
        let content = FileContent { data: data.to_vec(), size, ..FileContent::default() };
        let read = FileRead { path: b"a".to_vec(), offset: 0, length: 10 };
        shape(content, &read, Provenance::default())
    }

    #[test]
    fn a_page_ends_before_a_character_that_it_would_cut() {
        let page = shaped(b"ab\xe2\x82", 9);
        assert_eq!(
            (page.content.as_str(), page.encoding, page.next_offset),
            ("ab", "utf-8", Some(2))
        );
    }

    #[test]
    fn what_is_not_text_comes_in_base64() {
        let page = shaped(b"\x7fELF\xff\xfe", 6);
        assert_eq!((page.encoding, page.next_offset), ("base64", None));
        assert_eq!(BASE64_STANDARD.decode(page.content).unwrap(), b"\x7fELF\xff\xfe");
    }

    #[test]
    fn the_last_page_names_no_next_one() {
        assert_eq!(shaped(b"abc", 3).next_offset, None);
        assert_eq!(shaped(b"", 0).next_offset, None);
        assert_eq!(shaped(b"abc", 4).next_offset, Some(3));
    }
}
