//! Files that hold private keys and other secrets: created for the owner alone, and
//! refused when anybody else could have read them.
//!
//! One kind of file may be readable by its group, too: a credential that whoever
//! started the service gave it, beneath `$CREDENTIALS_DIRECTORY`. systemd.exec(5)
//! gives it to the service's user by an access list, which shows as the group's
//! mode, beneath `/run/credentials`; a cluster gives it to the group of the container.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use zeroize::Zeroizing;

const MAX_KEY_FILE: u64 = 64 * 1024;
/// The directory of the credentials of a service: systemd.exec(5).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// Where systemd keeps those of each service, and only root writes.
const OF_SERVICES: &str = "/run/credentials";

/// Why a private key file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// There is a file already; keys are never overwritten.
    #[error(
        "cannot create the key file `{0}`: it exists already; move it away or choose another place"
    )]
    Exists(PathBuf),
    /// The system refused to create or write it.
    #[error("cannot write the key file `{path}`: {source}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system refused to open or read it.
    #[error("cannot read the secret in `{path}`: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner may open it.
    #[error(
        "`{path}` holds a secret and has mode {mode:04o}, so others could have read it; make a new one, or `chmod 600` it if you are sure. A service whose user may not own it takes it by LoadCredential="
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a regular file, or too long to be a key.
    #[error("`{0}` holds no key, token or secret: it must be a regular file of at most 64 KiB")]
    NotAKey(PathBuf),
}

/// A directory in which files are being made, by one maker at a time: the next one waits
/// until this is dropped, or its process ended (flock(2)).
pub(crate) struct Making {
    path: PathBuf,
    locked: File,
}

/// Creates `path` with mode 0600, never overwriting, and makes it durable.
pub(crate) fn create(path: &Path, contents: &[u8]) -> Result<(), PrivateFileError> {
    create_whole(path, 0o600, contents).map_err(written(path))
}

/// What [`Making::create_whole`] does, of one file.
pub(crate) fn create_whole(path: &Path, mode: u32, contents: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    Making::begin(directory.unwrap_or(Path::new(".")))?.create_whole(name, mode, contents)
}

impl Making {
    /// Waits for its turn in `directory`, which is there.
    pub(crate) fn begin(directory: &Path) -> io::Result<Self> {
        let locked = File::open(directory)?;
        locked.lock()?;
        Ok(Self { path: directory.to_owned(), locked })
    }

    /// What [`create`] does, in this directory.
    pub(crate) fn create(&self, name: &str, contents: &[u8]) -> Result<(), PrivateFileError> {
        let made = self.create_whole(name, 0o600, contents);
        made.map_err(written(&self.path.join(name)))
    }

    /// Creates the file with all of `contents` or not at all, whenever a process is
    /// killed and whatever the disk refuses; never overwrites, and makes it durable.
    pub(crate) fn create_whole(
        &self,
        name: impl AsRef<Path>,
        mode: u32,
        contents: &[u8],
    ) -> io::Result<()> {
        let path = self.path.join(name);
        if path.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let beside = path.with_added_extension("new");
        // One that a killed process left; nobody else is at it now.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside);
        let written = opened.and_then(|mut file| {
            file.write_all(contents)?;
            file.sync_all()
        });
        let placed = written.and_then(|()| match fs::hard_link(&beside, &path) {
            // A file system without links, such as that of a stick with a root on it.
            Err(error) if has_no_links(&error) => fs::rename(&beside, &path),
            linked => linked,
        });
        // The error that counts is the first one.
        drop(fs::remove_file(&beside));
        placed?;
        // The new name is durable with its directory.
        self.locked.sync_all()
    }
}

fn written(path: &Path) -> impl FnOnce(io::Error) -> PrivateFileError + use<'_> {
    move |source| match source.kind() {
        io::ErrorKind::AlreadyExists => PrivateFileError::Exists(path.to_owned()),
        _ => PrivateFileError::Write { path: path.to_owned(), source },
    }
}

/// link(2)
fn has_no_links(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported)
}

/// Reads a file with a secret in UTF-8, of at most 64 KiB, insisting on its mode.
///
/// # Errors
/// [`PrivateFileError`]: it cannot be read, is none, or others could have read it.
pub fn read_private_file(path: &Path) -> Result<Zeroizing<String>, PrivateFileError> {
    read(path)
}

