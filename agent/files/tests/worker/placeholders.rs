//! Placeholders for protected paths.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use cofferdam_proto::file::v1::{PlacesHeld, PlacesHold, PlacesRelease, PlacesReleased};

use super::*;

fn list(paths: &[&str]) -> Vec<Vec<u8>> {
    paths.iter().map(|&path| path.into()).collect()
}

fn hold(dir: &Path, paths: &[&str]) -> PlacesHeld {
    match ask(dir, Operation::HoldPlaces(PlacesHold { paths: list(paths) })) {
        Answer::Held(held) => held,
        other => panic!("not held: {other:?}"),
    }
}

fn release(dir: &Path, paths: &[&str]) -> PlacesReleased {
    release_and_look(dir, PlacesRelease { paths: list(paths), ..PlacesRelease::default() })
}

fn release_and_look(dir: &Path, request: PlacesRelease) -> PlacesReleased {
    match ask(dir, Operation::ReleasePlaces(request)) {
        Answer::Released(released) => released,
        other => panic!("not released: {other:?}"),
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_missing_is_held_and_let_go_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(".envrc"), "use nix").unwrap();
    let held = hold(dir.path(), &[".vscode", ".envrc", ".git/hooks"]);
    assert_eq!(held.made, list(&[".vscode"]));
    assert_eq!(held.homeless, list(&[".git/hooks"]));
    assert!(held.failed.is_empty());
    let mode = fs::metadata(dir.path().join(".vscode")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
    assert_eq!(release(dir.path(), &[".vscode"]), PlacesReleased::default());
    assert_eq!(names(dir.path()), [".envrc"]);
    // What is gone is let go, too.
    assert_eq!(release(dir.path(), &[".vscode", "a/b"]), PlacesReleased::default());
}

#[test]
fn what_somebody_put_to_use_meanwhile_stays() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(".git")).unwrap();
    let all = [".vscode", ".git/config", ".git/config.worktree", ".envrc"];
    assert_eq!(hold(dir.path(), &all).made.len(), 4);
    fs::write(dir.path().join(".vscode/settings.json"), "{}").unwrap();
    fs::write(dir.path().join(".git/config"), "[core]\n").unwrap();
    fs::remove_dir(dir.path().join(".envrc")).unwrap();
    symlink("nowhere", dir.path().join(".envrc")).unwrap();
    let released = release(dir.path(), &all);
    let mut kept = released.kept;
    kept.sort();
    assert_eq!(kept, list(&[".git/config", ".vscode"]));
    assert_eq!(names(dir.path()), [".envrc", ".git", ".vscode"]);
    assert_eq!(names(&dir.path().join(".git")), ["config"]);
}

#[test]
fn gits_configuration_is_held_by_a_file_that_says_nothing_and_left_to_who_locks_it() {
    let dir = tempfile::tempdir().unwrap();
    let git = dir.path().join(".git");
    fs::create_dir(&git).unwrap();
    assert_eq!(hold(dir.path(), &[".git/config", ".git/hooks"]).made.len(), 2);
    assert!(git.join("config").is_file() && git.join("hooks").is_dir());
    fs::write(git.join("config.lock"), "somebody writes").unwrap();
    let released = release(dir.path(), &[".git/config", ".git/hooks"]);
    assert_eq!(released.kept, list(&[".git/config"]));
    assert_eq!(names(&git), ["config", "config.lock"]);
}

/// Git in a directory, without settings of whoever runs the test.
fn git(directory: &Path, arguments: &[&str]) -> Option<std::process::Output> {
    let ran = std::process::Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@example.org"])
        .args(arguments)
        .current_dir(directory)
        .env("HOME", directory)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output();
    if ran.is_err() {
        eprintln!("skipped: git is not installed");
    }
    ran.ok()
}

const IN_GIT: [&str; 8] = [
    ".git/hooks",
    ".git/config",
    ".git/config.worktree",
    ".git/commondir",
    ".git/modules",
    ".git/worktrees",
    ".git/remotes",
    ".git/branches",
];

#[test]
fn git_works_with_every_placeholder_in_its_directory_and_without() {
    let dir = tempfile::tempdir().unwrap();
    if git(dir.path(), &["init", "-q", "--template="]).is_none() {
        return;
    }
    // `git init` writes a configuration.
    assert_eq!(hold(dir.path(), &IN_GIT).made.len(), IN_GIT.len() - 1);
    assert_eq!(fs::read(dir.path().join(".git/commondir")).unwrap(), b".\n");
    let works = || {
        for line in [
            "commit -q --allow-empty -m x",
            "status",
            "log --oneline",
            "worktree list",
            "stash list",
            "gc -q",
            "worktree prune",
            "branch -f other",
            "config --get core.bare",
        ] {
            let arguments: Vec<_> = line.split(' ').collect();
            let ran = git(dir.path(), &arguments).unwrap();
            assert!(ran.status.success(), "{line}: {}", String::from_utf8_lossy(&ran.stderr));
        }
    };
    works();
    let released = release(dir.path(), &IN_GIT);
    assert_eq!(released.kept, list(&[".git/config"]));
    assert!(!names(&dir.path().join(".git")).iter().any(|name| name.contains("commondir")));
    works();
}

