//! The file that a write means: links followed, its kind known.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::bounds;
use crate::fault::FileFault;
use crate::open::{self, expect_regular};
use crate::place::Place;

/// What a write means, and what is there now.
#[derive(Debug)]
pub(crate) struct Target {
    place: Place,
    /// Symbolic links resolved.
    path: PathBuf,
    existing: Option<Metadata>,
}

impl Target {
    /// A regular file, or nothing.
    pub(crate) fn find(place: Place) -> Result<Self, FileFault> {
        if place.full().file_name().is_none() {
            let message = "the path names a directory, not a file";
            return Err(FileFault::Invalid(message.to_owned()));
        }
        let fault = || FileFault::io("write", place.asked());
        let path = match fs::symlink_metadata(place.full()) {
            Ok(metadata) if metadata.is_symlink() => {
                fs::canonicalize(place.full()).map_err(fault())?
            }
            _ => place.full().to_owned(),
        };
        let existing = match fs::symlink_metadata(&path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(fault()(error)),
        };
        if let Some(metadata) = &existing {
            expect_regular(metadata, place.asked())?;
        }
        Ok(Self { place, path, existing })
    }

    /// A regular file that is there.
    pub(crate) fn existing(place: Place) -> Result<Self, FileFault> {
        let target = Self::find(place)?;
        match target.existing {
            Some(_) => Ok(target),
            None => Err(FileFault::System {
                operation: "open",
                path: target.shown().to_owned(),
                errno: rustix::io::Errno::NOENT,
            }),
        }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// As it was asked for.
    pub(crate) fn shown(&self) -> &Path {
        self.place.asked()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What was there when it was found.
    pub(crate) fn metadata(&self) -> Option<&Metadata> {
        self.existing.as_ref()
    }

    pub(crate) fn open(&self, options: &mut OpenOptions) -> Result<(File, Metadata), FileFault> {
        open::regular("open", &self.path, self.shown(), options)
    }

    /// SHA-256 of the file, of at most [`bounds::HASHED`] bytes.
    pub(crate) fn digest(&self) -> Result<[u8; 32], FileFault> {
        let (file, metadata) = self.open(OpenOptions::new().read(true))?;
        if metadata.len() > bounds::HASHED {
            return Err(FileFault::TooLarge {
                operation: "a digest",
                path: self.shown().to_owned(),
                actual: metadata.len(),
                limit: bounds::HASHED,
            });
        }
        digest(file).map_err(FileFault::io("read", self.shown()))
    }

    pub(super) fn exists(&self) -> FileFault {
        self.unmet("exists already, although it must not")
    }

    /// It is not what it was when it was read.
    pub(crate) fn changed(&self) -> FileFault {
        self.unmet("was changed since it was read; read it again")
    }

    pub(crate) fn unmet(&self, problem: &str) -> FileFault {
        FileFault::Precondition { path: self.shown().to_owned(), problem: problem.to_owned() }
    }
}

/// SHA-256 of at most [`bounds::HASHED`] bytes.
pub(in crate::write) fn digest(file: File) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut reader = file.take(bounds::HASHED);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
