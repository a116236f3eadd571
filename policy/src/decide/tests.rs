//! What the rules say, and that their order never matters.

use proptest::prelude::*;

use super::*;
use crate::action::{Action, Execute, Host, Project};
use crate::approval::Voter;
use crate::grant::WorkspaceAccess;
use crate::subject::Subject;

mod conditions;
mod nearest;
mod network;
mod opened;
mod services;

const WORKSPACE: &str = "/srv/shop";

fn rules(text: &str) -> RuleSet {
    RuleSet::parse(&[("rules.toml", &format!("version = 1\n{text}"))], [7; 32])
        .unwrap_or_else(|errors| panic!("{errors}"))
}

fn call(tool: &str, action: Action) -> Call {
    Call {
        subject: Subject {
            user: "ann".to_owned(),
            groups: vec!["devs".to_owned()],
            ..Subject::default()
        },
        project: Project { name: "web".to_owned(), workspace: WORKSPACE.into() },
        host: Host { name: "web-1".to_owned(), ..Host::default() },
        tool: tool.to_owned(),
        action,
        at: jiff::Timestamp::default(),
    }
}

fn program(words: &[&str]) -> Call {
    let arguments = words[1..].iter().map(|word| word.as_bytes().to_vec()).collect();
    call("execute_command", Action::Execute(Execute::program(words[0], arguments)))
}

fn line(line: &str) -> Call {
    call("execute_command", Action::Execute(Execute::command_line(line)))
}

fn effect(rules: &RuleSet, call: Call) -> Effect {
    rules.decide(call).effect()
}

const GIT: &str = r#"
[[rule]]
id = "git"
effect = "allow"
programs = [{ name = "git", args = [{ one_of = ["status", "log"] }, { rest = true }] }]
shell = "parsed"
grant = { profile = "readonly" }
"#;

#[test]
fn what_no_rule_permits_is_denied_and_the_nearest_is_told() {
    let rules = rules(GIT);
    let Decision::Permit(permit) = rules.decide(program(&["git", "status"])) else { panic!() };
    assert_eq!(permit.grant().profile, "readonly");
    assert_eq!(permit.grant().workspace_access, WorkspaceAccess::Read);
    assert_eq!((permit.rules(), permit.policy_digest()), (&["git".to_owned()][..], &[7; 32]));
    let Decision::Deny(denial) = rules.decide(program(&["git", "push"])) else { panic!() };
    let text = denial.line();
    assert!(text.contains("no rule permits to run `git push`"), "{text}");
    assert!(text.contains("rule `git` permits `git status|log …`"), "{text}");
    assert_eq!(effect(&rules, program(&["rm", "x"])), Effect::Deny);
    assert_eq!(effect(&RuleSet::parse(&[], [0; 32]).unwrap(), program(&["git"])), Effect::Deny);
}

#[test]
fn a_name_is_the_bare_name_or_a_standard_path() {
    let rules = rules("[[rule]]\nid='a'\neffect='allow'\nprograms=[{name='git'}]");
    for (name, expected) in [
        ("git", Effect::Allow),
        ("/usr/bin/git", Effect::Allow),
        ("/usr/bin/../bin/git", Effect::Allow),
        ("/tmp/git", Effect::Deny),
        ("./git", Effect::Deny),
        ("/usr/bin/git ", Effect::Deny),
        ("GIT", Effect::Deny),
        ("g\u{456}t", Effect::Deny),
        ("git\0", Effect::Deny),
        ("", Effect::Deny),
        ("../../../usr/bin/git", Effect::Deny),
    ] {
        assert_eq!(effect(&rules, program(&[name])), expected, "{name:?}");
    }
    let invalid = call("execute_command", Action::Execute(Execute::program(vec![0xff], vec![])));
    assert!(effect(&rules, invalid) == Effect::Deny);
}

