//! The approver's credential: a token in a file that nobody else can read. It
//! comes by no other way, because arguments and variables are seen by others.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cofferdam_gateway::tokens::{APPROVER_PREFIX, PREFIX};
use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

use crate::connection::{ConnectionError, one_line};

/// Where it is unless said otherwise, beneath the configuration directory.
const USUAL: &str = "cofferdam/approver-token";

/// The longest file, in bytes.
const MAX_FILE: usize = 4096;

/// Why there is no credential.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    /// Nobody's home.
    #[error("no credential: give --credential-file FILE, because HOME is not set")]
    Homeless,
    /// It cannot be read.
    #[error(
        "cannot read the approver's credential `{path}`: {source}; the gateway's owner makes one \
         with `cofferdam token create NAME --approver --user USER`, and it goes there with mode 0600"
    )]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no file.
    #[error("the approver's credential `{0}` is not a regular file of at most {MAX_FILE} bytes")]
    NotAFile(PathBuf),
    /// Others can read it.
    #[error(
        "the approver's credential `{path}` has mode {mode:04o}: whoever else can read it can \
         agree in your name. If nobody did, `chmod 600` it; else have it revoked with \
         `cofferdam token revoke`"
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Somebody else's.
    #[error("the approver's credential `{path}` belongs to user {owner}, not to you")]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// The owner's uid.
        owner: u32,
    },
    /// A client's token.
    #[error(
        "`{0}` holds the token of an MCP client, which lets call and not agree; an approver's \
         begins with `{APPROVER_PREFIX}`: `cofferdam token create NAME --approver --user USER`"
    )]
    Client(PathBuf),
    /// Not a token at all.
    #[error(transparent)]
    NotAToken(#[from] ConnectionError),
    /// Another token.
    #[error("`{0}` holds no approver's token: those begin with `{APPROVER_PREFIX}`")]
    Other(PathBuf),
}

/// Reads it from `path`, or from where it usually is.
pub(super) fn read(path: Option<PathBuf>) -> Result<Zeroizing<String>, CredentialError> {
    let path = path.map_or_else(usual, Ok)?;
    let text = read_private(&path)?;
    let token = one_line(&text, format!("the file `{}`", path.display()))?;
    if token.starts_with(PREFIX) {
        return Err(CredentialError::Client(path));
    }
    if !token.starts_with(APPROVER_PREFIX) {
        return Err(CredentialError::Other(path));
    }
    Ok(token)
}

/// As the XDG base directory specification has it.
fn usual() -> Result<PathBuf, CredentialError> {
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let directory = absolute("XDG_CONFIG_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".config")))
        .ok_or(CredentialError::Homeless)?;
    Ok(directory.join(USUAL))
}

/// What counts is the file that was opened, wherever a symlink led.
fn read_private(path: &Path) -> Result<Zeroizing<String>, CredentialError> {
    let failed = |source: io::Error| CredentialError::Read { path: path.to_owned(), source };
    // Whoever finds a pipe there does not wait for a writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file =
        rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
    let stat = rustix::fs::fstat(&file).map_err(|error| failed(error.into()))?;
    let length = usize::try_from(stat.st_size).unwrap_or(usize::MAX);
    if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() || length > MAX_FILE {
        return Err(CredentialError::NotAFile(path.to_owned()));
    }
    let mode = stat.st_mode & 0o7777;
    if mode & 0o077 != 0 {
        return Err(CredentialError::Exposed { path: path.to_owned(), mode });
    }
    let own = rustix::process::geteuid();
    // Root can be anybody, and knows what it names.
    if stat.st_uid != own.as_raw() && !own.is_root() {
        return Err(CredentialError::Foreign { path: path.to_owned(), owner: stat.st_uid });
    }
    let mut text = Zeroizing::new(String::with_capacity(MAX_FILE));
    File::from(file).take(MAX_FILE as u64).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn file(directory: &Path, content: &str, mode: u32) -> PathBuf {
        let path = directory.join(format!("{mode:o}"));
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn it_is_taken_from_a_file_of_its_owner_alone_also_through_a_symlink() {
        let directory = tempfile::tempdir().unwrap();
        let path = file(directory.path(), "cfa_abc\n", 0o600);
        let link = directory.path().join("link");
        symlink(&path, &link).unwrap();
        for path in [path, link] {
            assert_eq!(*read(Some(path)).unwrap(), "cfa_abc");
        }
    }

    #[test]
    fn what_others_can_read_is_refused_also_through_a_symlink() {
        let directory = tempfile::tempdir().unwrap();
        for mode in [0o640, 0o604, 0o660, 0o644] {
            let path = file(directory.path(), "cfa_abc\n", mode);
            let link = directory.path().join(format!("link{mode}"));
            symlink(&path, &link).unwrap();
            for path in [path, link] {
                let error = read(Some(path)).unwrap_err();
                assert!(matches!(error, CredentialError::Exposed { .. }), "{error}");
            }
        }
    }

    #[test]
    fn a_clients_token_is_refused_with_words() {
        let directory = tempfile::tempdir().unwrap();
        let error = read(Some(file(directory.path(), "cfd_abc", 0o600))).unwrap_err();
        assert!(error.to_string().contains("lets call and not agree"), "{error}");
        let error = read(Some(file(directory.path(), "hunter2", 0o400))).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn what_is_no_file_or_too_long_is_refused_without_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let long = file(directory.path(), &"cfa_".repeat(2000), 0o600);
        for path in [pipe, long, directory.path().to_owned()] {
            let error = read(Some(path)).unwrap_err();
            assert!(matches!(error, CredentialError::NotAFile(_)), "{error}");
        }
        let error = read(Some(directory.path().join("none"))).unwrap_err();
        assert!(matches!(error, CredentialError::Read { .. }), "{error}");
    }
}
