//! What a host brings to its enrolment: the token, and keys of its own.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cofferdam_trust::{JoinToken, PeerKey, SigningKey, read_private_file};
use zeroize::Zeroizing;

use super::super::store;
use super::{JoinError, Request, open, signing_key};
use crate::credential;

/// The key of an enrolment that has no answer yet.
const PENDING: &str = "enrolling.key";
/// The longest file with a token, in bytes.
const MAX_TOKEN: u64 = 1024;

/// A token that was opened and not read yet.
pub(super) enum TokenSource {
    File(File, PathBuf),
    Credential(PathBuf),
}

/// Where the signing key is.
#[derive(Clone, Copy)]
pub(super) enum Signing<'a> {
    /// The service manager gives it.
    Given(&'a Path),
    /// In a file, made where there is none.
    Own(&'a Path),
}

/// The keys of this host, on the disk.
pub(super) struct Keys {
    pub(super) key: PeerKey,
    pub(super) signing: SigningKey,
    pending: PathBuf,
}

impl TokenSource {
    pub(super) fn open(request: &Request) -> Result<Self, JoinError> {
        match (&request.token_file, &request.token_credential) {
            (Some(path), _) => Ok(Self::File(open(path)?, path.clone())),
            (None, Some(name)) => {
                let path = credential::path(name);
                path.filter(|path| path.exists()).map(Self::Credential).ok_or_else(|| {
                    let problem = "there is no such credential; LoadCredential= gives one";
                    JoinError::TokenFile { path: name.into(), problem: problem.to_owned() }
                })
            }
            (None, None) => Err(JoinError::TokenFile {
                path: PathBuf::new(),
                problem: "no file is named".to_owned(),
            }),
        }
    }

    pub(super) fn read(self) -> Result<JoinToken, JoinError> {
        match self {
            Self::Credential(path) => {
                let text = read_private_file(&path)
                    .map_err(|error| JoinError::TokenFile { path, problem: error.to_string() })?;
                Ok(text.parse()?)
            }
            Self::File(file, path) => {
                let text = read(file).map_err(|problem| JoinError::TokenFile { path, problem })?;
                Ok(text.parse()?)
            }
        }
    }
}

/// The text of a file that its owner alone may open.
fn read(mut file: File) -> Result<Zeroizing<String>, String> {
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    let mode = metadata.permissions().mode() & 0o7777;
    if !metadata.is_file() || metadata.len() > MAX_TOKEN {
        return Err("it is no regular file of at most 1 KiB".to_owned());
    }
    if mode & 0o077 != 0 {
        return Err(format!(
            "it has mode {mode:04o}, so others could have used the token: make a new one, or \
             `chmod 600` it if you are sure"
        ));
    }
    let size = usize::try_from(MAX_TOKEN).unwrap_or(usize::MAX);
    let mut text = Zeroizing::new(String::with_capacity(size));
    let read = (&mut file).take(MAX_TOKEN).read_to_string(&mut text);
    read.map_err(|error| error.to_string())?;
    Ok(text)
}

impl Keys {
    /// Those of an enrolment that began before, or new ones, durable.
    pub(super) fn prepare(directory: &Path, signing: Signing<'_>) -> Result<Self, JoinError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| JoinError::KeyFile { path, source }
        };
        store::prepare(directory).map_err(failed(directory))?;
        let signing = match signing {
            Signing::Given(path) => SigningKey::load(path)?,
            Signing::Own(path) => signing_key(path)?,
        };
        let pending = directory.join(PENDING);
        let key = if let Some(pem) = store::read(&pending).map_err(failed(&pending))? {
            PeerKey::from_pem(&pem)?
        } else {
            let key = PeerKey::generate()?;
            store::write(&pending, key.to_pem().as_bytes()).map_err(failed(&pending))?;
            key
        };
        Ok(Self { key, signing, pending })
    }

    /// The enrolment has its answer.
    pub(super) fn forget_pending(&self) {
        if let Err(error) = std::fs::remove_file(&self.pending) {
            tracing::warn!(%error, path = %self.pending.display(), "a key is left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_same_for_as_long_as_the_enrolment_has_no_answer() {
        let directory = tempfile::tempdir().unwrap();
        let (identity, signing) = (directory.path().join("identity"), directory.path().join("s"));
        // What should be given and is not is never made.
        assert!(Keys::prepare(&identity, Signing::Given(&signing)).is_err());
        let prepare = || Keys::prepare(&identity, Signing::Own(&signing)).unwrap();
        let (first, second) = (prepare(), prepare());
        assert_eq!(*first.key.to_pem(), *second.key.to_pem());
        assert_eq!(first.signing.public_key(), second.signing.public_key());
        second.forget_pending();
        let third = prepare();
        assert_ne!(*first.key.to_pem(), *third.key.to_pem());
        assert_eq!(first.signing.public_key(), third.signing.public_key());
        let given = Keys::prepare(&identity, Signing::Given(&signing)).unwrap();
        assert_eq!(first.signing.public_key(), given.signing.public_key());
    }

    #[test]
    fn a_token_that_others_could_have_read_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let token = JoinToken::generate("web-1", [7; 32]).unwrap();
        std::fs::write(&path, token.text().as_bytes()).unwrap();
        let read = |mode| {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            TokenSource::File(open(&path).unwrap(), path.clone()).read()
        };
        assert_eq!(read(0o600).unwrap().digest(), token.digest());
        assert!(read(0o644).err().unwrap().to_string().contains("0644"));
        std::fs::write(&path, &token.text()[..40]).unwrap();
        assert!(matches!(read(0o600), Err(JoinError::Token(_))));
    }
}
