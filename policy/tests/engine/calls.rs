//! Random calls, out of the names that the rules have, too.

use std::collections::BTreeSet;

use cofferdam_policy::{Action, Call, Execute, Host, ProcessUse, Project, Reading, Subject};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// What a host may have said of itself.
const LAYERS: [Option<&[&str]>; 3] = [None, Some(&["landlock"]), Some(&["landlock", "seccomp"])];

pub(crate) fn call() -> impl Strategy<Value = Call> {
    let groups = subsequence(vec!["devs".to_owned(), "admins".to_owned()], 0..=2);
    let claims = select(&[None, Some("x1"), Some("y")][..]);
    let subject = (select(&["ann", "bob"][..]), groups, select(&["", "t1"][..]), claims).prop_map(
        |(user, groups, tenant, team)| {
            let mut subject = Subject {
                user: user.to_owned(),
                groups,
                tenant: tenant.to_owned(),
                client: "opencode".to_owned(),
                ..Subject::default()
            };
            if let Some(team) = team {
                subject.claims.add("team", team).unwrap();
            }
            subject
        },
    );
    let labels = subsequence(vec![("stage", "prod"), ("stage", "test"), ("zone", "a")], 0..=3);
    let layers = select(&LAYERS[..]);
    let host = (select(&["web-1", "db"][..]), labels, layers).prop_map(|(name, labels, layers)| {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Host {
            name: name.to_owned(),
            labels: labels.into_iter().map(own).collect(),
            layers: layers.map(|layers| layers.iter().map(|layer| (*layer).to_owned()).collect()),
        }
    });
    let project = select(&["web", "docs"][..]);
    let at = select(&["2025-06-01T12:00:00Z", "2026-06-01T12:00:00Z"][..]);
    (subject, host, project, asked(), at).prop_map(|(subject, host, project, asked, at)| {
        let (tool, action) = asked;
        Call {
            subject,
            project: Project { name: project.to_owned(), workspace: "/srv/shop".into() },
            host,
            tool: tool.to_owned(),
            action,
            at: at.parse::<Timestamp>().unwrap(),
        }
    })
}

fn asked() -> impl Strategy<Value = (&'static str, Action)> {
    prop_oneof![
        5 => programs().prop_map(|action| ("execute_command", action)),
        5 => lines().prop_map(|action| ("execute_command", action)),
        2 => (prop_oneof![programs(), lines()], any::<bool>()).prop_map(|(action, interactive)| {
            let Action::Execute(execute) = action else { panic!("it runs something") };
            ("start_process", Action::Execute(Execute { interactive, ..execute }))
        }),
        2 => processes(),
        4 => files(),
        1 => select(&["git", "/opt/git", "/usr/bin/ls", "nc"][..])
            .prop_map(|name| ("check_command_exists", Action::FindProgram { program: name.into() })),
        1 => Just(("list_hosts", Action::ListHosts)),
        1 => Just(("get_system_info", Action::DescribeHost)),
        3 => services().prop_map(|action| ("read_service", action)),
    ]
}

fn processes() -> impl Strategy<Value = (&'static str, Action)> {
    let uses = [
        ("list_processes", ProcessUse::List),
        ("read_process", ProcessUse::Read),
        ("wait_process", ProcessUse::Read),
        ("write_process", ProcessUse::Write),
        ("resize_process", ProcessUse::Resize),
        ("signal_process", ProcessUse::Signal),
    ];
    select(uses.map(|(tool, used)| (tool, Action::Process(used))).to_vec())
}

fn services() -> impl Strategy<Value = Action> {
    let names =
        ["nginx.service", "app-a.service", "app-b.service", "app-a.timer", "nginx", "*", ""];
    let globs = ["nginx.service", "app-*.service", "app-?.service", "*.service", "*", "*.conf"];
    let one = (
        select(&[Reading::Status, Reading::Journal][..]),
        select(names.map(str::to_owned).to_vec()),
    );
    let all = (Just(Reading::List), select(globs.map(str::to_owned).to_vec()));
    prop_oneof![one, all].prop_map(|(what, unit)| Action::ReadService { what, unit })
}

