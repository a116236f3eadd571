//! `edit_file`: changes a part of a file, exactly and at once, and shows what
//! changed.

use cofferdam_journal::Ending;
use cofferdam_proto::file::v1::{
    FileEdit, FileEdited, HunkPlaced, Replacement, ReplacementDone, TextEncoding,
};
use cofferdam_trust::hex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definition::{About, Effect};
use super::file_input::{Encoding, digest, path_bytes};
use super::view::{Provenance, path_text};
use super::{Acted, Asked, HostTool, Job, Target};
use crate::hosts::{HostError, Proven};
use crate::input::BadInput;
use crate::place::Place;
use crate::record::RecordedIntent;
use crate::result::Answer;

/// Edits of one call.
const MAX_EDITS: usize = 256;
/// Bytes of all texts together.
const MAX_TEXT: usize = 4 * 1024 * 1024;

pub(crate) struct EditFile;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The file: absolute, or relative to the workspace.
    path: String,
    /// Replacements, in order, each on what the one before left. All take effect
    /// or none. Give these or `patch`.
    edits: Option<Vec<Edit>>,
    /// A unified diff of this file, as `diff -u` or `git diff` writes it. Its
    /// context has to be there exactly; a hunk may be some lines away from where
    /// its header says.
    patch: Option<String>,
    /// How the file is encoded. Default: `utf-8`.
    encoding: Option<Encoding>,
    /// Edit only if the file's content has this SHA-256 (64 hexadecimal digits),
    /// as `read_file` showed it.
    expected_sha256: Option<String>,
    /// Only show what would change. Default: false.
    dry_run: Option<bool>,
    /// The host, as `list_hosts` names it. Default: the project's first.
    host: Option<String>,
    /// The project. Needed only where there are several.
    project: Option<String>,
}

/// One replacement.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Edit {
    /// The text to replace, exactly as the file has it, white space included. It
    /// has to stand there once.
    old_text: String,
    /// What takes its place.
    new_text: String,
    /// Replace it everywhere. Default: false.
    replace_all: Option<bool>,
}

/// What a caller gets.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The file.
    path: String,
    /// What changed, as a unified diff.
    diff: String,
    /// The diff is cut; the whole change took effect.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    diff_truncated: bool,
    /// The file was changed; false for a dry run, or where nothing is different.
    written: bool,
    /// Lines that the diff adds.
    added_lines: u64,
    /// Lines that the diff takes away.
    removed_lines: u64,
    /// For each edit, how often its text stood there and on which lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replaced: Vec<Replaced>,
    /// For each hunk of the patch, where it went.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hunks: Vec<Hunk>,
    /// What could not be kept of the old file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    /// Bytes of the file after the edit.
    size: u64,
    /// SHA-256 of the file after the edit.
    sha256: String,
    /// SHA-256 of the file before it.
    sha256_before: String,
    #[serde(flatten)]
    provenance: Provenance,
}

/// What became of one edit.
#[derive(Debug, Serialize, JsonSchema)]
struct Replaced {
    /// How often its text stood there.
    count: u64,
    /// The first of the lines.
    lines: Vec<u64>,
}

/// Where one hunk went.
#[derive(Debug, Serialize, JsonSchema)]
struct Hunk {
    /// The line of the new file where it begins.
    line: u64,
    /// How many lines further down than its header says.
    offset: i64,
}

impl Target for Input {
    fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }
    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

impl HostTool for EditFile {
    type Input = Input;
    type Wire = FileEdit;
    type Output = Output;

    const ABOUT: About = About {
        name: "edit_file",
        title: "Edit a file",
        description: "Changes parts of a text file in the project's workspace on a Linux host: \
             exact replacements (`edits`) or a unified diff (`patch`). All of it takes effect at \
             once or nothing does; line ends, mode and everything else stay. Answers with a \
             unified diff of what changed; `dry_run` shows it without writing.",
        effect: Effect::Writes,
    };

    fn ask(input: Input, _place: &Place) -> Result<Asked<FileEdit>, BadInput> {
        let Input { path, edits, patch, encoding, expected_sha256, dry_run, host: _, project: _ } =
            input;
        let path = path_bytes("path", &path)?;
        let (list, diff) = (edits.unwrap_or_default(), patch.unwrap_or_default());
        check(&list, &diff)?;
        let to_wire = |Edit { old_text, new_text, replace_all }: Edit| Replacement {
            old: old_text,
            new: new_text,
            replace_all: replace_all.unwrap_or_default(),
        };
        let expected = expected_sha256.map(|text| digest("expected_sha256", &text)).transpose()?;
        let wire = FileEdit {
            path,
            replacements: list.into_iter().map(to_wire).collect(),
            patch: diff,
            encoding: TextEncoding::from(encoding.unwrap_or_default()).into(),
            expected_sha256: expected.unwrap_or_default(),
            dry_run: dry_run.unwrap_or_default(),
        };
        Ok(Asked { wire, wall: None })
    }

