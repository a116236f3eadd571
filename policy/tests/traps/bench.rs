//! A workspace with a canary, and programs that run in it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cofferdam_policy::{Action, Call, Effect, Execute, Host, Project, RuleSet, Subject, Timestamp};

/// Every pack at once.
const PACKS: &str = "version = 1\nprofiles = ['readonly', 'default', 'default-network', 'build', \
     'build-network']\npacks = ['search', 'files', 'git-read', 'git-write', 'build-c']\n";

/// A program with its arguments; a middle dot stands for a space within a word.
pub(crate) struct Trap {
    program: String,
    arguments: Vec<String>,
}

/// The workspace.
pub(crate) struct Bench {
    directory: tempfile::TempDir,
    rules: RuleSet,
}

impl Trap {
    pub(crate) fn of(line: &str) -> Self {
        let mut words = line.split(' ').map(|word| word.replace('·', " "));
        let program = words.next().unwrap();
        Self { program, arguments: words.collect() }
    }

    fn call(&self, workspace: &Path) -> Call {
        let arguments = self.arguments.iter().map(|word| word.clone().into_bytes()).collect();
        Call {
            project: Project { name: "work".to_owned(), workspace: workspace.to_owned() },
            tool: "execute_command".to_owned(),
            action: Action::Execute(Execute::program(self.program.clone(), arguments)),
            ..nobody()
        }
    }
}

fn nobody() -> Call {
    Call {
        subject: Subject::default(),
        project: Project::default(),
        host: Host::default(),
        tool: String::new(),
        action: Action::ListHosts,
        at: Timestamp::default(),
    }
}

impl Bench {
    /// With what a shell line lays out beside the canary.
    pub(crate) fn new(setup: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let canary = directory.path().join("canary");
        let script = format!("#!/bin/sh\ntouch '{}/sprung'\n", directory.path().display());
        fs::write(&canary, script).unwrap();
        fs::set_permissions(&canary, fs::Permissions::from_mode(0o755)).unwrap();
        let rules = RuleSet::parse(&[("rules.toml", PACKS)], [0; 32]).unwrap();
        let bench = Self { directory, rules };
        let laid = bench.command("sh").args(["-c", setup]).status().unwrap();
        assert!(laid.success(), "{setup}");
        bench
    }

    /// A repository with a commit and a tag that look signed, whose `gpg` is the
    /// canary; `None` without git.
    pub(crate) fn with_signatures() -> Option<Self> {
        let bench = Self::new("");
        if bench.command("git").arg("--version").output().is_err() {
            skip("git");
            return None;
        }
        let git = |arguments: &[&str], input: &str| {
            let mut git = bench.command("git");
            git.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut running = git.spawn().unwrap();
            running.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
            let output = running.wait_with_output().unwrap();
            assert!(output.status.success(), "{arguments:?}");
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        git(&["init", "-q", "."], "");
        git(&["config", "gpg.program", bench.path().join("canary").to_str().unwrap()], "");
        let tree = git(&["hash-object", "-wt", "tree", "--stdin"], "");
        let who = "A <a@example.org> 1700000000 +0000";
        let seal = "-----BEGIN PGP SIGNATURE-----\n \n iQ\n -----END PGP SIGNATURE-----";
        let commit =
            format!("tree {tree}\nauthor {who}\ncommitter {who}\ngpgsig {seal}\n\nsigned\n");
        let commit = git(&["hash-object", "-wt", "commit", "--stdin"], &commit);
        git(&["update-ref", "HEAD", &commit], "");
        git(&["branch", "other"], "");
        let seal = seal.replace("\n ", "\n");
        let tag =
            format!("object {commit}\ntype commit\ntag signed\ntagger {who}\n\nsigned\n{seal}\n");
        let tag = git(&["hash-object", "-wt", "tag", "--stdin"], &tag);
        git(&["update-ref", "refs/tags/signed", &tag], "");
        git(&["update-ref", "refs/tags/again", &tag], "");
        Some(bench)
    }

    /// Runs each, and says how many started the canary; none of those may be
    /// permitted.
    pub(crate) fn try_all(&self, traps: &[Trap]) -> usize {
        let (mut sprung, mut wrong) = (0, Vec::new());
        for trap in traps {
            let line = format!("{} {}", trap.program, trap.arguments.join(" "));
            let mut command = self.command(&trap.program);
            if command.args(&trap.arguments).output().is_err() {
                skip(&trap.program);
                continue;
            }
            let decided = self.rules.decide(trap.call(self.path())).effect();
            if fs::remove_file(self.path().join("sprung")).is_ok() {
                sprung += 1;
                if decided != Effect::Deny {
                    wrong.push(line);
                }
            }
        }
        assert!(wrong.is_empty(), "permitted, and ran the canary: {wrong:#?}");
        sprung
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Without settings of whoever runs the test; programs of the workspace's `bin`
    /// come first.
    fn command(&self, program: &str) -> Command {
        let mut path = vec![self.path().join("bin")];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let mut command = Command::new(program);
        command
            .current_dir(self.path())
            .env("HOME", self.path().join("home"))
            .env("PATH", std::env::join_paths::<_, PathBuf>(path).unwrap())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

/// Says what could not be tried. Few machines have all of these programs.
fn skip(program: &str) {
    eprintln!("skipped: traps: {program} is not installed");
}
