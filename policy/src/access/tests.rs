use crate::action::{Host, Project};
use crate::rules::RuleSet;
use crate::subject::Subject;

const RULES: &str = r#"
version = 1

[[rule]]
id = "read"
effect = "allow"
paths = [{ beneath = "workspace", mode = "read" }]

[[rule]]
id = "run"
effect = "allow"
reason = "what builds need"
subjects = { users = ["ada"] }
programs = [{ name = "cargo", args = [{ one_of = ["build", "test"] }, { rest = true }] }]
shell = "parsed"
environment = ["RUST_*"]
ask_if = ["--release"]
grant = { profile = "build", workspace_access = "write", limits = { wall = "1m" } }

[[rule]]
id = "over"
effect = "allow"
programs = [{ name = "make" }]
valid = { until = "2026-01-01T00:00:00Z" }

[[rule]]
id = "push"
effect = "ask"
subjects = { users = ["ada"] }
hosts = { names = ["web-*"] }
programs = [{ name = "git", args = ["push"] }]
when = { days = ["mon"], from = "08:00", until = "18:00", zone = "UTC" }

[[rule]]
id = "no-secrets"
effect = "deny"
reason = "secrets stay with people"
paths = [{ beneath = "workspace/secrets", mode = "read" }]

[[rule]]
id = "frozen"
effect = "deny"
hosts = { names = ["frozen"] }
"#;

fn rules(text: &str) -> RuleSet {
    RuleSet::parse(&[("rules.toml", text)], [0; 32]).unwrap_or_else(|error| panic!("{error}"))
}

fn access(user: &str, host: &str) -> super::Access {
    let subject = Subject { user: user.into(), ..Subject::default() };
    let project = Project { name: "site".into(), workspace: "/srv/site".into() };
    let host = Host { name: host.into(), ..Host::default() };
    rules(RULES).access(&subject, &project, &host, "2026-06-01T12:00:00Z".parse().unwrap())
}

/// The tools that only read files.
const FILES: [&str; 7] = [
    "read_file",
    "read_files",
    "stat_file",
    "list_directory",
    "search_files",
    "watch_files",
    "download_file",
];

#[test]
fn tools_are_those_for_which_a_rule_could_permit_something() {
    let files = FILES;
    assert_eq!(access("bob", "db").tools, files);
    let all = access("ada", "db").tools;
    assert!(all.contains(&"execute_command") && all.contains(&"check_command_exists"));
    assert!(!all.contains(&"write_file") && !all.contains(&"list_hosts"), "{all:?}");
    assert!(access("ada", "frozen").tools.is_empty(), "everything is refused there");
}

#[test]
fn a_narrower_scope_that_speaks_has_to_permit_a_tool_too() {
    let narrow = "version = 1\n\
        [[rule]]\nid = 'all'\neffect = 'allow'\nprograms = [{ any = true }]\n\
        paths = [{ beneath = 'workspace', mode = 'write' }]\n\
        [[rule]]\nid = 'mine'\neffect = 'allow'\nscope = 'user'\n\
        paths = [{ beneath = 'workspace', mode = 'read' }]\n";
    let (subject, project, host) = Default::default();
    let access = rules(narrow).access(&subject, &project, &host, jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(access.tools, FILES);
    assert_eq!(access.scopes, ["organisation", "user"]);
}

#[test]
fn what_may_be_done_is_told_in_few_lines() {
    assert_eq!(
        access("ada", "web-1").to_string(),
        "tools: execute_command, start_process, read_process, write_process, resize_process, \
         signal_process, wait_process, list_processes, read_file, read_files, stat_file, \
         list_directory, search_files, watch_files, download_file, check_command_exists\n\
         - may run git push; people have to agree: 1 of approvers, not who asks; only mon from \
         08:00 until 18:00 (UTC) [organisation rule `push`]\n\
         - may use files in workspace (read) [organisation rule `read`]\n\
         - may run cargo build|test …, in command lines too; set RUST_*; people have to agree: 1 \
         of approvers, not who asks, where an argument is --release; with profile build, \
         workspace write, wall 60000 ms [organisation rule `run`: what builds need]\n\
         - may not use files in workspace/secrets (read) [rule `no-secrets`: secrets stay with \
         people]\n",
    );
}

#[test]
fn the_shipped_rules_are_told_in_under_forty_lines() {
    let example = rules(include_str!("../../../packaging/config/rules.toml"));
    let subject = Subject { user: "ada".into(), groups: vec!["ops".into()], ..Subject::default() };
    let project = Project { name: "site".into(), workspace: "/srv/site".into() };
    let host = Host { name: "web-1".into(), ..Host::default() };
    let at = "2026-06-01T12:00:00Z".parse().unwrap();
    let told = example.access(&subject, &project, &host, at).to_string();
    assert!(told.lines().count() < 40 && told.len() < 8 * 1024, "{}:\n{told}", told.len());
}

#[test]
fn a_rule_that_asks_about_everything_is_told_with_those_that_forbid() {
    let text = "version = 1\n\
        [[rule]]\nid = 'read'\neffect = 'allow'\n\
        paths = [{ beneath = 'workspace', mode = 'read' }]\n\
        [[rule]]\nid = 'careful'\neffect = 'ask'\n\
        tools = ['execute_command', 'read_file']\n";
    let (subject, project, host) = Default::default();
    let access = rules(text).access(&subject, &project, &host, jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(
        access.may_not[0].to_string(),
        "may call read_file only once people agree: 1 of approvers, not who asks [rule `careful`]"
    );
}
