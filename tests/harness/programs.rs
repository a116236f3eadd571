//! Where the built programs are.

use std::path::PathBuf;

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