#[test]
fn every_command_and_redirection_of_a_line_has_to_be_permitted() {
    let text = format!(
        "{GIT}{}",
        r#"
[[rule]]
id = "out"
effect = "allow"
paths = [{ beneath = "workspace/out", mode = "write" }]
[[rule]]
id = "cat"
effect = "allow"
programs = [{ name = "cat" }]
shell = "parsed"
grant = { profile = "readonly", workspace_access = "write" }
"#
    );
    let rules = rules(&text);
    for (text, expected) in [
        ("git log", Effect::Allow),
        ("git log && git status", Effect::Allow),
        ("cd sub && git log 2>/dev/null", Effect::Allow),
        ("git log; rm x", Effect::Deny),
        ("git log | sh", Effect::Deny),
        ("git log\nrm x", Effect::Deny),
        ("git log & rm x", Effect::Deny),
        ("git $(rm x)", Effect::Deny),
        ("git \"$x\"", Effect::Deny),
        ("git log \"$x\"", Effect::Allow),
        ("cat x > out/a", Effect::Allow),
        ("git log > out/a", Effect::Deny),
        ("cat x > a", Effect::Deny),
        ("cat x > /etc/passwd", Effect::Deny),
        ("cat x > out/../a", Effect::Deny),
        ("cd out && cat x > a", Effect::Deny),
        ("cd .. && cat x", Effect::Deny),
        ("cd /etc && cat passwd", Effect::Deny),
        ("PAGER=x git log", Effect::Deny),
        ("echo hi", Effect::Allow),
        ("", Effect::Allow),
    ] {
        let decision = rules.decide(line(text));
        assert_eq!(decision.effect(), expected, "{text}: {}", decision.explain());
    }
    let explained = rules.decide(line("git log; rm x")).explain();
    assert!(explained.contains("git log  permitted by `git`"), "{explained}");
    assert!(explained.contains("rm x     no rule permits it"), "{explained}");
}

#[test]
fn a_rule_without_shell_permits_no_command_line() {
    let rules = rules("[[rule]]\nid='a'\neffect='allow'\nprograms=[{any=true}]");
    assert_eq!(effect(&rules, program(&["a"])), Effect::Allow);
    let Decision::Deny(denial) = rules.decide(line("a")) else { panic!() };
    assert!(denial.line().contains("not in a command line"), "{}", denial.line());
    assert_eq!(effect(&rules, line("echo hi")), Effect::Deny);
    let files =
        self::rules("[[rule]]\nid='a'\neffect='allow'\npaths=[{beneath='workspace',mode='write'}]");
    assert_eq!(effect(&files, line("echo hi > x")), Effect::Deny);
}

#[test]
fn opaque_lines_need_a_rule_that_says_so_and_no_deny_rule_in_the_way() {
    let opaque = "[[rule]]\nid='a'\neffect='allow'\nprograms=[{any=true}]\nshell='opaque'\n";
    let deny = "[[rule]]\nid='b'\neffect='deny'\nprograms=[{name='rm',args=['-rf',{rest=true}]}]\n";
    let ask = "[[rule]]\nid='c'\neffect='ask'\nprograms=[{name='rm'}]\n";
    let open = rules(opaque);
    assert_eq!(effect(&open, line("eval x")), Effect::Allow);
    let guarded = rules(&format!("{opaque}{deny}"));
    let Decision::Deny(denial) = guarded.decide(line("eval x")) else { panic!() };
    assert!(denial.line().contains("cannot be ruled out"), "{}", denial.line());
    assert_eq!(effect(&guarded, line("rm -rf x")), Effect::Deny);
    assert_eq!(effect(&guarded, line("rm $x")), Effect::Deny);
    assert_eq!(effect(&guarded, line("rm -r x")), Effect::Allow);
    assert_eq!(effect(&rules(&format!("{opaque}{ask}")), line("eval x")), Effect::Ask);
}

#[test]
fn a_deny_rule_also_meets_another_path_of_the_same_name() {
    let text = "[[rule]]\nid='a'\neffect='allow'\nprograms=[{any=true}]\n[[rule]]\nid='b'\neffect='deny'\nprograms=[{name='rm'}]\n";
    let rules = rules(text);
    for name in ["rm", "/bin/rm", "/opt/rm", "./rm", "x/../rm"] {
        assert_eq!(effect(&rules, program(&[name])), Effect::Deny, "{name}");
    }
    assert_eq!(effect(&rules, program(&["rmdir"])), Effect::Allow);
}

