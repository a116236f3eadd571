//! Writes a regular file: whole and at once, or at its end.
//!
//! A replacement is written beside its target, made durable and renamed over
//! it, so that a reader sees the old content or the new, and a full disk leaves
//! the old. It keeps the permission bits of what it replaces; a symbolic link
//! is followed, so that its target changes and the link stays.
//!
//! «Must not exist» is held by the kernel. «Has this digest» is checked before
//! the rename; whoever writes in the moment between is not noticed.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cofferdam_proto::file::v1::write_precondition::Precondition;
use cofferdam_proto::file::v1::{FileWrite, FileWritten, WritePrecondition};
use rustix::fs::Mode;
use sha2::{Digest, Sha256};

use crate::bounds;
use crate::fault::FileFault;
use crate::open::{self, expect_regular};
use crate::place::{Place, Workspace};

mod draft;

use draft::Draft;

/// A checked write: what, where, and what is there now.
struct Target {
    place: Place,
    /// Symbolic links resolved.
    path: PathBuf,
    existing: Option<Metadata>,
    must_not_exist: bool,
}

/// Writes, if the precondition holds.
pub(crate) fn write(workspace: &Workspace, request: FileWrite) -> Result<FileWritten, FileFault> {
    let FileWrite { path, data, precondition, make_parents, mode, append } = request;
    let place = workspace.place(path)?;
    if data.len() > bounds::WRITE {
        return Err(FileFault::TooLarge {
            operation: "a write",
            path: place.asked().to_owned(),
            actual: data.len() as u64,
            limit: bounds::WRITE as u64,
        });
    }
    let mode = new_mode(mode)?;
    if place.full().file_name().is_none() {
        return Err(FileFault::Invalid("the path names a directory, not a file".to_owned()));
    }
    if make_parents && let Some(parent) = place.full().parent() {
        fs::create_dir_all(parent)
            .map_err(FileFault::io("make the parent directories of", place.asked()))?;
    }
    let target = Target::find(place, precondition)?;
    if append { target.append(&data, mode) } else { target.replace(&data, mode) }
}

fn new_mode(mode: u32) -> Result<u32, FileFault> {
    match mode {
        0 => Ok(0o644),
        mode if mode & !0o777 == 0 => Ok(mode),
        mode => Err(FileFault::Invalid(format!(
            "mode {mode:o} is not taken: only permission bits up to 777, without setuid, setgid and sticky"
        ))),
    }
}

impl Target {
    fn find(place: Place, precondition: Option<WritePrecondition>) -> Result<Self, FileFault> {
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
        let precondition = precondition.and_then(|p| p.precondition);
        let must_not_exist = matches!(precondition, Some(Precondition::MustNotExist(true)));
        let target = Self { place, path, existing, must_not_exist };
        target.check(precondition.as_ref())?;
        Ok(target)
    }

    fn check(&self, precondition: Option<&Precondition>) -> Result<(), FileFault> {
        match precondition {
            None | Some(Precondition::MustNotExist(false)) => Ok(()),
            Some(Precondition::MustNotExist(true)) if self.existing.is_none() => Ok(()),
            Some(Precondition::MustNotExist(true)) => Err(self.exists()),
            Some(Precondition::Sha256(expected)) if expected.len() != 32 => {
                Err(FileFault::Invalid("a SHA-256 has 32 bytes".to_owned()))
            }
            Some(Precondition::Sha256(_)) if self.existing.is_none() => {
                Err(self.unmet("does not exist, although its SHA-256 is expected"))
            }
            Some(Precondition::Sha256(expected)) => {
                let (file, metadata) = self.open(OpenOptions::new().read(true))?;
                if metadata.len() > bounds::HASHED {
                    return Err(FileFault::TooLarge {
                        operation: "a digest",
                        path: self.place.asked().to_owned(),
                        actual: metadata.len(),
                        limit: bounds::HASHED,
                    });
                }
                if self.digest(file)? == *expected {
                    return Ok(());
                }
                Err(self.unmet("was changed since it was read; read it again"))
            }
        }
    }

    fn replace(self, data: &[u8], mode: u32) -> Result<FileWritten, FileFault> {
        let mode = self.existing.as_ref().map_or(mode, |m| m.mode() & 0o777);
        let fault = || FileFault::io("write", self.place.asked());
        let mut draft = Draft::beside(&self.path).map_err(fault())?;
        draft.fill(data, Mode::from_raw_mode(mode)).map_err(fault())?;
        if self.must_not_exist {
            match draft.publish_new(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(self.exists());
                }
                published => published.map_err(fault())?,
            }
        } else {
            draft.publish(&self.path).map_err(fault())?;
        }
        Ok(FileWritten {
            created: self.existing.is_none(),
            size: data.len() as u64,
            sha256: Sha256::digest(data).to_vec(),
        })
    }

    fn append(self, data: &[u8], mode: u32) -> Result<FileWritten, FileFault> {
        let fault = || FileFault::io("append to", self.place.asked());
        let mut options = OpenOptions::new();
        options.read(true).append(true);
        let created = self.existing.is_none();
        let mut file = if created {
            options.create_new(true).mode(mode).open(&self.path).map_err(fault())?
        } else {
            self.open(&mut options)?.0
        };
        file.write_all(data).map_err(fault())?;
        file.sync_all().map_err(fault())?;
        let size = file.metadata().map_err(fault())?.len();
        let sha256 = match size {
            0..=bounds::HASHED => {
                let (file, _) = self.open(OpenOptions::new().read(true))?;
                self.digest(file)?
            }
            _ => Vec::new(),
        };
        Ok(FileWritten { created, size, sha256 })
    }

    fn open(&self, options: &mut OpenOptions) -> Result<(File, Metadata), FileFault> {
        open::regular("open", &self.path, self.place.asked(), options)
    }

    /// SHA-256 of the file, of at most [`bounds::HASHED`] bytes.
    fn digest(&self, file: File) -> Result<Vec<u8>, FileFault> {
        let mut hasher = Sha256::new();
        let mut reader = file.take(bounds::HASHED);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match reader.read(&mut buffer).map_err(FileFault::io("read", self.place.asked()))? {
                0 => return Ok(hasher.finalize().to_vec()),
                read => hasher.update(&buffer[..read]),
            }
        }
    }

    fn exists(&self) -> FileFault {
        self.unmet("exists already, although it must not")
    }

    fn unmet(&self, problem: &str) -> FileFault {
        let path: &Path = self.place.asked();
        FileFault::Precondition { path: path.to_owned(), problem: problem.to_owned() }
    }
}
