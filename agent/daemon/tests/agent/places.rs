//! Protected paths of a workspace that are not there: held while a cell is, gone
//! afterwards, whatever becomes of the agent.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::time::{Duration, Instant};

use cofferdam_proto::exec::v1::Layer;
use cofferdam_proto::file::v1::{FileWrite, WriteFileRequest};
use tonic::Code;

use crate::gateway::{Followed, Gateway, profile, sh};
use crate::host::{Host, OWNER, is_root};

/// A host whose cells of the profile `brief` end a second after their last call,
/// and that prepares none.
fn brief_host() -> Host {
    Host::start_with(|directory| {
        let agent = directory.join("agent");
        let text = "version = 1\ninherits = \"default\"\ndescription = \"Brief.\"\n\
            [session]\nidle = \"1s\"\n";
        fs::write(agent.join("profiles/brief.toml"), text).unwrap();
        change(&agent.join("agent.toml"), "[limits]", "[limits]\nstock = 0");
        change(&directory.join("host/ceiling.toml"), "\"default\",", "\"default\", \"brief\",");
    })
}

fn change(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// Runs a shell line under the profile `brief`.
async fn brief(gateway: &Gateway, line: &str) -> Followed {
    gateway.run(gateway.request(sh(line), |intent| profile(intent, "brief"))).await.unwrap()
}

/// What the outcome says of protected paths.
fn protected(ran: &Followed) -> Layer {
    let layers = ran.finished.clone().unwrap().sandbox.unwrap().layers;
    layers.into_iter().find(|layer| layer.name == "protected").expect("it is always said")
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Waits until the directory holds these names only.
async fn holds_only(directory: &Path, wanted: &[&str]) {
    let began = Instant::now();
    while names(directory) != wanted {
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", names(directory));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A directory of the workspace's owner.
fn directory(path: &Path) {
    fs::create_dir_all(path).unwrap();
    if is_root() {
        chown(path, Some(OWNER), Some(OWNER)).unwrap();
    }
}

#[tokio::test]
async fn protected_paths_that_are_not_there_cannot_be_made_and_leave_nothing() {
    let host = brief_host();
    let gateway = Gateway::of(&host);
    host.put("file", "content");
    for line in [
        "mkdir .vscode",
        "echo x > .vscode/settings.json",
        "echo x > .mcp.json",
        "echo x > .envrc",
        "rmdir .envrc",
        "mv .claude other",
        "chmod 777 .cursor",
        "ln -s /etc .idea/x",
    ] {
        let ran = brief(&gateway, line).await;
        assert_ne!(ran.code(), 0, "{line}: {ran:?}");
        assert!(protected(&ran).effective, "{:?}", protected(&ran));
    }
    let write = FileWrite { path: b".mcp.json".into(), data: b"{}".into(), ..FileWrite::default() };
    let intent = Some(gateway.signed(&write, |intent| profile(intent, "brief")));
    let request = WriteFileRequest { intent, write: Some(write) };
    let refused = gateway.files().write_file(request).await.unwrap_err();
    assert_ne!(refused.code(), Code::Ok, "{refused:?}");
    assert!(names(&host.workspace).contains(&".mcp.json".to_owned()));
    holds_only(&host.workspace, &["file"]).await;
}

#[tokio::test]
async fn git_sees_nothing_of_what_is_held_and_keeps_working() {
    let host = brief_host();
    let gateway = Gateway::of(&host);
    host.put("file", "content");
    let git = host.workspace.join(".git");
    for place in ["", "objects", "refs/heads", "refs", "hooks"] {
        directory(&git.join(place));
    }
    host.put(".git/HEAD", "ref: refs/heads/main\n");
    let ran = brief(&gateway, "git status --short && git config user.name mallory").await;
    assert_eq!(ran.text(), "?? file\n", "{ran:?}");
    assert_ne!(ran.code(), 0, "{ran:?}");
    for line in [
        "echo '[core]' > .git/config",
        "mv .git/config .git/other",
        "mv .git moved",
        "echo x > .git/hooks/pre-commit",
        "echo x > .git/config.worktree",
    ] {
        assert_ne!(brief(&gateway, line).await.code(), 0, "{line}");
    }
    holds_only(&git, &["HEAD", "hooks", "objects", "refs"]).await;
    assert!(names(&git.join("hooks")).is_empty());
}

#[tokio::test]
async fn what_is_there_stays_as_it_is_and_what_the_owner_puts_there_is_kept() {
    let host = brief_host();
    let gateway = Gateway::of(&host);
    host.put(".envrc", "use nix");
    assert_ne!(brief(&gateway, "echo x >> .envrc").await.code(), 0);
    // An editor of the owner's, outside.
    let settings = host.workspace.join(".vscode/settings.json");
    fs::write(&settings, "{}").unwrap();
    let ran = brief(&gateway, "cat .envrc; echo y > .vscode/settings.json").await;
    assert_eq!(ran.text(), "use nix");
    assert_ne!(ran.code(), 0);
    assert!(protected(&ran).effective, "{ran:?}");
    // What is put in its place there is another file, which the cell covers no more.
    host.put("new", "use guix");
    fs::rename(host.workspace.join("new"), host.workspace.join(".envrc")).unwrap();
    let ran = brief(&gateway, "true").await;
    let layer = protected(&ran);
    assert!(
        !layer.effective && layer.detail.contains("not covered any more: `.envrc`"),
        "{layer:?}"
    );
    holds_only(&host.workspace, &[".envrc", ".vscode"]).await;
    assert_ne!(brief(&gateway, "echo x >> .envrc").await.code(), 0);
    assert_eq!(fs::read_to_string(settings).unwrap(), "{}");
}

#[tokio::test]
async fn what_comes_to_be_at_protected_paths_is_in_the_outcome() {
    let host = brief_host();
    let gateway = Gateway::of(&host);
    let ran = brief(&gateway, "git init -q . && mkdir -p sub && echo x > sub/.envrc").await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let layer = protected(&ran);
    assert!(!layer.effective && layer.detail.contains("`.git/config`"), "{layer:?}");
    holds_only(&host.workspace, &[".git", "sub"]).await;
    // What lies deeper is found when the cell is gone, and said next.
    let layer = protected(&brief(&gateway, "true").await);
    assert!(!layer.effective && layer.detail.contains("`sub/.envrc`"), "{layer:?}");
    assert!(protected(&brief(&gateway, "true").await).effective);
}

#[tokio::test]
async fn two_sessions_share_what_is_held_until_both_are_gone() {
    let host = brief_host();
    let gateway = Gateway::of(&host);
    let in_session = |name: &'static str, line: &str| {
        gateway.run(gateway.request(sh(line), move |intent| {
            profile(intent, "brief");
            name.clone_into(&mut intent.session);
        }))
    };
    let (first, second) =
        tokio::join!(in_session("a", "sleep 3; mkdir .vscode"), in_session("b", "mkdir .vscode"));
    // The second cell is long gone by the time the first tries.
    for ran in [first.unwrap(), second.unwrap()] {
        assert_ne!(ran.code(), 0);
        assert!(String::from_utf8_lossy(&ran.stderr).contains("File exists"), "{ran:?}");
    }
    holds_only(&host.workspace, &[]).await;
}

#[tokio::test]
async fn a_killed_agent_leaves_nothing_once_it_is_started_again() {
    let mut host = brief_host();
    let gateway = Gateway::of(&host);
    assert_eq!(gateway.sh("true").await.code(), 0);
    assert!(names(&host.workspace).contains(&".vscode".to_owned()));
    host.crash_and_restart();
    holds_only(&host.workspace, &[]).await;
}

#[tokio::test]
async fn an_agent_that_stops_leaves_nothing() {
    let mut host = brief_host();
    let gateway = Gateway::of(&host);
    assert_eq!(gateway.sh("true").await.code(), 0);
    assert!(!names(&host.workspace).is_empty());
    let host = tokio::task::spawn_blocking(move || {
        host.stop();
        host
    });
    let host = host.await.unwrap();
    assert!(names(&host.workspace).is_empty(), "{:?}", names(&host.workspace));
}

#[tokio::test]
async fn what_cannot_be_held_is_said_and_the_call_goes_on() {
    let host = brief_host();
    let gateway = Gateway::of(&host);
    fs::set_permissions(&host.workspace, fs::Permissions::from_mode(0o555)).unwrap();
    let ran = brief(&gateway, "echo ran").await;
    assert_eq!(ran.text(), "ran\n", "{ran:?}");
    let layer = protected(&ran);
    assert!(!layer.effective && layer.detail.starts_with("not held"), "{layer:?}");
    assert!(layer.detail.contains("`.vscode`"), "{layer:?}");
    fs::set_permissions(&host.workspace, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(protected(&gateway.sh("true").await).effective);
}

#[tokio::test]
async fn a_workspace_that_the_agent_may_not_look_into_is_held_all_the_same() {
    let host = brief_host();
    let gateway = Gateway::of(&host);
    fs::set_permissions(&host.workspace, fs::Permissions::from_mode(0o700)).unwrap();
    for session in ["a", "b"] {
        let request = gateway.request(sh("echo x > .envrc"), |intent| {
            profile(intent, "brief");
            session.clone_into(&mut intent.session);
        });
        let ran = gateway.run(request).await.unwrap();
        assert_ne!(ran.code(), 0, "{ran:?}");
        assert!(protected(&ran).effective, "{ran:?}");
    }
    holds_only(&host.workspace, &[]).await;
}
