//! `read_file`: a file's content, by bytes or lines, page by page; images as
//! images.

use cofferdam_journal::Ending;
use cofferdam_proto::file::v1::{FileContent, FileRead, LineRange, TextEncoding};
use cofferdam_trust::hex;
use rmcp::model::ContentBlock;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definition::{About, Effect};
use super::file_content::{Reading, Shown};
use super::file_input::path_bytes;
use super::view::{Provenance, path_text};
use super::{Acted, Asked, HostTool, Job, Target};
use crate::hosts::{HostError, Proven};
use crate::input::{BadInput, bounded};
use crate::place::Place;
use crate::record::RecordedIntent;
use crate::result::Answer;

/// The most that the wire gives at once.
pub(super) const MAX_LENGTH: u64 = 4 * 1024 * 1024;
/// The largest image that is shown.
pub(super) const MAX_IMAGE: u64 = 1024 * 1024;

pub(crate) struct ReadFile;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The file: absolute, or relative to the workspace.
    path: String,
    /// The first line, from 1. Default: 1, where `lines` is given.
    first_line: Option<u64>,
    /// How many lines; with `first_line` or without (then the first ones).
    lines: Option<u64>,
    /// The last so many lines. Not with `first_line` and `lines`.
    tail: Option<u64>,
    /// Where to begin, in bytes, instead of lines. Default: 0. To go on reading,
    /// give the `next_offset` of the answer before.
    offset: Option<u64>,
    /// At most this many bytes; one answer shows no more than about 24000.
    #[schemars(range(min = 1, max = 4_194_304))]
    length: Option<u64>,
    /// How to take the bytes: `utf-8` (the default), `latin-1`, `ascii`, or `base64`
    /// for the bytes themselves.
    encoding: Option<Reading>,
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
    /// What was asked for of the file.
    content: String,
    /// How `content` is written: `utf-8`, `latin-1`, `ascii`, `base64`; `none` where
    /// it does not show the file: see `note`.
    encoding: &'static str,
    /// Why there is no content, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// What the file is, where it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<&'static str>,
    /// Where `content` begins, in bytes.
    offset: u64,
    /// Bytes of the file that `content` stands for.
    length: u64,
    /// Bytes of the whole file.
    size: u64,
    /// The line that `content` begins with, where lines were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_line: Option<u64>,
    /// Lines of the whole file.
    #[serde(skip_serializing_if = "Option::is_none")]
    total_lines: Option<u64>,
    /// The `first_line` to go on with; absent at the end of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_line: Option<u64>,
    /// The `offset` to go on with; absent at the end of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
    /// SHA-256 of the whole file, where it has at most 4 MiB. Give it to
    /// `write_file` or `edit_file` to change exactly this content.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip)]
    image: Option<String>,
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
        description: "Reads a regular file on a Linux host: all of it, a range of lines \
             (`first_line`, `lines`), the last lines (`tail`), or a range of bytes. Long files are \
             read page by page: each answer says where to go on. Images (PNG, JPEG, GIF, WebP) are \
             shown as such; of other files that are no text it is said what they are.",
        effect: Effect::Reads,
    };

    fn ask(input: Input, _place: &Place) -> Result<Asked<FileRead>, BadInput> {
        let Input { path, first_line, lines, tail, offset, length, encoding, host: _, project: _ } =
            input;
        let lines = range(first_line, lines, tail, offset)?;
        let wire = FileRead {
            path: path_bytes("path", &path)?,
            offset: bounded("offset", offset, 0, 0..=i64::MAX as u64)?,
            length: bounded("length", length, MAX_LENGTH, 1..=MAX_LENGTH)?,
            lines,
            encoding: TextEncoding::from(encoding.unwrap_or_default()).into(),
            whole_image: match encoding {
                None | Some(Reading::Utf8) if lines.is_none() && offset.is_none() => MAX_IMAGE,
                _ => 0,
            },
        };
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
        let answer = shape(
            answer,
            intent.action(),
            Reading::from(intent.action().encoding()),
            job.provenance,
        );
        Ok(Acted { answer, ending: Ending::Completed, usage: None, sandbox: None, receipt })
    }
}