#[test]
fn a_commondir_that_somebody_wrote_or_locked_stays() {
    let dir = tempfile::tempdir().unwrap();
    let git = dir.path().join(".git");
    fs::create_dir(&git).unwrap();
    for there in ["", "..", "./", "..\n", ".\n\n"] {
        fs::write(git.join("commondir"), there).unwrap();
        assert!(hold(dir.path(), &[".git/commondir"]).made.is_empty());
        assert_eq!(release(dir.path(), &[".git/commondir"]).kept, list(&[".git/commondir"]));
        assert_eq!(fs::read_to_string(git.join("commondir")).unwrap(), there);
    }
    fs::remove_file(git.join("commondir")).unwrap();
    symlink("HEAD", git.join("commondir")).unwrap();
    assert_eq!(release(dir.path(), &[".git/commondir"]).kept, list(&[".git/commondir"]));
    assert_eq!(names(&git), ["commondir"]);
}

#[test]
fn what_leads_git_to_settings_elsewhere_is_told_wherever_it_lies() {
    let dir = tempfile::tempdir().unwrap();
    let make = |path: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    };
    let layout = |directory: &str| {
        make(&format!("{directory}/HEAD"));
        fs::create_dir_all(dir.path().join(directory).join("objects")).unwrap();
        fs::create_dir_all(dir.path().join(directory).join("refs")).unwrap();
    };
    for directory in ["bare.git", "a/b/evil", ".git/modules/m"] {
        layout(directory);
        make(&format!("{directory}/config"));
    }
    make("linked/HEAD");
    make("linked/commondir");
    make("sub/.git");
    symlink("a/b/evil", dir.path().join("a/.git")).unwrap();
    // Neither of these is git's.
    make("src/config");
    make("src/HEAD");
    make("src/commondir.rs");
    let protected = list(&IN_GIT);
    let since = Some(prost_types::Timestamp::default());
    let request = PlacesRelease { protected, since, ..PlacesRelease::default() };
    let found = release_and_look(dir.path(), request.clone());
    let told = [
        ".git/modules",
        "a/.git",
        "a/b/evil/config",
        "bare.git/config",
        "linked/commondir",
        "sub/.git",
    ];
    assert_eq!(found.appeared, list(&told));
    // Where nothing of git's is protected, that is nobody's business.
    let request = PlacesRelease { protected: list(&[".envrc"]), ..request };
    assert!(release_and_look(dir.path(), request).appeared.is_empty());
}

#[test]
fn no_symlink_on_the_way_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir(outside.path().join("hooks")).unwrap();
    symlink(outside.path(), dir.path().join(".git")).unwrap();
    symlink(outside.path().join("hooks"), dir.path().join(".vscode")).unwrap();
    let held = hold(dir.path(), &[".git/config", ".vscode", ".git/hooks/x"]);
    assert_eq!((held.made.len(), held.homeless.len()), (0, 2));
    release(dir.path(), &[".git/hooks", ".vscode"]);
    assert_eq!(names(outside.path()), ["hooks"]);
    assert_eq!(names(dir.path()), [".git", ".vscode"]);
}

#[test]
fn a_path_that_leaves_the_workspace_and_too_many_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let long = "a".repeat(1025);
    for path in ["", "/etc/x", "..", "a/../b", "./a", "a//b", "a/", "a\0b", &long] {
        let request = PlacesHold { paths: list(&[path]) };
        assert_eq!(kind(ask(dir.path(), Operation::HoldPlaces(request))), FileErrorKind::Invalid);
        let request = PlacesRelease { paths: list(&[path]), ..PlacesRelease::default() };
        let answer = ask(dir.path(), Operation::ReleasePlaces(request));
        assert_eq!(kind(answer), FileErrorKind::Invalid, "{path:?}");
    }
    let many = PlacesHold { paths: vec![b"a".to_vec(); 257] };
    assert_eq!(kind(ask(dir.path(), Operation::HoldPlaces(many))), FileErrorKind::Invalid);
    let gone = ask(&dir.path().join("gone"), Operation::HoldPlaces(PlacesHold::default()));
    assert_eq!(kind(gone), FileErrorKind::NotFound);
    assert!(names(dir.path()).is_empty());
}

#[test]
fn what_was_made_or_changed_at_nested_protected_paths_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let old = dir.path().join("old/.git/hooks");
    fs::create_dir_all(&old).unwrap();
    fs::write(old.join("pre-commit"), "old").unwrap();
    fs::create_dir_all(dir.path().join("untouched/.git/hooks")).unwrap();
    let protected = list(&[".git/hooks", ".envrc", ".mcp.json"]);
    let look = |since: SystemTime| {
        let since = since.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let since = prost_types::Timestamp {
            seconds: since.as_secs().cast_signed(),
            nanos: since.subsec_nanos().cast_signed(),
        };
        release_and_look(
            dir.path(),
            PlacesRelease {
                protected: protected.clone(),
                since: Some(since),
                ..PlacesRelease::default()
            },
        )
    };
    std::thread::sleep(Duration::from_millis(50));
    let since = SystemTime::now();
    assert!(look(since).appeared.is_empty());
    std::thread::sleep(Duration::from_millis(50));
    fs::write(old.join("pre-commit"), "new").unwrap();
    fs::create_dir_all(dir.path().join("a/b")).unwrap();
    fs::write(dir.path().join("a/b/.envrc"), "").unwrap();
    fs::write(dir.path().join("a/b/other.json"), "").unwrap();
    symlink("/", dir.path().join("a/root")).unwrap();
    let found = look(since);
    assert_eq!(found.appeared, list(&["a/b/.envrc", "old/.git/hooks"]));
    assert!(!found.truncated);
    for number in 0..80 {
        let directory = dir.path().join(number.to_string());
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join(".envrc"), "").unwrap();
    }
    let found = look(since);
    assert!(found.truncated && found.appeared.len() == 64);
}
