//! Runs a line in real bash, in a directory of its own, as nobody where the
//! test is root. Every program on its path is a stub that writes down how it was
//! started; a name that has no stub comes to a function that does the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Whom the lines run as, where the test is root.
const NOBODY: u32 = 65534;

/// Names that are also programs here, so that `exec` and the like find them.
const STUBS: [&str; 40] = [
    "a", "b", "c", "d", "canary", "rm", "id", "ls", "cat", "git", "head", "grep", "sed", "make",
    "cargo", "env", "xargs", "find", "sh", "npm", "python3", "sleep", "tee", "sort", "wc", "echo",
    "printf", "test", "kill", "pwd", "true", "false", "[", "time", "command", "cd", "-", "--",
    "node", "curl",
];

/// Variables of the caller that hold what would run `canary`, where bash evaluated it.
pub(crate) const HOSTILE: [&str; 11] =
    ["i", "n", "x", "y", "z", "f", "X", "Y", "HOSTILE", "count", "total"];

/// Writes name and arguments down, says what it was told to say, and ends as it
/// was told to. After forty it ends everything: some loop never ends by itself.
const STUB: &str = r#"#!/bin/sh
export -p > "$STUB_LOG/$$.environment"
cd -P .
printf '%s\0' "$PWD" "${0##*/}" "$@" > "$STUB_LOG/$$.started"
set -- "$STUB_LOG"/*.started
[ $# -lt 40 ] || kill -KILL 0
printf '%s\n' "$STUB_SAYS"
exit "$STUB_ENDS"
"#;

/// What bash calls for a name that it does not find.
const UNKNOWN: &str = r#"() { builtin printf '%s\0' "$PWD" "$@" > "$STUB_LOG/$BASHPID.started"; builtin return "$STUB_ENDS"; }"#;

/// Bash among stubs.
pub(crate) struct Bash {
    directory: TempDir,
    runs: usize,
}

/// How stubs behave, and what the variables hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mood {
    pub(crate) says: &'static str,
    pub(crate) ends: &'static str,
    pub(crate) variables: &'static str,
}

/// What a line did.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) started: BTreeSet<Started>,
    /// Files that were not there before.
    pub(crate) written: BTreeSet<String>,
    /// Bash could not parse it.
    pub(crate) refused: bool,
}

/// One program that ran.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Started {
    pub(crate) name: String,
    pub(crate) arguments: Vec<Vec<u8>>,
    /// Relative to where the line started.
    pub(crate) directory: String,
    /// Variables that are new or hold something else.
    pub(crate) environment: BTreeSet<String>,
}

impl Bash {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let at = directory.path();
        std::fs::set_permissions(at, Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir(at.join("bin")).unwrap();
        std::fs::write(at.join("stub"), STUB).unwrap();
        std::fs::set_permissions(at.join("stub"), Permissions::from_mode(0o755)).unwrap();
        for name in STUBS {
            symlink(at.join("stub"), at.join("bin").join(name)).unwrap();
        }
        Self { directory, runs: 0 }
    }

    /// Runs a line to its end, five seconds at the most.
    pub(crate) fn run(&mut self, line: &str, mood: Mood) -> Trace {
        self.runs += 1;
        let place = self.directory.path().join(format!("run{}", self.runs));
        let (work, log) = (place.join("work"), place.join("log"));
        lay_out(&place, &work, &log, &self.directory.path().join("stub"));
        let before = files(&work);
        let variables = variables(self.directory.path(), &work, &log, mood);
        let output = bash(line, &work, &variables);
        let trace = Trace {
            started: started(&log, &work, &variables),
            written: files(&work).difference(&before).cloned().collect(),
            refused: is_refusal(&output.stderr),
        };
        std::fs::remove_dir_all(&place).unwrap();
        trace
    }
}

fn bash(line: &str, work: &Path, variables: &BTreeMap<String, String>) -> std::process::Output {
    let mut command = Command::new("/usr/bin/timeout");
    command
        .args(["--signal", "KILL", "5", "/bin/bash", "--noprofile", "--norc", "-c", line])
        .env_clear()
        .envs(variables)
        .current_dir(work)
        .stdin(Stdio::null());
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    // Reading to the end waits for what runs in the background, too.
    command.output().unwrap()
}

/// Files and directories that lines speak of.
fn lay_out(place: &Path, work: &Path, log: &Path, stub: &Path) {
    for at in [place, work, log, &work.join("src"), &work.join("src/sub"), &work.join("it's")] {
        std::fs::create_dir(at).unwrap();
    }
    for name in ["in", "a.rs", "b.rs", "src/main.rs"] {
        std::fs::write(work.join(name), "a[$(canary)]\n").unwrap();
    }
    for name in ["build.sh", "src/run", "gradlew", "configure"] {
        symlink(stub, work.join(name)).unwrap();
    }
    for at in [work, log, &work.join("src"), &work.join("src/sub")].iter().filter(|_| is_root()) {
        chown(at, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// The environment that a line starts with.
fn variables(root: &Path, work: &Path, log: &Path, mood: Mood) -> BTreeMap<String, String> {
    let text = |path: PathBuf| path.to_str().unwrap().to_owned();
    let plain = [
        ("PATH", text(root.join("bin"))),
        ("HOME", text(work.join("src"))),
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("STUB_LOG", text(log.to_owned())),
        ("STUB_SAYS", mood.says.to_owned()),
        ("STUB_ENDS", mood.ends.to_owned()),
        ("BASH_FUNC_command_not_found_handle%%", UNKNOWN.to_owned()),
    ];
    plain
        .into_iter()
        .chain(HOSTILE.map(|name| (name, mood.variables.to_owned())))
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn started(log: &Path, work: &Path, variables: &BTreeMap<String, String>) -> BTreeSet<Started> {
    let mut all = BTreeSet::new();
    for entry in std::fs::read_dir(log).unwrap() {
        let at = entry.unwrap().path();
        if at.extension().is_none_or(|kind| kind != "started") {
            continue;
        }
        let record = std::fs::read(&at).unwrap();
        let Some(record) = record.strip_suffix(b"\0") else { continue };
        let mut parts = record.split(|byte| *byte == 0);
        let mut next = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
        let (directory, name) = (next(), next());
        let work = work.canonicalize().unwrap();
        let directory = directory.strip_prefix(work.to_str().unwrap()).unwrap_or(&directory);
        all.insert(Started {
            name: name.rsplit('/').next().unwrap_or_default().to_owned(),
            arguments: parts.map(<[u8]>::to_vec).collect(),
            directory: directory.trim_start_matches('/').to_owned(),
            environment: changed(&at.with_extension("environment"), variables),
        });
    }
    all
}

/// Names of exported variables that the line did not start with, or not so.
fn changed(exported: &Path, variables: &BTreeMap<String, String>) -> BTreeSet<String> {
    let text = std::fs::read(exported).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines()
        .filter_map(|line| line.strip_prefix("export ")?.split_once('='))
        .filter(|(name, value)| {
            // The shell sets these itself.
            !matches!(*name, "PWD" | "OLDPWD" | "SHLVL" | "_")
                && variables.get(*name).is_none_or(|known| *value != format!("'{known}'"))
        })
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn files(at: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![at.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok) {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
            let path = entry.path();
            found.insert(path.strip_prefix(at).unwrap().to_string_lossy().into_owned());
        }
    }
    found
}

/// Bash says where in the line it could not go on; what fails while it runs is
/// told in other words.
fn is_refusal(stderr: &[u8]) -> bool {
    String::from_utf8_lossy(stderr).lines().any(|line| line.starts_with("/bin/bash: -c: line "))
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|it| {
        use std::os::unix::fs::MetadataExt;
        it.uid() == 0
    })
}
