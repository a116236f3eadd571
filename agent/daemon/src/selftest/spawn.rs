//! A selftest with a warden of its own: for a host on which none is set up yet.
//!
//! This process makes a directory that only it can write, with a ceiling and a
//! workspace in it, starts the warden with one end of a socket pair, and itself
//! once more, as the service user where it is root, with the other end. It
//! parses nothing but its command line, waits, and tidies up.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use super::Request;
use crate::doctor::{CONFIGURATION, ServiceUser};

/// The most of the warden's log that is read, in bytes.
const MAX_LOG: u64 = 1 << 20;
/// Lines of it that are told.
const TOLD: usize = 20;

/// Why there is no warden of its own.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The system refused a step.
    #[error("cannot {step}: {source}")]
    System {
        /// What.
        step: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A program is not there.
    #[error("cannot find `{path}`: {source}; name it by --spawn-warden or --probe")]
    Program {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A path that cannot stand in a ceiling.
    #[error("the path `{0}` is not UTF-8; put the programs elsewhere")]
    Path(PathBuf),
}

fn step(step: &'static str) -> impl FnOnce(io::Error) -> SpawnError {
    move |source| SpawnError::System { step, source }
}

/// A directory that is removed at the end.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be removed is told by its name; there is nobody to give an error to.
        _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Tests through a warden at `program`, and says how the tester ended.
///
/// # Errors
/// See [`SpawnError`].
pub fn with_own_warden(program: Option<&Path>, request: &Request) -> Result<ExitCode, SpawnError> {
    let warden = find_or_beside(program, "cofferdam-warden")?;
    let probe = find_or_beside(request.probe.as_deref(), "cofferdam-probe")?;
    let user = ServiceUser::of(Path::new(CONFIGURATION));
    let directory = make_directory(user.as_ref())?;
    let ceiling = directory.0.join("ceiling.toml");
    let text = ceiling_text(&directory.0, &probe, user.is_none())?;
    std::fs::write(&ceiling, text).map_err(step("write the ceiling"))?;
    let path = directory.0.join("warden.log");
    let mut log = File::options()
        .read(true)
        .append(true)
        .create_new(true)
        .open(path)
        .map_err(step("write a log"))?;
    let (ours, theirs) = UnixStream::pair().map_err(step("make a socket pair"))?;
    let mut warden = Command::new(warden)
        .arg("--ceiling")
        .arg(&ceiling)
        .args(["--agent-uid", &user.as_ref().map_or(0, ServiceUser::uid).to_string()])
        .args(["--connected-fd", "0"])
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stderr(Stdio::from(log.try_clone().map_err(step("write a log"))?))
        .spawn()
        .map_err(step("start the warden"))?;
    let tested = tester(request, &ceiling, &probe, user.as_ref())
        .stdin(Stdio::from(OwnedFd::from(ours)))
        .status()
        .map_err(step("start the test"));
    // The warden ends with the last holder of the socket's other end.
    _ = warden.wait();
    let status = tested?;
    if !status.success() {
        tell(&mut log);
    }
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The end of what the warden told of its work, for the one who must act.
fn tell(log: &mut File) {
    let mut text = Vec::new();
    let read = log.rewind().and_then(|()| log.take(MAX_LOG).read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    let told: Vec<&str> = text.lines().filter(|line| !line.contains(": building cell")).collect();
    if read.is_ok() {
        told.iter().rev().take(TOLD).rev().for_each(|line| eprintln!("{line}"));
    }
}

/// This program again, with the warden at standard input.
fn tester(request: &Request, ceiling: &Path, probe: &Path, user: Option<&ServiceUser>) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg("selftest").arg("--connected-ceiling").arg(ceiling).arg("--probe").arg(probe);
    if let Some(directory) = ceiling.parent() {
        command.arg("--workspace").arg(directory.join("workspace"));
    }
    if let Some(profile) = &request.profile {
        command.arg("--profile").arg(profile);
    }
    if request.json {
        command.arg("--json");
    }
    if let Some(user) = user {
        // The groups go with them.
        command.uid(user.uid()).gid(user.gid());
    }
    command
}

/// What was named, or the program of this name beside this one.
fn find_or_beside(named: Option<&Path>, name: &str) -> Result<PathBuf, SpawnError> {
    match named {
        Some(named) => find(named),
        None => {
            find(&std::env::current_exe().map_err(step("find this program"))?.with_file_name(name))
        }
    }
}

fn find(path: &Path) -> Result<PathBuf, SpawnError> {
    path.canonicalize().map_err(|source| SpawnError::Program { path: path.into(), source })
}

/// A fresh directory that others may enter and not write, with a workspace.
fn make_directory(user: Option<&ServiceUser>) -> Result<Directory, SpawnError> {
    let base = std::env::temp_dir().canonicalize().map_err(step("find the temporary directory"))?;
    let path = base.join(format!("cofferdam-selftest-{}", uuid::Uuid::new_v4()));
    std::fs::DirBuilder::new().mode(0o755).create(&path).map_err(step("make a directory"))?;
    let directory = Directory(path);
    let workspace = directory.0.join("workspace");
    std::fs::DirBuilder::new().mode(0o700).create(&workspace).map_err(step("make a workspace"))?;
    if let Some(user) = user {
        chown(&workspace, Some(user.uid()), Some(user.gid()))
            .map_err(step("give the workspace away"))?;
    }
    Ok(directory)
}

/// What the cells of the test may have at most. Without root every cell is a
/// degraded one.
fn ceiling_text(root: &Path, probe: &Path, rootless: bool) -> Result<String, SpawnError> {
    // A string of JSON is one of TOML.
    let text = |path: &Path| {
        let text = path.to_str().ok_or_else(|| SpawnError::Path(path.into()))?;
        serde_json::to_string(text).map_err(|_| SpawnError::Path(path.into()))
    };
    let (root, probe) = (text(root)?, text(probe)?);
    Ok(format!(
        r#"version = 1
peers.gateways = []
workspaces.roots = [{root}]
view.read = ["/usr", "/etc", {probe}]
programs.execute = ["/usr", {probe}]
profiles.allow = ["default"]
enforcement.allow_degraded = {rootless}

[limits]
cells = 8
memory = "1GiB"
processes = 512
cpu_millis = 2000
wall = "1m"
output = "16MiB"
file_size = "1GiB"
open_files = 4096
scratch = "1GiB"
"#
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_ceiling_is_one() {
        let text = ceiling_text(Path::new("/tmp/a \"b\""), Path::new("/x/probe"), true).unwrap();
        let ceiling = cofferdam_ceiling::Ceiling::parse(&text).unwrap();
        assert_eq!(ceiling.workspaces.roots[0].as_path(), Path::new("/tmp/a \"b\""));
        assert!(ceiling.enforcement.allow_degraded && !ceiling.workspaces.allow_root_owned);
    }
}
