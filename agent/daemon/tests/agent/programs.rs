//! A grant that names its programs one by one: these work, with all that they
//! need, and the kernel refuses everything else, whoever asks for it.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Output;

use cofferdam_proto::exec::v1::outcome::Ending;
use cofferdam_proto::exec::v1::{Command, FindProgramRequest, ProgramQuery};
use cofferdam_proto::intent::v1::Intent;

use crate::gateway::{Followed, Gateway};
use crate::host::{Host, OWNER, is_root};

/// The search path of the built-in profiles.
const SEARCH_PATH: [&str; 4] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];

const GIT: &str = "git -c user.name=a -c user.email=a@b -c init.defaultBranch=main";

/// Where the program is that a search in a cell finds first.
fn installed(name: &str) -> Option<String> {
    let candidates = SEARCH_PATH.iter().map(|directory| format!("{directory}/{name}"));
    let found = candidates.into_iter().find(|path| Path::new(path).is_file());
    if found.is_none() {
        eprintln!("skipped: {name} is not installed");
    }
    found
}

fn all_installed<const N: usize>(names: [&str; N]) -> Option<Vec<String>> {
    names.into_iter().map(installed).collect()
}

/// A caller whose grant names these programs.
struct Granted<'a> {
    gateway: &'a Gateway,
    programs: Vec<String>,
}

impl Granted<'_> {
    fn intent(&self) -> impl FnOnce(&mut Intent) {
        let programs = self.programs.clone();
        |intent| intent.grant.as_mut().unwrap().programs = programs
    }

    async fn run(&self, command: Command) -> Followed {
        self.gateway.run(self.gateway.request(command, self.intent())).await.unwrap()
    }

    async fn bash(&self, line: &str) -> Followed {
        self.run(bash(line)).await
    }

    /// Runs a line that must go well; gives all that it said.
    async fn works(&self, command: Command) -> String {
        let line = format!("{:?}", String::from_utf8_lossy(&command.arguments.concat()));
        let ran = self.run(command).await;
        let said = said(&ran);
        assert_eq!(ran.code(), 0, "{line}: {said}");
        said
    }

    /// Runs a line in which the kernel must refuse to run something.
    async fn refused(&self, line: &str) {
        let ran = self.bash(line).await;
        let said = said(&ran);
        assert_ne!(ran.code(), 0, "{line}: {said}");
        // The loader: the file cannot be opened, or is mounted noexec.
        let words = ["ermission denied", "cannot open shared", "failed to map segment"];
        let refused = words.iter().any(|words| said.contains(words));
        assert!(refused && !said.contains("uid="), "{line}: {said}");
    }
}

fn bash(line: &str) -> Command {
    let arguments = vec![b"-c".to_vec(), line.into()];
    Command { program: b"bash".to_vec(), arguments, ..Command::default() }
}

fn said(ran: &Followed) -> String {
    format!("{}{}", ran.text(), String::from_utf8_lossy(&ran.stderr))
}

/// Puts a program into the workspace, as its owner.
fn put_program(host: &Host, name: &str, content: &[u8]) {
    let path = host.workspace.join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    if is_root() {
        chown(path, Some(OWNER), Some(OWNER)).unwrap();
    }
}

/// The dynamic loader, under its real name.
fn loader() -> Option<PathBuf> {
    let known = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
    known.iter().find_map(|path| fs::canonicalize(path).ok())
}

