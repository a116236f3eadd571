use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use cofferdam_policy::Claims;

use super::*;

fn config(directory: &Path) -> SessionsConfig {
    SessionsConfig {
        state: directory.join("sessions.sqlite"),
        per_user: NonZeroUsize::new(2).unwrap(),
        idle: Duration::from_secs(100),
    }
}

fn caller(tenant: &str, user: &str) -> Caller {
    Caller {
        user: user.to_owned(),
        groups: Vec::new(),
        tenant: tenant.to_owned(),
        claims: Claims::default(),
        token_id: "t".to_owned(),
    }
}

fn new() -> NewSession {
    NewSession { project: "site".into(), host: "web-1".into(), ..NewSession::default() }
}

#[test]
fn a_handle_is_found_by_its_owner_in_any_gateway_and_by_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    let (ada, sessions) = (caller("", "ada"), Sessions::open(&config).unwrap());
    let (handle, session) = sessions.make(&ada, new()).unwrap();
    assert_eq!(handle.len(), PREFIX.len() + 32, "192 bits");
    let replica = Sessions::open(&config).unwrap();
    assert_eq!(replica.find(&ada, &handle).unwrap(), session);
    let words = SessionError::Unknown.to_string();
    for (caller, handle) in [
        (caller("", "bob"), handle.as_str()),
        (caller("other", "ada"), handle.as_str()),
        (ada.clone(), session.id.as_str()),
        (ada.clone(), "cfs_nothing"),
    ] {
        assert_eq!(replica.find(&caller, handle).unwrap_err().to_string(), words);
    }
    let kept = std::fs::read(config.state.with_extension("sqlite-wal")).unwrap();
    assert!(!kept.windows(handle.len()).any(|part| part == handle.as_bytes()), "only its hash");
}

#[test]
fn what_is_unused_for_too_long_is_over_and_makes_room() {
    let directory = tempfile::tempdir().unwrap();
    let (ada, store) = (caller("", "ada"), Store::open(&config(directory.path())).unwrap());
    let session = store.make(&ada, "one", new(), 1000).unwrap();
    store.make(&ada, "two", new(), 1000).unwrap();
    assert!(matches!(store.make(&ada, "three", new(), 1050), Err(SessionError::TooMany(2))));
    store.make(&caller("", "bob"), "bobs", new(), 1050).unwrap();
    store.used(&session.id, "web-1", 1090).unwrap();
    assert_eq!(store.find(&ada, "one", 1150).unwrap().used_at, 1090);
    assert!(matches!(store.find(&ada, "two", 1100), Err(SessionError::Unknown)));
    assert_eq!(store.list(&ada, 1100).unwrap().len(), 1);
    store.make(&ada, "three", new(), 1150).unwrap();
}

#[test]
fn one_that_was_closed_takes_no_call_and_goes_when_all_its_hosts_have_answered() {
    let directory = tempfile::tempdir().unwrap();
    let (ada, sessions) = (caller("", "ada"), Sessions::open(&config(directory.path())).unwrap());
    let (handle, session) = sessions.make(&ada, new()).unwrap();
    for host in ["web-1", "web-2", "web-1"] {
        sessions.used(&session.id, host).unwrap();
    }
    assert!(sessions.closing(&caller("", "bob"), &handle).is_err());
    assert_eq!(sessions.closing(&ada, &handle).unwrap().hosts, ["web-1", "web-2"]);
    assert!(matches!(sessions.find(&ada, &handle), Err(SessionError::Unknown)));
    assert!(matches!(sessions.used(&session.id, "web-3"), Err(SessionError::Unknown)));
    sessions.closed(&session.id, "web-1").unwrap();
    let left = sessions.list(&ada).unwrap();
    assert_eq!((left[0].is_closing, &left[0].hosts), (true, &vec!["web-2".to_owned()]));
    // The rest is tried again by its id.
    assert_eq!(sessions.closing(&ada, &session.id).unwrap().hosts, ["web-2"]);
    sessions.closed(&session.id, "web-2").unwrap();
    assert!(matches!(sessions.closing(&ada, &handle), Err(SessionError::Unknown)));
}
