//! Cells through the real warden on the real kernel, without agent and gateway.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod containment;
mod lifetime;
mod loopback;
mod neighbours;
mod programs;
mod successor;
mod terminals;
mod warm;

use std::path::Path;

use cofferdam_tests::warden::{Cell, Warden, cell_plan, workspace};

/// A warden, a workspace and a cell for one test.
struct Bench {
    warden: Warden,
    _directory: tempfile::TempDir,
    workspace: std::path::PathBuf,
}

impl Bench {
    fn new() -> Self {
        let (directory, workspace) = workspace();
        let warden = Warden::start(directory.path().canonicalize().unwrap().as_path());
        Self { warden, _directory: directory, workspace }
    }

    fn cell(&mut self) -> Cell {
        self.warden.build(cell_plan(&self.workspace)).expect("a cell")
    }

    fn path(&self) -> &Path {
        &self.workspace
    }

    /// Runs a shell line in a cell of its own; gives exit code and output.
    fn shell(&mut self, line: &str) -> (Option<i32>, String) {
        let cell = self.cell();
        let ran = cell.run(&self.workspace, &["/bin/sh", "-c", line]).expect("a run");
        self.warden.end(cell);
        (ran.code(), ran.stdout + &ran.stderr)
    }
}
