//! `include`: rules that are split into files.
//!
//! This crate opens no files: whoever loads rules reads a file, asks which others
//! it [names](Include::of), reads those, and gives all of them to
//! [`RuleSet::parse_whole`](super::RuleSet::parse_whole). A file with an
//! `include` that nobody followed is refused, because a deny rule could be in
//! what is missing.

use std::path::Path;

use super::error::{Place, Report, RuleErrors, Source, line_starts};
use super::file::{self, File};
use crate::text::shown;

/// The most entries of `include` in one file.
pub const MAX_INCLUDES: usize = 64;

/// Whether somebody read what the files include.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Includes {
    Refused,
    Followed,
}

/// One entry of `include`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// A path relative to the directory of the file that it stands in, without
    /// `.`, `..` and links out of that of the first file. The last part may hold
    /// `*`, which stands for any text; it matches no name that starts with a dot.
    pub path: String,
    /// Where it stands.
    pub place: Place,
}

impl Include {
    /// What the file of this name and text includes.
    ///
    /// # Errors
    /// What is wrong with `include`. What else is wrong with the file is told
    /// when it is parsed.
    pub fn of(name: &str, text: &str) -> Result<Vec<Self>, RuleErrors> {
        // Reading a large file twice would double the time to load it.
        if !text.contains("include") {
            return Ok(Vec::new());
        }
        let lines = line_starts(text);
        let source = Source { file: name, text, lines: &lines };
        let file = file::read(source, &mut Report::default());
        let mut report = Report::default();
        let mut includes = Vec::new();
        for (count, entry) in file.includes.iter().enumerate() {
            if count == MAX_INCLUDES {
                let message = format!("there are more than {MAX_INCLUDES}; include a directory");
                report.add(source, entry.span(), "include", message);
                break;
            }
            match problem(entry.get_ref()) {
                None => includes
                    .push(Self { path: entry.get_ref().clone(), place: source.at(entry.span()) }),
                Some(problem) => {
                    let message = format!("`{}` {problem}", shown(entry.get_ref().as_bytes()));
                    report.add(source, entry.span(), "include", message);
                }
            }
        }
        report.finish()?;
        Ok(includes)
    }
}

fn problem(path: &str) -> Option<&'static str> {
    if path.starts_with('/') {
        return Some("is absolute; write it relative to this file's directory");
    }
    if path.contains('\0') || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Some("has `.`, `..` or an empty part; name a file beneath this one's directory");
    }
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    if directory.contains('*') {
        return Some("has `*` in a directory; it may stand in the last part only");
    }
    let is_rule_file = Path::new(name).extension().is_some_and(|extension| extension == "toml");
    let ends = is_rule_file && !name.starts_with('.');
    (!ends)
        .then_some("is no rule file; the name has to end with `.toml` and to start without a dot")
}

/// Reports every `include`: what it names was not read.
pub(super) fn refuse(files: &[File<'_>], report: &mut Report) {
    for file in files {
        if let Some(first) = file.includes.first() {
            let message = "the files that it names were not read with this one; load the rules \
                           from where they are";
            report.add(file.source, first.span(), "include", message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::RuleSet;

    #[test]
    fn includes_stay_beneath_their_directory_and_are_named_with_their_place() {
        let of =
            |list: &str| Include::of("rules.toml", &format!("version = 1\ninclude = {list}\n"));
        let found = of("[\"teams/*.toml\", \"a.toml\"]").unwrap();
        assert_eq!(found[0].path, "teams/*.toml");
        assert_eq!(found[1].place.to_string(), "rules.toml:2:28");
        for (list, part) in [
            ("[\"/etc/x.toml\"]", "is absolute"),
            ("[\"../x.toml\"]", "has `.`, `..`"),
            ("[\"./x.toml\"]", "has `.`, `..`"),
            ("[\"a//x.toml\"]", "an empty part"),
            ("[\"\"]", "an empty part"),
            ("[\"*/x.toml\"]", "in a directory"),
            ("[\"*\"]", "no rule file"),
            ("[\".x.toml\"]", "no rule file"),
            ("[\"a\\u0000.toml\"]", "has `.`"),
        ] {
            let error = of(list).unwrap_err().errors.remove(0).to_string();
            assert!(error.starts_with("rules.toml:2:12: include: "), "{error}");
            assert!(error.contains(part), "{list}: {error}");
        }
        let many = format!("[{}]", "\"a.toml\", ".repeat(65));
        assert!(of(&many).unwrap_err().to_string().contains("more than 64"));
        assert_eq!(Include::of("x", "version = 1"), Ok(Vec::new()));
        assert_eq!(Include::of("x", "include = ["), Ok(Vec::new()), "told when it is parsed");
    }

    #[test]
    fn an_include_that_nobody_followed_is_an_error() {
        let files = [("rules.toml", "version = 1\ninclude = [\"a.toml\"]\n")];
        let error = RuleSet::parse(&files, [0; 32]).unwrap_err().errors.remove(0).to_string();
        assert!(error.contains("rules.toml:2:12: include: the files that it names"), "{error}");
        assert!(RuleSet::parse_whole(&files, |_| [0; 32]).is_ok());
    }
}
