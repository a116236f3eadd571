//! Searches names and contents, one thread, within bounds.
//!
//! A binary file is skipped once it shows a NUL byte, a file with an endless
//! line once the buffer is full. What cannot be read is left out, as a person's
//! `grep -s` would.

mod found;
mod pattern;
mod timed;

use std::fs::OpenOptions;
use std::path::Path;

use cofferdam_proto::file::v1::{FileSearch, SearchMatch, SearchResult};
use grep_regex::RegexMatcher;
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder};

use crate::bounds;
use crate::fault::FileFault;
use crate::open;
use crate::place::{Place, Workspace};
use crate::walk::{self, Budget, Selection};
use found::Found;
use pattern::{NamePattern, content_pattern};
use timed::Timed;

/// A checked search.
struct Search {
    place: Place,
    content: Option<RegexMatcher>,
    name: NamePattern,
    searcher: Searcher,
    selection: Selection,
    most: usize,
}

/// Searches beneath a directory, or in one file.
pub(crate) fn search(
    workspace: &Workspace,
    request: FileSearch,
) -> Result<SearchResult, FileFault> {
    let (mut found, mut budget) = (Found::default(), Budget::new());
    let mut search = Search::check(workspace, request)?;
    let metadata = std::fs::metadata(search.place.full())
        .map_err(FileFault::io("search", search.place.asked()))?;
    if metadata.is_dir() {
        walk::expect_directory(&search.place, "search")?;
        search.tree(&mut found, &mut budget);
    } else {
        open::expect_regular(&metadata, search.place.asked())?;
        let path = search.place.full().to_owned();
        search.file(&path, &mut found, &budget);
    }
    Ok(found.finish())
}

impl Search {
    fn check(workspace: &Workspace, request: FileSearch) -> Result<Self, FileFault> {
        let FileSearch {
            path,
            content,
            name,
            fixed_string,
            ignore_case,
            respect_ignore_files,
            include_hidden,
            max_matches,
            context_lines,
        } = request;
        let most = match max_matches {
            0 => bounds::MATCHES_DEFAULT,
            most if most <= bounds::MATCHES => most,
            _ => return Err(above("max_matches", bounds::MATCHES)),
        };
        if context_lines > bounds::CONTEXT_LINES {
            return Err(above("context_lines", bounds::CONTEXT_LINES));
        }
        if content.is_empty() && name.is_empty() {
            let message =
                "a search needs `content` (a regular expression), `name` (a glob), or both";
            return Err(FileFault::Invalid(message.to_owned()));
        }
        let searcher = SearcherBuilder::new()
            .line_number(true)
            .before_context(context_lines as usize)
            .after_context(context_lines as usize)
            .heap_limit(Some(bounds::SEARCH_BUFFER))
            .binary_detection(BinaryDetection::quit(0))
            .build();
        let place = workspace.place(path)?;
        Ok(Self {
            content: content_pattern(&content, fixed_string, ignore_case)?,
            name: NamePattern::new(place.full(), &name)?,
            place,
            searcher,
            selection: Selection { respect_ignore_files, include_hidden },
            most: most as usize,
        })
    }

    fn tree(&mut self, found: &mut Found, budget: &mut Budget) {
        let root = self.place.full().to_owned();
        for entry in walk::entries(&root, bounds::SEARCH_DEPTH, self.selection) {
            if !budget.take() {
                found.truncated = true;
            }
            if found.truncated {
                break;
            }
            let is_directory = entry.file_type().is_some_and(|kind| kind.is_dir());
            let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
            let wanted = self.name.matches(entry.path(), is_directory);
            if self.content.is_some() && is_file && wanted {
                self.file(entry.path(), found, budget);
            } else if self.content.is_none() && wanted {
                found.push(self.name_match(entry.path()), self.most);
            }
        }
    }

    fn name_match(&self, path: &Path) -> SearchMatch {
        SearchMatch { path: self.place.shown(path), ..SearchMatch::default() }
    }

    /// Searches one file, which may have become unreadable.
    fn file(&mut self, path: &Path, found: &mut Found, budget: &Budget) {
        let Some(matcher) = &self.content else {
            found.push(self.name_match(path), self.most);
            return;
        };
        let Ok((file, _)) = open::regular("search", path, path, OpenOptions::new().read(true))
        else {
            return;
        };
        found.files += 1;
        let shown = self.place.shown(path);
        let sink = found.sink(shown, self.most);
        let reader = Timed::new(file, budget.deadline());
        // An error here is a line longer than the buffer, or the time's end.
        if self.searcher.search_reader(matcher, reader, sink).is_err() && budget.is_late() {
            found.truncated = true;
        }
    }
}

fn above(name: &str, limit: u32) -> FileFault {
    FileFault::Invalid(format!("`{name}` is above {limit}"))
}
