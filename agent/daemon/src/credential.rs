//! Secrets that the service manager gives the agent in place of a file of its own:
//! systemd.exec(5), `LoadCredential=` and `LoadCredentialEncrypted=`. The latter may be
//! sealed to this machine or its TPM, and is plain in memory only.

use std::path::{Path, PathBuf};

/// Where a process finds those that it was given.
const VARIABLE: &str = "CREDENTIALS_DIRECTORY";
/// Where those of the service are, for commands that somebody else starts.
const OF_THE_SERVICE: &str = "/run/credentials/cofferdam-agent.service";
/// The longest name, in bytes.
const MAX_NAME: usize = 255;

/// The file of the credential `name`; `None`: none can be called that.
#[must_use]
pub fn path(name: &str) -> Option<PathBuf> {
    let directory = std::env::var_os(VARIABLE).map(PathBuf::from);
    let directory = directory.filter(|it| it.is_absolute());
    let directory = directory.as_deref().unwrap_or(Path::new(OF_THE_SERVICE));
    is_name(name).then(|| directory.join(name))
}

/// Whether systemd takes it for a credential's name, which is a file's.
fn is_name(text: &str) -> bool {
    let strange = |c: char| matches!(c, '/' | ':') || c.is_control();
    (1..=MAX_NAME).contains(&text.len()) && !matches!(text, "." | "..") && !text.contains(strange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_one_file_in_its_directory_whatever_it_is_called() {
        assert!(path("signing.key").unwrap().ends_with("signing.key"));
        for name in ["", ".", "..", "../shadow", "/etc/shadow", "a/b", "a:b", "a\0b"] {
            assert_eq!(path(name), None, "{name:?}");
        }
        assert_eq!(path(&"a".repeat(256)), None);
    }
}
