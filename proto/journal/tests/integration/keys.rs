//! Who signs a journal, and whom its readers believe.

use cofferdam_journal::{Fault, OpenError, Options, verify};
use cofferdam_trust::{SigningKey, TrustedKeys};

use crate::desk::{Desk, OWNER, intent, keep};

#[test]
fn only_a_trusted_key_makes_a_journal_worth_anything() {
    let desk = Desk::filled(1, u64::MAX);
    let trusted: TrustedKeys = [desk.key().public_key()].into_iter().collect();
    verify(&desk.path(), Some(&trusted)).unwrap();
    let other = SigningKey::generate().unwrap().public_key();
    let stranger: TrustedKeys = [other].into_iter().collect();
    let broken = verify(&desk.path(), Some(&stranger)).unwrap_err();
    assert!(matches!(broken.fault, Fault::UntrustedKey { .. }), "{broken}");
    assert_eq!(broken.line, 1);
}

#[test]
fn another_key_or_another_owner_does_not_go_on_with_a_journal() {
    let desk = Desk::filled(1, u64::MAX);
    let key = SigningKey::generate().unwrap();
    let error = desk.try_open(Options { key, ..desk.options() }).unwrap_err();
    assert!(matches!(error, OpenError::AnotherKey { .. }), "{error}");
    let owner = "spiffe://cofferdam/agent/two".to_owned();
    let error = desk.try_open(Options { owner, ..desk.options() }).unwrap_err();
    assert!(matches!(error, OpenError::AnotherOwner { .. }), "{error}");
}

#[test]
fn a_new_key_takes_over_by_the_old_ones_word() {
    let desk = Desk::new();
    let (journal, _) = desk.open();
    keep(&journal, intent("before"));
    let path = desk.directory.path().join("next.key");
    SigningKey::generate().unwrap().save(&path).unwrap();
    let changed = journal.change_key(SigningKey::load(&path).unwrap()).unwrap();
    changed.durable.wait_blocking().unwrap();
    keep(&journal, intent("after"));
    drop(journal);

    let first: TrustedKeys = [desk.key().public_key()].into_iter().collect();
    assert_eq!(verify(&desk.path(), Some(&first)).unwrap().key_ids.len(), 2);
    let error = desk.try_open(desk.options()).unwrap_err();
    assert!(matches!(error, OpenError::AnotherKey { .. }), "{error}");
    let key = SigningKey::load(&path).unwrap();
    desk.try_open(Options::new(OWNER, key)).unwrap();
}
