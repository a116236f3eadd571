//! Completes paths: by listing the directory that was typed so far, as `list_directory`
//! does.

use cofferdam_proto::file::v1::{DirectoryListing, FileInfo, FileKind};
use serde_json::json;

use super::matching::first;
use super::{Kind, Proposed, Typed};
use crate::pipeline::ask;
use crate::place::Place;
use crate::resources::call;
use crate::resources::raw::{Raw, Told};
use crate::resources::uri::{decoded, readable};
use crate::tools::{ListDirectory, path_text};

/// Entries that are looked through.
const ENTRIES: u64 = 10_000;

/// A directory, and how the names that are meant begin.
struct Begun {
    /// As a tool takes it; empty: the workspace.
    directory: String,
    name: Vec<u8>,
}

impl Typed<'_> {
    pub(super) async fn paths(&self, kind: Kind) -> Proposed {
        let Some(begun) = Begun::of(&self.value, kind) else { return Proposed::default() };
        let (host, project) = (self.said.get("host"), self.said.get("project"));
        let roster = self.gateway.roster();
        let place = Place::resolve(&roster, project.map(String::as_str), host.map(String::as_str));
        let Ok(place) = place else { return Proposed::default() };
        let could = std::slice::from_ref(&place);
        // Nothing is refused, and recorded as refused, with each letter.
        let may_list = self.gateway.policy().could_use(self.origin, could, "list_directory");
        if !may_list
            || !self.places.iter().any(|it| it.host == place.host && it.project == place.project)
        {
            return Proposed::default();
        }
        let directory = if begun.directory.is_empty() { "." } else { begun.directory.as_str() };
        let arguments = json!({
            "path": directory, "host": place.host, "project": place.project,
            "max_entries": ENTRIES,
        });
        let call = call(self.origin, "list_directory", arguments, usize::MAX, self.cancelled);
        let Ok(Told(listed)) = ask::<Raw<ListDirectory>>(self.gateway, call).await else {
            return Proposed::default();
        };
        let DirectoryListing { entries, truncated, next: _ } = listed;
        first(entries.iter().filter_map(|entry| begun.shown(entry, kind)), truncated)
    }
}

impl Begun {
    /// None: such a path is none.
    fn of(typed: &str, kind: Kind) -> Option<Self> {
        let (directory, name) = match typed.rsplit_once('/') {
            Some(("", name)) if kind != Kind::UriPath => ("/", name),
            Some((directory, name)) => (directory, name),
            None => ("", typed),
        };
        if kind != Kind::UriPath {
            return Some(Self { directory: directory.to_owned(), name: name.as_bytes().to_vec() });
        }
        let is_relative = !typed.starts_with('/');
        let (directory, name) = (decoded(directory).ok()?, decoded(name).ok()?);
        is_relative.then(|| Self { directory: path_text(&directory), name })
    }

    /// The whole value that an entry stands for, where it fits.
    fn shown(&self, entry: &FileInfo, kind: Kind) -> Option<String> {
        let name = entry.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let is_directory = entry.kind() == FileKind::Directory;
        if kind == Kind::Directory && !is_directory {
            return None;
        }
        // Hidden names are for who begins one.
        if name.starts_with(b".") && !self.name.starts_with(b".") {
            return None;
        }
        let fits = match kind {
            Kind::UriPath => name.starts_with(&self.name),
            _ => path_text(name).as_bytes().starts_with(&self.name),
        };
        let shown = match kind {
            Kind::UriPath => readable(&entry.path),
            _ => path_text(&entry.path),
        };
        fits.then(|| if is_directory { shown + "/" } else { shown })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &[u8], kind: FileKind) -> FileInfo {
        FileInfo { path: path.to_vec(), kind: kind.into(), ..FileInfo::default() }
    }

    fn shown(typed: &str, kind: Kind, entry: &FileInfo) -> Option<String> {
        Begun::of(typed, kind).unwrap().shown(entry, kind)
    }

    #[test]
    fn the_directory_that_was_typed_is_listed_and_the_last_name_is_matched() {
        let begun = Begun::of("src/to", Kind::Path).unwrap();
        assert_eq!((begun.directory.as_str(), begun.name.as_slice()), ("src", &b"to"[..]));
        let file = entry(b"src/tools.rs", FileKind::Regular);
        assert_eq!(shown("src/to", Kind::Path, &file).as_deref(), Some("src/tools.rs"));
        assert_eq!(shown("src/to", Kind::Directory, &file), None);
        let directory = entry(b"src/tools", FileKind::Directory);
        assert_eq!(shown("src/", Kind::Directory, &directory).as_deref(), Some("src/tools/"));
        assert_eq!(shown("src/x", Kind::Path, &directory), None);
        assert_eq!(Begun::of("/et", Kind::Path).unwrap().directory, "/");
    }

    #[test]
    fn hidden_names_are_shown_to_who_begins_one() {
        let hidden = entry(b".git", FileKind::Directory);
        assert_eq!(shown("", Kind::Path, &hidden), None);
        assert_eq!(shown(".g", Kind::Path, &hidden).as_deref(), Some(".git/"));
    }

    #[test]
    fn in_a_uri_names_are_escaped_as_far_as_a_client_does_not_do_it_itself() {
        let odd = entry(b"a b?/caf\xe9 100%", FileKind::Regular);
        assert_eq!(
            shown("a%20b%3F/caf", Kind::UriPath, &odd).as_deref(),
            Some("a%20b%3F/caf%E9%20100%25")
        );
        let accent = entry("für".as_bytes(), FileKind::Regular);
        assert_eq!(shown("f", Kind::UriPath, &accent).as_deref(), Some("für"));
        assert!(Begun::of("/etc", Kind::UriPath).is_none());
        assert!(Begun::of("a%2", Kind::UriPath).is_none());
    }
}