#[test]
fn deny_beats_ask_beats_allow() {
    let allow = "[[rule]]\nid='a'\neffect='allow'\nprograms=[{any=true}]\n";
    let ask = "[[rule]]\nid='b'\neffect='ask'\nreason='careful'\nprograms=[{name='x'}]\n";
    let deny = "[[rule]]\nid='c'\neffect='deny'\nprograms=[{name='x'}]\n";
    assert_eq!(effect(&rules(allow), program(&["x"])), Effect::Allow);
    let Decision::Ask(pending) = rules(&format!("{allow}{ask}")).decide(program(&["x"])) else {
        panic!()
    };
    let reasons: Vec<&str> = pending.asks().iter().map(|ask| &*ask.reason).collect();
    assert_eq!(reasons, ["careful"]);
    let Err(pending) = pending.approve(&[]) else { panic!("nobody agreed") };
    let bob = Voter { user: "bob".into(), groups: Vec::new() };
    assert!(pending.approve(&[bob]).is_ok());
    assert_eq!(effect(&rules(ask), program(&["x"])), Effect::Ask);
    assert_eq!(effect(&rules(&format!("{allow}{ask}{deny}")), program(&["x"])), Effect::Deny);
}

#[test]
fn files_are_permitted_by_path_and_mode() {
    let rules = rules(
        "[[rule]]\nid='r'\neffect='allow'\npaths=[{beneath='workspace',mode='read'},{beneath='/etc/os-release',mode='read'}]\n[[rule]]\nid='w'\neffect='allow'\npaths=[{beneath='workspace/src',mode='write'}]\n[[rule]]\nid='d'\neffect='deny'\npaths=[{beneath='workspace/key',mode='read'}]",
    );
    let read = |path: &str| call("read_file", Action::ReadFile { path: path.into() });
    let write = |path: &str| call("write_file", Action::WriteFile { path: path.into() });
    for (call, expected) in [
        (read("a"), Effect::Allow),
        (read("/srv/shop/a"), Effect::Allow),
        (read("/etc/os-release"), Effect::Allow),
        (read("/etc/passwd"), Effect::Deny),
        (read("../x"), Effect::Deny),
        (read("src/../../x"), Effect::Deny),
        (read(""), Effect::Deny),
        (read("a\0"), Effect::Deny),
        (read("key/k"), Effect::Deny),
        (write("src/a"), Effect::Allow),
        (write("a"), Effect::Deny),
        (write("key"), Effect::Deny),
        (call("search_files", Action::SearchFiles { path: ".".into() }), Effect::Deny),
        (call("search_files", Action::SearchFiles { path: "src".into() }), Effect::Allow),
    ] {
        let text = call.action.to_string();
        assert_eq!(effect(&rules, call), expected, "{text}");
    }
    let Decision::Permit(permit) = rules.decide(write("src/a")) else { panic!() };
    assert_eq!(permit.grant().workspace_access, WorkspaceAccess::Write);
}

#[test]
fn looking_up_and_host_tools_are_permitted_by_name() {
    let rules = rules(
        "[[rule]]\nid='a'\neffect='allow'\ntools=['list_hosts','check_command_exists','execute_command']\nprograms=[{name='git'}]\n",
    );
    let look =
        |name: &str| call("check_command_exists", Action::FindProgram { program: name.into() });
    assert_eq!(effect(&rules, look("git")), Effect::Allow);
    assert_eq!(effect(&rules, look("nc")), Effect::Deny);
    assert_eq!(effect(&rules, call("list_hosts", Action::ListHosts)), Effect::Allow);
    assert_eq!(effect(&rules, call("get_system_info", Action::DescribeHost)), Effect::Deny);
}

