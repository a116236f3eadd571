//! An authority that is being made: what a killed process left of one is gone on with,
//! and two processes never make one at once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rcgen::KeyPair;
use zeroize::Zeroizing;

use super::{AuthorityError, CERTIFICATE, KEY, ROOT, failed};
use crate::private_file::{self, Making, PrivateFileError};

/// An authority that is being made, by nobody else meanwhile: the certificate comes last,
/// and until then nothing counts on what is there.
pub(super) struct Begun {
    directory: PathBuf,
    making: Making,
    pub(super) key: KeyPair,
}

impl Begun {
    /// Begins, or goes on: with the key that is there, and beneath `root` (PEM) whatever
    /// a killed process wanted.
    pub(super) fn begin(directory: &Path, root: Option<&str>) -> Result<Self, AuthorityError> {
        make_directory(directory)?;
        let making = Making::begin(directory).map_err(failed("lock the directory", directory))?;
        let (path, certificate) = (directory.join(KEY), directory.join(CERTIFICATE));
        if certificate.exists() {
            let there = io::ErrorKind::AlreadyExists.into();
            return Err(if path.exists() {
                PrivateFileError::Exists(path).into()
            } else {
                failed("create", &certificate)(there)
            });
        }
        let key = match private_file::read(&path) {
            Ok(pem) => KeyPair::from_pem(&pem).map_err(|_| AuthorityError::NotAnAuthority {
                path: directory.to_owned(),
                reason: "ca.key is no private key".to_owned(),
            })?,
            Err(PrivateFileError::Read { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                let key = KeyPair::generate()?;
                making.create(KEY, Zeroizing::new(key.serialize_pem()).as_bytes())?;
                key
            }
            Err(error) => return Err(error.into()),
        };
        let begun = Self { directory: directory.to_owned(), making, key };
        begun.put_beneath(root)?;
        Ok(begun)
    }

    /// Makes `root.crt` what it has to be: `root`, or none.
    fn put_beneath(&self, root: Option<&str>) -> Result<(), AuthorityError> {
        let path = self.directory.join(ROOT);
        match fs::read(&path) {
            Ok(there) if root.is_some_and(|root| root.as_bytes() == there) => return Ok(()),
            Ok(_) => fs::remove_file(&path).map_err(failed("remove", &path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("read", &path)(error)),
        }
        root.map_or(Ok(()), |root| self.create_public(ROOT, root))
    }

    pub(super) fn create_public(&self, name: &str, contents: &str) -> Result<(), AuthorityError> {
        let made = self.making.create_whole(name, 0o644, contents.as_bytes());
        made.map_err(failed("create", &self.directory.join(name)))
    }
}

fn make_directory(directory: &Path) -> Result<(), AuthorityError> {
    let mut builder = fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700);
    builder.create(directory).map_err(failed("create the directory", directory))
}
