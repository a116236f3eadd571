use serde_json::Value;

use crate::desk::Desk;

const RULES: &str = "
[[rule]]
id = 'look'
effect = 'allow'
subjects = { users = ['ann'] }
programs = [{ names = ['ls', 'head'] }]
shell = 'parsed'
projects = ['shop']
[[rule]]
id = 'files'
effect = 'allow'
subjects = { groups = ['web'] }
paths = [{ beneath = 'workspace', mode = 'read' }]
";

const LINES: &str = "# who asks stays until another line says otherwise
as ann@web-1 in shop: ls | head
:run ls -l
ls; reboot

as bob with web,ops: :read src/a
:write src/a
";

#[test]
fn lines_from_a_pipe_are_decided_one_by_one() {
    let desk = Desk::new(RULES);
    let said = desk.policy_reading(&["simulate", "rules.toml", "--json"], LINES);
    assert_eq!(said.code, 0, "{said:?}");
    let found: Vec<Value> =
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let effects: Vec<_> = found.iter().map(|one| one["effect"].as_str().unwrap()).collect();
    assert_eq!(effects, ["allow", "allow", "deny", "allow", "deny"], "{said:?}");
    assert_eq!(found[1]["asker"], "ann");
    assert_eq!(found[1]["project"], "shop");
    assert_eq!(found[3]["rules"][0], "files");
}

#[test]
fn the_table_shows_each_command_of_a_line() {
    let desk = Desk::new(RULES);
    let said = desk.policy_reading(&["simulate", "rules.toml"], "as ann in shop: ls; reboot\n");
    assert!(said.out.contains("ls") && said.out.contains("reboot"), "{said:?}");
    assert!(said.out.contains("by `look`") && said.out.contains("no rule"), "{said:?}");
    assert!(!said.out.contains("> "), "no prompt in a pipe: {said:?}");
}

#[test]
fn a_line_that_is_not_understood_says_so_and_the_next_one_is_read() {
    let desk = Desk::new(RULES);
    let lines = ":reed a\nas\nas ann near shop: ls\nas ann in shop: ls\n";
    let said = desk.policy_reading(&["simulate", "rules.toml", "--json"], lines);
    assert_eq!(said.code, 2, "{said:?}");
    let last: Value = serde_json::from_str(said.out.lines().last().unwrap()).unwrap();
    assert_eq!(last["effect"], "allow", "{said:?}");
    let first: Value = serde_json::from_str(said.out.lines().next().unwrap()).unwrap();
    assert!(first["error"].as_str().unwrap().contains(":search"), "{said:?}");
}