#[test]
fn variables_are_permitted_by_name_and_steering_ones_never_by_a_glob() {
    let rules = rules(
        "[[rule]]\nid='a'\neffect='allow'\nprograms=[{any=true}]\nshell='parsed'\nenvironment=['*','PATH']",
    );
    let with = |name: &str| {
        let mut call = program(&["a"]);
        if let Action::Execute(execute) = &mut call.action {
            execute.environment_names.insert(name.to_owned());
        }
        call
    };
    assert_eq!(effect(&rules, with("RUST_LOG")), Effect::Allow);
    assert_eq!(effect(&rules, with("PATH")), Effect::Allow);
    for name in ["LD_PRELOAD", "BASH_ENV", "GIT_SSH_COMMAND", "", "A=B"] {
        assert_eq!(effect(&rules, with(name)), Effect::Deny, "{name}");
    }
    assert_eq!(effect(&rules, line("LD_PRELOAD=x a")), Effect::Deny);
    assert_eq!(effect(&rules, line("X=1 a")), Effect::Allow);
}

#[test]
fn a_narrower_scope_only_narrows() {
    let base = "profiles=['readonly','default']\n[[rule]]\nid='base'\neffect='allow'\nprograms=[{names=['git','ls']}]\ngrant={profile='default',workspace_access='write',limits={wall='1h'}}\n";
    let narrow = "[[rule]]\nid='narrow'\neffect='allow'\nscope='project'\nprojects=['web']\nprograms=[{names=['git','rm']}]\ngrant={profile='readonly',limits={wall='2h',processes=4}}\n";
    let rules = rules(&format!("{base}{narrow}"));
    let Decision::Permit(permit) = rules.decide(program(&["git"])) else { panic!() };
    assert_eq!(permit.rules(), ["base", "narrow"]);
    assert_eq!(permit.grant().profile, "readonly");
    assert_eq!(permit.grant().workspace_access, WorkspaceAccess::Write);
    assert_eq!(permit.grant().limits.wall.map(|wall| wall.0), Some(3_600_000));
    assert_eq!(permit.grant().limits.processes, Some(4));
    assert_eq!(effect(&rules, program(&["ls"])), Effect::Deny);
    assert_eq!(effect(&rules, program(&["rm"])), Effect::Deny);
    let mut elsewhere = program(&["ls"]);
    "db".clone_into(&mut elsewhere.project.name);
    assert_eq!(effect(&rules, elsewhere), Effect::Allow);
}

#[test]
fn the_working_directory_stays_in_the_workspace() {
    let rules = rules("[[rule]]\nid='a'\neffect='allow'\nprograms=[{any=true}]");
    for (directory, expected) in [
        ("src", Effect::Allow),
        ("/srv/shop/src", Effect::Allow),
        ("/etc", Effect::Deny),
        ("..", Effect::Deny),
    ] {
        let mut call = program(&["a"]);
        if let Action::Execute(execute) = &mut call.action {
            execute.working_directory = directory.into();
        }
        assert_eq!(effect(&rules, call), expected, "{directory}");
    }
}

/// Rules that meet each other in many ways.
const POOL: [&str; 10] = [
    "id='any'\neffect='allow'\nprograms=[{any=true}]\nshell='parsed'\ngrant={profile='default'}",
    "id='git'\neffect='allow'\nprograms=[{name='git'}]\nshell='parsed'\ngrant={profile='build',workspace_access='write',network=['a.org:443']}",
    "id='git2'\neffect='allow'\nprograms=[{name='git'}]\nshell='parsed'\ngrant={profile='readonly'}",
    "id='bin'\neffect='allow'\nprograms=[{under='/usr/bin/'}]\ngrant={programs=['/usr/bin/']}",
    "id='ask'\neffect='ask'\nprograms=[{name='git',args=['push']}]",
    "id='deny'\neffect='deny'\nprograms=[{name='git',args=['push','-f']}]",
    "id='user'\neffect='allow'\nscope='user'\nsubjects={users=['ann']}\nprograms=[{names=['git','ls']}]\nshell='parsed'\ngrant={profile='readonly',network=['*.org:443']}",
    "id='sys'\neffect='allow'\nscope='system'\nprograms=[{names=['git','ls','cat']}]\nshell='opaque'\ngrant={profile='default',network=['b.org:22','a.org:443']}",
    "id='files'\neffect='allow'\npaths=[{beneath='workspace',mode='write'}]",
    "id='none'\neffect='deny'\npaths=[{beneath='workspace/x',mode='write'}]",
];

