//! A wall clock of a process's own, which a test sets while the process runs. A time
//! namespace does not shift the wall clock (time_namespaces(7)), and the machine's own is
//! everybody's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

const SOURCE: &str = include_str!("clock.c");

/// A clock, right until it is set.
#[derive(Debug)]
pub struct Clock {
    directory: TempDir,
}

impl Clock {
    /// Makes one. None, and a note that `test` is skipped: there is no C compiler here.
    ///
    /// # Panics
    /// When its files cannot be made.
    #[must_use]
    pub fn start(test: &str) -> Option<Self> {
        let clock = Self { directory: TempDir::new().expect("a directory") };
        // The users of daemons read it, too.
        let open = PermissionsExt::from_mode(0o755);
        fs::set_permissions(clock.directory.path(), open).expect("its mode");
        clock.set(0);
        let source = clock.directory.path().join("clock.c");
        fs::write(&source, SOURCE).expect("its source");
        let made = Command::new("cc")
            .args(["-O1", "-shared", "-fPIC", "-Wall", "-Werror", "-o"])
            .arg(clock.library())
            .arg(format!("-DOFFSET_FILE=\"{}\"", clock.offset().display()))
            .arg(&source)
            .status();
        match made {
            Ok(status) => assert!(status.success(), "the clock cannot be compiled"),
            Err(error) => {
                crate::skip(test, &format!("no C compiler: {error}"));
                return None;
            }
        }
        Some(clock)
    }

    /// Sets it so many seconds ahead of the machine's, or behind it.
    ///
    /// # Panics
    /// When that cannot be written.
    pub fn set(&self, seconds: i64) {
        use std::io::Write;
        let mut options = fs::File::options();
        // In place, because it is mapped.
        let file = options.create(true).truncate(false).write(true).open(self.offset());
        file.and_then(|mut file| file.write_all(&seconds.to_ne_bytes())).expect("its offset");
    }

    /// The variable of a process that has this clock.
    #[must_use]
    pub fn variable(&self) -> (String, String) {
        ("LD_PRELOAD".to_owned(), self.library().display().to_string())
    }

    fn library(&self) -> PathBuf {
        self.directory.path().join("clock.so")
    }

    fn offset(&self) -> PathBuf {
        self.directory.path().join("offset")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_off_by_what_it_was_set_to() {
        let Some(clock) = Clock::start("it_is_off_by_what_it_was_set_to") else { return };
        let (name, value) = clock.variable();
        let told = || -> i64 {
            let output = Command::new("date").arg("+%s").env(&name, &value).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
        };
        let right = told();
        clock.set(86_400);
        assert!((86_399..86_410).contains(&(told() - right)));
        clock.set(-86_400);
        assert!((-86_401..-86_380).contains(&(told() - right)));
    }
}