    async fn act(
        job: Job<'_>,
        intent: &RecordedIntent<FileEdit>,
    ) -> Result<Acted<Output>, HostError> {
        let Proven { answer, receipt } = job.host.ask(intent, job.cancelled).await?;
        let answer = shape(answer, &intent.action().path, job.budget, job.provenance);
        Ok(Acted { answer, ending: Ending::Completed, usage: None, sandbox: None, receipt })
    }
}

fn check(edits: &[Edit], patch: &str) -> Result<(), BadInput> {
    if edits.is_empty() == patch.is_empty() {
        return Err(BadInput::field(
            "edits",
            "give either `edits`, with at least one, or `patch`, a unified diff",
        ));
    }
    if edits.len() > MAX_EDITS {
        let message = format!("`edits` has {} entries; at most {MAX_EDITS}", edits.len());
        return Err(BadInput::too_large("edits", message));
    }
    for (index, edit) in edits.iter().enumerate() {
        if edit.old_text.is_empty() {
            return Err(BadInput::field(
                format!("edits[{index}].old_text"),
                "it is empty; give the text that is replaced. To add a line, replace one beside it \
                 by both",
            ));
        }
    }
    let bytes: usize = edits.iter().map(|edit| edit.old_text.len() + edit.new_text.len()).sum();
    match bytes + patch.len() {
        0..=MAX_TEXT => Ok(()),
        bytes => {
            let message = format!("the texts have {bytes} bytes; at most {MAX_TEXT} are taken");
            Err(BadInput::too_large(if edits.is_empty() { "patch" } else { "edits" }, message))
        }
    }
}

fn shape(edited: FileEdited, path: &[u8], budget: usize, provenance: Provenance) -> Output {
    let FileEdited {
        changed: _,
        written,
        mut diff,
        diff_truncated,
        added_lines,
        removed_lines,
        size,
        sha256,
        sha256_before,
        replaced,
        hunks,
        notes,
    } = edited;
    let cut = diff.len() > budget;
    if cut {
        let end = diff[..diff.floor_char_boundary(budget)].rfind('\n').map_or(0, |at| at + 1);
        diff.truncate(end);
    }
    let hunk = |HunkPlaced { line, offset }| Hunk { line, offset };
    Output {
        path: path_text(path),
        diff,
        diff_truncated: diff_truncated || cut,
        written,
        added_lines,
        removed_lines,
        replaced: replaced
            .into_iter()
            .map(|ReplacementDone { count, lines }| Replaced { count, lines })
            .collect(),
        hunks: hunks.into_iter().take(100).map(hunk).collect(),
        notes,
        size,
        sha256: hex(&sha256),
        sha256_before: hex(&sha256_before),
        provenance,
    }
}

impl Answer for Output {
    const VERBATIM: &'static [&'static str] = &["diff"];

    fn headline(&self) -> String {
        let Self { path, added_lines, removed_lines, .. } = self;
        let what = match (self.written, self.diff.is_empty()) {
            (true, _) => "edited",
            (false, true) => "nothing to change in",
            (false, false) => "not written (dry run): would edit",
        };
        let moved = self.hunks.iter().filter(|hunk| hunk.offset != 0).count();
        let moved = match moved {
            0 => String::new(),
            moved => format!("; hunks away from where their headers say: {moved}"),
        };
        format!("{what} {path}: +{added_lines} -{removed_lines} lines{moved}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(old: &str) -> Edit {
        Edit { old_text: old.to_owned(), new_text: "x".to_owned(), replace_all: None }
    }

    #[test]
    fn an_edit_is_replacements_or_a_patch() {
        assert!(check(&[edit("a")], "").is_ok() && check(&[], "@@").is_ok());
        assert_eq!(check(&[], "").unwrap_err().field, "edits");
        assert_eq!(check(&[edit("a")], "@@").unwrap_err().field, "edits");
        assert_eq!(check(&[edit("a"), edit("")], "").unwrap_err().field, "edits[1].old_text");
        assert_eq!(check(&[], &"x".repeat(MAX_TEXT + 1)).unwrap_err().reason, "TOO_LARGE");
    }

    #[test]
    fn a_diff_beyond_the_budget_is_cut_at_a_line() {
        let edited = FileEdited { diff: "@@\n-é\n+b\n".to_owned(), ..FileEdited::default() };
        let shown = shape(edited, b"a", 6, Provenance::default());
        assert_eq!((shown.diff.as_str(), shown.diff_truncated), ("@@\n", true));
    }
}
