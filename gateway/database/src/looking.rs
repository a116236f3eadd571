//! Looking at a file without changing it, whoever has it open.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, absolute};

use rusqlite::{Connection, OpenFlags};

use crate::{BUSY, DatabaseError};

/// Opens the file at `path`, which holds `what`, for reading alone: nothing is made, and
/// its schema is the one that `steps` lead to, or it is refused.
///
/// # Errors
/// [`DatabaseError::Earlier`] where the next start of the gateway changes the file's
/// schema; else as [`open`](crate::open()).
pub fn look(what: &'static str, path: &Path, steps: &[&str]) -> Result<Connection, DatabaseError> {
    let failed = |reason: String| DatabaseError::Open { what, path: path.to_owned(), reason };
    let place = place(path).map_err(|error| failed(error.to_string()))?;
    let (connection, said) = read(&place).map_err(|error| failed(error.to_string()))?;
    let (path, known) = (path.to_owned(), steps.len());
    match usize::try_from(said) {
        Ok(found) if found == known => Ok(connection),
        Ok(found) if found < known => Err(DatabaseError::Earlier { what, path, found, known }),
        _ => Err(DatabaseError::Schema { what, path, found: said, known }),
    }
}

/// The connection, and the schema that the file says it has.
fn read(place: &OsStr) -> rusqlite::Result<(Connection, i64)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(place, flags)?;
    connection.busy_timeout(BUSY)?;
    let said = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok((connection, said))
}

/// The file as a URI (<https://www.sqlite.org/uri.html>). One that nobody has open has no
/// log beside it, and none is made: a reader would leave one behind.
fn place(path: &Path) -> io::Result<OsString> {
    let mut uri = b"file://".to_vec();
    for &byte in absolute(path)?.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' => uri.push(byte),
            byte if byte.is_ascii_alphanumeric() => uri.push(byte),
            byte => uri.extend(format!("%{byte:02X}").bytes()),
        }
    }
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    if !Path::new(&log).try_exists()? {
        uri.extend(b"?immutable=1");
    }
    Ok(OsString::from_vec(uri))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open;

    const STEPS: [&str; 2] = ["CREATE TABLE a (b TEXT);", "ALTER TABLE a ADD COLUMN c TEXT;"];

    fn rows(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM a", [], |row| row.get(0)).unwrap()
    }

    fn names(directory: &Path) -> Vec<OsString> {
        let all = std::fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = all.map(|it| it.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn an_earlier_file_is_told_as_such_and_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("it.sqlite");
        drop(open("things", &path, &STEPS[..1]).unwrap());
        let before = std::fs::read(&path).unwrap();
        let error = look("things", &path, &STEPS).unwrap_err();
        assert!(matches!(error, DatabaseError::Earlier { found: 1, known: 2, .. }), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
        assert_eq!(names(directory.path()), ["it.sqlite"]);
        // The program that made it has it as before.
        drop(open("things", &path, &STEPS[..1]).unwrap());
    }

    #[test]
    fn a_later_file_and_one_that_is_missing_are_refused_and_none_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("it.sqlite");
        look("things", &path, &STEPS).unwrap_err();
        assert!(!path.exists());
        drop(open("things", &path, &STEPS).unwrap());
        let error = look("things", &path, &STEPS[..1]).unwrap_err();
        assert!(matches!(error, DatabaseError::Schema { found: 2, .. }), "{error}");
    }

    #[test]
    fn what_another_one_wrote_is_seen_and_nothing_can_be_written_or_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a %41?mode=rwc#b.sqlite");
        let writer = open("things", &path, &STEPS).unwrap();
        writer.execute("INSERT INTO a VALUES ('x', NULL)", []).unwrap();
        assert_eq!(rows(&look("things", &path, &STEPS).unwrap()), 1);
        drop(writer);
        let before = names(directory.path());
        let looking = look("things", &path, &STEPS).unwrap();
        assert_eq!(rows(&looking), 1);
        looking.execute("INSERT INTO a VALUES ('y', NULL)", []).unwrap_err();
        drop(looking);
        assert_eq!(names(directory.path()), before);
        assert_eq!(before, [path.file_name().unwrap()]);
    }
}
