//! Searches names and contents within bounds.
//!
//! A binary file is skipped once it shows a NUL byte, a file with an endless
//! line once the buffer is full. What cannot be read is left out, as a person's
//! `grep -s` would. Matches come in the order of a sorted walk, however many
//! threads search, so that a next page goes on where the one before ended.

mod crew;
mod found;
mod page;
mod pattern;
mod timed;

use std::path::Path;

use cofferdam_proto::file::v1::{FileSearch, SearchMatch, SearchResult};
use grep_regex::RegexMatcher;
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder};
use ignore::types::Types;

use crate::bounds;
use crate::fault::FileFault;
use crate::open;
use crate::place::{Place, Workspace};
use crate::walk::{self, Budget, Selection};
use found::Found;
use page::Page;
use pattern::{NamePattern, content_pattern, types};
use timed::Timed;

/// A checked search.
struct Search {
    place: Place,
    content: Option<RegexMatcher>,
    name: NamePattern,
    types: Option<Types>,
    selection: Selection,
    context_lines: usize,
    /// Matches of one file that can matter.
    most: usize,
}

/// Searches beneath a directory, or in one file.
pub(crate) fn search(
    workspace: &Workspace,
    request: FileSearch,
) -> Result<SearchResult, FileFault> {
    let (search, mut page) = Search::check(workspace, request)?;
    let budget = Budget::new();
    let metadata = std::fs::metadata(search.place.full())
        .map_err(FileFault::io("search", search.place.asked()))?;
    if !metadata.is_dir() {
        open::expect_regular(&metadata, search.place.asked())?;
        search.one_file(&mut page, &budget);
        return Ok(page.finish());
    }
    walk::expect_directory(&search.place, "search")?;
    match &search.content {
        Some(matcher) => crew::search(&search, matcher, budget, &mut page),
        None => search.names(&mut page, budget),
    }
    Ok(page.finish())
}

impl Search {
    fn check(workspace: &Workspace, request: FileSearch) -> Result<(Self, Page), FileFault> {
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
            types: wanted,
            types_not: unwanted,
            skip,
        } = request;
        let most = match max_matches {
            0 => bounds::MATCHES_DEFAULT,
            most if most <= bounds::MATCHES => most,
            _ => return Err(above("max_matches", bounds::MATCHES)),
        };
        if context_lines > bounds::CONTEXT_LINES {
            return Err(above("context_lines", bounds::CONTEXT_LINES));
        }
        if skip > u64::from(bounds::MATCHES) {
            return Err(above("skip", bounds::MATCHES));
        }
        let types = types(&wanted, &unwanted)?;
        if content.is_empty() && name.is_empty() && types.is_none() {
            let message = "a search needs `content` (a regular expression), `name` (a glob), or \
                           types of files";
            return Err(FileFault::Invalid(message.to_owned()));
        }
        let place = workspace.place(path)?;
        let page = Page::new(usize::try_from(skip).unwrap_or(0), most as usize);
        let search = Self {
            content: content_pattern(&content, fixed_string, ignore_case)?,
            name: NamePattern::new(place.full(), &name)?,
            place,
            types,
            selection: Selection { respect_ignore_files, include_hidden },
            context_lines: context_lines as usize,
            most: page.reach(),
        };
        Ok((search, page))
    }

    /// The files of the walk that are asked for, in its order. `each` says whether
    /// to go on; false is given back where the walk had to end early.
    fn files(&self, mut budget: Budget, each: &mut dyn FnMut(ignore::DirEntry) -> bool) -> bool {
        let root = self.place.full().to_owned();
        let contents = self.content.is_some();
        let types = self.types.clone();
        for entry in walk::sorted(&root, bounds::SEARCH_DEPTH, self.selection, types) {
            if !budget.take() {
                return false;
            }
            let kind = entry.file_type();
            let is_directory = kind.is_some_and(|kind| kind.is_dir());
            let is_file = kind.is_some_and(|kind| kind.is_file());
            // A type is one of files.
            let kinds = if contents { is_file } else { !is_directory || self.types.is_none() };
            if kinds && self.name.matches(entry.path(), is_directory) && !each(entry) {
                return true;
            }
        }
        true
    }

    fn names(&self, page: &mut Page, budget: Budget) {
        let complete = self.files(budget, &mut |entry| page.push(self.name_match(entry.path())));
        if !complete {
            page.cut();
        }
    }

    fn name_match(&self, path: &Path) -> SearchMatch {
        SearchMatch { path: self.place.shown(path), ..SearchMatch::default() }
    }

    fn one_file(&self, page: &mut Page, budget: &Budget) {
        let path = self.place.full();
        match &self.content {
            Some(matcher) => {
                // Links were followed on the way here.
                let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
                let shown = self.place.shown(self.place.full());
                let mut searcher = self.searcher();
                let found = self.contents(&mut searcher, matcher, &path, shown, budget);
                if let Some(found) = found {
                    page.add(found);
                }
            }
            None => drop(page.push(self.name_match(path))),
        }
    }

    fn searcher(&self) -> Searcher {
        SearcherBuilder::new()
            .line_number(true)
            .before_context(self.context_lines)
            .after_context(self.context_lines)
            .heap_limit(Some(bounds::SEARCH_BUFFER))
            .binary_detection(BinaryDetection::quit(0))
            .build()
    }

    /// Searches one file, which may have become unreadable: then nothing.
    fn contents(
        &self,
        searcher: &mut Searcher,
        matcher: &RegexMatcher,
        path: &Path,
        shown: Vec<u8>,
        budget: &Budget,
    ) -> Option<Found> {
        let (file, size) = open::known_regular(path).ok()?;
        let mut found = Found::new(shown, self.most);
        let reader = Timed::new(file, size, budget.deadline());
        // An error here is a line longer than the buffer, or the time's end.
        if searcher.search_reader(matcher, reader, &mut found).is_err() && budget.is_late() {
            found.cut();
        }
        Some(found)
    }
}

fn above(name: &str, limit: u32) -> FileFault {
    FileFault::Invalid(format!("`{name}` is above {limit}"))
}
