//! What is noted, shared, told and forgotten of placeholders.

use std::fs;
use std::path::PathBuf;

use cofferdam_ceiling::Ceiling;
use cofferdam_profile::Profiles;
use cofferdam_proto::file::v1::PlaceFault;
use cofferdam_proto::intent::v1::{Grant, WorkspaceAccess};

use super::*;
use crate::cap::{Need, cap};

/// An empty workspace, and places whose list is in a directory of the test's own.
struct Bench {
    directory: tempfile::TempDir,
    capped: Capped,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let workspace = directory.path().join("work");
        fs::create_dir(&workspace).unwrap();
        let capped = capped(&workspace.canonicalize().unwrap(), WorkspaceAccess::Write);
        Self { directory, capped }
    }

    fn list(&self) -> PathBuf {
        ledger_in(self.directory.path())
    }

    fn places(&self) -> Places {
        Places::new(Ledger::open(self.list()))
    }

    fn noted(&self) -> String {
        fs::read_to_string(self.list()).unwrap_or_default()
    }
}

fn capped(workspace: &Path, access: WorkspaceAccess) -> Capped {
    let text = include_str!("../../../../packaging/config/ceiling.toml");
    let start = text.find("roots = [").unwrap();
    let end = start + text[start..].find(']').unwrap();
    let text = format!("{}roots = [\"{}\"{}", &text[..start], workspace.display(), &text[end..]);
    let grant = Grant {
        profile: "default".to_owned(),
        workspace: workspace.display().to_string(),
        workspace_access: access.into(),
        ..Grant::default()
    };
    let ceiling = Ceiling::parse(&text).unwrap();
    cap(grant, Need::Whatever, &Profiles::load(None).unwrap(), &ceiling).unwrap()
}

fn texts(paths: &[Vec<u8>]) -> Vec<&str> {
    paths.iter().map(|path| std::str::from_utf8(path).unwrap()).collect()
}

#[tokio::test]
async fn a_placeholder_is_noted_before_it_is_made_and_until_it_is_gone() {
    let bench = Bench::new();
    let places = bench.places();
    let mut holding = places.begin(&bench.capped).await.unwrap();
    let asked = places.note(&mut holding).unwrap();
    assert!(texts(&asked.paths).contains(&".vscode"));
    // There is no `.git` to make it in.
    assert!(!texts(&asked.paths).contains(&".git/config"));
    assert!(bench.noted().contains(".vscode") && bench.noted().contains(".envrc"));
    let made = PlacesHeld { made: vec![b".vscode".into()], ..PlacesHeld::default() };
    places.held(&mut holding, Ok(made));
    assert!(bench.noted().contains(".vscode") && !bench.noted().contains(".envrc"));
    let reliance = places.rely(holding).await;
    assert!(reliance.layer().await.effective);
    assert!(places.idle().is_empty() && !places.is_tidy());
    drop(reliance);
    // An agent that is killed here leaves it to the next one.
    let next = bench.places();
    assert_eq!(next.idle().len(), 1);
    let idle = places.idle().pop().unwrap();
    let request = idle.request(&bench.capped.profile.protect);
    assert_eq!(texts(&request.paths), [".vscode"]);
    assert!(request.protected.len() > 10 && request.since.is_some());
    places.released(idle, &PlacesReleased::default());
    assert!(places.is_tidy() && places.idle().is_empty());
    assert!(!bench.noted().contains(".vscode"));
}

#[tokio::test]
async fn what_could_not_be_held_is_said_and_what_was_not_asked_for_is_not_believed() {
    let bench = Bench::new();
    let places = bench.places();
    let mut holding = places.begin(&bench.capped).await.unwrap();
    places.note(&mut holding).unwrap();
    let fault = |path: &str| PlaceFault { path: path.into(), message: "No space left".into() };
    let answer = PlacesHeld {
        made: vec![b"src".into(), b"\xff".into()],
        homeless: vec![b"/etc".into()],
        failed: vec![fault(".envrc"), fault("src")],
    };
    places.held(&mut holding, Ok(answer));
    assert!(!bench.noted().contains("src"), "{}", bench.noted());
    let layer = places.rely(holding).await.layer().await;
    assert!(!layer.effective);
    assert_eq!(layer.detail, "not held (No space left): `.envrc`");
}

#[tokio::test]
async fn a_worker_without_an_answer_may_have_made_all() {
    let bench = Bench::new();
    let places = bench.places();
    let mut holding = places.begin(&bench.capped).await.unwrap();
    places.note(&mut holding).unwrap();
    places.held(&mut holding, Err("it was killed".to_owned()));
    let reliance = places.rely(holding).await;
    let layer = reliance.layer().await;
    assert!(!layer.effective && layer.detail.contains("it was killed"), "{layer:?}");
    drop(reliance);
    let idle = places.idle().pop().unwrap();
    assert!(idle.request(&[]).paths.len() > 10);
}

#[tokio::test]
async fn what_appeared_is_told_once_and_what_was_covered_never() {
    let bench = Bench::new();
    let places = bench.places();
    let mut holding = places.begin(&bench.capped).await.unwrap();
    places.note(&mut holding).unwrap();
    places.held(&mut holding, Ok(PlacesHeld::default()));
    drop(places.rely(holding).await);
    let idle = places.idle().pop().unwrap();
    let appeared = [".vscode", "sub/.envrc", "a\x1b[2J/.envrc"].map(Into::into).to_vec();
    places.released(idle, &PlacesReleased { appeared, ..PlacesReleased::default() });
    let reliance = places.rely(places.begin(&bench.capped).await.unwrap()).await;
    let layer = reliance.layer().await;
    assert!(!layer.effective && layer.detail.contains("`sub/.envrc`"), "{layer:?}");
    assert!(!layer.detail.contains(".vscode") && !layer.detail.contains('\x1b'), "{layer:?}");
    assert!(reliance.layer().await.effective);
}

#[tokio::test]
async fn a_list_that_cannot_be_read_or_written_is_no_reason_to_stop() {
    let bench = Bench::new();
    fs::write(bench.list(), "{\"/a\": 1").unwrap();
    let places = bench.places();
    assert!(places.is_tidy());
    fs::remove_file(bench.list()).unwrap();
    fs::create_dir(bench.list()).unwrap();
    let mut holding = places.begin(&bench.capped).await.unwrap();
    // What is in no list is not made.
    assert!(places.note(&mut holding).is_none());
    assert!(!places.rely(holding).await.layer().await.effective);
}

#[tokio::test]
async fn a_cell_that_changes_nothing_needs_nothing_held() {
    let bench = Bench::new();
    let workspace = bench.capped.workspace.as_path();
    let reader = capped(workspace, WorkspaceAccess::Read);
    assert!(bench.places().begin(&reader).await.is_none());
}
