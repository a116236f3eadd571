//! A file that is replaced as a whole: what is there is the old text or the new one,
//! whenever a process is killed and whatever the disk refuses.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zeroize::Zeroizing;

/// The largest file that is read, in bytes: a trust list of the largest kind and keys.
const MAX_FILE: u64 = 1 << 20;

/// Makes the directory for such files, for its owner alone.
pub(super) fn prepare(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Waits until nobody else writes in `directory`, in whichever process, and makes it if
/// need be; nobody does until this is dropped (flock(2)).
pub(super) fn turn(directory: &Path) -> io::Result<File> {
    prepare(directory)?;
    let turn = File::open(directory)?;
    turn.lock()?;
    Ok(turn)
}

/// Replaces the file at `path`, durably; mode 0600. One process [at a time](turn).
pub(super) fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    // One that a killed process left.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside);
    let written = written.and_then(|mut file| {
        file.write_all(text)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&beside, path));
    renamed.inspect_err(|_| drop(fs::remove_file(&beside)))?;
    // The new name is durable with its directory.
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// The text of the file at `path`; `None` where there is none.
pub(super) fn read(path: &Path) -> io::Result<Option<Zeroizing<String>>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    let mode = metadata.permissions().mode() & 0o7777;
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        return Err(io::Error::other("it is no regular file of at most 1 MiB"));
    }
    if mode & 0o077 != 0 {
        let problem = format!("it has mode {mode:04o}, so others could have read the key in it");
        return Err(io::Error::other(problem));
    }
    // Sized once, so that no grown buffer leaves a copy of a key behind.
    let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX).saturating_add(1);
    let mut text = Zeroizing::new(String::with_capacity(size));
    (&mut file).take(MAX_FILE).read_to_string(&mut text)?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_is_its_owners_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/state.json");
        prepare(path.parent().unwrap()).unwrap();
        assert!(read(&path).unwrap().is_none());
        // What a killed process left beside it is in nobody's way.
        fs::write(path.with_extension("new"), "half").unwrap();
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap().unwrap().as_str(), "two");
        assert!(!path.with_extension("new").exists());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_others_could_read_or_that_is_too_long_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        write(&path, b"text").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("0640"));
        write(&path, &vec![b' '; usize::try_from(MAX_FILE).unwrap() + 1]).unwrap();
        assert!(read(&path).is_err());
        assert!(read(directory.path()).is_err());
    }

    #[test]
    fn a_full_disk_keeps_the_old_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        write(&path, b"old").unwrap();
        // A directory in the place of the new file: as little can be written there.
        fs::create_dir(path.with_extension("new")).unwrap();
        assert!(write(&path, b"new").is_err());
        assert_eq!(read(&path).unwrap().unwrap().as_str(), "old");
    }
}
