//! Lines 9 and 41 in the workspace: what its owner's tools trust, and sockets of
//! the host.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use cofferdam_tests::host::give;

use crate::Bench;

/// What is protected by the shipped profiles, and what tries to change it.
const PROTECTED: &str = r#"
import os, shutil
def settle(path): os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
attempts = {
    "write": lambda p: open(p, "a").write("x"),
    "truncate": lambda p: os.truncate(p, 0),
    "unlink": lambda p: os.unlink(p),
    "rename": lambda p: os.rename(p, p + ".moved"),
    "replace": lambda p: (open("/tmp/other", "w").write("evil"), shutil.copy("/tmp/other", "other"), os.rename("other", p)),
    "chmod": lambda p: os.chmod(p, 0o777),
    "symlink": lambda p: (os.symlink("/tmp/other", "other"), os.rename("other", p)),
    "link": lambda p: (open("mine", "w").write("evil"), os.link(p, "second"), open("second", "a").write("x")),
    "rename its parent": lambda p: os.rename(p.split("/")[0], "moved"),
    "mount point": lambda p: os.rmdir(os.path.dirname(p) or "."),
}
for path in PATHS:
    for name, attempt in attempts.items():
        if name == "rename its parent" and "/" not in path:
            continue
        try:
            attempt(path)
            print(name, path)
        except OSError:
            pass
        for left in "other", "mine", "second":
            if os.path.lexists(left):
                os.unlink(left)
"#;

#[test]
fn protected_files_of_the_workspace_stay_as_they_are() {
    let bench = Bench::new("protected");
    let paths = [
        ".git/hooks/pre-commit",
        ".git/config",
        ".envrc",
        ".vscode/settings.json",
        ".mcp.json",
        ".claude/settings.json",
        ".codex/config.toml",
        ".cursor/mcp.json",
        ".gemini/settings.json",
    ];
    for (way, caller) in bench.ways() {
        let workspace = caller.workspace();
        for path in paths {
            let path = workspace.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "owner's").unwrap();
            give(path.parent().unwrap());
            give(&path);
        }
        let ran = caller.python(&PROTECTED.replace("PATHS", &format!("{paths:?}")));
        assert_eq!((ran.code(), ran.out()), (0, String::new()), "{way}: {}", ran.said());
        for path in paths {
            let path = workspace.join(path);
            assert_eq!(fs::read_to_string(&path).unwrap(), "owner's", "{way}: {}", path.display());
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        }
        // What is beside it can be changed.
        assert_eq!(caller.sh("echo x > .git/HEAD && mkdir -p src && echo x > src/a").code(), 0);
    }
}

#[test]
fn what_is_protected_cannot_be_made_where_it_was_absent() {
    let bench = Bench::new("absent");
    for (way, caller) in bench.ways() {
        let ran = caller.sh(
            "mkdir -p .claude .vscode .git/hooks; echo evil > .mcp.json; echo evil > .envrc; \
             echo evil > .claude/settings.json; echo evil > .vscode/settings.json; \
             echo evil > .git/hooks/pre-commit; echo evil > .git/config; \
             for p in .mcp.json .envrc .claude .vscode .git/hooks .git/config; do rm -rf $p; done; \
             for p in .mcp.json .envrc .claude .vscode; do echo evil > $p; done; echo fine > fine",
        );
        let left = |name: &str| caller.workspace().join(name);
        assert_eq!(fs::read_to_string(left("fine")).unwrap(), "fine\n", "{way}: {}", ran.said());
        for name in [
            ".mcp.json",
            ".envrc",
            ".claude/settings.json",
            ".vscode/settings.json",
            ".git/hooks/pre-commit",
            ".git/config",
            ".claude",
            ".vscode",
        ] {
            let there = fs::read_to_string(left(name)).unwrap_or_default();
            assert!(!there.contains("evil"), "{way}: {name}");
        }
    }
}

