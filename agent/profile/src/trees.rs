//! The algebra of path sets: what profile, grant and ceiling have in common.
//!
//! Pure and lexical; the kernel resolves the paths later. An intersection is
//! never larger than either side.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A path, or a path with all beneath it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tree {
    /// Absolute, without `.`, `..` and trailing slash.
    pub path: PathBuf,
    /// The path alone, not what lies beneath it.
    pub exact: bool,
}

impl Tree {
    /// A path with all beneath it.
    #[must_use]
    pub fn beneath(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), exact: false }
    }

    /// Reads a path as grants and profiles write it: one that ends in a slash
    /// names all beneath. `None` where it is not absolute and normal.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (path, exact) = match text.strip_suffix('/') {
            Some("") => ("/", false),
            Some("/") => return None,
            Some(directory) => (directory, false),
            None => (text, true),
        };
        let normal = |c: &str| !matches!(c, "" | "." | "..");
        let rest = path.strip_prefix('/')?;
        let fits = text.len() <= 4095 && !text.contains('\0');
        (fits && (rest.is_empty() || rest.split('/').all(normal)))
            .then(|| Self { path: path.into(), exact })
    }

    /// Whether `path` is in here.
    #[must_use]
    pub fn covers(&self, path: &Path) -> bool {
        if self.exact { path == self.path } else { starts_with(path, &self.path) }
    }

    /// Whether all of `other` is in here.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self == other || (!self.exact && self.covers(&other.path))
    }

    fn common(&self, other: &Self) -> Option<Self> {
        match (self.exact, other.exact) {
            (true, _) => other.covers(&self.path).then(|| self.clone()),
            (false, true) => self.covers(&other.path).then(|| other.clone()),
            (false, false) if self.covers(&other.path) => Some(other.clone()),
            (false, false) => other.covers(&self.path).then(|| self.clone()),
        }
    }
}

/// As [`Path::starts_with`], for a `start` that is absolute and normal. Every call
/// compares hundreds of paths; taking each apart was half of what a small one cost.
fn starts_with(path: &Path, start: &Path) -> bool {
    let (bytes, head) = (path.as_os_str().as_bytes(), start.as_os_str().as_bytes());
    if let Some(rest) = bytes.strip_prefix(head)
        && (rest.is_empty() || rest.starts_with(b"/") || head == b"/")
    {
        return true;
    }
    // Only where it is written with more than it needs can it be the same otherwise.
    let plain = !bytes.windows(2).any(|two| matches!(two, b"//" | b"/."));
    !plain && path.starts_with(start)
}

impl fmt::Display for Tree {
    /// As [`Tree::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.exact || self.path == Path::new("/") { "" } else { "/" };
        write!(f, "{}{slash}", self.path.display())
    }
}

/// What both sides have.
#[must_use]
pub fn intersection(left: &[Tree], right: &[Tree]) -> Vec<Tree> {
    minimal(left.iter().flat_map(|l| right.iter().filter_map(|r| l.common(r))).collect())
}

/// Whether `path` is in one of `trees`.
#[must_use]
pub fn covers(trees: &[Tree], path: &Path) -> bool {
    trees.iter().any(|tree| tree.covers(path))
}

/// The same set with nothing said twice, sorted.
#[must_use]
pub fn minimal(mut trees: Vec<Tree>) -> Vec<Tree> {
    trees.sort();
    trees.dedup();
    let all = trees.clone();
    trees.retain(|tree| {
        !all.iter().any(|other| other != tree && !other.exact && other.covers(&tree.path))
    });
    trees
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trees(texts: &[&str]) -> Vec<Tree> {
        texts.iter().map(|text| Tree::parse(text).unwrap()).collect()
    }

    #[test]
    fn the_narrower_side_wins() {
        let host = trees(&["/usr/", "/opt/tools/bin/x"]);
        let asked = trees(&["/usr/bin/git", "/opt/", "/etc/"]);
        assert_eq!(intersection(&host, &asked), trees(&["/opt/tools/bin/x", "/usr/bin/git"]));
    }

    #[test]
    fn a_path_without_a_slash_at_its_end_names_itself_only() {
        let one = Tree::parse("/usr/bin").unwrap();
        assert!(one.covers(Path::new("/usr/bin")) && !one.covers(Path::new("/usr/bin/git")));
        assert!(Tree::parse("/").unwrap().covers(Path::new("/etc")));
    }

    #[test]
    fn a_tree_is_shown_as_it_is_written() {
        for text in ["/", "/usr/", "/usr/bin/git"] {
            assert_eq!(Tree::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn paths_that_are_not_normal_mean_nothing() {
        for text in ["", "usr", "/usr//bin", "/usr/../etc", "/./a", "//", "/a\0"] {
            assert_eq!(Tree::parse(text), None, "{text:?}");
        }
    }

    fn any_tree() -> impl Strategy<Value = Tree> {
        (proptest::collection::vec("[ab]", 0..4), any::<bool>()).prop_map(|(parts, exact)| {
            let exact = exact && !parts.is_empty();
            Tree { path: Path::new("/").join(parts.join("/")), exact }
        })
    }

    proptest! {
        #[test]
        fn a_path_begins_as_the_standard_library_says(
            path in "/?[ab./]{0,12}",
            start in "(/[ab]{1,2}){0,3}",
        ) {
            let start = if start.is_empty() { "/" } else { &start };
            let (path, start) = (Path::new(&path), Path::new(start));
            prop_assert_eq!(starts_with(path, start), path.starts_with(start));
        }

        #[test]
        fn an_intersection_is_exactly_what_both_have(
            left in proptest::collection::vec(any_tree(), 0..4),
            right in proptest::collection::vec(any_tree(), 0..4),
            probe in proptest::collection::vec("[ab]", 0..5),
        ) {
            let probe = Path::new("/").join(probe.join("/"));
            let both = covers(&left, &probe) && covers(&right, &probe);
            prop_assert_eq!(covers(&intersection(&left, &right), &probe), both);
        }
    }
}
