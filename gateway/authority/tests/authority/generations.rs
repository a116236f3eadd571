//! One root follows another, and no host is lost.

use std::time::Duration;

use cofferdam_authority::OwnerError;
use cofferdam_trust::{Authority, sha256};

use crate::office::{Journal, Office, list, prepared, registrar, soon};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn one_root_follows_another_and_a_host_that_slept_meanwhile_still_gets_in() {
    let office = Office::open(|it| {
        it.announce = SECOND;
        it.overlap = 6 * SECOND;
    })
    .await;
    let (mut awake, _) = office.joined("awake").await;
    let (mut asleep, old) = office.joined("asleep").await;
    let first = list(old.trust.as_ref()).roots;
    asleep.believing(&asleep.identity(&old));

    let settings = office.settings.clone();
    office.owner(|owner| owner.rotate(&settings, None)).unwrap();
    let twice = office.owner(|owner| owner.rotate(&settings, None)).unwrap_err();
    assert!(matches!(twice, OwnerError::Rotating(_)), "{twice}");
    let mut roster = office.registrar.roster();
    soon(|| list(Some(&roster.borrow_and_update().trust)).roots.len() == 2).await;

    // Certified by the new one before long; the new root is known by then.
    let mut newest = office.renew(&mut awake).await.unwrap();
    let roots = list(newest.trust.as_ref()).roots;
    assert_eq!(roots[0], first[0]);
    for _ in 0..4 {
        tokio::time::sleep(SECOND).await;
        newest = office.renew(&mut awake).await.unwrap();
    }
    awake.believing(&awake.identity(&newest));
    assert_eq!(office.registrar.gateway_identity().borrow().name().name(), "main");
    // Who knows the old root alone recognises the authority, and gets a certificate of
    // the new one.
    let woken = office.renew(&mut asleep).await.unwrap();
    assert_eq!(list(woken.trust.as_ref()).roots.len(), 2);
    asleep.believing(&asleep.identity(&woken));
    // Whoever joins now recognises what is shown.
    office.joined("new").await;

    // When the old one retired, those who renewed meanwhile stay in.
    soon(|| list(Some(&roster.borrow_and_update().trust)).roots.len() == 1).await;
    let last = office.renew(&mut asleep).await.unwrap();
    assert_eq!(list(last.trust.as_ref()).roots, roots[1..]);
    office.renew(&mut awake).await.unwrap();
    office.joined("newer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intermediate_certifies_while_its_root_is_away() {
    let directory = tempfile::tempdir().unwrap();
    let root = tempfile::tempdir().unwrap();
    let made = Authority::create(&root.path().join("root")).unwrap().root_digest();
    let settings = prepared_beneath(directory.path(), &root.path().join("root"));
    root.close().unwrap();
    let registrar = registrar(&settings, &Journal::default()).unwrap();
    let list = list(Some(&registrar.roster().borrow().trust));
    assert_eq!(sha256(&list.roots[0]), made);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_root_an_intermediate_lets_hosts_in_and_follows_none_until_the_root_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let offline = tempfile::tempdir().unwrap();
    let (root, away) = (offline.path().join("root"), offline.path().join("away"));
    let settings = cofferdam_authority::Settings {
        approval: cofferdam_authority::Approval::None,
        announce: SECOND,
        overlap: 3 * SECOND,
        ..prepared_beneath(directory.path(), &root)
    };
    std::fs::rename(&root, &away).unwrap();
    let registrar = registrar(&settings, &Journal::default()).unwrap();
    let office = Office::around(directory, settings.clone(), registrar).await;
    let (mut guest, credentials) = office.joined("web-1").await;
    let roots = list(credentials.trust.as_ref()).roots;
    office.renew(&mut guest).await.unwrap();

    // Neither does one without a root take its place, nor is another root made.
    let refused = office.owner(|owner| owner.rotate(&settings, None)).unwrap_err().to_string();
    assert!(refused.contains("no directory of a root is named"), "{refused}");
    let refused = office.owner(|owner| owner.rotate(&settings, Some(&root)));
    let refused = refused.unwrap_err().to_string();
    let digest = cofferdam_trust::hex(&sha256(&roots[0]));
    assert!(refused.contains(&digest) && refused.contains("there is none in"), "{refused}");
    assert!(!root.exists() && office.generations().len() == 1);
    // A root of which the key alone is away is named, too.
    std::fs::rename(&away, &root).unwrap();
    std::fs::rename(root.join("ca.key"), offline.path().join("ca.key")).unwrap();
    let refused = office.owner(|owner| owner.rotate(&settings, Some(&root)));
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("root/ca.key"), "{refused}");
    assert!(!settings.directory.join("generation-2").exists());

    std::fs::rename(offline.path().join("ca.key"), root.join("ca.key")).unwrap();
    office.owner(|owner| owner.rotate(&settings, Some(&root))).unwrap();
    std::fs::remove_dir_all(&root).unwrap();
    for _ in 0..5 {
        tokio::time::sleep(SECOND).await;
        office.renew(&mut guest).await.unwrap();
    }
    let generations = office.generations();
    assert!(generations[1].certifies && generations[1].shown, "{generations:?}");
    assert_eq!(list(Some(&office.registrar.roster().borrow().trust)).roots, roots);
    office.joined("web-2").await;
}

