//! Rule files as they lie on the disk: one file with all that it includes, a
//! directory of them, or a bundle of signed rules.
//!
//! Words: the **first** files are those that the configuration or a command
//! names; the **root** is the directory of a first file, and nothing outside of it
//! is included, whatever links there are.
//!
//! Invariant: either all files that belong to the rules were read, each once, or
//! there are no rules. What is missing could be a deny rule.

mod beneath;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cofferdam_policy::{Bundle, BundleError, Include, MAX_BUNDLE, RuleErrors, RuleSet};
use cofferdam_trust::{hex, sha256};

use beneath::{Identity, Root};

/// The most files of one set of rules.
const MAX_FILES: usize = 256;
/// The most bytes of all of them together.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// How deep files may include each other.
const MAX_DEPTH: usize = 8;

/// The files of one set of rules.
#[derive(Debug, Clone, Default)]
pub struct RuleFiles {
    files: Vec<RuleFile>,
    bytes: usize,
}

#[derive(Debug, Clone)]
struct RuleFile {
    /// As errors name it.
    name: String,
    text: String,
    /// `None` for one of a bundle, which is no file of its own.
    identity: Option<Identity>,
}

/// Why rule files cannot be read. Nothing of them is used then.
#[derive(Debug, thiserror::Error)]
pub enum RuleFilesError {
    /// A file cannot be read.
    #[error("cannot read the rule file `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory has no rule file in it.
    #[error("no file in the directory `{0}` ends with `.toml`; name the rule file itself")]
    Empty(PathBuf),
    /// An entry of `include` cannot be followed.
    #[error("{place}: include: `{path}` {problem}")]
    Include {
        /// `file:line:column`.
        place: String,
        /// What it names.
        path: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// There is too much of them.
    #[error("the rules have more than {MAX_FILES} files or {MAX_BYTES} bytes; make them fewer")]
    TooMany,
    /// A bundle is none.
    #[error("the bundle `{path}`: {source}")]
    Bundle {
        /// The file.
        path: PathBuf,
        /// Why.
        source: BundleError,
    },
    /// An `include` is written wrong.
    #[error(transparent)]
    Rules(#[from] RuleErrors),
}

/// Where a walk through includes is.
struct Walk<'a> {
    root: &'a Root,
    /// How the root is named in front of the names of files.
    directory: PathBuf,
    /// Numbers of the files that lead to the one at hand, with where each
    /// included the next.
    way: Vec<(usize, String)>,
}

impl RuleFiles {
    /// Reads what is at each path: a file, or a directory of which every file is
    /// taken that ends with `.toml`, and all that these include; or the files in a
    /// bundle, which ends with `.bundle`, without a look at its seal.
    ///
    /// # Errors
    /// The first that cannot be read; a file that is there twice, or that
    /// includes itself, however far around.
    pub fn load(paths: &[&Path]) -> Result<Self, RuleFilesError> {
        let mut files = Self::default();
        for path in paths {
            if is_bundle(path) {
                files.add_bundle(&read_bundle(path)?)?;
            } else {
                files.add_first(path)?;
            }
        }
        Ok(files)
    }

    /// The files in a bundle.
    pub(crate) fn of_bundle(bundle: &Bundle) -> Result<Self, RuleFilesError> {
        let mut files = Self::default();
        files.add_bundle(bundle)?;
        Ok(files)
    }

    /// Their texts, with names as a bundle has them: without the directory that all
    /// of them lie in.
    pub(crate) fn for_bundle(&self) -> Vec<(String, String)> {
        let mut directory = self.files.first().and_then(|file| Path::new(&file.name).parent());
        while let Some(common) = directory
            && !self.files.iter().all(|file| Path::new(&file.name).starts_with(common))
        {
            directory = common.parent();
        }
        let directory = directory.unwrap_or(Path::new(""));
        let relative = |file: &RuleFile| {
            let name = Path::new(&file.name).strip_prefix(directory).unwrap_or(Path::new(""));
            (name.display().to_string(), file.text.clone())
        };
        self.files.iter().map(relative).collect()
    }

    /// Checks and resolves them as one set of rules.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn parse(&self) -> Result<RuleSet, RuleErrors> {
        self.parse_with(None)
    }

