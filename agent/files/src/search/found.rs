//! Collects the matches of one file, cut to what an answer may hold.

use std::io;

use cofferdam_proto::file::v1::SearchMatch;
use grep_searcher::{Searcher, Sink, SinkContext, SinkContextKind, SinkMatch};

use crate::bounds;

/// What was found in a file so far.
#[derive(Debug)]
pub(super) struct Found {
    path: Vec<u8>,
    matches: Vec<SearchMatch>,
    most: usize,
    bytes: usize,
    cut: bool,
    /// Lines before the next match.
    before: Vec<Vec<u8>>,
}

impl Found {
    pub(super) fn new(path: Vec<u8>, most: usize) -> Self {
        Self { path, matches: Vec::new(), most, bytes: 0, cut: false, before: Vec::new() }
    }

    /// The file was not searched to its end.
    pub(super) fn cut(&mut self) {
        self.cut = true;
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    pub(super) fn into_matches(self) -> Vec<SearchMatch> {
        self.matches
    }
}

impl Sink for &mut Found {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, matched: &SinkMatch<'_>) -> io::Result<bool> {
        if self.matches.len() >= self.most {
            return Ok(false);
        }
        if self.bytes >= bounds::ANSWER {
            self.cut = true;
            return Ok(false);
        }
        let text = line(matched.bytes());
        self.bytes += self.path.len() + text.len() + 32;
        let found = SearchMatch {
            path: self.path.clone(),
            line: matched.line_number().unwrap_or_default(),
            text,
            before: std::mem::take(&mut self.before),
            after: Vec::new(),
        };
        self.matches.push(found);
        Ok(true)
    }

    fn context(&mut self, _: &Searcher, context: &SinkContext<'_>) -> io::Result<bool> {
        let text = line(context.bytes());
        self.bytes += text.len() + 8;
        match context.kind() {
            SinkContextKind::After => {
                if let Some(last) = self.matches.last_mut() {
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
