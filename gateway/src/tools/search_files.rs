//! `search_files`: finds files by name and lines by content.

use cofferdam_journal::Ending;
use cofferdam_proto::file::v1::{FileSearch, SearchMatch, SearchResult};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definition::{About, Effect};
use super::file_input::path_bytes;
use super::view::{Provenance, lossy, path_text};
use super::{Acted, Asked, HostTool, Job, Target, within_budget};
use crate::hosts::{HostError, Proven};
use crate::input::{BadInput, bounded, refuse_nul};
use crate::place::Place;
use crate::record::RecordedIntent;
use crate::result::Answer;

const MAX_MATCHES: u64 = 10_000;
const DEFAULT_MATCHES: u64 = 200;
const MAX_CONTEXT: u64 = 20;
/// Types of files, named or left out.
const MAX_TYPES: usize = 16;
/// Bytes of a pattern.
const MAX_PATTERN: usize = 4096;

pub(crate) struct SearchFiles;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// Lines must match this regular expression (Rust syntax). Give this, or
    /// `name`, or both.
    content: Option<String>,
    /// Paths relative to `path` must match this glob, such as `**/*.rs`.
    name: Option<String>,
    /// Where to search: a directory or a file, absolute or relative to the
    /// workspace. Default: the workspace.
    path: Option<String>,
    /// Only files of these types, as ripgrep names them: `rust`, `py`, `ts`, `md`.
    types: Option<Vec<String>>,
    /// No files of these types.
    types_not: Option<Vec<String>>,
    /// Take `content` as it stands, not as a regular expression. Default: false.
    fixed_string: Option<bool>,
    /// Upper and lower case are the same. Default: false.
    ignore_case: Option<bool>,
    /// Leave out what ignore files such as .gitignore name. Default: true.
    respect_ignore_files: Option<bool>,
    /// Search names that start with a dot, too. Default: false.
    include_hidden: Option<bool>,
    /// At most this many matches, 1 to 10000. Default: 200.
    #[schemars(range(min = 1, max = 10_000))]
    max_matches: Option<u64>,
    /// Lines to show before and after each match, at most 20. Default: 0.
    #[schemars(range(max = 20))]
    context_lines: Option<u64>,
    /// Leave out so many matches: `next` of the answer before, everything else the
    /// same.
    #[schemars(range(max = 10_000))]
    skip: Option<u64>,
    /// The host, as `list_hosts` names it. Default: the project's first.
    host: Option<String>,
    /// The project. Needed only where there are several.
    project: Option<String>,
}

/// What a caller gets.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// What was found, in order of path and line.
    matches: Vec<Match>,
    /// There is more than is shown; search more narrowly.
    truncated: bool,
    /// What to give as `skip` for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
    /// How many files were looked at.
    files_searched: u64,
    #[serde(flatten)]
    provenance: Provenance,
}

/// A line that matches, or a file where only names were asked for.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Match {
    /// The file.
    path: String,
    /// The line's number, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    /// The line; long ones are cut at 2048 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Lines before it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    before: Vec<String>,
    /// Lines after it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    after: Vec<String>,
}

impl Target for Input {
    fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }
    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

impl HostTool for SearchFiles {
    type Input = Input;
    type Wire = FileSearch;
    type Output = Output;

    const ABOUT: About = About {
        name: "search_files",
        title: "Search files",
        description: "Searches a directory tree on a Linux host: lines by regular expression \
             (`content`), files by glob (`name`), or both. Ignored and hidden files are left out \
             unless asked for; binary files are skipped.",
        effect: Effect::Reads,
    };