fn programs() -> impl Strategy<Value = Action> {
    let name = select(
        &["git", "ls", "rm", "/usr/bin/git", "/opt/git", "./git", "a/../git", "/usr/../opt/x", "x"]
            [..],
    );
    let words = select(
        &[
            "log",
            "push",
            "-f",
            "-n",
            "3",
            "-n3",
            "--depth=2",
            "--depth",
            "a.rs",
            "a/b.rs",
            "/etc",
            ".",
            "a/b/c",
            "../x",
            "-na/b",
            "--depth=a/b",
            "",
        ][..],
    );
    let directory = select(&["", "", "", "a", "..", "/srv/shop/a/b", "/etc"][..]);
    let variables = subsequence(vec!["RUST_LOG", "PATH", "HOME_X"], 0..=1);
    (
        name,
        proptest::collection::vec(words, 0..4),
        directory,
        prop_oneof![3 => Just(Vec::new()), 1 => variables],
    )
        .prop_map(|(name, words, directory, variables)| {
            let words = words.into_iter().map(|word| word.as_bytes().to_vec()).collect();
            let mut execute = Execute::program(name, words);
            execute.working_directory = directory.into();
            execute.environment_names =
                variables.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
            Action::Execute(execute)
        })
}

fn lines() -> impl Strategy<Value = Action> {
    let commands = select(
        &[
            "git log",
            "git push -f",
            "git log \"$x\"",
            "git $x",
            "ls a.rs *.rs",
            "rm x",
            "/opt/git log",
            "./git log",
            "echo hi",
            "cd a",
            "cd ..",
            "cat < a/x",
            "ls > a/b/out",
            "git log >> /etc/x",
            "RUST_LOG=1 git log",
            "eval x",
            "$x log",
            "git log -n 3",
            "git log a/b a",
            "ls -n$x a/b ..",
            "ls \"$x\" $y a",
        ][..],
    );
    let between = select(&["; ", " && ", " | "][..]);
    (proptest::collection::vec(commands, 1..4), between).prop_map(|(commands, between)| {
        Action::Execute(Execute::command_line(commands.join(between)))
    })
}

fn files() -> impl Strategy<Value = (&'static str, Action)> {
    let path = select(
        &[
            ".",
            "a",
            "a/b",
            "a/b/c",
            "a/../x",
            "../x",
            "/etc",
            "/etc/passwd",
            "/srv",
            "/",
            "/srv/shop/a/x",
            "",
        ][..],
    );
    let tools = ["read_file", "write_file", "list_directory", "search_files", "stat", "edit_file"];
    let more = ["read_files", "move_file", "copy_file", "delete_file"];
    let tool = select([&tools[..], &more[..]].concat());
    (path.clone(), path, tool, any::<bool>()).prop_map(|(path, to, tool, recursive)| {
        let (path, to) = (Vec::from(path), Vec::from(to));
        match tool {
            "read_file" => (tool, Action::ReadFile { path }),
            "write_file" => (tool, Action::WriteFile { path }),
            "list_directory" => (tool, Action::ListDirectory { path, recursive: true }),
            "search_files" => (tool, Action::SearchFiles { path }),
            "edit_file" => (tool, Action::EditFile { path }),
            "read_files" => ("read_file", Action::ReadFiles { paths: vec![path, to] }),
            "move_file" => ("write_file", Action::MoveFile { from: path, to, recursive }),
            "copy_file" => ("write_file", Action::CopyFile { from: path, to, recursive }),
            "delete_file" => ("write_file", Action::DeleteFile { path, recursive }),
            _ => ("list_directory", Action::StatFile { path }),
        }
    })
}