#[tokio::test]
async fn granted_programs_work_in_a_shell_and_nothing_else_runs() {
    let Some(programs) = all_installed(["bash", "git"]) else { return };
    let (Some(id), Some(loader)) = (installed("id"), loader()) else { return };
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let granted = Granted { gateway: &gateway, programs };
    let line = format!(
        "set -eu; {GIT} init -q one; cd one; echo hello > file; {GIT} add file; \
         {GIT} commit -qm first; {GIT} log --oneline; {GIT} status --short; {GIT} gc -q"
    );
    assert!(granted.works(bash(&line)).await.contains("first"));
    // A cell of its own is built and confined in the same way.
    let once = Command { one_shot: true, ..bash("git -C one log --oneline && ! /usr/bin/id") };
    assert!(granted.works(once).await.contains("first"));
    put_program(&host, "copy", &fs::read(&id).unwrap());
    put_program(&host, "script", format!("#!{id}\n").as_bytes());
    let loader = loader.display();
    for line in [
        "/usr/bin/id",
        "exec -a git /usr/bin/id",
        "./copy",
        "exec ./copy",
        "./script",
        "git -c alias.x='!/usr/bin/id' x",
        "LD_PRELOAD=$PWD/copy /usr/bin/id",
        "cat < /usr/bin/id > /tmp/copy",
        &format!("{loader} {id}"),
        &format!("{loader} ./copy"),
    ] {
        granted.refused(line).await;
    }
    for (name, line) in [("curl", "curl --version"), ("python3", "python3 -c 'print(1)'")] {
        if installed(name).is_some() {
            granted.refused(&format!("{line}; exit 126")).await;
        }
    }
}

#[tokio::test]
async fn what_is_not_on_the_list_is_refused_with_the_list() {
    let (Some(programs), Some(_)) = (all_installed(["bash"]), installed("id")) else { return };
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let granted = Granted { gateway: &gateway, programs };
    for program in ["id", "/usr/bin/id"] {
        let ran = granted.run(Command { program: program.into(), ..Command::default() }).await;
        let Ending::FailedToStart(failed) = ran.ending() else { panic!("{ran:?}") };
        assert_eq!((failed.step.as_str(), failed.errno), ("execute", libc::EACCES));
        let words = "`/usr/bin/id` is not among the granted programs (bash)";
        assert!(failed.detail.contains(words), "{}", failed.detail);
    }
    for (name, executable) in [("bash", true), ("id", false)] {
        let query = ProgramQuery { program: name.to_owned() };
        let intent = Some(gateway.signed(&query, granted.intent()));
        let request = FindProgramRequest { intent, query: Some(query) };
        let found = gateway.exec().find_program(request).await.unwrap().into_inner();
        assert_eq!(found.executable, executable, "{name}");
    }
}

#[tokio::test]
async fn a_granted_compiler_compiles() {
    let Some(programs) = all_installed(["gcc", "make", "bash"]) else { return };
    let host = Host::start();
    let gateway = Gateway::of(&host);
    host.put("hello.c", "#include <math.h>\nint main(int c, char **v) { return cos(c) > 2; }\n");
    host.put("Makefile", "hello: hello.c\n\tgcc -O2 -g -o $@ $< -lm\n");
    let granted = Granted { gateway: &gateway, programs };
    granted.works(bash("gcc -Wall hello.c -lm && make")).await;
    for built in ["a.out", "hello"] {
        assert!(host.workspace.join(built).is_file(), "{built}");
    }
    granted.refused("./hello").await;
}

#[tokio::test]
async fn granted_interpreters_find_their_libraries() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    for (name, script) in [
        ("python3", "import json, ssl, sqlite3, pwd; print(pwd.getpwuid(0).pw_name)"),
        ("node", "require('https'); console.log(1)"),
        ("perl", "use POSIX; use Socket; print POSIX::floor(1.5)"),
    ] {
        let Some(program) = installed(name) else { continue };
        let option = if name == "python3" { "-c" } else { "-e" };
        let command = Command {
            program: program.clone().into(),
            arguments: vec![option.into(), script.into()],
            ..Command::default()
        };
        Granted { gateway: &gateway, programs: vec![program] }.works(command).await;
    }
}

