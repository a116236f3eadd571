//! The rows stand beside the right verdicts.

use super::*;
use crate::action::{Call, Host, Project};
use crate::rules::RuleSet;
use crate::subject::Subject;

const RULES: &str = r#"
version = 1
[[rule]]
id = "look"
effect = "allow"
programs = [{ names = ["git", "head"] }]
paths = [{ beneath = "workspace", mode = "read" }]
shell = "parsed"
[[rule]]
id = "never"
effect = "deny"
programs = [{ name = "rm" }]
"#;

fn table(line: &str) -> Table {
    let rules =
        RuleSet::parse(&[("rules.toml", RULES)], [0; 32]).unwrap_or_else(|why| panic!("{why}"));
    let decision = rules.decide(Call {
        subject: Subject::default(),
        project: Project { name: "web".to_owned(), workspace: "/srv/shop".into() },
        host: Host::default(),
        tool: "execute_command".to_owned(),
        action: Action::Execute(Execute::command_line(line)),
        at: jiff::Timestamp::default(),
    });
    decision.command_table().unwrap_or_else(|| panic!("{line} has no table"))
}

#[test]
fn each_command_and_redirection_has_a_row_with_what_decided_it() {
    let table = table("git log \"$x\" | head -n 3 < in > out; echo; rm -rf /; curl x");
    let rows: Vec<(&str, Judgement)> =
        table.rows.iter().map(|row| (row.program.as_str(), row.decision)).collect();
    assert_eq!(
        rows,
        [
            ("git", Judgement::Permitted),
            ("head", Judgement::Permitted),
            ("echo", Judgement::Harmless),
            ("rm", Judgement::Denied),
            ("curl", Judgement::NotPermitted),
            ("<", Judgement::Permitted),
            (">", Judgement::NotPermitted),
        ]
    );
    assert_eq!(table.rows[0].arguments, ["log", "<unknown>"]);
    assert_eq!(
        (&table.rows[0].rules, &table.rows[3].rules),
        (&vec!["look".to_owned()], &vec!["never".to_owned()])
    );
    let text = table.to_string();
    assert!(text.contains("  git log <unknown>  permitted by `look`\n"), "{text}");
    assert!(text.contains("  rm -rf /           denied by `never`\n"), "{text}");
}

#[test]
fn an_opaque_line_tells_why_and_keeps_its_rows_beside_their_verdicts() {
    let table = table("eval x; git log; rm x");
    assert_eq!(table.opaque.len(), 1);
    let rows: Vec<(&str, Judgement)> =
        table.rows.iter().map(|row| (row.program.as_str(), row.decision)).collect();
    assert_eq!(
        rows,
        [
            ("the line as a whole", Judgement::Denied),
            ("eval", Judgement::Harmless),
            ("git", Judgement::PartOfOpaque),
            ("rm", Judgement::Denied),
        ]
    );
    assert!(table.to_string().contains("not seen through: `eval`"), "{table}");
}

#[test]
fn a_line_that_runs_no_program_needs_a_rule_for_the_shell() {
    let table = table("echo x");
    let rows: Vec<(&str, Judgement)> =
        table.rows.iter().map(|row| (row.program.as_str(), row.decision)).collect();
    assert_eq!(
        rows,
        [("the line as a whole", Judgement::Permitted), ("echo", Judgement::Harmless)]
    );
}

#[test]
fn a_long_line_has_a_bounded_table() {
    let table = table(&"git log;".repeat(200));
    assert_eq!((table.rows.len(), table.more), (MAX_ROWS, 200 - MAX_ROWS));
}
