use crate::desk::{Desk, Said};

const RULES: &str = "
[[rule]]
id = 'look'
effect = 'allow'
programs = [{ names = ['ls', 'cat'] }]
";

/// A desk with a publisher's key; its public part.
fn publisher(rules: &str) -> (Desk, String) {
    let desk = Desk::new(rules);
    let said = desk.policy(&["key", "publisher.key", "--json"]);
    let key = said.json()["public_key"].as_str().unwrap().to_owned();
    (desk, key)
}

fn sign(desk: &Desk, version: &str, bundle: &str) -> Said {
    let key = "publisher.key";
    desk.policy(&["sign", "rules.toml", "--version", version, "--key", key, "-o", bundle])
}

#[test]
fn what_was_signed_is_verified_by_its_publishers_key_and_by_no_other() {
    let (desk, key) = publisher(RULES);
    let said = sign(&desk, "7", "policy.bundle");
    assert!(said.code == 0 && said.out.contains("version 7"), "{said:?}");
    let said = desk.policy(&["verify", "policy.bundle", "--key", &key, "--json"]);
    assert_eq!((said.code, &said.json()["version"]), (0, &7.into()), "{said:?}");
    assert_eq!(said.json()["digest"].as_str().unwrap().len(), 64, "{said:?}");
    let other = desk.policy(&["key", "other.key", "--json"]).json();
    let other = other["public_key"].as_str().unwrap();
    let said = desk.policy(&["verify", "policy.bundle", "--key", other]);
    assert!(said.code == 2 && said.error.contains("not believed"), "{said:?}");
    let bundle = std::fs::read_to_string(desk.path("policy.bundle")).unwrap();
    std::fs::write(desk.path("policy.bundle"), bundle.replace("'cat'", "'rm'")).unwrap();
    let said = desk.policy(&["verify", "policy.bundle", "--key", &key]);
    assert!(said.code == 2 && said.error.contains("not those that were signed"), "{said:?}");
}

#[test]
fn a_bundle_can_be_looked_into_like_any_rules() {
    let (desk, _) = publisher(RULES);
    assert_eq!(sign(&desk, "1", "policy.bundle").code, 0);
    let said = desk.policy(&["check", "policy.bundle"]);
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn rules_that_no_gateway_would_take_are_not_signed() {
    let failing = "
[[test]]
name = 'cats are asked about'
call = { user = 'ann', tool = 'execute_command', program = 'cat' }
expect = 'ask'
";
    let (desk, _) = publisher(&format!("{RULES}{failing}"));
    let said = sign(&desk, "1", "policy.bundle");
    assert!(said.code == 2 && said.error.contains("1 tests of these rules fail"), "{said:?}");
    desk.write("rules.toml", "[[rule]]\nid = 1\n");
    assert_eq!(sign(&desk, "1", "policy.bundle").code, 2);
    assert!(!desk.path("policy.bundle").exists());
    desk.write("rules.toml", RULES);
    let said = sign(&desk, "1", "policy.toml");
    assert!(said.error.contains("does not end with `.bundle`"), "{said:?}");
    assert_eq!(sign(&desk, "0", "policy.bundle").code, 2, "versions begin at 1");
}

#[test]
fn a_key_is_made_once_and_shown_without_its_private_part() {
    let (desk, key) = publisher(RULES);
    let said = desk.policy(&["key", "publisher.key"]);
    assert!(said.code == 2 && said.error.contains("exists already"), "{said:?}");
    let said = desk.policy(&["key", "--show", "publisher.key"]);
    assert!(said.out.starts_with(&key) && !said.out.contains("PRIVATE"), "{said:?}");
}
