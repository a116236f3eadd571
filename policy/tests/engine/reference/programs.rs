//! Whether a rule's programs are what a call runs.

use std::path::Path;

use cofferdam_policy::Word;
use toml::Table;

use super::paths::{Place, place};
use super::{Rules, Sure};

const STANDARD: [&str; 6] =
    ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/local/sbin"];

/// Where a call is.
#[derive(Debug, Clone)]
pub(crate) struct Around<'c> {
    pub(crate) workspace: &'c Path,
    /// `None`: not known, after `cd`.
    pub(crate) directory: Option<std::path::PathBuf>,
}

impl Rules {
    /// Whether a program pattern matches a program with its arguments.
    pub(crate) fn program(
        &self,
        pattern: &Table,
        name: &[u8],
        words: &[Word],
        around: &Around<'_>,
    ) -> Sure {
        let which = self.which(pattern, name, around);
        match pattern.get("args") {
            Some(args) if which != Sure::No => {
                which.min(self.arguments(args.as_array().unwrap(), words, around))
            }
            _ => which,
        }
    }

    /// Whether it is one of the pattern's programs. A bare name is what it means
    /// in a standard directory; a path of the same last name may be a link.
    pub(crate) fn which(&self, pattern: &Table, name: &[u8], around: &Around<'_>) -> Sure {
        if pattern.contains_key("any") {
            return Sure::Yes;
        }
        let name = std::str::from_utf8(name).unwrap_or("\u{fffd}");
        let last =
            |path: &str| Path::new(path).file_name().map(|name| name.to_str().unwrap().to_owned());
        let bare = !name.contains('/');
        let at = match place(name.as_bytes(), around.directory.as_deref(), around.workspace) {
            Some(Place::At(path)) if !bare => Some(path.to_str().unwrap().to_owned()),
            _ => None,
        };
        // What the last name is where only that is known.
        let called = if bare { Some(name.to_owned()) } else { last(at.as_deref().unwrap_or(name)) };
        if let Some(under) = pattern.get("under").map(|under| under.as_str().unwrap()) {
            return match at {
                Some(path) if path.starts_with(under) => Sure::Yes,
                // A link may lead there.
                _ => Sure::Perhaps,
            };
        }
        if let Some(path) = pattern.get("path").map(|path| path.as_str().unwrap()) {
            let same = called == last(path);
            return match at {
                Some(at) if at == path => Sure::Yes,
                _ if same => Sure::Perhaps,
                _ => Sure::No,
            };
        }
        let names = match (pattern.get("name"), pattern.get("names")) {
            (Some(name), None) => vec![name.as_str().unwrap().to_owned()],
            (None, Some(names)) => super::strings(names),
            other => panic!("{other:?}"),
        };
        let is_named = called.is_some_and(|called| self.expand(&names).contains(&called));
        let standard = at.is_some_and(|at| {
            Path::new(&at)
                .parent()
                .is_some_and(|at| STANDARD.iter().any(|known| Path::new(known) == at))
        });
        match (is_named, bare || standard) {
            (false, _) => Sure::No,
            (true, true) => Sure::Yes,
            (true, false) => Sure::Perhaps,
        }
    }
}
