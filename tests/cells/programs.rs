//! The program allowlist in the kernel: Landlock rules made from what the resolver
//! finds and nothing else let real programs do real work, and nothing else run.

mod bypass;

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use cofferdam_plan::{BindPlan, CellPlan, LandlockPlan, Limits, Rights};
use cofferdam_programs::{Combined, Resolver, Root, Rules};
use cofferdam_tests::skip;
use cofferdam_tests::warden::{Cell, Ran, Warden, cell_plan, path, run_plan, workspace};

/// A cell in which only `granted` can be executed.
struct Granted {
    warden: Warden,
    cell: Option<Cell>,
    _directory: tempfile::TempDir,
    workspace: PathBuf,
    combined: std::sync::Arc<Combined>,
    search_path: Vec<PathBuf>,
}

fn system_path() -> Vec<PathBuf> {
    ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from).to_vec()
}

/// Where the program is; notes the skipped test where it is not.
fn installed(test: &str, name: &str) -> Option<PathBuf> {
    let found = system_path().into_iter().map(|it| it.join(name)).find(|it| it.is_file());
    if found.is_none() {
        skip(test, &format!("{name} is not installed"));
    }
    found
}

impl Granted {
    fn new(programs: &[PathBuf]) -> Self {
        Self::with(programs, &system_path(), &[])
    }

    /// The same with directories of the host beside /usr and /etc.
    fn with(programs: &[PathBuf], search_path: &[PathBuf], more: &[PathBuf]) -> Self {
        let (directory, workspace) = workspace();
        let root = directory.path().canonicalize().unwrap();
        let mut warden = Warden::start_showing(&root, more);
        let resolver = Resolver::new(Root::host(), search_path.to_vec(), Rules::builtin().unwrap());
        let combined = resolver.resolve_all(programs).unwrap();
        let cell = warden.build(plan(&workspace, &combined, more)).expect("a cell");
        let (cell, search_path) = (Some(cell), search_path.to_vec());
        Self { warden, cell, _directory: directory, workspace, combined, search_path }
    }

    fn run(&self, argv: &[&str]) -> Ran {
        self.try_run(argv).expect("the program starts")
    }

    fn try_run(&self, argv: &[&str]) -> Result<Ran, (cofferdam_plan::RunStep, i32)> {
        let mut plan = run_plan(&self.workspace, argv);
        plan.limits.wall_millis = 120_000;
        let search: Vec<_> = self.search_path.iter().map(|it| it.to_str().unwrap()).collect();
        plan.environment = [
            format!("PATH={}", search.join(":")),
            "HOME=/home/cell".to_owned(),
            "LC_ALL=C".to_owned(),
            "RUSTUP_HOME=/root/.rustup".to_owned(),
        ]
        .map(String::into_bytes)
        .to_vec();
        self.cell.as_ref().unwrap().run_plan(plan)
    }

    /// Runs a line of bash, which must be granted; asserts that it went well.
    fn bash(&self, line: &str) -> String {
        let ran = self.run(&["/bin/bash", "-c", &format!("set -eu; {line}")]);
        assert_eq!(ran.code(), Some(0), "{line}\n{}{}", ran.stdout, ran.stderr);
        ran.stdout + &ran.stderr
    }

    /// Runs a line of bash; asserts that the kernel refused to run something in it.
    fn refused(&self, line: &str) {
        let ran = self.run(&["/bin/bash", "-c", line]);
        let said = ran.stdout + &ran.stderr;
        assert!(said.contains("ermission denied"), "{line}: {said}");
        assert!(!said.contains("uid="), "{line}: {said}");
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        self.warden.end(self.cell.take().unwrap());
    }
}

