//! A file's version: other bytes once it was changed or replaced.
//!
//! Made of what the kernel keeps of a file. Its clock ticks in milliseconds on
//! most file systems, so two changes within one tick that leave the size as it is
//! cannot be told apart.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use sha2::{Digest, Sha256};

use crate::fault::FileFault;

/// Bytes of each half.
const HALF: usize = 8;

/// The version of a file at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    /// Inode, size and time of the last change of its content.
    content: [u8; HALF],
    /// Time of the last change of anything: a rename is one.
    change: [u8; HALF],
}

impl Version {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let mut content = Sha256::new();
        content.update(metadata.ino().to_le_bytes());
        content.update(metadata.size().to_le_bytes());
        content.update(metadata.mtime().to_le_bytes());
        content.update(metadata.mtime_nsec().to_le_bytes());
        let mut change = Sha256::new();
        change.update(metadata.ctime().to_le_bytes());
        change.update(metadata.ctime_nsec().to_le_bytes());
        Self { content: half(content), change: half(change) }
    }

    /// As a request names it.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, FileFault> {
        let wrong = || FileFault::Invalid("a version has 16 bytes".to_owned());
        let (content, change) = bytes.split_at_checked(HALF).ok_or_else(wrong)?;
        let content = content.try_into().map_err(|_| wrong())?;
        let change = change.try_into().map_err(|_| wrong())?;
        Ok(Self { content, change })
    }

    /// Whether the content is that of `other`, whatever name the file had since.
    pub(crate) fn has_content_of(self, other: Self) -> bool {
        self.content == other.content
    }

    /// As an answer tells it.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        [self.content, self.change].concat()
    }
}

fn half(digest: Sha256) -> [u8; HALF] {
    let digest = digest.finalize();
    std::array::from_fn(|index| digest[index])
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_change_makes_another_version_and_a_rename_the_same_content() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&a, "one").unwrap();
        let first = Version::of(&fs::metadata(&a).unwrap());
        assert_eq!(Version::read(&first.to_bytes()).unwrap(), first);
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::rename(&a, &b).unwrap();
        let moved = Version::of(&fs::metadata(&b).unwrap());
        assert!(moved.has_content_of(first));
        fs::write(&b, "two").unwrap();
        assert!(!Version::of(&fs::metadata(&b).unwrap()).has_content_of(first));
        for wrong in [&b""[..], b"short", &[0; 17]] {
            assert!(Version::read(wrong).is_err());
        }
    }
}
