//! Profiles: named sandbox configurations, as TOML data.
//!
//! `readonly`, `default` and `build` are compiled in; a host adds its own as
//! `NAME.toml` in a directory, and may replace a built-in one that way. A
//! profile is an upper bound: the grant narrows it, the ceiling caps it.

mod file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cofferdam_plan::AbsolutePath;

use crate::trees::Tree;
use file::File;

/// The largest profile file, in bytes.
const MAX_FILE: u64 = 64 * 1024;

const BUILT_IN: [(&str, &str); 3] = [
    ("readonly", include_str!("../profiles/readonly.toml")),
    ("default", include_str!("../profiles/default.toml")),
    ("build", include_str!("../profiles/build.toml")),
];

/// A profile, checked.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The workspace may be changed.
    pub write: bool,
    /// Programs in the workspace may be executed.
    pub execute: bool,
    /// Host paths that are mounted, read-only.
    pub show: Vec<Tree>,
    /// Host paths that may be read.
    pub read: Vec<Tree>,
    /// Host programs that may be executed.
    pub programs: Vec<Tree>,
    /// Where a program name is looked up.
    pub search_path: Vec<AbsolutePath>,
    /// The private home.
    pub home: AbsolutePath,
    /// Private writable places, the home among them.
    pub scratch: Vec<Scratch>,
    /// The host's network.
    pub host_network: bool,
    /// The name of the seccomp filter.
    pub filter: String,
    /// Limits where the grant says nothing.
    pub limits: ProfileLimits,
    /// Variables that every run has.
    pub environment: BTreeMap<String, String>,
    /// Names that a request may set although they are reserved.
    pub allowed_variables: Vec<String>,
    /// A missing protection is reported instead of refused.
    pub allow_degraded: bool,
}

/// A private writable place.
#[derive(Debug, Clone)]
pub struct Scratch {
    /// Where.
    pub path: AbsolutePath,
    /// Bytes.
    pub bytes: u64,
    /// Programs in it may be executed.
    pub execute: bool,
}

/// Limits of a profile.
#[derive(Debug, Clone, Copy)]
pub struct ProfileLimits {
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes of swap.
    pub swap_bytes: u64,
    /// Tasks.
    pub processes: u32,
    /// Thousandths of one CPU.
    pub cpu_millis: u32,
    /// Milliseconds of wall time.
    pub wall_millis: u64,
    /// Bytes of output.
    pub output_bytes: u64,
    /// Bytes of the largest file.
    pub file_size_bytes: u64,
    /// Open files of one process.
    pub open_files: u32,
}

/// All profiles of this host, by name.
#[derive(Debug, Clone)]
pub struct Profiles(BTreeMap<String, Profile>);

/// Why profiles were not taken.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// A file or the directory cannot be read.
    #[error("cannot read the profiles at `{path}`: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is too long or its name is no profile's.
    #[error("the profile file `{path}` {problem}")]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// The text means nothing; with line, column and key.
    #[error("the profile `{name}`: {source}")]
    Parse {
        /// Which.
        name: String,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A value cannot be used.
    #[error("the profile `{name}`: `{key}` {problem}")]
    Value {
        /// Which.
        name: String,
        /// The key.
        key: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
}

impl Profile {
    /// Reads a profile from the text of its file.
    ///
    /// # Errors
    /// See [`ProfileError`].
    pub fn parse(name: &str, text: &str) -> Result<Self, ProfileError> {
        let file: File = toml::from_str(text).map_err(|source| ProfileError::Parse {
            name: name.into(),
            source: Box::new(source),
        })?;
        file.resolve(name)
    }
}

impl Profiles {
    /// The built-in profiles, and those in `directory`.
    ///
    /// # Errors
    /// Where one of them cannot be read or means nothing.
    pub fn load(directory: Option<&Path>) -> Result<Self, ProfileError> {
        let mut profiles = BTreeMap::new();
        for (name, text) in BUILT_IN {
            profiles.insert(name.to_owned(), Profile::parse(name, text)?);
        }
        if let Some(directory) = directory {
            let read = |source| ProfileError::Read { path: directory.into(), source };
            for entry in std::fs::read_dir(directory).map_err(read)? {
                let path = entry.map_err(read)?.path();
                if path.extension().is_some_and(|extension| extension == "toml") {
                    let profile = read_file(&path)?;
                    profiles.insert(profile.name.clone(), profile);
                }
            }
        }
        Ok(Self(profiles))
    }

    /// The profile of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Profile> {
        self.0.get(name)
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn read_file(path: &Path) -> Result<Profile, ProfileError> {
    let read = |source| ProfileError::Read { path: path.into(), source };
    let wrong = |problem| ProfileError::File { path: path.into(), problem };
    let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let is_name = (1..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !is_name {
        return Err(wrong("must be named with letters, digits, `-` and `_`"));
    }
    if std::fs::metadata(path).map_err(read)?.len() > MAX_FILE {
        return Err(wrong("is longer than 64 KiB"));
    }
    Profile::parse(name, &std::fs::read_to_string(path).map_err(read)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_profiles_mean_what_their_names_say() {
        let profiles = Profiles::load(None).unwrap();
        let of = |name| profiles.get(name).unwrap();
        assert!(!of("readonly").write && !of("readonly").execute);
        assert!(of("default").write && !of("default").execute);
        assert!(of("build").write && of("build").execute);
        for profile in ["readonly", "default", "build"].map(of) {
            assert!(!profile.host_network && !profile.allow_degraded);
            assert!(profile.scratch.iter().any(|s| s.path == profile.home));
            assert!(cofferdam_filter::by_name(&profile.filter).is_some());
        }
    }

    #[test]
    fn program_directories_are_not_readable_by_themselves() {
        let profiles = Profiles::load(None).unwrap();
        for name in ["readonly", "default", "build"] {
            let read = &profiles.get(name).unwrap().read;
            assert!(!crate::trees::covers(read, Path::new("/usr/bin/git")), "{name}");
        }
    }

    #[test]
    fn a_hosts_own_profile_is_read_from_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let (_, text) = BUILT_IN[1];
        std::fs::write(dir.path().join("ours.toml"), text).unwrap();
        std::fs::write(dir.path().join("notes.txt"), "not a profile").unwrap();
        let profiles = Profiles::load(Some(dir.path())).unwrap();
        assert_eq!(profiles.names().collect::<Vec<_>>(), ["build", "default", "ours", "readonly"]);
    }

    #[test]
    fn mistakes_are_named_with_their_key() {
        let (_, text) = BUILT_IN[1];
        for (from, to, word) in [
            ("version = 1", "version = 2", "version"),
            ("[syscalls]", "[sycalls]", "sycalls"),
            ("filter = \"cell\"", "filter = \"none\"", "syscalls.filter"),
            ("\"/usr/lib/\"", "\"usr/lib\"", "view.read"),
            ("path = \"/home/cell\"", "path = \"home\"", "home.path"),
            ("memory = \"2GiB\"", "memory = \"0B\"", "limits"),
            ("mode = \"none\"", "mode = \"all\"", "unknown variant `all`"),
            ("LANG =", "\"LA NG\" =", "environment"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            let error = Profile::parse("p", &changed).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