/// What a cell tries so that the owner's git, outside, reads settings of the
/// cell's: each leads it to a directory with `core.fsmonitor`.
const MISLEAD: &str = r#"
for evil in e .git/modules/m .git/worktrees/w; do
    mkdir -p $evil/objects $evil/refs
    echo 'ref: refs/heads/x' > $evil/HEAD
    printf '[core]\n\trepositoryformatversion = 0\n\tfsmonitor = %s/canary\n' "$PWD" > $evil/config
done
printf '#!/bin/sh\ntouch "%s/ran"\n' "$PWD" > canary; chmod +x canary
echo ../e > .git/commondir
echo gitdir: e > .git
echo gitdir: e > gitfile; mv gitfile .git
mkdir -p .git/remotes .git/branches
echo 'URL: /workspace/e' > .git/remotes/origin
echo /workspace/e > .git/branches/origin
mv .git moved && cp -r e .git
true
"#;

#[test]
fn no_cell_leads_the_owners_git_to_settings_of_its_own() {
    let bench = Bench::new("misled-git");
    for (way, caller) in bench.ways() {
        let workspace = caller.workspace();
        let git = |arguments: &[&str]| {
            let ran = std::process::Command::new("git")
                .args(["-c", "safe.directory=*"])
                .args(arguments)
                .current_dir(&workspace)
                .env("GIT_CONFIG_NOSYSTEM", "1")
                .output();
            ran.map(|ran| (ran.status.success(), String::from_utf8_lossy(&ran.stderr).into_owned()))
        };
        if git(&["init", "-q", "."]).is_err() {
            return cofferdam_tests::skip("no_cell_leads_the_owners_git", "git is not installed");
        }
        give_all(&workspace.join(".git"));
        let ran = caller.sh(MISLEAD);
        assert_eq!(ran.code(), 0, "{way}: {}", ran.said());
        let (worked, said) = git(&["status"]).unwrap();
        assert!(worked, "{way}: {said}");
        assert!(workspace.join("canary").exists(), "{way}: {}", ran.said());
        assert!(!workspace.join("ran").exists(), "{way}: the owner's git ran code of the cell");
        for left in ["remotes/origin", "branches/origin", "modules/m", "worktrees/w"] {
            assert!(!workspace.join(".git").join(left).exists(), "{way}: {left}");
        }
    }
}

#[test]
fn a_git_file_of_a_worktree_stays_as_it_is() {
    let bench = Bench::new("git-file");
    for (way, caller) in bench.ways() {
        let file = caller.workspace().join(".git");
        fs::write(&file, "gitdir: elsewhere\n").unwrap();
        give(&file);
        let ran = caller
            .sh("echo gitdir: e > .git; echo gitdir: e > f; mv f .git; rm -f .git; ln -sf e .git");
        let left = fs::read_to_string(&file).unwrap();
        assert_eq!(left, "gitdir: elsewhere\n", "{way}: {}", ran.said());
    }
}

/// Gives a tree to the workspaces' owner.
fn give_all(path: &std::path::Path) {
    give(path);
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        match entry.path() {
            directory if directory.is_dir() => give_all(&directory),
            file => give(&file),
        }
    }
}

#[test]
fn a_socket_of_the_host_in_the_workspace_is_out_of_reach_of_cells_built_later() {
    let bench = Bench::new("docker-sock");
    for (way, caller) in bench.ways() {
        let place = caller.workspace().join("docker.sock");
        let listener = std::os::unix::net::UnixListener::bind(&place).unwrap();
        fs::set_permissions(&place, PermissionsExt::from_mode(0o777)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let ran = caller.python(
            "import os, socket\nfor path in 'docker.sock', './docker.sock', os.getcwd() + '/docker.sock':\n \
             try:\n  socket.socket(socket.AF_UNIX).connect(path); print(path)\n except OSError: pass",
        );
        assert_eq!((ran.code(), ran.out()), (0, String::new()), "{way}: {}", ran.said());
        assert!(listener.accept().is_err(), "{way}: somebody connected");
    }
}
