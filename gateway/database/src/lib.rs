//! The gateway's SQLite files: made where there is none, mode 0600, and brought
//! to the schema that this program knows. Several processes may open one at once.
//!
//! Commands that only look use [`look`]: it changes nothing, and leads no file to a schema
//! that the running gateway does not know.
//!
//! The gateway keeps tokens, sessions and requests for approval so, its authority
//! the hosts that enrol. Nothing of it runs as root.

#![forbid(unsafe_code)]

mod looking;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

pub use looking::look;

/// How long a writer waits for another process.
const BUSY: Duration = Duration::from_secs(5);

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The file cannot be opened or made.
    #[error("cannot open the {what} `{path}`: {reason}")]
    Open {
        /// What is kept there.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file was made by an earlier version, and was only to be looked at.
    #[error(
        "the {what} `{path}` has schema {found}, and this program reads {known}: the next start of \
         the gateway leads it there"
    )]
    Earlier {
        /// What is kept there.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the file says.
        found: usize,
        /// What this program reads.
        known: usize,
    },
    /// The file was made by another version.
    #[error("the {what} `{path}` has schema {found}; this program knows {known}")]
    Schema {
        /// What is kept there.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the file says.
        found: i64,
        /// What this program reads and writes.
        known: usize,
    },
}

/// Opens the file at `path`, which holds `what`. `steps` lead from each schema to
/// the next, the first of them to a new file's; a step that was released is never
/// changed.
pub fn open(what: &'static str, path: &Path, steps: &[&str]) -> Result<Connection, DatabaseError> {
    let path = path.to_owned();
    let failed = |reason: String| DatabaseError::Open { what, path: path.clone(), reason };
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)
        .map_err(|error| failed(error.to_string()))?;
    let (connection, found) = prepare(&path, steps).map_err(|error| failed(error.to_string()))?;
    let known = steps.len();
    connection.ok_or(DatabaseError::Schema { what, path, found, known })
}

/// The connection; none where the file's schema is not known, which is returned
/// with it.
fn prepare(path: &Path, steps: &[&str]) -> rusqlite::Result<(Option<Connection>, i64)> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Look and change in one transaction that holds the write lock.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let missing = usize::try_from(found).ok().and_then(|found| steps.get(found..));
    let Some(missing) = missing else {
        drop(transaction);
        return Ok((None, found));
    };
    if !missing.is_empty() {
        for step in missing {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "user_version", steps.len())?;
    }
    transaction.commit()?;
    Ok((Some(connection), found))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const STEPS: [&str; 2] = ["CREATE TABLE a (b TEXT);", "ALTER TABLE a ADD COLUMN c TEXT;"];

    #[test]
    fn an_old_file_is_led_to_the_schema_of_today_and_a_newer_one_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("it.sqlite");
        open("things", &path, &STEPS[..1])
            .unwrap()
            .execute("INSERT INTO a VALUES ('x')", [])
            .unwrap();
        for _ in 0..2 {
            let connection = open("things", &path, &STEPS).unwrap();
            let row = connection.query_row("SELECT b, c FROM a", [], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
            });
            assert_eq!(row.unwrap(), ("x".to_owned(), None));
        }
        let error = open("things", &path, &STEPS[..1]).unwrap_err().to_string();
        assert!(error.contains("has schema 2; this program knows 1"), "{error}");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_database_is_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("text");
        std::fs::write(&path, "not a database, and long enough to be looked at as one".repeat(20))
            .unwrap();
        let before = std::fs::read(&path).unwrap();
        let error = open("things", &path, &STEPS).unwrap_err().to_string();
        assert!(error.contains("cannot open the things"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
