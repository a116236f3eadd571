//! The authority's files, and what loads as an identity.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use cofferdam_trust::{
    Authority, AuthorityError, CLOCK_SKEW, Identity, IdentityError, Lifetime, PrivateFileError,
};

use crate::parties::{HOUR, Office, name};

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn keys_are_readable_by_their_owner_alone_and_never_overwritten() {
    let office = Office::new();
    assert_eq!(mode(&office.path().join("ca.key")), 0o600);
    let files = office.files("gateway/main", Lifetime::from_now(HOUR));
    assert_eq!(mode(&files.key), 0o600);
    assert_eq!(mode(&files.certificate) & 0o022, 0);

    let again = Authority::create(office.path()).unwrap_err();
    assert!(matches!(again, AuthorityError::Key(PrivateFileError::Exists(_))), "{again}");
    let issued = office.authority.issue(&name("agent/main"), Lifetime::from_now(HOUR)).unwrap();
    let key = fs::read(&files.key).unwrap();
    issued.write(files.key.parent().unwrap()).unwrap_err();
    assert_eq!(fs::read(&files.key).unwrap(), key);
}

#[test]
fn of_several_who_make_an_authority_at_once_one_makes_it_and_its_files_belong_together() {
    let offline = tempfile::tempdir().unwrap();
    let root = Authority::create(&offline.path().join("root")).unwrap();
    for _ in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("authority");
        let start = std::sync::Barrier::new(4);
        let maker = &|beneath: bool| {
            start.wait();
            let made =
                if beneath { root.create_intermediate(&place) } else { Authority::create(&place) };
            made.is_ok()
        };
        let made = std::thread::scope(|scope| {
            let makers = [true, false, true, false].map(|it| scope.spawn(move || maker(it)));
            makers.map(|it| it.join().unwrap())
        });
        assert_eq!(made.iter().filter(|made| **made).count(), 1);
        let opened = Authority::open(&place).unwrap();
        let beneath = opened.is_intermediate();
        assert_eq!(made[0] || made[2], beneath);
    }
}

#[test]
fn an_authority_opens_again_and_issues_what_its_first_self_would() {
    let office = Office::new();
    let again = Authority::open(office.path()).unwrap();
    assert_eq!(again.certificate_pem(), office.authority.certificate_pem());
    let files = again.issue(&name("agent/one"), Lifetime::from_now(HOUR)).unwrap();
    let files = files.write(office.path()).unwrap();
    let identity =
        Identity::load(&files.certificate, &files.key, &office.path().join("ca.crt")).unwrap();
    assert_eq!(identity.name(), &name("agent/one"));
    let left = identity.own().not_after.duration_since(SystemTime::now()).unwrap();
    assert!(left <= HOUR && left > Duration::from_mins(59));
}

#[test]
fn a_certificate_begins_early_enough_for_a_clock_that_is_behind() {
    let lifetime = Lifetime::from_now(HOUR);
    assert!(lifetime.not_before <= SystemTime::now() - CLOCK_SKEW);
}

#[test]
fn no_certificate_outlives_its_authority_or_ends_before_it_begins() {
    let office = Office::new();
    let century = Lifetime::from_now(100 * 365 * 24 * HOUR);
    let now = SystemTime::now();
    let backwards = Lifetime { not_before: now, not_after: now - HOUR };
    for lifetime in [century, backwards] {
        let error = office.authority.issue(&name("agent/one"), lifetime).unwrap_err();
        assert!(matches!(error, AuthorityError::Lifetime { .. }), "{error}");
    }
}

#[test]
fn an_exposed_key_is_refused_with_its_mode() {
    let office = Office::new();
    let files = office.files("agent/one", Lifetime::from_now(HOUR));
    fs::set_permissions(&files.key, Permissions::from_mode(0o640)).unwrap();
    let error = Identity::load(&files.certificate, &files.key, &office.path().join("ca.crt"));
    let error = error.unwrap_err();
    assert!(matches!(error, IdentityError::Key(PrivateFileError::Exposed { .. })), "{error}");
    assert!(error.to_string().contains("0640"), "{error}");
}

#[test]
fn files_that_do_not_belong_together_are_refused_by_name() {
    let office = Office::new();
    let one = office.files("agent/one", Lifetime::from_now(HOUR));
    let two = office.files("agent/two", Lifetime::from_now(HOUR));
    let authorities = office.path().join("ca.crt");
    let error = Identity::load(&one.certificate, &two.key, &authorities).unwrap_err();
    assert!(matches!(error, IdentityError::Mismatch { .. }), "{error}");
    let error = Identity::load(&one.key, &one.key, &authorities).unwrap_err();
    assert!(matches!(error, IdentityError::NoCertificate(_)), "{error}");
    let error = Identity::load(&authorities, &one.key, &authorities).unwrap_err();
    assert!(matches!(error, IdentityError::Peer { .. }), "{error}");
    fs::write(&one.key, "nothing").unwrap();
    let error = Identity::load(&one.certificate, &one.key, &authorities).unwrap_err();
    assert!(matches!(error, IdentityError::NoKey(_)), "{error}");
    let missing = office.path().join("absent.crt");
    let error = Identity::load(&missing, &one.key, &authorities).unwrap_err();
    assert!(error.to_string().contains("absent.crt"), "{error}");
}

#[test]
fn an_authority_with_anothers_key_does_not_open() {
    let (one, two) = (Office::new(), Office::new());
    fs::copy(two.path().join("ca.crt"), one.path().join("ca.crt")).unwrap();
    let error = Authority::open(one.path()).unwrap_err();
    assert!(error.to_string().contains("ca.key is not the key of ca.crt"), "{error}");
}
