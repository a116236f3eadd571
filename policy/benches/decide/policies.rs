//! Rule sets of the kinds that grow large, each with calls and what is expected
//! of them.

use std::fmt::Write as _;

use cofferdam_policy::{Action, Call, Effect, Execute, Host, Project, Subject};

/// A rule set, and calls that it is asked about.
pub(crate) struct Policy {
    pub(crate) name: &'static str,
    pub(crate) text: String,
    pub(crate) calls: Vec<(Call, Effect)>,
}

const HEAD: &str = "version = 1\nprofiles = ['readonly', 'default', 'build']\n";

/// All of them, with so many rules each.
pub(crate) fn all(rules: usize) -> Vec<Policy> {
    vec![
        people(rules),
        programs(rules),
        uses(rules),
        paths(rules),
        globs(rules),
        scopes(rules),
        opaque(rules),
    ]
}

/// Each of many people may run a few programs.
fn people(rules: usize) -> Policy {
    let mut text = HEAD.to_owned();
    for number in 0..rules {
        let (user, program) = (number / 10, number % 10);
        let _ = writeln!(
            text,
            "[[rule]]\nid = 'r{number}'\neffect = 'allow'\nsubjects = {{ users = ['u{user}'] }}\n\
             programs = [{{ name = 'p{program}' }}]\nshell = 'parsed'\ngrant = {{ profile = 'build' }}"
        );
    }
    let calls = vec![
        (by("u500", run("p3 a b")), Effect::Allow),
        (by("u500", line("p1 a | p2 b")), Effect::Allow),
        (by("u500", run("q a")), Effect::Deny),
        (by("nobody", run("p1")), Effect::Deny),
    ];
    Policy { name: "people", text, calls }
}

/// Many programs, some of them denied or asked about.
fn programs(rules: usize) -> Policy {
    let mut text = HEAD.to_owned();
    for number in 0..rules {
        let effect = ["allow", "allow", "allow", "deny", "ask"][number % 5];
        let _ = writeln!(
            text,
            "[[rule]]\nid = 'r{number}'\neffect = '{effect}'\nprograms = [{{ name = 'p{number}' }}]"
        );
    }
    let calls = vec![
        (by("ann", run("p100 a b c")), Effect::Allow),
        (by("ann", run("/usr/bin/p101")), Effect::Allow),
        (by("ann", run("p103")), Effect::Deny),
        (by("ann", run("p104 x")), Effect::Ask),
        (by("ann", run("nothing")), Effect::Deny),
    ];
    Policy { name: "programs", text, calls }
}

/// Many uses of few programs.
fn uses(rules: usize) -> Policy {
    let mut text = HEAD.to_owned();
    for number in 0..rules {
        let (program, word) = (number % 10, number / 10);
        let _ = writeln!(
            text,
            "[[rule]]\nid = 'r{number}'\neffect = 'allow'\nshell = 'parsed'\n\
             programs = [{{ name = 'p{program}', args = ['s{word}', {{ rest = {{ glob = '*.rs' }} }}] }}]"
        );
    }
    let calls = vec![
        (by("ann", run("p1 s17 a.rs b.rs")), Effect::Allow),
        (by("ann", line("p1 s17 a.rs && p2 s18")), Effect::Allow),
        (by("ann", run("p9 s999")), Effect::Allow),
        (by("ann", run("q s1")), Effect::Deny),
    ];
    Policy { name: "uses", text, calls }
}

/// Many directories.
fn paths(rules: usize) -> Policy {
    let mut text = HEAD.to_owned();
    for number in 0..rules {
        let (effect, root) =
            if number % 10 == 9 { ("deny", "/srv") } else { ("allow", "workspace") };
        let _ = writeln!(
            text,
            "[[rule]]\nid = 'r{number}'\neffect = '{effect}'\n\
             paths = [{{ beneath = '{root}/d{}/e{number}', mode = 'write' }}]",
            number / 100
        );
    }
    let read = |path: &str| Action::ReadFile { path: path.into() };
    let calls = vec![
        (by("ann", read("d3/e301/a/b/c")), Effect::Allow),
        (by("ann", Action::WriteFile { path: "d3/e301/a".into() }), Effect::Allow),
        (by("ann", Action::WriteFile { path: "/srv/d3/e309/a".into() }), Effect::Deny),
        (by("ann", read("other")), Effect::Deny),
        (by("ann", Action::SearchFiles { path: "d7/e700".into() }), Effect::Allow),
    ];
    Policy { name: "paths", text, calls }
}

