//! What the nearest rule lacks.

use super::*;
use crate::decide::{Failed, Nearest};

const RULES: &str = r#"
[[rule]]
id = "git"
effect = "allow"
programs = [{ name = "git", args = [{ one_of = ["status", "log"] }, { optional = "-p" }] }]
[[rule]]
id = "deploy"
effect = "allow"
subjects = { groups = ["admins"] }
programs = [{ name = "deploy" }]
[[rule]]
id = "there"
effect = "allow"
subjects = { users = ["bo"] }
hosts = { names = ["db-*"] }
programs = [{ name = "psql" }]
[[rule]]
id = "files"
effect = "allow"
paths = [{ beneath = "workspace/docs", mode = "read" }]
[[rule]]
id = "over"
effect = "allow"
programs = [{ name = "old" }]
valid = { until = "1970-01-01T00:00:00Z" }
[[rule]]
id = "mine"
effect = "allow"
scope = "project"
programs = [{ name = "git" }]
[[rule]]
id = "no"
effect = "deny"
programs = [{ name = "rm" }]
"#;

fn nearest(call: &Call) -> Option<Nearest> {
    rules(RULES).nearest(call)
}

#[test]
fn the_nearest_rule_and_what_fails_first_are_told() {
    let write = call("write_file", Action::WriteFile { path: "docs/a".into() });
    for (call, rule, failed, why) in [
        (
            program(&["git", "status", "--foo"]),
            "git",
            Failed::Arguments,
            "argument 2 `--foo` is not [-p]",
        ),
        (program(&["git"]), "git", Failed::Arguments, "argument 1 is missing: status|log"),
        (
            program(&["git", "log", "-p", "x"]),
            "git",
            Failed::Arguments,
            "argument 3 `x` is one too many",
        ),
        (program(&["/opt/git", "log"]), "git", Failed::Program, "may be another program"),
        (program(&["deploy"]), "deploy", Failed::Subject, "the group `devs` is not admins"),
        (program(&["psql"]), "there", Failed::Subject, "the user `ann` is not bo"),
        (line("git log"), "git", Failed::Shell, "no command lines"),
        (write, "files", Failed::Mode, "read it only"),
        (program(&["old"]), "over", Failed::Condition, "was valid until"),
    ] {
        let found = nearest(&call).unwrap_or_else(|| panic!("{}", call.action));
        assert_eq!((found.rule.as_str(), found.failed), (rule, failed), "{found}");
        assert!(found.why.contains(why), "{found}");
    }
}

#[test]
fn a_scope_that_only_narrows_is_told_and_a_denial_by_a_rule_has_no_nearest() {
    let looks = call("read_file", Action::ReadFile { path: "docs/a".into() });
    let found = nearest(&looks).unwrap();
    assert_eq!((found.rule.as_str(), found.failed), ("mine", Failed::Scope), "{found}");
    for call in [program(&["rm"]), program(&["nothing"])] {
        assert_eq!(nearest(&call), None, "{}", call.action);
    }
}