#[tokio::test]
async fn a_directory_in_a_grant_brings_its_programs_and_all_libraries() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let (Some(programs), Some(tool)) = (all_installed(["bash"]), installed("chroot")) else {
        return;
    };
    let directory = tool.trim_end_matches("chroot").to_owned();
    let directory_holds_id = Path::new(&directory).join("id").exists();
    let granted = Granted { gateway: &gateway, programs: [programs, vec![directory]].concat() };
    granted.works(bash("chroot --version")).await;
    // Where a host has all programs in one directory, `id` is granted, too.
    if !directory_holds_id {
        granted.refused("/usr/bin/id").await;
    }
}

#[tokio::test]
async fn the_loader_can_read_no_program_that_is_not_granted() {
    let Some(programs) = all_installed(["bash", "git"]) else { return };
    let Some(loader) = loader() else { return };
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let mut unlisted = Vec::new();
    for top in ["/usr", "/etc"] {
        programs_beneath(Path::new(top), 0, &mut unlisted);
    }
    let resolver = cofferdam_programs::Resolver::new(
        cofferdam_programs::Root::host(),
        SEARCH_PATH.map(PathBuf::from).to_vec(),
        cofferdam_programs::Rules::builtin().unwrap(),
    );
    let named: Vec<PathBuf> = programs.iter().map(PathBuf::from).collect();
    let needed = resolver.resolve_all(&named).unwrap();
    // Landlock's rules are for files: a granted one has all its names.
    let id = |it: &PathBuf| fs::metadata(it).map(|it| (it.dev(), it.ino())).unwrap();
    let known: Vec<_> = needed.execute.iter().map(id).collect();
    unlisted.retain(|program| !known.contains(&id(program)));
    let mut list = String::new();
    for program in &unlisted {
        writeln!(list, "{}", program.display()).unwrap();
    }
    host.put("list", &list);
    let granted = Granted { gateway: &gateway, programs };
    // `--verify` opens and maps a program, and does not start it.
    let line = format!(
        "n=0; while read -r p; do n=$((n+1)); {} --verify \"$p\" 2>/dev/null && echo \"$p\"; \
         done < list; echo tried $n",
        loader.display()
    );
    let ran = granted.bash(&line).await;
    assert_eq!(ran.text(), format!("tried {}\n", unlisted.len()), "{}", said(&ran));
    granted.works(bash(&format!("{} --verify /usr/bin/bash", loader.display()))).await;
}

/// ELF files with an execute bit and no name of a library.
fn programs_beneath(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let (at, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() && depth < 12 {
            programs_beneath(&at, depth + 1, found);
        } else if kind.is_file() && !at.to_string_lossy().contains(".so") && is_elf(&at) {
            found.push(at);
        }
    }
}

fn is_elf(path: &Path) -> bool {
    use std::io::Read;
    let mode = fs::metadata(path).map_or(0, |metadata| metadata.mode());
    let mut head = [0; 4];
    mode & 0o001 != 0
        && fs::File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok()
        && &head == b"\x7fELF"
}

#[test]
fn the_command_shows_what_a_program_brings_along_and_why() {
    let Some(programs) = all_installed(["bash"]) else { return };
    let ask = |arguments: &[&str]| -> Output {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cofferdam-agent"));
        command.arg("programs").args(arguments).output().unwrap()
    };
    let table = ask(&["bash"]);
    let text = String::from_utf8(table.stdout).unwrap();
    assert!(table.status.success() && text.starts_with(&programs[0]), "{text}");
    assert!(text.contains("dynamic loader of bash") && text.contains("libc.so.6"), "{text}");
    let json: serde_json::Value =
        serde_json::from_slice(&ask(&["--json", &programs[0]]).stdout).unwrap();
    let needs = json["programs"][0]["needs"].as_array().unwrap();
    assert!(needs.iter().any(|need| need["why"] == "the program itself"), "{json}");
    let missing = ask(&["no-such-program"]);
    assert!(!missing.status.success());
    assert!(String::from_utf8_lossy(&missing.stderr).contains("no-such-program"));
}
