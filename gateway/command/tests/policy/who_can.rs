use crate::desk::{Desk, denied, permitted, run};

const RULES: &str = "
[[rule]]
id = 'look'
effect = 'allow'
programs = [{ names = ['ls'] }]
[[rule]]
id = 'ops'
effect = 'allow'
subjects = { groups = ['ops'] }
programs = [{ name = 'reboot' }]
[[rule]]
id = 'ann-asks'
effect = 'ask'
subjects = { users = ['ann'] }
programs = [{ name = 'reboot' }]
[[rule]]
id = 'not-eve'
effect = 'deny'
subjects = { users = ['eve'] }
";

#[test]
fn everybody_whom_the_rules_tell_apart_is_told() {
    let desk = Desk::new(RULES);
    let said = desk.policy(&["who-can", "rules.toml", "--host", "web-1", "--", "reboot"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(
        said.out,
        "run `reboot` on web-1\n\n\
         may\n  anybody in ops  `ops`\n\n\
         may, once people agree\n  ann             `ann-asks`\n\n\
         may not\n  eve             `not-eve`\n  everybody else  default: no rule permits it\n"
    );
}

#[test]
fn an_open_selector_means_everybody_and_the_journal_names_people() {
    let desk = Desk::new(RULES);
    desk.record(vec![
        permitted(run("1", "carl", &["ls"]), "look"),
        denied(run("2", "eve", &["ls"]), &["not-eve"]),
    ]);
    let arguments = ["who-can", "rules.toml", "--journal", "journal", "--json", "--", "ls"];
    let found = desk.policy(&arguments).json();
    let names = |list: &str| -> Vec<String> {
        let all = found[list].as_array().unwrap().iter();
        all.map(|one| one["who"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("allow"), ["carl by test 1.0", "ann", "anybody in ops", "everybody else"]);
    assert_eq!(names("deny"), ["eve by test 1.0", "eve"]);
}

#[test]
fn what_is_no_call_is_no_result() {
    let desk = Desk::new(RULES);
    let none = desk.policy(&["who-can", "rules.toml"]);
    assert_eq!((none.code, none.out.as_str()), (2, ""), "{none:?}");
    let state = desk.policy(&["who-can", "rules.toml", "--tokens", "none.sqlite", "--", "ls"]);
    assert_eq!(state.code, 2, "{state:?}");
    assert!(!desk.path("none.sqlite").exists(), "looking makes no file");
}
