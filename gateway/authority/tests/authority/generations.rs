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
