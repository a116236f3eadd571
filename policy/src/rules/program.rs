//! Program patterns: the program and its argument array, never a string.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use super::argument::{Arguments, Surroundings};
use super::matching::Match;
use super::place::{Opening, PathUse, Root, file_name};
use crate::path::{Directory, Location, locate};
use crate::shell::Word;

/// Directories in which a program is what its bare name means.
pub(crate) const PROGRAM_DIRECTORIES: [&str; 6] =
    ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/local/sbin"];

/// A program, with or without its arguments.
#[derive(Debug, Clone)]
pub(crate) struct ProgramPattern {
    pub(crate) which: Which,
    /// `None`: whatever they are.
    pub(crate) arguments: Option<Arguments>,
    /// What it opens besides its arguments, where the rule says that; nothing, of
    /// an empty list.
    pub(crate) opens: Option<Vec<Opens>>,
}

/// Something that a program opens whatever its arguments name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opens {
    /// `None`: the directory that it starts in.
    pub(crate) root: Option<Root>,
    pub(crate) opening: Opening,
}

/// Which programs a pattern names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// Every one that the profile has.
    Any,
    /// These names, bare or in one of [`PROGRAM_DIRECTORIES`].
    Names(Vec<String>),
    /// This file.
    Path(String),
    /// Every program beneath this directory, which ends in a slash. A guard of one
    /// meets all that is not known to be elsewhere, which is everything.
    Under(String),
}

/// A program as a call names it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProgramUse<'a> {
    pub(crate) program: &'a [u8],
    pub(crate) arguments: &'a [Word],
    pub(crate) around: Surroundings<'a>,
}

impl ProgramPattern {
    /// Whether the program is one of the pattern's, and its arguments too.
    pub(crate) fn matches(&self, used: ProgramUse<'_>) -> Match {
        let program = self.which.matches(used.program, used.around);
        match (&self.arguments, program) {
            (_, Match::No) => Match::No,
            (None, program) => program,
            (Some(arguments), program) => {
                program.min(arguments.matches(used.arguments, used.around))
            }
        }
    }

    /// Whether the rule says anything of what the program opens.
    pub(crate) fn opens(&self) -> bool {
        self.opens.is_some() || self.arguments.as_ref().is_some_and(Arguments::open)
    }

    /// Adds what the program opens, where it may be one of the pattern's.
    pub(crate) fn opened(&self, used: ProgramUse<'_>, out: &mut BTreeSet<PathUse>) {
        if !self.opens() || self.matches(used) == Match::No {
            return;
        }
        let around = used.around;
        for Opens { root, opening: Opening { mode, recursive } } in self.opens.iter().flatten() {
            let location = match (root, around.directory) {
                (Some(root), _) => Location::At(root.resolve(around.workspace)),
                (None, Directory::At(path)) => Location::At(path.to_owned()),
                (None, Directory::Somewhere) => Location::InWorkspace,
            };
            out.insert(PathUse { location, mode: *mode, recursive: *recursive });
        }
        if let Some(arguments) = &self.arguments {
            arguments.opened(used.arguments, around, out);
        }
    }

    /// For telling the narrower of two: kind, then length, then arguments.
    pub(crate) fn rank(&self) -> (u8, usize, bool) {
        let (kind, length) = match &self.which {
            Which::Any => (0, 0),
            Which::Under(directory) => (1, directory.len()),
            Which::Names(_) => (2, 0),
            Which::Path(_) => (3, 0),
        };
        (kind, length, self.arguments.is_some())
    }
}

impl Which {
    /// Whether `program` is one of these. A path elsewhere with the same last
    /// name is one perhaps: it may be the same program. Of a directory, every path
    /// elsewhere is: names of links are free.
    pub(crate) fn matches(&self, program: &[u8], around: Surroundings<'_>) -> Match {
        if let Self::Any = self {
            return Match::Yes;
        }
        if !program.contains(&b'/') {
            return self.matches_bare(program);
        }
        match locate(program, around.directory, around.workspace) {
            Ok(Location::At(path)) => self.matches_path(&path),
            // Somewhere in the workspace.
            Ok(Location::InWorkspace | Location::Anywhere) | Err(_) => {
                self.same_name(file_name(program))
            }
        }
    }

    /// The profile's PATH says where a bare name leads.
    fn matches_bare(&self, name: &[u8]) -> Match {
        match self {
            Self::Any => Match::Yes,
            Self::Names(names) => names.iter().any(|known| known.as_bytes() == name).into(),
            Self::Path(_) | Self::Under(_) => self.same_name(name),
        }
    }

    fn matches_path(&self, path: &Path) -> Match {
        use std::os::unix::ffi::OsStrExt as _;
        let bytes = path.as_os_str().as_bytes();
        let name = file_name(bytes);
        let matches = match self {
            Self::Any => true,
            Self::Names(names) => {
                let standard = path.parent().is_some_and(|parent| {
                    PROGRAM_DIRECTORIES.iter().any(|known| Path::new(known) == parent)
                });
                standard && names.iter().any(|known| known.as_bytes() == name)
            }
            Self::Path(known) => known.as_bytes() == bytes,
            Self::Under(directory) => bytes.starts_with(directory.as_bytes()),
        };
        // Another path may lead to one of these: `/sbin` and `/proc/self/root` do.
        if matches { Match::Yes } else { self.same_name(name) }
    }

    fn same_name(&self, name: &[u8]) -> Match {
        let same = match self {
            Self::Any | Self::Under(_) => true,
            Self::Names(names) => names.iter().any(|known| known.as_bytes() == name),
            Self::Path(path) => file_name(path.as_bytes()) == name,
        };
        Match::from(same).doubtful()
    }
}

/// `<directory (read)>`
impl fmt::Display for Opens {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.root {
            None => write!(out, "<directory ({})>", self.opening),
            Some(root) => write!(out, "<{root} ({})>", self.opening),
        }
    }
}

impl fmt::Display for ProgramPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.which {
            Which::Any => out.write_str("any program")?,
            Which::Names(names) => {
                out.write_str(&names.iter().take(8).cloned().collect::<Vec<_>>().join("|"))?;
                out.write_str(if names.len() > 8 { "|…" } else { "" })?;
            }
            Which::Path(path) => out.write_str(path)?,
            Which::Under(directory) => write!(out, "{directory}*")?,
        }
        match &self.arguments {
            None => {}
            Some(Arguments(list)) if list.is_empty() => out.write_str(" (without arguments)")?,
            Some(arguments) => write!(out, " {arguments}")?,
        }
        match self.opens.as_deref() {
            None | Some([]) => Ok(()),
            Some(opens) => {
                let told: Vec<String> = opens.iter().map(ToString::to_string).collect();
                write!(out, " opens {}", told.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_path_to_a_program_of_a_directory_is_taken_for_another_program() {
        let workspace = Path::new("/srv/shop");
        let around = Surroundings { workspace, directory: Directory::At(workspace) };
        let under = Which::Under("/usr/sbin/".to_owned());
        let matches = |program: &str| under.matches(program.as_bytes(), around);
        assert_eq!(matches("/usr/sbin/ip"), Match::Yes);
        assert_eq!(matches("/usr/bin/../sbin/ip"), Match::Yes);
        for elsewhere in
            ["ip", "/sbin/ip", "/proc/self/root/usr/sbin/ip", "/etc/alternatives/ip", "./ip"]
        {
            assert_eq!(matches(elsewhere), Match::Perhaps, "{elsewhere}");
        }
    }
}
