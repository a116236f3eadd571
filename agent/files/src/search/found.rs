//! Collects matches, cut to what an answer may hold.

use std::io;

use cofferdam_proto::file::v1::{SearchMatch, SearchResult};
use grep_searcher::{Searcher, Sink, SinkContext, SinkContextKind, SinkMatch};

use crate::bounds;

/// What was found so far.
#[derive(Default)]
pub(super) struct Found {
    matches: Vec<SearchMatch>,
    bytes: usize,
    pub(super) files: u64,
    pub(super) truncated: bool,
}

/// Takes the matches of one file.
pub(super) struct FileSink<'a> {
    found: &'a mut Found,
    path: Vec<u8>,
    most: usize,
    /// Lines before the next match.
    before: Vec<Vec<u8>>,
    /// Where this file's matches start.
    first: usize,
}

impl Found {
    /// Adds a match, or marks the answer as cut.
    pub(super) fn push(&mut self, found: SearchMatch, most: usize) -> bool {
        if self.matches.len() >= most || self.bytes >= bounds::ANSWER {
            self.truncated = true;
            return false;
        }
        self.bytes += found.path.len() + found.text.len() + 32;
        self.bytes += found.before.iter().map(|line| line.len() + 8).sum::<usize>();
        self.matches.push(found);
        true
    }

    pub(super) fn sink(&mut self, path: Vec<u8>, most: usize) -> FileSink<'_> {
        let first = self.matches.len();
        FileSink { found: self, path, most, before: Vec::new(), first }
    }

    pub(super) fn finish(mut self) -> SearchResult {
        self.matches.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
        SearchResult {
            matches: self.matches,
            truncated: self.truncated,
            files_searched: self.files,
        }
    }
}

impl Sink for FileSink<'_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, matched: &SinkMatch<'_>) -> io::Result<bool> {
        let found = SearchMatch {
            path: self.path.clone(),
            line: matched.line_number().unwrap_or_default(),
            text: line(matched.bytes()),
            before: std::mem::take(&mut self.before),
            after: Vec::new(),
        };
        Ok(self.found.push(found, self.most))
    }

    fn context(&mut self, _: &Searcher, context: &SinkContext<'_>) -> io::Result<bool> {
        let text = line(context.bytes());
        self.found.bytes += text.len() + 8;
        match context.kind() {
            SinkContextKind::After => {
                if let Some(last) = self.found.matches[self.first..].last_mut() {
                    last.after.push(text);
                }
            }
            _ => self.before.push(text),
        }
        Ok(true)
    }

    fn context_break(&mut self, _: &Searcher) -> io::Result<bool> {
        self.before.clear();
        Ok(true)
    }
}

/// Without its end, cut to [`bounds::LINE`] bytes.
fn line(bytes: &[u8]) -> Vec<u8> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    bytes[..bytes.len().min(bounds::LINE)].to_vec()
}