fn calls() -> Vec<Call> {
    let mut calls = vec![
        program(&["git", "push"]),
        program(&["git", "push", "-f"]),
        program(&["git", "log"]),
        program(&["/usr/bin/ls"]),
        program(&["rm"]),
        line("git log | cat"),
        line("git push $x"),
        line("ls > x"),
        line("ls > y"),
        line("eval x"),
    ];
    calls.push(call("write_file", Action::WriteFile { path: "x".into() }));
    calls.push(call("read_file", Action::ReadFile { path: "x".into() }));
    calls
}

fn pool(indices: &[usize]) -> RuleSet {
    let all: Vec<&str> = indices.iter().map(|index| POOL[*index]).collect();
    let text = all.join("\n[[rule]]\n");
    let first = if all.is_empty() { "" } else { "[[rule]]" };
    rules(&format!("profiles=['readonly','default','build']\n{first}\n{text}"))
}

fn subset() -> impl Strategy<Value = Vec<usize>> {
    proptest::sample::subsequence((0..POOL.len()).collect::<Vec<_>>(), 0..=POOL.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_rules_never_matters(
        (one, other) in subset().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        let (one, other) = (pool(&one), pool(&other));
        for call in calls() {
            prop_assert_eq!(one.decide(call.clone()), other.decide(call));
        }
    }

    #[test]
    fn what_the_index_finds_decides_as_all_rules_do(all in subset()) {
        let rules = pool(&all);
        for call in calls() {
            prop_assert_eq!(rules.decide(call.clone()), rules.decide_by_scan(call));
        }
    }

    #[test]
    fn one_more_deny_rule_never_permits_more(all in subset(), deny in 0..3_usize) {
        let deny = [4, 5, 9][deny];
        let without: Vec<usize> = all.into_iter().filter(|index| *index != deny).collect();
        let with: Vec<usize> = without.iter().copied().chain([deny]).collect();
        // An ask rule is a guard, but it also permits once a human agrees.
        let (without, with) = (pool(&without), pool(&with));
        for call in calls() {
            if with.decide(call.clone()).effect() == Effect::Allow {
                prop_assert_eq!(without.decide(call).effect(), Effect::Allow);
            }
        }
    }

    #[test]
    fn one_more_rule_of_a_narrower_scope_never_permits_more(all in subset()) {
        let without: Vec<usize> = all.into_iter().filter(|index| *index != 6).collect();
        let with: Vec<usize> = without.iter().copied().chain([6]).collect();
        let (without, with) = (pool(&without), pool(&with));
        prop_assume!(without.base.is_some());
        for call in calls() {
            let (narrow, wide) = (with.decide(call.clone()), without.decide(call));
            if narrow.effect() != Effect::Deny {
                prop_assert_ne!(wide.effect(), Effect::Deny);
            }
            if let (Decision::Permit(narrow), Decision::Permit(wide)) = (narrow, wide) {
                let (narrow, wide) = (&narrow.grant().network, &wide.grant().network);
                prop_assert_eq!(narrow.meet(wide), Some(narrow.clone()));
            }
        }
    }

    #[test]
    fn no_bytes_of_a_caller_make_a_decision_fail(
        program in proptest::collection::vec(any::<u8>(), 0..40),
        argument in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let rules = pool(&[0, 1, 4, 5, 8, 9]);
        let plain = Execute::program(program.clone(), vec![argument.clone()]);
        for action in [
            Action::Execute(plain),
            Action::Execute(Execute::command_line(argument.clone())),
            Action::ReadFile { path: argument },
            Action::FindProgram { program },
        ] {
            let decision = rules.decide(call("execute_command", action));
            prop_assert!(decision.line().len() < 20_000);
            prop_assert!(!decision.explain().contains('\0'));
        }
    }
}

#[test]
fn a_huge_call_is_decided_and_its_explanation_stays_small() {
    let rules = pool(&[0, 1, 4, 5, 6, 7, 8, 9]);
    let many = program(&vec!["x"; 20_000]);
    let _ = rules.decide(many);
    let long = "git log; ".repeat(7_000);
    let decision = rules.decide(line(&long));
    assert!(decision.explain().len() < 20_000 && decision.line().len() < 20_000);
}
