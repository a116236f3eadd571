//! A large tree under git.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};

/// Files of the tree.
pub(super) const FILES: usize = DIRECTORIES * EACH;
const DIRECTORIES: usize = 400;
const EACH: usize = 50;

/// Makes it in `workspace`, committed.
pub(super) fn make(workspace: &Path) -> anyhow::Result<PathBuf> {
    let tree = workspace.join("tree");
    for directory in 0..DIRECTORIES {
        let directory = tree.join(format!("{}/{directory}", directory % 20));
        std::fs::create_dir_all(&directory)?;
        for file in 0..EACH {
            let name = format!("file{file}.txt");
            std::fs::write(directory.join(&name), format!("{}/{name}\n", directory.display()))?;
        }
    }
    for arguments in [
        &["init", "--quiet"][..],
        // Inside, the files have another owner: that is no change.
        &["config", "core.checkStat", "minimal"],
        &["config", "core.trustctime", "false"],
        &["config", "user.name", "bench"],
        &["config", "user.email", "bench@localhost"],
        &["add", "--all"],
        &["commit", "--quiet", "--message", "all"],
    ] {
        git(&tree, arguments)?;
    }
    // A file as young as the index is read to see whether it changed: not these.
    std::thread::sleep(Duration::from_millis(1100));
    git(&tree, &["update-index", "--really-refresh"])?;
    Ok(tree)
}

fn git(tree: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let ran = Command::new("git").args(arguments).current_dir(tree).env("HOME", tree).output();
    let ran = ran.context("`git` is not installed; `apt-get install git`")?;
    ensure!(ran.status.success(), "git: {}", String::from_utf8_lossy(&ran.stderr));
    Ok(())
}