/// The range of lines, where lines are asked for.
pub(super) fn range(
    first: Option<u64>,
    lines: Option<u64>,
    tail: Option<u64>,
    offset: Option<u64>,
) -> Result<Option<LineRange>, BadInput> {
    const MOST: u64 = u32::MAX as u64;
    let by_lines = first.is_some() || lines.is_some();
    if (by_lines || tail.is_some()) && offset.is_some() {
        return Err(BadInput::field("offset", "give bytes (`offset`) or lines, not both"));
    }
    if by_lines && tail.is_some() {
        let message = "`tail` are the last lines; give it without `first_line` and `lines`";
        return Err(BadInput::field("tail", message));
    }
    if let Some(count) = tail {
        let count = bounded("tail", Some(count), 1, 1..=MOST)?;
        return Ok(Some(LineRange { first: 0, count, from_end: true }));
    }
    if !by_lines {
        return Ok(None);
    }
    let first = bounded("first_line", first, 1, 1..=i64::MAX as u64)?;
    let count = match lines {
        Some(count) => bounded("lines", Some(count), 1, 1..=MOST)?,
        None => 0,
    };
    Ok(Some(LineRange { first, count, from_end: false }))
}

fn shape(
    mut content: FileContent,
    read: &FileRead,
    reading: Reading,
    provenance: Provenance,
) -> Output {
    let lines = content.data.split(|byte| *byte == b'\n').skip(1).count() as u64;
    let shown = Shown::of(&mut content, reading);
    let FileContent { data: _, size, sha256, info, offset, first_line, total_lines } = content;
    let Shown { content, encoding, length, media_type, image, note } = shown;
    let next = offset.saturating_add(length);
    let more = next < size && length > 0;
    let path = info.map_or_else(|| read.path.clone(), |info| info.path);
    Output {
        path: path_text(&path),
        encoding,
        note,
        media_type,
        offset,
        length,
        size,
        first_line: (first_line > 0).then_some(first_line),
        total_lines,
        next_line: (more && first_line > 0 && content.ends_with('\n'))
            .then_some(first_line + lines),
        next_offset: more.then_some(next),
        sha256: (!sha256.is_empty()).then(|| hex(&sha256)),
        image,
        content,
        provenance,
    }
}

impl Answer for Output {
    const VERBATIM: &'static [&'static str] = &["content"];

    fn blocks(&self) -> Vec<ContentBlock> {
        Shown::block(self.image.as_deref(), self.media_type).into_iter().collect()
    }

    fn headline(&self) -> String {
        let Self { path, offset, size, .. } = self;
        let end = offset.saturating_add(self.length);
        match (self.first_line, self.total_lines, self.note.as_deref()) {
            (_, _, Some(note)) => format!("{path}: {note}"),
            (Some(first), Some(total), _) => {
                format!("{path}: from line {first} of {total}, bytes {offset} to {end} of {size}")
            }
            (Some(first), None, _) => {
                format!("{path}: from line {first}, bytes {offset} to {end} of {size}")
            }
            (None, ..) => format!("{path}: bytes {offset} to {end} of {size}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_asked_for_from_either_end_and_never_beside_bytes() {
        let range = |first, lines, tail, offset| {
            range(first, lines, tail, offset).map(|it| it.map(|it| (it.first, it.count)))
        };
        assert_eq!(range(None, None, None, Some(3)), Ok(None));
        assert_eq!(range(Some(5), None, None, None), Ok(Some((5, 0))));
        assert_eq!(range(None, Some(9), None, None), Ok(Some((1, 9))));
        assert_eq!(range(None, None, Some(9), None), Ok(Some((0, 9))));
        assert!(range(Some(1), None, Some(9), None).is_err());
        assert!(range(Some(1), None, None, Some(0)).is_err());
        assert!(range(Some(0), None, None, None).is_err());
    }

    #[test]
    fn a_page_of_lines_says_where_the_next_one_begins() {
        let content = FileContent {
            data: b"b\nc\n".to_vec(),
            size: 20,
            offset: 2,
            first_line: 2,
            total_lines: Some(9),
            ..FileContent::default()
        };
        let page = shape(content, &FileRead::default(), Reading::Utf8, Provenance::default());
        assert_eq!((page.next_line, page.next_offset), (Some(4), Some(6)));
    }
}
