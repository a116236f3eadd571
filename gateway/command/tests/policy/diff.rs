use crate::desk::{Desk, denied, permitted, run};

const OLD: &str = "
[[rule]]
id = 'git'
effect = 'allow'
programs = [{ name = 'git', args = ['log'] }]
[[test]]
name = 'nobody pushes'
call = { user = 'ann', host = 'web-1', tool = 'execute_command', program = 'git', args = ['push'] }
expect = 'deny'
";

const NEW: &str = "
[[rule]]
id = 'git'
effect = 'allow'
programs = [{ name = 'git', args = [{ one_of = ['log', 'push'] }] }]
[[rule]]
id = 'no-rm'
effect = 'deny'
programs = [{ name = 'rm' }]
";

#[test]
fn what_means_the_same_is_the_same() {
    let desk = Desk::new(OLD);
    desk.write("new.toml", &OLD.replace("'log'", "'log' # comments mean nothing\n"));
    let said = desk.policy(&["diff", "rules.toml", "new.toml"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("rules: 0 differ; calls: 0 of 1"), "{said:?}");
}

#[test]
fn rules_and_the_decisions_of_tests_are_told_before_and_after() {
    let desk = Desk::new(OLD);
    desk.write("new.toml", NEW);
    let said = desk.policy(&["diff", "rules.toml", "new.toml"]);
    assert_eq!(said.code, 1, "{said:?}");
    for line in [
        "rule changed: git\n  - programs: git \"log\"\n  + programs: git \"log\"|\"push\"\n",
        "rule added: no-rm (deny)\n",
        "wider     ann on web-1: run `git push`\n",
        "  deny by default: no rule permits it  ->  allow by `git`\n",
        "test «nobody pushes» at",
    ] {
        assert!(said.out.contains(line), "{line}: {said:?}");
    }
}

#[test]
fn recorded_calls_are_decided_by_both() {
    let desk = Desk::new(OLD);
    desk.write("new.toml", &OLD.replace("'log'", "'status'"));
    desk.record(vec![
        permitted(run("one", "ann", &["git", "log"]), "git"),
        denied(run("two", "bob", &["git", "--password", "hunter2"]), &[]),
    ]);
    let arguments = ["diff", "rules.toml", "new.toml", "--config", "gateway.toml", "--json"];
    let found = desk.policy(&arguments).json();
    assert_eq!(found["calls"], 1, "without --recorded only tests count: {found}");
    let said = desk.policy(&[&arguments[..], &["--recorded"]].concat());
    let found = said.json();
    assert_eq!((said.code, &found["calls"]), (1, &2.into()), "{said:?}");
    let changed = &found["decisions"][0];
    assert_eq!(changed["change"], "narrower");
    assert_eq!(changed["before"]["effect"], "allow");
    assert_eq!(changed["after"]["effect"], "deny");
    assert_eq!(found["undecidable"][0]["run_id"], "two");
}