/// What [`read_private_file`] does, for keys of this crate.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>, PrivateFileError> {
    let failed = |source| PrivateFileError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > MAX_KEY_FILE {
        return Err(PrivateFileError::NotAKey(path.to_owned()));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    let credentials = std::env::var_os(CREDENTIALS);
    if mode & 0o077 != 0 && !is_credential(path, &metadata, credentials.as_deref()) {
        return Err(PrivateFileError::Exposed { path: path.to_owned(), mode });
    }
    // Sized once, so that no grown buffer leaves a copy of the key behind.
    let size = usize::try_from(MAX_KEY_FILE).unwrap_or(usize::MAX);
    let mut text = Zeroizing::new(String::with_capacity(size));
    (&mut file).take(MAX_KEY_FILE).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// Whether root gave this file to the service: beneath the directory of credentials,
/// nobody's to change but root's, and no business of others.
fn is_credential(path: &Path, metadata: &Metadata, directory: Option<&OsStr>) -> bool {
    let is_beneath = |directory: &Path| {
        let rest = path.strip_prefix(directory);
        rest.is_ok_and(|rest| rest.components().all(|part| matches!(part, Component::Normal(_))))
    };
    let given = directory.map(Path::new).filter(|it| it.is_absolute());
    // Commands beside the service see its credentials without the variable.
    let beneath = given.into_iter().chain([Path::new(OF_SERVICES)]).any(is_beneath);
    let for_others = metadata.permissions().mode() & 0o037;
    beneath && metadata.uid() == 0 && for_others == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a file of this mode at `path` is a credential in `directory`, and
    /// whether root made it, as whoever runs the test may be.
    fn credential(mode: u32, path: &str, directory: &str) -> (bool, bool) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::set_permissions(file.path(), PermissionsExt::from_mode(mode)).unwrap();
        let metadata = file.as_file().metadata().unwrap();
        let it = is_credential(Path::new(path), &metadata, Some(OsStr::new(directory)));
        (it, metadata.uid() == 0)
    }

    #[test]
    fn a_credential_that_root_gave_may_show_its_access_list_as_the_mode_of_the_group() {
        let given = "/run/credentials/a.service";
        let (it, roots) = credential(0o440, "/run/credentials/a.service/key", given);
        assert_eq!(it, roots, "root's alone");
    }

    #[test]
    fn a_file_is_made_whole_and_never_over_another_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.key");
        // What a process left that was killed here is in nobody's way.
        fs::write(directory.path().join("ca.key.new"), "half").unwrap();
        create(&path, b"one").unwrap();
        assert_eq!(*read(&path).unwrap(), "one");
        assert!(matches!(create(&path, b"two"), Err(PrivateFileError::Exists(_))));
        assert_eq!(*read(&path).unwrap(), "one");
        let names = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(names, 1, "nothing is left beside it");
        // Nor is one made where a link leads nowhere.
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert!(matches!(create(&link, b"x"), Err(PrivateFileError::Exists(_))));
    }

    #[test]
    fn of_several_who_make_a_file_at_once_one_makes_it_and_it_is_that_ones() {
        let directory = tempfile::tempdir().unwrap();
        for round in 0..100 {
            let path = directory.path().join(format!("{round}.key"));
            let start = std::sync::Barrier::new(6);
            let makers = |own: String| {
                start.wait();
                create(&path, own.as_bytes()).is_ok().then_some(own)
            };
            let made: Vec<String> = std::thread::scope(|scope| {
                let begun: Vec<_> = (0..6)
                    .map(|maker| format!("{maker}").repeat(4000))
                    .map(|own| scope.spawn(|| makers(own)))
                    .collect();
                begun.into_iter().filter_map(|maker| maker.join().unwrap()).collect()
            });
            assert!(made.len() == 1, "round {round}: {} made it", made.len());
            assert!(*read(&path).unwrap() == made[0], "round {round}: it is another one's");
        }
    }

    #[test]
    fn nothing_else_may_be_readable_by_a_group() {
        let given = "/run/credentials/a.service";
        for (mode, path, directory) in [
            (0o444, "/run/credentials/a.service/key", given),
            (0o460, "/run/credentials/a.service/key", given),
            (0o440, "/etc/cofferdam/pki/agent.key", given),
            (0o440, "/run/credentials/a.service/../b.service/key", given),
            (0o440, "/run/credentials/../key", ""),
            (0o440, "/run/credential/key", ""),
            (0o440, "run/key", "run"),
        ] {
            assert!(!credential(mode, path, directory).0, "{mode:o} {path}");
        }
    }
}
