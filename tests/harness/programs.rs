//! Where the built programs are.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The path of a program of this workspace, built in the same profile as the
/// test that asks. `make test` builds all of them first.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let mut directory = std::env::current_exe().expect("a test knows its own path");
    directory.pop();
    if directory.ends_with("deps") {
        directory.pop();
    }
    let program = directory.join(name);
    assert!(
        program.exists(),
        "`{}` is not built; `make test` or `cargo build --workspace` builds it",
        program.display()
    );
    program
}

/// Copies a program to where other users reach it, executable for all. Another
/// process does it: one of ours that forks meanwhile would keep the copy open for
/// writing, and nobody could execute it (ETXTBSY).
///
/// # Panics
/// When it cannot be copied.
pub fn copy_program(name: &str, to: &Path) {
    let copied = Command::new("install").args(["-m", "755"]).arg(program(name)).arg(to).status();
    assert!(copied.is_ok_and(|status| status.success()), "`{}` cannot be made", to.display());
}
