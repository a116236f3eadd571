//! The two patterns of a search, and what is wrong with them.

use std::path::{Path, PathBuf};

use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::types::{Types, TypesBuilder};

use crate::bounds;
use crate::fault::FileFault;

/// Bytes that a compiled pattern may take.
const COMPILED: usize = 4 << 20;

/// A glob on paths relative to the search's root; without one all match.
pub(super) struct NamePattern {
    root: PathBuf,
    glob: Option<Gitignore>,
}

/// Compiles the pattern on contents; nothing where none is asked for.
pub(super) fn content_pattern(
    pattern: &str,
    fixed_string: bool,
    ignore_case: bool,
) -> Result<Option<RegexMatcher>, FileFault> {
    if pattern.is_empty() {
        return Ok(None);
    }
    bounded("content", pattern)?;
    let mut builder = RegexMatcherBuilder::new();
    builder
        .fixed_strings(fixed_string)
        .case_insensitive(ignore_case)
        .multi_line(true)
        .line_terminator(Some(b'\n'))
        .size_limit(COMPILED)
        .dfa_size_limit(COMPILED)
        .nest_limit(100);
    builder.build(pattern).map(Some).map_err(|error| {
        FileFault::Invalid(format!(
            "`content` is not a regular expression that can be searched line by line: {error}"
        ))
    })
}

/// The types of files that are meant; nothing where all are.
pub(super) fn types(wanted: &[String], unwanted: &[String]) -> Result<Option<Types>, FileFault> {
    if wanted.is_empty() && unwanted.is_empty() {
        return Ok(None);
    }
    if wanted.len() + unwanted.len() > bounds::TYPES {
        return Err(FileFault::Invalid(format!("at most {} types are taken", bounds::TYPES)));
    }
    let mut builder = TypesBuilder::new();
    builder.add_defaults();
    for name in wanted {
        builder.select(name);
    }
    for name in unwanted {
        builder.negate(name);
    }
    builder.build().map(Some).map_err(|error| {
        FileFault::Invalid(format!(
            "{error}; types are named as ripgrep does, such as rust, py, js, ts, c, cpp, go, java, \
             md, json, yaml, toml, sh, html, css, sql"
        ))
    })
}

impl NamePattern {
    pub(super) fn new(root: &Path, glob: &str) -> Result<Self, FileFault> {
        let root = root.to_owned();
        if glob.is_empty() {
            return Ok(Self { root, glob: None });
        }
        bounded("name", glob)?;
        let wrong = |why: String| FileFault::Invalid(format!("`name` is not a glob: {why}"));
        if glob.starts_with(['!', '#']) || glob.contains('\n') || glob.ends_with('/') {
            return Err(wrong("it may not start with `!` or `#`, nor end with `/`".to_owned()));
        }
        let mut builder = GitignoreBuilder::new(&root);
        builder.allow_unclosed_class(false);
        builder.add_line(None, glob).map_err(|error| wrong(error.to_string()))?;
        let glob = builder.build().map_err(|error| wrong(error.to_string()))?;
        Ok(Self { root, glob: Some(glob) })
    }

    pub(super) fn matches(&self, path: &Path, is_directory: bool) -> bool {
        let Some(glob) = &self.glob else { return true };
        let relative = path.strip_prefix(&self.root).unwrap_or(path);
        glob.matched(relative, is_directory).is_ignore()
    }
}

fn bounded(field: &str, text: &str) -> Result<(), FileFault> {
    match text.len() {
        0..=bounds::PATTERN => Ok(()),
        _ => Err(FileFault::Invalid(format!("`{field}` is longer than {} bytes", bounds::PATTERN))),
    }
}