    /// As [`parse`](Self::parse), with one more file, given as name and text,
    /// which is on no disk and so includes nothing.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn parse_with(&self, more: Option<(&str, &str)>) -> Result<RuleSet, RuleErrors> {
        let own = self.files.iter().map(|file| (file.name.as_str(), file.text.as_str()));
        let files: Vec<(&str, &str)> = own.chain(more).collect();
        RuleSet::parse_whole(&files, digest)
    }

    /// Whether both say the same under the same names, wherever they lie.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let says =
            |one: &RuleFile, other: &RuleFile| one.name == other.name && one.text == other.text;
        self.files.len() == other.files.len()
            && self.files.iter().zip(&other.files).all(|(one, other)| says(one, other))
    }

    fn add_bundle(&mut self, bundle: &Bundle) -> Result<(), RuleFilesError> {
        for (name, text) in bundle.files() {
            self.bytes += text.len();
            if self.files.len() == MAX_FILES || self.bytes > MAX_BYTES {
                return Err(RuleFilesError::TooMany);
            }
            let (name, text) = (name.to_owned(), text.to_owned());
            self.files.push(RuleFile { name, text, identity: None });
        }
        Ok(())
    }

    fn add_first(&mut self, path: &Path) -> Result<(), RuleFilesError> {
        let failed = |source| RuleFilesError::Read { path: path.to_owned(), source };
        let is_directory = std::fs::metadata(path).map_err(failed)?.is_dir();
        let (directory, pattern) = match (is_directory, path.parent(), path.file_name()) {
            (true, ..) => (path, None),
            (false, Some(parent), Some(name)) => (parent, Some(name)),
            _ => return Err(failed(io::ErrorKind::InvalidFilename.into())),
        };
        let here = directory.as_os_str().is_empty();
        let root = Root::open(if here { Path::new(".") } else { directory }).map_err(failed)?;
        let names = match pattern {
            Some(name) => vec![PathBuf::from(name)],
            None => root.list(Path::new(""), "*.toml").map_err(failed)?,
        };
        if names.is_empty() {
            return Err(RuleFilesError::Empty(path.to_owned()));
        }
        for name in names {
            let mut walk = Walk { root: &root, directory: directory.to_owned(), way: Vec::new() };
            // A link as the first file leads where its owner wants it to.
            let read = match pattern {
                Some(_) => Root::read_first(path),
                None => root.read(&name),
            };
            let shown = walk.directory.join(&name);
            let (text, identity) =
                read.map_err(|source| RuleFilesError::Read { path: shown.clone(), source })?;
            let file =
                RuleFile { name: shown.display().to_string(), text, identity: Some(identity) };
            if let Some(other) = self.find(identity) {
                let other = &self.files[other].name;
                let problem = format!("is there already as `{other}`; name it once");
                let source = io::Error::other(problem);
                return Err(RuleFilesError::Read { path: shown, source });
            }
            self.follow(file, &name, &mut walk)?;
        }
        Ok(())
    }

    /// Takes a file and all that it includes.
    fn follow(
        &mut self,
        file: RuleFile,
        path: &Path,
        walk: &mut Walk<'_>,
    ) -> Result<(), RuleFilesError> {
        self.bytes += file.text.len();
        if self.files.len() == MAX_FILES || self.bytes > MAX_BYTES {
            return Err(RuleFilesError::TooMany);
        }
        let includes = Include::of(&file.name, &file.text)?;
        let number = self.files.len();
        self.files.push(file);
        let directory = path.parent().unwrap_or(Path::new(""));
        for include in includes {
            let refuse = |problem: String| RuleFilesError::Include {
                place: include.place.to_string(),
                path: include.path.clone(),
                problem,
            };
            if walk.way.len() == MAX_DEPTH {
                return Err(refuse(format!("lies more than {MAX_DEPTH} includes deep")));
            }
            walk.way.push((number, include.place.to_string()));
            for name in matching(walk.root, directory, &include.path).map_err(&refuse)? {
                let (text, identity) =
                    walk.root.read(&name).map_err(|error| refuse(unreadable(&name, &error)))?;
                if let Some(other) = self.find(identity) {
                    return Err(refuse(self.twice(other, walk)));
                }
                let shown = walk.directory.join(&name).display().to_string();
                let file = RuleFile { name: shown, text, identity: Some(identity) };
                self.follow(file, &name, walk)?;
            }
            walk.way.pop();
        }
        Ok(())
    }

    fn find(&self, identity: Identity) -> Option<usize> {
        self.files.iter().position(|file| file.identity == Some(identity))
    }

    /// What is wrong with including the file of this number again.
    fn twice(&self, number: usize, walk: &Walk<'_>) -> String {
        let name = &self.files[number].name;
        match walk.way.iter().position(|(on_way, _)| *on_way == number) {
            Some(start) => {
                let way: Vec<&str> =
                    walk.way[start..].iter().map(|(_, place)| place.as_str()).collect();
                format!("goes around in a circle: {} -> {name}; take one out", way.join(" -> "))
            }
            None => format!("names `{name}`, which is there already; include it once"),
        }
    }
}

/// Whether a path names a bundle.
pub(crate) fn is_bundle(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "bundle")
}

/// Reads a bundle, without a look at its seal.
pub(crate) fn read_bundle(path: &Path) -> Result<Bundle, RuleFilesError> {
    let mut text = String::new();
    let most = u64::try_from(MAX_BUNDLE).unwrap_or(u64::MAX);
    File::open(path)
        .and_then(|file| file.take(most.saturating_add(1)).read_to_string(&mut text))
        .map_err(|source| RuleFilesError::Read { path: path.to_owned(), source })?;
    Bundle::parse(&text).map_err(|source| RuleFilesError::Bundle { path: path.to_owned(), source })
}

/// The files that an entry names; never none.
fn matching(root: &Root, directory: &Path, path: &str) -> Result<Vec<PathBuf>, String> {
    let (beneath, name) = path.rsplit_once('/').unwrap_or(("", path));
    let directory = directory.join(beneath);
    if !name.contains('*') {
        return Ok(vec![directory.join(name)]);
    }
    let found = root.list(&directory, name).map_err(|error| unreadable(&directory, &error))?;
    if found.is_empty() {
        return Err("matches no file; rules that were there are missing, or take it out".to_owned());
    }
    Ok(found)
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    let why = match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::XDEV.raw_os_error() => {
            "it leads out of the directory of the first file".to_owned()
        }
        _ => error.to_string(),
    };
    format!("cannot be read (`{}`): {why}", path.display())
}

/// The digest of one file is that of its text, as sha256sum(1) prints it. That of
/// several is the digest of what sha256sum(1) prints for them in the byte order
/// of their names.
fn digest(files: &[(&str, &str)]) -> [u8; 32] {
    if let [(_, text)] = files {
        return sha256(text.as_bytes());
    }
    let mut named: Vec<(&str, String)> =
        files.iter().map(|(name, text)| (*name, hex(&sha256(text.as_bytes())))).collect();
    named.sort();
    let lines: Vec<String> =
        named.into_iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect();
    sha256(lines.concat().as_bytes())
}

#[cfg(test)]
mod tests;