/// What a command leaves in `directory` that makes an authority and is killed after so
/// many of its files.
fn killed_after(files: &[&str], made: &std::path::Path, directory: &std::path::Path) {
    std::fs::create_dir_all(directory).unwrap();
    for name in files {
        std::fs::copy(made.join(name), directory.join(name)).unwrap();
    }
}

#[test]
fn an_authority_whose_making_was_killed_anywhere_is_made_by_asking_again() {
    let all: [&[&str]; 4] =
        [&[], &["ca.key"], &["ca.key", "ca.crt"], &["ca.key", "ca.crt", "trust.key"]];
    for files in all {
        let (whole, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let made = prepared(whole.path(), |_| {}).directory;
        killed_after(files, &made, &directory.path().join("authority"));
        let settings = prepared(directory.path(), |_| {});
        registrar(&settings, &Journal::default()).unwrap();
        if files.contains(&"ca.key") {
            let key = |place: &std::path::Path| std::fs::read(place.join("ca.key")).unwrap();
            assert_eq!(key(&settings.directory), key(&made), "no key is thrown away");
        }
    }
}

/// What `begin` or `rotate` may be asked again after it was killed: beneath no root, the
/// one of then, another one.
fn roots(place: &std::path::Path) -> [(Option<std::path::PathBuf>, Option<[u8; 32]>); 3] {
    let [same, other] = ["same", "other"].map(|name| {
        let directory = place.join(name);
        let digest = Authority::create(&directory).unwrap().root_digest();
        (Some(directory), Some(digest))
    });
    [(None, None), same, other]
}

/// What a process leaves that makes an intermediate beneath `root` and is killed before
/// its certificate.
fn killed_beneath(root: &std::path::Path, directory: &std::path::Path) {
    let whole = tempfile::tempdir().unwrap();
    let made = whole.path().join("made");
    Authority::open(root).unwrap().create_intermediate(&made).unwrap();
    killed_after(&["ca.key", "root.crt"], &made, directory);
}

#[test]
fn an_intermediate_whose_making_was_killed_is_made_beneath_whatever_is_asked_for_then() {
    let offline = tempfile::tempdir().unwrap();
    for (root, digest) in roots(offline.path()) {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("authority.sqlite");
        let place = directory.path().join("authority");
        let settings = cofferdam_authority::Settings::new(place, state);
        killed_beneath(&offline.path().join("same"), &settings.directory);
        let key = std::fs::read(settings.directory.join("ca.key")).unwrap();
        let state = cofferdam_authority::State::open(&settings.state).unwrap();
        let owner = cofferdam_authority::Owner::new(&state, "tester");
        owner.begin(&settings, root.as_deref()).unwrap();
        registrar(&settings, &Journal::default()).unwrap();
        let made = Authority::open(&settings.directory).unwrap();
        assert_eq!(made.is_intermediate().then(|| made.root_digest()), digest);
        assert_eq!(std::fs::read(settings.directory.join("ca.key")).unwrap(), key);
    }
}

#[test]
fn a_rotation_that_was_killed_before_its_certificate_goes_on_beneath_whatever_is_asked_for_then() {
    let offline = tempfile::tempdir().unwrap();
    for (root, digest) in roots(offline.path()) {
        let directory = tempfile::tempdir().unwrap();
        let settings = prepared(directory.path(), |_| {});
        let place = settings.directory.join("generation-2");
        killed_beneath(&offline.path().join("same"), &place);
        let state = cofferdam_authority::State::open(&settings.state).unwrap();
        let owner = cofferdam_authority::Owner::new(&state, "tester");
        assert_eq!(owner.rotate(&settings, root.as_deref()).unwrap().len(), 2);
        registrar(&settings, &Journal::default()).unwrap();
        let made = Authority::open(&place).unwrap();
        assert_eq!(made.is_intermediate().then(|| made.root_digest()), digest);
    }
}

#[test]
fn a_rotation_that_was_killed_anywhere_goes_on_and_one_beneath_another_root_is_told() {
    let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let settings = prepared(directory.path(), |_| {});
    let state = cofferdam_authority::State::open(&settings.state).unwrap();
    let owner = cofferdam_authority::Owner::new(&state, "tester");
    let place = settings.directory.join("generation-2");
    // It wanted an intermediate beneath a root of its own; the state never heard of it.
    let root = Authority::create(&other.path().join("root")).unwrap();
    root.create_intermediate(&place).unwrap();
    let told = owner.rotate(&settings, None).unwrap_err().to_string();
    assert!(told.contains("generation-2") && told.contains("move it away"), "{told}");
    assert_eq!(owner.generations().unwrap().len(), 1);
    registrar(&settings, &Journal::default()).unwrap();
    std::fs::remove_dir_all(&place).unwrap();
    // One that was killed after its key.
    std::fs::create_dir(&place).unwrap();
    std::fs::copy(other.path().join("root/ca.key"), place.join("ca.key")).unwrap();
    assert_eq!(owner.rotate(&settings, None).unwrap().len(), 2);
    registrar(&settings, &Journal::default()).unwrap();
}

#[test]
fn files_that_the_state_knows_and_that_are_gone_are_not_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let settings = prepared(directory.path(), |_| {});
    let state = cofferdam_authority::State::open(&settings.state).unwrap();
    let owner = cofferdam_authority::Owner::new(&state, "tester");
    std::fs::remove_file(settings.directory.join("ca.crt")).unwrap();
    let told = owner.begin(&settings, None).unwrap_err().to_string();
    assert!(told.contains("put them back"), "{told}");
    assert!(!settings.directory.join("ca.crt").exists());
}

fn prepared_beneath(
    directory: &std::path::Path,
    root: &std::path::Path,
) -> cofferdam_authority::Settings {
    let state = directory.join("authority.sqlite");
    let settings = cofferdam_authority::Settings::new(directory.join("authority"), state);
    let state = cofferdam_authority::State::open(&settings.state).unwrap();
    cofferdam_authority::Owner::new(&state, "tester").begin(&settings, Some(root)).unwrap();
    settings
}

#[test]
fn beginning_again_keeps_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let settings = prepared(directory.path(), |_| {});
    let state = cofferdam_authority::State::open(&settings.state).unwrap();
    let owner = cofferdam_authority::Owner::new(&state, "tester");
    let first = owner.generations().unwrap();
    let key = std::fs::read(settings.directory.join("trust.key")).unwrap();
    assert_eq!(owner.begin(&settings, None).unwrap(), first);
    assert_eq!(std::fs::read(settings.directory.join("trust.key")).unwrap(), key);
}