    fn ask(input: Input, _place: &Place) -> Result<Asked<FileSearch>, BadInput> {
        let Input {
            content,
            name,
            path,
            types,
            types_not,
            fixed_string,
            ignore_case,
            respect_ignore_files,
            include_hidden,
            max_matches,
            context_lines,
            skip,
            host: _,
            project: _,
        } = input;
        let path = path.unwrap_or_else(|| ".".to_owned());
        let path = path_bytes("path", &path)?;
        let types = check_types("types", types)?;
        let types_not = check_types("types_not", types_not)?;
        let content = check_pattern("content", content)?;
        let name = check_pattern("name", name)?;
        if content.is_empty() && name.is_empty() && types.is_empty() && types_not.is_empty() {
            return Err(BadInput::field(
                "content",
                "neither `content` nor `name` nor types are given; give a regular expression for \
                 lines, a glob for names, types of files, or several of them",
            ));
        }
        let max = bounded("max_matches", max_matches, DEFAULT_MATCHES, 1..=MAX_MATCHES)?;
        let around = bounded("context_lines", context_lines, 0, 0..=MAX_CONTEXT)?;
        let wire = FileSearch {
            path,
            content,
            name,
            fixed_string: fixed_string.unwrap_or(false),
            ignore_case: ignore_case.unwrap_or(false),
            respect_ignore_files: respect_ignore_files.unwrap_or(true),
            include_hidden: include_hidden.unwrap_or(false),
            max_matches: u32::try_from(max).unwrap_or(1),
            context_lines: u32::try_from(around).unwrap_or(0),
            types,
            types_not,
            skip: bounded("skip", skip, 0, 0..=MAX_MATCHES)?,
        };
        Ok(Asked { wire, wall: None })
    }

    async fn act(
        job: Job<'_>,
        intent: &RecordedIntent<FileSearch>,
    ) -> Result<Acted<Output>, HostError> {
        let Proven { answer, receipt } = job.host.ask(intent, job.cancelled).await?;
        let SearchResult { matches, truncated, files_searched, next } = answer;
        let (matches, cut) = within_budget(matches.into_iter().map(Match::from), job.budget);
        let truncated = truncated || cut;
        let next = if cut { intent.action().skip + matches.len() as u64 } else { next };
        let next = (next > 0).then_some(next);
        let provenance = job.provenance;
        let answer = Output { matches, truncated, next, files_searched, provenance };
        Ok(Acted { answer, ending: Ending::Completed, usage: None, sandbox: None, receipt })
    }
}

fn check_types(field: &str, types: Option<Vec<String>>) -> Result<Vec<String>, BadInput> {
    let types = types.unwrap_or_default();
    if types.len() > MAX_TYPES {
        let message = format!("`{field}` has {} entries; at most {MAX_TYPES}", types.len());
        return Err(BadInput::too_large(field, message));
    }
    let plain = |name: &String| {
        (1..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match types.iter().find(|name| !plain(name)) {
        None => Ok(types),
        Some(name) => {
            let message = format!("`{field}` has {name:?}, which is no type of files");
            Err(BadInput::field(field, message))
        }
    }
}

fn check_pattern(field: &str, pattern: Option<String>) -> Result<String, BadInput> {
    let pattern = pattern.unwrap_or_default();
    refuse_nul(field, &pattern)?;
    match pattern.len() {
        0..=MAX_PATTERN => Ok(pattern),
        length => Err(BadInput::too_large(
            field,
            format!("`{field}` has {length} bytes; at most {MAX_PATTERN} are taken"),
        )),
    }
}

impl From<SearchMatch> for Match {
    fn from(found: SearchMatch) -> Self {
        let SearchMatch { path, line, text, before, after } = found;
        let lines = |lines: Vec<Vec<u8>>| lines.iter().map(|line| lossy(line)).collect();
        Self {
            path: path_text(&path),
            line: (line > 0).then_some(line),
            text: (line > 0).then(|| lossy(&text)),
            before: lines(before),
            after: lines(after),
        }
    }
}

impl Answer for Output {
    fn headline(&self) -> String {
        let more = if self.truncated { ", and there are more" } else { "" };
        format!("matches: {}, in files: {}{more}", self.matches.len(), self.files_searched)
    }
}