/// Hosts and projects by globs, arguments by expressions.
fn globs(rules: usize) -> Policy {
    let mut text = HEAD.to_owned();
    for number in 0..rules {
        let _ = writeln!(
            text,
            "[[rule]]\nid = 'r{number}'\neffect = 'allow'\nhosts = {{ names = ['web-{number}-*'] }}\n\
             projects = ['team{}-**']\nprograms = [{{ name = 'p', args = [{{ regex = 'v[0-9]{{1,{}}}' }}] }}]",
            number % 100,
            number % 5 + 1
        );
    }
    let on = |host: &str, project: &str, words: &str| {
        let mut call = by("ann", run(words));
        host.clone_into(&mut call.host.name);
        project.clone_into(&mut call.project.name);
        call
    };
    let calls = vec![
        (on("web-101-a", "team1-x/y", "p v1"), Effect::Allow),
        (on("web-101-a", "team1-x/y", "p w1"), Effect::Deny),
        (on("web-101-a", "team2-x", "p v1"), Effect::Deny),
        (on("db", "team1-x", "p v1"), Effect::Deny),
    ];
    Policy { name: "globs", text, calls }
}

/// Command lines that cannot be seen through, which any deny rule may forbid.
fn opaque(rules: usize) -> Policy {
    let mut text = format!(
        "{HEAD}[[rule]]\nid = 'any'\neffect = 'allow'\nprograms = [{{ any = true }}]\n\
         shell = 'opaque'\n"
    );
    for number in 1..rules {
        // Half of them are for everybody in one project, the others for one person.
        let whom = match number % 2 {
            0 => "projects = ['held']".to_owned(),
            _ => format!("subjects = {{ users = ['u{number}'] }}"),
        };
        let _ = writeln!(
            text,
            "[[rule]]\nid = 'r{number}'\neffect = 'deny'\n{whom}\n\
             programs = [{{ name = 'p{number}', args = [{{ rest = {{ glob = '-f*' }} }}] }}]"
        );
    }
    let held = |text: &str| {
        let mut call = by("ann", line(text));
        "held".clone_into(&mut call.project.name);
        call
    };
    let calls = vec![
        (held("eval \"$X\""), Effect::Deny),
        (held("p2 -f; source x; p4 a | $Y"), Effect::Deny),
        (held("$X a b"), Effect::Deny),
        (by("ann", line("eval \"$X\"")), Effect::Allow),
        (by("u501", line("$X a b")), Effect::Deny),
    ];
    Policy { name: "opaque", text, calls }
}

/// A wide scope, and many projects that narrow it.
fn scopes(rules: usize) -> Policy {
    let mut text = format!(
        "{HEAD}[[rule]]\nid = 'base'\neffect = 'allow'\nscope = 'system'\nprograms = [{{ any = true }}]\n\
         shell = 'parsed'\ngrant = {{ profile = 'build', workspace_access = 'write' }}\n"
    );
    for number in 1..rules {
        let _ = writeln!(
            text,
            "[[rule]]\nid = 'r{number}'\neffect = 'allow'\nscope = 'project'\nprojects = ['p{}']\n\
             programs = [{{ names = ['git', 'ls', 'x{number}'] }}]\nshell = 'parsed'\n\
             grant = {{ profile = 'readonly', limits = {{ wall = '{number}s' }} }}",
            number / 20
        );
    }
    let of = |project: &str, action: Action| {
        let mut call = by("ann", action);
        project.clone_into(&mut call.project.name);
        call
    };
    let calls = vec![
        (of("p7", run("git log")), Effect::Allow),
        (of("p7", run("rm x")), Effect::Deny),
        (of("none", run("rm x")), Effect::Allow),
        (of("p9", line("git log | ls")), Effect::Allow),
    ];
    Policy { name: "scopes", text, calls }
}

fn by(user: &str, action: Action) -> Call {
    let tool = match &action {
        Action::Execute(_) => "execute_command",
        Action::ReadFile { .. } => "read_file",
        Action::WriteFile { .. } => "write_file",
        _ => "search_files",
    };
    Call {
        subject: Subject {
            user: user.to_owned(),
            groups: vec!["devs".to_owned(), "all".to_owned()],
            ..Subject::default()
        },
        project: Project { name: "web".to_owned(), workspace: "/srv/shop".into() },
        host: Host { name: "web-1".to_owned(), ..Host::default() },
        tool: tool.to_owned(),
        action,
        at: jiff::Timestamp::UNIX_EPOCH,
    }
}

fn run(words: &str) -> Action {
    let mut words = words.split(' ').map(|word| word.as_bytes().to_vec());
    let program = words.next().unwrap_or_default();
    Action::Execute(Execute::program(program, words.collect()))
}

fn line(line: &str) -> Action {
    Action::Execute(Execute::command_line(line))
}
