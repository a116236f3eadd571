use std::os::unix::fs::PermissionsExt;

use super::*;

fn store() -> (tempfile::TempDir, TokenStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = TokenStore::open(&directory.path().join("state.sqlite")).unwrap();
    (directory, store)
}

fn claims() -> Claims {
    let mut claims = Claims::default();
    for value in ["infra", "data"] {
        claims.add("team", value).unwrap();
    }
    claims
}

fn new(name: &str) -> NewToken {
    NewToken {
        purpose: Purpose::Client,
        name: name.into(),
        user: "ada".into(),
        groups: vec!["developers".into(), "release".into()],
        tenant: "acme".into(),
        claims: claims(),
        expires_at: None,
    }
}

#[test]
fn a_new_token_authenticates_its_user_with_groups_tenant_and_claims() {
    let (_directory, store) = store();
    let (token, made) = store.create(&new("laptop")).unwrap();
    let found = store.authenticate(token.reveal()).unwrap();
    assert_eq!(found, made);
    assert_eq!((found.user.as_str(), found.tenant.as_str()), ("ada", "acme"));
    assert_eq!(found.groups, ["developers", "release"]);
    assert_eq!(found.claims, claims());
}

#[test]
fn a_token_has_256_random_bits_and_a_prefix_that_scanners_find() {
    let (_directory, store) = store();
    let (one, _) = store.create(&new("one")).unwrap();
    let (two, _) = store.create(&new("two")).unwrap();
    assert_ne!(one.reveal(), two.reveal());
    let random = URL_SAFE_NO_PAD.decode(one.reveal().strip_prefix("cfd_").unwrap()).unwrap();
    assert_eq!(random.len(), 32);
    assert!(!format!("{one:?}").contains(one.reveal()));
}

#[test]
fn the_file_holds_the_hash_and_never_the_token_and_is_private() {
    let (directory, store) = store();
    let (token, _) = store.create(&new("laptop")).unwrap();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let secret = &token.reveal().as_bytes()[PREFIX.len()..];
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{path:?}");
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{path:?} has mode {mode:o}");
    }
}

#[test]
fn a_revoked_token_is_refused_and_its_name_is_free_again() {
    let (_directory, store) = store();
    let (token, _) = store.create(&new("laptop")).unwrap();
    assert!(store.revoke("laptop").unwrap());
    assert!(!store.revoke("laptop").unwrap());
    assert!(matches!(store.authenticate(token.reveal()), Err(Unauthenticated::Revoked(_))));
    store.create(&new("laptop")).unwrap();
    assert_eq!(store.list().unwrap().len(), 2);
}

#[test]
fn an_expired_token_is_refused() {
    let (directory, store) = store();
    let (token, record) = store.create(&new("laptop")).unwrap();
    let other = rusqlite::Connection::open(directory.path().join("state.sqlite")).unwrap();
    other.execute("UPDATE token SET expires_at = 1 WHERE id = ?1", [record.id]).unwrap();
    assert!(matches!(store.authenticate(token.reveal()), Err(Unauthenticated::Expired(_))));
}

#[test]
fn unknown_and_malformed_tokens_are_refused() {
    let (_directory, store) = store();
    store.create(&new("laptop")).unwrap();
    for token in ["", "cfd_", "cfd_AAAA", "Bearer x", &"x".repeat(100_000)] {
        assert!(matches!(store.authenticate(token), Err(Unauthenticated::Unknown)));
    }
}

#[test]
fn two_valid_tokens_never_share_a_name() {
    let (_directory, store) = store();
    store.create(&new("laptop")).unwrap();
    assert!(matches!(store.create(&new("laptop")), Err(TokenError::NameTaken(_))));
}

#[test]
fn fields_that_would_confuse_a_record_are_refused() {
    let (_directory, store) = store();
    let bad = [
        NewToken { name: String::new(), ..new("a") },
        NewToken { user: "ada\nroot".into(), ..new("a") },
        NewToken { groups: vec!["a\nb".into()], ..new("a") },
        NewToken { expires_at: Some(1), ..new("a") },
    ];
    for token in bad {
        assert!(matches!(store.create(&token), Err(TokenError::Field { .. })), "{token:?}");
    }
}

#[test]
fn a_store_of_another_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.sqlite");
    drop(TokenStore::open(&path).unwrap());
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
    let Err(TokenError::Open(error)) = TokenStore::open(&path) else { panic!("another version") };
    assert!(matches!(error, DatabaseError::Schema { found: 7, .. }), "{error}");
}

/// A file as the first release made it.
const FIRST_SCHEMA: &str = "
    CREATE TABLE token (
        hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
        id TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        user TEXT NOT NULL,
        groups TEXT NOT NULL,
        tenant TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        revoked_at INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX token_name ON token (name) WHERE revoked_at IS NULL;
    PRAGMA user_version = 1;
";

#[test]
fn a_store_of_the_first_schema_is_brought_up_and_keeps_its_tokens() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.sqlite");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(FIRST_SCHEMA).unwrap();
    let hash = cofferdam_trust::sha256(b"cfd_old");
    old.execute("INSERT INTO token VALUES (?1, 'i', 'n', 'ada', 'g', '', 1, NULL, NULL)", [hash])
        .unwrap();
    for _ in 0..2 {
        let store = TokenStore::open(&path).unwrap();
        let found = store.authenticate("cfd_old").unwrap();
        assert_eq!((found.user.as_str(), found.claims.is_empty()), ("ada", true));
    }
    assert_eq!(TokenStore::open(&path).unwrap().create(&new("new")).unwrap().1.claims, claims());
}

#[test]
fn a_token_whose_claims_cannot_be_read_authenticates_nobody() {
    let (directory, store) = store();
    let (token, _) = store.create(&new("laptop")).unwrap();
    let other = rusqlite::Connection::open(directory.path().join("state.sqlite")).unwrap();
    for claims in ["", "[]", r#"{"team":"infra"}"#, r#"{"":["x"]}"#] {
        other.execute("UPDATE token SET claims = ?1", [claims]).unwrap();
        assert!(matches!(store.authenticate(token.reveal()), Err(Unauthenticated::Store(_))));
    }
}