/// The harness's plan with rules from the resolver in place of its own; the
/// workspace and the scratch places are writable and nothing in them is executed.
fn plan(workspace: &Path, combined: &Combined, more: &[PathBuf]) -> CellPlan {
    let base = cell_plan(workspace);
    let rule = |at: &Path, rights| LandlockPlan { path: path(at), rights };
    let writable = ["/tmp", "/dev/shm", "/home/cell"].map(PathBuf::from);
    let writable = writable.iter().map(PathBuf::as_path).chain([workspace]);
    let landlock = writable
        .map(|at| rule(at, Rights::WRITE))
        .chain(combined.execute.iter().map(|at| rule(at, Rights::EXECUTE)))
        .chain(combined.list.iter().map(|at| rule(at, Rights::LIST)))
        .chain(combined.read.iter().map(|place| rule(&place.path, Rights::READ)))
        .collect();
    let more = more.iter().map(|at| BindPlan { path: path(at), execute: true });
    CellPlan {
        binds: base.binds.into_iter().chain(more).collect(),
        landlock,
        limits: Limits { memory_bytes: 1 << 30, processes: 256, ..base.limits },
        ..base
    }
}

/// `git` with a name to commit under.
const GIT: &str =
    "git -c user.name=a -c user.email=a@b -c init.defaultBranch=main -c protocol.file.allow=always";

#[test]
fn git_works_with_what_the_resolver_found() {
    let test = "git_works_with_what_the_resolver_found";
    let (Some(git), Some(bash)) = (installed(test, "git"), installed(test, "bash")) else { return };
    let granted = Granted::new(&[git, bash]);
    let said = granted.bash(&format!(
        "{GIT} init -q one; cd one; echo hello > file; {GIT} add file; {GIT} commit -qm first; \
         {GIT} log --oneline; {GIT} status --short; {GIT} gc -q; cd ..; \
         {GIT} clone -q file://$PWD/one two; cat() {{ echo \"$(<$1)\"; }}; cat two/file; \
         cd two; {GIT} stash list; {GIT} rebase -q HEAD; {GIT} submodule status"
    ));
    assert!(said.contains("first") && said.contains("hello"), "{said}");
}

#[test]
fn gcc_and_make_build_with_what_the_resolver_found() {
    let test = "gcc_and_make_build_with_what_the_resolver_found";
    let names = ["gcc", "make", "bash"].map(|name| installed(test, name));
    let [Some(gcc), Some(make), Some(bash)] = names else { return };
    let granted = Granted::new(&[gcc, make, bash]);
    std::fs::write(
        granted.workspace.join("hello.c"),
        "#include <math.h>\n#include <stdio.h>\nint main(int c, char **v) { printf(\"%f\\n\", cos(c)); return 0; }\n",
    )
    .unwrap();
    std::fs::write(
        granted.workspace.join("Makefile"),
        "hello: hello.o\n\tgcc -flto -o $@ $< -lm\nhello.o: hello.c\n\tgcc -O2 -g -flto -c -o $@ $<\n",
    )
    .unwrap();
    granted.bash("gcc -Wall hello.c -lm; gcc -static hello.c -lm -o static; make");
    for built in ["a.out", "static", "hello"] {
        assert!(granted.workspace.join(built).is_file(), "{built}");
        granted.refused(&format!("./{built}"));
    }
}

