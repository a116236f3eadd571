use std::fs;
use std::time::UNIX_EPOCH;

use super::*;

const RULES: &str = "version = 1\ninclude = [\"more/*.toml\"]\n";
const MORE: &str =
    "version = 1\n[[rule]]\nid = \"look\"\neffect = \"allow\"\ntools = [\"list_hosts\"]\n";

/// A directory with rules in two files, and what they are when signed.
fn signed(key: &SigningKey, version: u64) -> (tempfile::TempDir, SignedRules) {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("more")).unwrap();
    fs::write(directory.path().join("rules.toml"), RULES).unwrap();
    fs::write(directory.path().join("more/one.toml"), MORE).unwrap();
    let files = RuleFiles::load(&[&directory.path().join("rules.toml")]).unwrap();
    let (signed, rules) = SignedRules::sign(&files, key, version, UNIX_EPOCH).unwrap();
    assert_eq!(rules.len(), 1);
    (directory, signed)
}

fn trusting(key: &SigningKey) -> TrustedKeys {
    TrustedKeys::from_iter([key.public_key()])
}

#[test]
fn signed_rules_are_read_back_with_their_version() {
    let key = SigningKey::generate().unwrap();
    let (directory, signed) = signed(&key, 7);
    let path = directory.path().join("policy.bundle");
    fs::write(&path, signed.to_text()).unwrap();
    let read = SignedRules::read(&path).unwrap();
    assert_eq!(read, signed);
    let (rules, verified) = read.verify(&trusting(&key)).unwrap();
    assert_eq!((rules.len(), verified.word.version), (1, 7));
    assert_eq!(*rules.digest(), verified.word.digest);
    let names: Vec<_> = read.bundle.files().map(|(name, _)| name).collect();
    assert_eq!(names, ["rules.toml", "more/one.toml"]);
}

#[test]
fn the_same_rules_have_the_same_digest_wherever_they_lay() {
    let key = SigningKey::generate().unwrap();
    let digest = || signed(&key, 1).1.verify(&trusting(&key)).unwrap().1.word.digest;
    assert_eq!(digest(), digest());
}

#[test]
fn strangers_and_changes_are_refused() {
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let (_directory, signed) = signed(&key, 1);
    assert!(matches!(signed.verify(&trusting(&other)), Err(SignedRulesError::Word(_))));
    let text = signed.to_text();
    let reread = |text: &str| SignedRules::of(Bundle::parse(text).unwrap());
    for (from, to) in [
        ("effect = \"allow\"", "effect = \"deny\""),
        ("name = \"more/one.toml\"", "name = \"more/two.toml\""),
    ] {
        assert!(text.contains(from), "{text}");
        let changed = reread(&text.replace(from, to)).unwrap();
        let refused = changed.verify(&trusting(&key));
        assert!(matches!(refused, Err(SignedRulesError::OtherRules)), "{from}");
    }
    let statement = &signed.bundle.seal().statement;
    let unreadable = reread(&text.replace(statement.as_str(), "!"));
    assert!(matches!(unreadable, Err(SignedRulesError::Seal("statement"))));
    let resealed = BASE64_STANDARD.encode(sign_policy(&other, [0; 32], 9, UNIX_EPOCH).statement);
    let resealed = reread(&text.replace(statement.as_str(), &resealed)).unwrap();
    assert!(matches!(resealed.verify(&trusting(&key)), Err(SignedRulesError::Word(_))));
}

#[test]
fn rules_that_are_not_right_are_not_signed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rules.toml");
    fs::write(&path, "version = 1\n[[rule]]\nid = 1\n").unwrap();
    let files = RuleFiles::load(&[&path]).unwrap();
    let key = SigningKey::generate().unwrap();
    let refused = SignedRules::sign(&files, &key, 1, UNIX_EPOCH).unwrap_err();
    assert!(matches!(refused, SignedRulesError::Rules(_)), "{refused}");
}
