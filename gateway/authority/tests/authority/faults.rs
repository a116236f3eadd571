//! What fails around the authority: files, disk, journal. Each is told, and nothing
//! half is left.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use cofferdam_authority::{OpenError, Registrar};
use cofferdam_journal::PeerStep;
use cofferdam_trust::{Authority, Lifetime, SigningKey};
use tonic::Code;

use crate::office::{Guest, HOUR, Journal, Office, gateway, prepared, registrar};

#[test]
fn files_of_the_authority_that_are_missing_exposed_or_of_another_role_are_told_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let settings = prepared(directory.path(), |_| {});
    let at = |name: &str| settings.directory.join(name);
    let fails = || registrar(&settings, &Journal::default()).unwrap_err().to_string();
    let aside = directory.path().join("aside");
    for name in ["ca.crt", "ca.key", "trust.key"] {
        fs::rename(at(name), &aside).unwrap();
        let error = fails();
        assert!(error.contains(name) && error.contains("cofferdam authority init"), "{error}");
        fs::rename(&aside, at(name)).unwrap();
    }
    for name in ["ca.key", "trust.key"] {
        fs::set_permissions(at(name), fs::Permissions::from_mode(0o644)).unwrap();
        let error = fails();
        assert!(error.contains("mode 0644"), "{error}");
        fs::set_permissions(at(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    // A host's certificate in the place of the authority's.
    let authority = Authority::open(&settings.directory).unwrap();
    let name = "spiffe://cofferdam/agent/web-1".parse().unwrap();
    let issued = authority.issue(&name, Lifetime::from_now(HOUR)).unwrap();
    fs::rename(at("ca.crt"), &aside).unwrap();
    fs::write(at("ca.crt"), &issued.certificate_pem).unwrap();
    let error = fails();
    assert!(error.contains("not an authority's certificate"), "{error}");
    fs::rename(&aside, at("ca.crt")).unwrap();
    registrar(&settings, &Journal::default()).unwrap();
}

#[test]
fn another_root_in_the_same_place_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let settings = prepared(directory.path(), |_| {});
    for name in ["ca.crt", "ca.key"] {
        fs::remove_file(settings.directory.join(name)).unwrap();
    }
    Authority::create(&settings.directory).unwrap();
    let error = registrar(&settings, &Journal::default()).unwrap_err();
    assert!(matches!(error, OpenError::OtherRoot { generation: 1, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_leaves_before_it_is_recorded_and_the_same_request_is_answered_afterwards() {
    let directory = tempfile::tempdir().unwrap();
    let settings = prepared(directory.path(), |_| {});
    let (full, journal) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let key = SigningKey::generate().unwrap().public_key();
    let record = {
        let (full, journal) = (Arc::clone(&full), Arc::clone(&journal));
        move |peer: cofferdam_journal::Peer| {
            if full.load(Ordering::SeqCst) {
                return Err("no space left on device".to_owned());
            }
            journal.lock().unwrap().push(peer.step);
            Ok(())
        }
    };
    let registrar = Registrar::open(settings.clone(), &gateway(), key, Box::new(record)).unwrap();
    let office = Office::around(directory, settings, registrar).await;
    let guest = Guest::with(&office.invite("web-1"));
    full.store(true, Ordering::SeqCst);
    let status = office.enrol(&guest).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(status.message().contains("no space left"), "{status}");
    full.store(false, Ordering::SeqCst);
    office.credentials(&guest).await.unwrap();
    let steps = journal.lock().unwrap().clone();
    let of_host = [PeerStep::Invited, PeerStep::Enrolled, PeerStep::Certified];
    assert!(steps.ends_with(&of_host), "{steps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_cannot_be_written_refuses_and_the_host_gets_in_afterwards() {
    let office = Office::open(|_| {}).await;
    let (mut guest, _) = office.joined("web-1").await;
    // Another process holds the file, so that nobody writes.
    let holder = rusqlite::Connection::open(&office.settings.state).unwrap();
    holder.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let request = guest.renewal();
    let status = office.send_renewal(&guest, request.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    holder.execute_batch("ROLLBACK").unwrap();
    office.send_renewal(&guest, request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_owner_does_while_no_gateway_runs_is_recorded_when_it_runs_again() {
    let directory = tempfile::tempdir().unwrap();
    let settings = prepared(directory.path(), |_| {});
    let journal = Journal::default();
    drop(registrar(&settings, &journal).unwrap());
    let state = cofferdam_authority::State::open(&settings.state).unwrap();
    cofferdam_authority::Owner::new(&state, "tester").revoke_gateway("other", "lost").unwrap();
    registrar(&settings, &journal).unwrap();
    let journal = journal.lock().unwrap();
    let last = journal.last().unwrap();
    assert_eq!((last.peer.as_str(), last.step), ("other", PeerStep::Revoked));
}

#[test]
fn a_state_of_another_version_is_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let settings = prepared(directory.path(), |_| {});
    let connection = rusqlite::Connection::open(&settings.state).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    let error = registrar(&settings, &Journal::default()).unwrap_err().to_string();
    assert!(error.contains("schema 99"), "{error}");
}