#[test]
fn interpreters_work_with_what_the_resolver_found() {
    let test = "interpreters_work_with_what_the_resolver_found";
    for (name, argv) in [
        (
            "python3",
            &[
                "-c",
                "import json, ssl, sqlite3, ctypes, pwd; ssl.create_default_context(); print(json.dumps(pwd.getpwuid(0)[0]))",
            ][..],
        ),
        (
            "node",
            &["-e", "require('https'); require('crypto'); console.log(JSON.stringify({a: 1}))"],
        ),
        ("perl", &["-MPOSIX", "-MSocket", "-e", "print POSIX::floor(1.5)"]),
    ] {
        let Some(program) = installed(test, name) else { continue };
        let granted = Granted::new(std::slice::from_ref(&program));
        let ran = granted.run(&[&[program.to_str().unwrap()], argv].concat());
        assert_eq!(ran.code(), Some(0), "{name}: {}{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn cargo_builds_with_what_the_resolver_found() {
    let test = "cargo_builds_with_what_the_resolver_found";
    let homes = ["/root/.cargo/bin", "/root/.rustup"].map(PathBuf::from);
    let Some(bash) = installed(test, "bash") else { return };
    if homes.iter().any(|home| !home.is_dir()) {
        skip(test, "rustup is not installed in /root, or not for this user");
        return;
    }
    let search_path = [vec![homes[0].clone()], system_path()].concat();
    let granted = Granted::with(&[homes[0].join("cargo"), bash], &search_path, &homes);
    let source = granted.workspace.join("hello/src");
    std::fs::create_dir_all(&source).unwrap();
    std::fs::write(source.join("main.rs"), "fn main() { println!(\"hello\"); }\n").unwrap();
    let manifest = "[package]\nname = \"hello\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    std::fs::write(source.parent().unwrap().join("Cargo.toml"), manifest).unwrap();
    granted.bash("cd hello; cargo build --offline");
    assert!(granted.workspace.join("hello/target/debug/hello").is_file());
}

/// A cell with bash, git, make and python3, and an unlisted program.
fn with_bash(test: &str) -> Option<Granted> {
    let names = ["bash", "git", "make", "python3", "id"].map(|name| installed(test, name));
    let [Some(bash), Some(git), Some(make), Some(python), Some(_)] = names else { return None };
    Some(Granted::new(&[bash, git, make, python]))
}

#[test]
fn what_is_not_granted_does_not_run_whoever_asks() {
    let Some(granted) = with_bash("what_is_not_granted_does_not_run_whoever_asks") else { return };
    let refused = granted.try_run(&["/usr/bin/id"]).map(|ran| ran.stdout);
    assert_eq!(refused, Err((cofferdam_plan::RunStep::Execute, libc::EACCES)));
    std::fs::write(granted.workspace.join("Makefile"), "all:\n\t/usr/bin/id\n").unwrap();
    symlink("/usr/bin/id", granted.workspace.join("link")).unwrap();
    for line in [
        "id",
        "/usr/bin/id",
        "exec -a bash /usr/bin/id",
        "./link",
        "make",
        "git -c alias.x='!/usr/bin/id' x",
        "git -c core.pager=/usr/bin/id -c pager.version=true -p version; /usr/bin/id",
        "python3 -c 'import os; os.execv(\"/usr/bin/id\", [\"id\"])'",
        "python3 -c 'import subprocess; subprocess.run([\"/usr/bin/id\"])'",
    ] {
        granted.refused(line);
    }
    let words = granted.combined.why_not(Path::new("/usr/bin/id"));
    assert!(words.contains("not among the granted programs (bash, git, make, python3)"), "{words}");
}

#[test]
fn a_shell_line_cannot_fetch_with_a_curl_that_is_not_granted() {
    let test = "a_shell_line_cannot_fetch_with_a_curl_that_is_not_granted";
    let (Some(bash), Some(_)) = (installed(test, "bash"), installed(test, "curl")) else { return };
    let granted = Granted::new(&[bash]);
    granted.refused("curl --version");
    granted.refused("exec curl --version");
    granted.refused("/usr/bin/env curl --version || /usr/bin/curl --version");
}

#[test]
fn a_grant_is_what_makes_a_program_run() {
    let test = "a_grant_is_what_makes_a_program_run";
    let [Some(bash), Some(id)] = ["bash", "id"].map(|name| installed(test, name)) else { return };
    assert!(Granted::new(&[bash, id]).bash("id").contains("uid="));
}

#[test]
fn copies_links_and_scripts_do_not_run() {
    let Some(granted) = with_bash("copies_links_and_scripts_do_not_run") else { return };
    for (name, line) in
        [("sh", "#!/bin/sh\n"), ("awk", "#!/usr/bin/awk -f\n"), ("id", "#!/usr/bin/id\n")]
    {
        std::fs::write(granted.workspace.join(name), line).unwrap();
    }
    // Made outside: from inside the source can be neither read nor linked.
    let inside = granted.workspace.join("linked");
    if std::fs::hard_link("/usr/bin/id", &inside).is_ok() {
        granted.refused("./linked");
        granted.refused("/lib64/ld-linux-x86-64.so.2 ./linked; ./linked");
    }
    for line in [
        "python3 -c 'import shutil; shutil.copy(\"/usr/bin/id\", \"copy\")'",
        "python3 -c 'import shutil; shutil.copy(\"/bin/bash\", \"copy\")'; ./copy -c 'echo uid='",
        "python3 -c 'import os, shutil; shutil.copy(\"/bin/bash\", \"/tmp/copy\"); os.chmod(\"/tmp/copy\", 0o755); os.execv(\"/tmp/copy\", [\"x\", \"-c\", \"echo uid=\"])'",
        "python3 -c 'import os; [os.chmod(it, 0o755) for it in (\"sh\", \"awk\", \"id\")]'; ./sh; ./awk; ./id",
    ] {
        granted.refused(line);
    }
    let ran = granted.run(&[
        "/bin/bash",
        "-c",
        "python3 -c 'import os; os.link(\"/usr/bin/id\", \"hard\")'",
    ]);
    assert_eq!(ran.code(), Some(1), "{}", ran.stderr);
}

#[test]
fn the_dynamic_loader_runs_nothing_that_is_not_granted() {
    let test = "the_dynamic_loader_runs_nothing_that_is_not_granted";
    let Some(granted) = with_bash(test) else { return };
    let is_loader = |it: &&PathBuf| it.file_name().unwrap().to_string_lossy().starts_with("ld-");
    let loader = granted.combined.execute.iter().find(is_loader).expect("a loader");
    let mut unlisted = vec![PathBuf::from("/usr/bin/id")];
    for directory in ["/usr/lib", "/usr/libexec", "/usr/share", "/usr/local"] {
        programs_beneath(Path::new(directory), 0, &mut unlisted);
    }
    // Landlock's rules are for files: a granted one has all its names.
    let id = |it: &PathBuf| std::fs::metadata(it).map(|it| (it.dev(), it.ino())).unwrap();
    let executes: BTreeSet<_> = granted.combined.execute.iter().map(id).collect();
    unlisted.retain(|program| !executes.contains(&id(program)));
    let listed: Vec<_> = unlisted.iter().take(400).map(|it| it.to_str().unwrap()).collect();
    // `--verify` opens and maps a program, and does not start it.
    let line = format!(
        "n=0; for p in {}; do n=$((n+1)); if {loader} --verify \"$p\" 2>/dev/null; then echo \"readable: $p\"; fi; done; echo tried $n",
        listed.join(" "),
        loader = loader.display()
    );
    let ran = granted.run(&["/bin/bash", "-c", &line]);
    assert_eq!(ran.stdout, format!("tried {}\n", listed.len()), "{}", ran.stderr);
    // A granted program passes the same test.
    granted.bash(&format!("{} --verify /bin/bash", loader.display()));
}

/// ELF files with an execute bit and no name of a library, some hundred.
fn programs_beneath(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.filter_map(Result::ok) {
        let at = entry.path();
        let Ok(metadata) = std::fs::symlink_metadata(&at) else { continue };
        let plain = at.to_str().is_some_and(|it| !it.contains([' ', '\'', '$', '(']));
        if metadata.is_dir() && depth < 8 {
            programs_beneath(&at, depth + 1, found);
        } else if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 && plain {
            let mut head = [0; 4];
            let is_elf =
                std::fs::File::open(&at).and_then(|mut it| it.read_exact(&mut head)).is_ok()
                    && &head == b"\x7fELF";
            if is_elf && !at.to_string_lossy().contains(".so") {
                found.push(at);
            }
        }
    }
}
