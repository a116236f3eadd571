use crate::desk::Desk;

const RULES: &str = "
[[rule]]
id = 'look'
effect = 'allow'
programs = [{ names = ['ls', 'cat'] }]
[[rule]]
id = 'no-secrets'
effect = 'deny'
paths = [{ beneath = 'workspace/secrets', mode = 'read' }]
[[test]]
name = 'everybody may look'
call = { tool = 'execute_command', program = 'ls' }
expect = 'allow'
rule = 'look'
";

const WRONG: &str = "
[[test]]
name = 'cats are asked about'
call = { user = 'ann', tool = 'execute_command', program = 'cat', args = ['a'] }
expect = 'ask'
";

#[test]
fn tests_that_pass_are_counted_and_idle_rules_named() {
    let desk = Desk::new(RULES);
    let said = desk.policy(&["test", "rules.toml"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("  deny  no-secrets\n"), "{said:?}");
    assert!(said.out.contains("tests: all 1 pass\ncoverage: 1 of 2 rules, 50 %\n"), "{said:?}");
}

#[test]
fn too_little_coverage_fails() {
    let desk = Desk::new(RULES);
    assert_eq!(desk.policy(&["test", "rules.toml", "--min-coverage", "50"]).code, 0);
    let said = desk.policy(&["test", "rules.toml", "--min-coverage", "51", "--json"]);
    let found = said.json();
    assert_eq!((said.code, &found["good"]), (1, &false.into()), "{said:?}");
    assert_eq!(found["coverage"]["missing"][0]["id"], "no-secrets", "{said:?}");
}

#[test]
fn a_failed_test_shows_what_was_decided_and_why() {
    let desk = Desk::new(&format!("{RULES}{WRONG}"));
    let said = desk.policy(&["test", "rules.toml"]);
    assert_eq!(said.code, 1, "{said:?}");
    for line in [
        "FAILED  cats are asked about",
        "  expected ask, got allow",
        "  | permitted by rule `look`",
        "tests: 1 of 2 FAIL",
    ] {
        assert!(said.out.contains(line), "{line}: {said:?}");
    }
}

#[test]
fn files_that_are_wrong_or_missing_are_no_result() {
    let desk = Desk::new("[[rule]]\nid = 'a'\neffect = 'alow'\n");
    let wrong = desk.policy(&["test", "rules.toml"]);
    assert_eq!((wrong.code, wrong.out.as_str()), (2, ""), "{wrong:?}");
    let missing = desk.policy(&["test", "nothing.toml", "--json"]);
    assert_eq!((missing.code, missing.out.as_str()), (2, ""), "{missing:?}");
    assert!(missing.error.starts_with("{\"error\":"), "{missing:?}");
}
