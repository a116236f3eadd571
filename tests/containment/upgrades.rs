//! A package is upgraded while sessions go on: its files are replaced by rename, and
//! Landlock keeps a rule by inode. The next call runs the new file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cofferdam_tests::caller::{Caller, command, sh};
use cofferdam_tests::host::{Host, Setup};
use cofferdam_tests::skip_unless_root;
use tempfile::TempDir;

use crate::Bench;

/// A host with a directory of programs that the test may change: where a cell has no
/// place of its own, as it has at /tmp, so that only root can make one.
struct Upgrading {
    bench: Bench,
    tool: PathBuf,
    _directory: TempDir,
}

impl Upgrading {
    fn new(name: &str, stock: usize) -> Self {
        let directory = TempDir::new_in("/opt").unwrap();
        fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let tool = directory.path().join("tool");
        install(&tool);
        // The cell's own rules name the file, too.
        let named = format!(
            "version = 1\ndescription = \"One tool.\"\ninherits = \"default\"\n[programs]\n\
             execute = [\"{}\"]\n",
            tool.display()
        );
        let setup = Setup {
            stock,
            programs: vec![directory.path().to_owned()],
            profiles: vec![("one-tool".to_owned(), named)],
            ..Setup::default()
        };
        Self { bench: Bench::on(Host::start_with(setup), name), tool, _directory: directory }
    }

    /// Grants of this one program: within a cell that has more, by the cell's own
    /// profile, and each in a cell for each call.
    fn ways(&self) -> [(&'static str, Caller); 4] {
        let granted = self.bench.caller.clone().programs(&[self.tool.to_str().unwrap()]);
        let named = self.bench.caller.clone().profile("one-tool");
        [
            ("in a wider cell", granted.clone()),
            ("in a cell of its profile", named.clone()),
            ("alone, granted", granted.one_shot()),
            ("alone, by its profile", named.one_shot()),
        ]
    }

    fn works(&self, way: &str, caller: &Caller) {
        let tool = self.tool.to_str().unwrap();
        let ran = caller.run(command(&[tool, "-c", "echo works"])).unwrap();
        assert_eq!((ran.code(), ran.out().as_str()), (0, "works"), "{way}: {}", ran.said());
    }
}

/// As a package manager does: beside it, then renamed onto it.
fn install(tool: &Path) {
    let new = tool.with_extension("new");
    fs::copy("/bin/sh", &new).unwrap();
    fs::rename(new, tool).unwrap();
}

#[test]
fn a_program_that_was_replaced_by_rename_runs_in_the_next_call() {
    if skip_unless_root("a_program_that_was_replaced_by_rename_runs_in_the_next_call") {
        return;
    }
    for stock in [0, 2] {
        let upgrading = Upgrading::new("upgraded", stock);
        for round in 0..4 {
            for (way, caller) in upgrading.ways() {
                upgrading.works(&format!("{way}, stock of {stock}, round {round}"), &caller);
            }
            install(&upgrading.tool);
        }
    }
}

#[test]
fn a_cell_of_before_an_upgrade_ends_with_its_last_run() {
    if skip_unless_root("a_cell_of_before_an_upgrade_ends_with_its_last_run") {
        return;
    }
    let upgrading = Upgrading::new("goes-on", 0);
    let (way, caller) = &upgrading.ways()[1];
    // It has nothing else to run.
    let tool = upgrading.tool.to_str().unwrap();
    let spin = "echo begun; while :; do :; done";
    let live = caller.start(command(&[tool, "-c", spin])).unwrap();
    let before = upgrading.bench.host.cells().len();
    install(&upgrading.tool);
    upgrading.works(way, caller);
    assert_eq!(upgrading.bench.host.cells().len(), before + 1, "the old one still has its run");
    live.cancel();
    live.finish().unwrap();
    cofferdam_tests::dev::until("the old cell ends", || {
        upgrading.bench.host.cells().len() == before
    });
}

#[test]
fn what_lies_beside_a_program_may_change_without_another_cell() {
    if skip_unless_root("what_lies_beside_a_program_may_change_without_another_cell") {
        return;
    }
    let upgrading = Upgrading::new("beside", 0);
    let caller = upgrading.bench.caller.clone();
    assert_eq!(caller.run(sh("echo kept > /tmp/kept")).unwrap().code(), 0);
    fs::write(upgrading.tool.with_extension("log"), "more").unwrap();
    assert_eq!(caller.sh("cat /tmp/kept").out(), "kept");
}
