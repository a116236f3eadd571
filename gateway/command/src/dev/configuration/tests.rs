//! What is written is what the real parsers read.

use std::path::PathBuf;

use cofferdam_ceiling::{Ceiling, covers};
use cofferdam_policy::{Action, Call, Decision, Execute, Host, Project, RuleSet, Subject};
use cofferdam_profile::{Network, Profiles};
use cofferdam_trust::SigningKey;

use super::*;
use crate::dev::toolchains::Toolchain;

/// A workspace and a home whose names have to be quoted.
fn surroundings() -> Surroundings {
    let home = PathBuf::from("/home/o'br\"ien \\ co");
    let rust = Toolchain {
        name: "Rust",
        bin: home.join(".cargo/bin"),
        programs: vec![home.join(".cargo/bin"), home.join(".rustup")],
        data: vec![home.join(".cargo/registry")],
        environment: vec![("RUSTUP_HOME", home.join(".rustup"))],
    };
    Surroundings {
        protected: vec![".git/hooks".to_owned()],
        workspace: home.join("a project"),
        root_owned: false,
        search_path: vec![home.join(".cargo/bin"), "/usr/bin".into()],
        toolchains: vec![rust.clone(), rust],
        left_out: Vec::new(),
    }
}

const WORKER: &str = "/srv/it's/cofferdam-files";

fn call(tool: &str, action: Action) -> Call {
    let workspace = surroundings().workspace;
    Call {
        subject: Subject { user: "me".into(), ..Subject::default() },
        project: Project { name: PROJECT.into(), workspace },
        host: Host { name: HOST.into(), ..Host::default() },
        tool: tool.into(),
        action,
        at: cofferdam_policy::Timestamp::now(),
    }
}

fn decide(tool: &str, action: Action) -> Decision {
    let rules = RuleSet::parse(&[("rules.toml", &rules(&[]))], [0; 32]).unwrap();
    rules.decide(call(tool, action))
}

#[test]
fn the_ceiling_allows_the_workspace_the_programs_and_the_worker_and_no_more() {
    let surroundings = surroundings();
    let text = ceiling(&surroundings, Path::new(WORKER), &[]);
    let ceiling = Ceiling::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let [root] = &ceiling.workspaces.roots[..] else { panic!("one root") };
    assert_eq!(root.as_path(), surroundings.workspace);
    let rust = surroundings.toolchains[0].clone();
    for program in [Path::new("/usr/bin/git"), Path::new(WORKER), &rust.programs[1]] {
        assert!(covers(&ceiling.programs.execute, program), "{}", program.display());
        assert!(covers(&ceiling.view.read, program), "{}", program.display());
    }
    for data in [Path::new("/etc/ssl/certs"), &rust.data[0]] {
        assert!(covers(&ceiling.view.read, data), "{}", data.display());
        assert!(!covers(&ceiling.programs.execute, data), "{}", data.display());
    }
    for secret in ["/etc/shadow", "/etc/ssl/private/key.pem", "/root/.ssh/id_rsa", "/var/lib"] {
        assert!(!covers(&ceiling.view.read, Path::new(secret)), "{secret}");
    }
    assert!(!ceiling.network.allow_host && !ceiling.workspaces.allow_root_owned);
    assert!(ceiling.profiles.allow.contains(&PROFILE.to_owned()));
}

#[test]
fn the_profile_fits_beneath_the_ceiling() {
    let surroundings = surroundings();
    let text = profile(&surroundings, &[]);
    let profile = Profiles::parse(PROFILE, &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let ceiling = Ceiling::parse(&ceiling(&surroundings, Path::new(WORKER), &[])).unwrap();
    assert!(profile.write && profile.execute && profile.network == Network::None);
    for tree in profile.show.iter().chain(&profile.read) {
        assert!(covers(&ceiling.view.read, &tree.path), "{}", tree.path.display());
    }
    for tree in &profile.programs {
        assert!(covers(&ceiling.programs.execute, &tree.path), "{}", tree.path.display());
    }
    let path: Vec<_> = profile.search_path.iter().map(|it| it.as_path().to_owned()).collect();
    assert_eq!(path, surroundings.search_path);
    let scratch: u64 = profile.scratch.iter().map(|place| place.bytes).sum();
    assert!(scratch <= ceiling.limits.scratch.0, "{scratch}");
    assert_eq!(
        profile.environment["RUSTUP_HOME"],
        surroundings.toolchains[0].environment[0].1.display().to_string()
    );
}

#[test]
fn the_rules_allow_any_program_and_files_of_the_workspace_and_nothing_else() {
    let line = "for f in $(ls); do $SHELL -c \"make $f\" > /tmp/log; done && X=1 ./built";
    for action in [
        Action::Execute(Execute::program("cargo", vec![b"build".into()])),
        Action::Execute(Execute::program("./target/debug/mine", Vec::new())),
        Action::Execute(Execute::command_line(line)),
    ] {
        let decision = decide("execute_command", action);
        assert!(matches!(decision, Decision::Permit(_)), "{}", decision.line());
    }
    let within = b"src/main.rs".to_vec();
    let beyond = b"/etc/passwd".to_vec();
    for (path, allowed) in [(within, true), (beyond, false)] {
        for (tool, action) in [
            ("read_file", Action::ReadFile { path: path.clone() }),
            ("write_file", Action::WriteFile { path: path.clone() }),
            ("list_directory", Action::ListDirectory { path: path.clone(), recursive: true }),
            ("search_files", Action::SearchFiles { path: path.clone() }),
        ] {
            let decision = decide(tool, action);
            assert_eq!(matches!(decision, Decision::Permit(_)), allowed, "{}", decision.line());
        }
    }
}

#[test]
fn the_rules_allow_to_look_around() {
    let git = b"git".to_vec();
    for (tool, action) in [
        ("get_system_info", Action::DescribeHost),
        ("check_command_exists", Action::FindProgram { program: git }),
    ] {
        let decision = decide(tool, action);
        assert!(matches!(decision, Decision::Permit(_)), "{}", decision.line());
    }
    // At the gateway itself there is no project and no host.
    let rules = RuleSet::parse(&[("rules.toml", &rules(&[]))], [0; 32]).unwrap();
    let call = Call {
        project: Project::default(),
        host: Host::default(),
        ..call("list_hosts", Action::ListHosts)
    };
    let decision = rules.decide(call);
    assert!(matches!(decision, Decision::Permit(_)), "{}", decision.line());
}

#[test]
fn another_project_is_denied() {
    let rules = RuleSet::parse(&[("rules.toml", &rules(&[]))], [0; 32]).unwrap();
    let action = Action::Execute(Execute::program("ls", Vec::new()));
    let project = Project { name: "other".into(), workspace: "/srv/other".into() };
    let decision = rules.decide(Call { project, ..call("execute_command", action) });
    assert!(matches!(decision, Decision::Deny(_)), "{}", decision.line());
}

#[test]
fn both_daemons_read_their_configuration_and_know_each_other() {
    let gateway_key = SigningKey::generate().unwrap().public_key();
    let agent_key = SigningKey::generate().unwrap().public_key();
    let text = agent(Path::new("/s/host/ceiling.toml"), Path::new(WORKER), gateway_key);
    let agent_config =
        cofferdam_agent::config::Config::parse(Path::new("/s/agent/agent.toml"), &text)
            .unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(agent_config.gateways, [gateway_key]);
    assert_eq!(agent_config.worker, Path::new(WORKER));

    let text = gateway(
        "127.0.0.1:0".parse().unwrap(),
        &surroundings().workspace,
        "127.0.0.1:4711".parse().unwrap(),
        agent_key,
    );
    let config =
        cofferdam_gateway::config::Config::parse(Path::new("/s/gateway/gateway.toml"), &text)
            .unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(config.roster.hosts[HOST].key, agent_key);
    assert_eq!(config.roster.projects[PROJECT].workspace, surroundings().workspace);
    let gateway_name = format!("spiffe://cofferdam/gateway/{GATEWAY}");
    let ceiling = ceiling(&surroundings(), Path::new(WORKER), &[]);
    assert!(Ceiling::parse(&ceiling).is_ok() && ceiling.contains(&gateway_name));
}

#[test]
fn what_is_named_to_be_asked_about_is_asked_and_whoever_asks_may_agree() {
    let asks = ["git push".to_owned(), "odd \"quoted\" \\ name".to_owned()];
    let rules = RuleSet::parse(&[("rules.toml", &rules(&asks))], [0; 32]).unwrap();
    let decide = |arguments: &[&str]| {
        let arguments = arguments.iter().map(|one| one.as_bytes().to_vec()).collect();
        let execute = Execute::program("git", arguments);
        rules.decide(call("execute_command", Action::Execute(execute)))
    };
    assert!(matches!(decide(&["status"]), Decision::Permit(_)));
    let Decision::Ask(pending) = decide(&["push", "origin"]) else { panic!("it asks") };
    assert!(pending.asks().iter().all(|ask| ask.demand.own && ask.demand.people == 1));
    let grant = &pending.basis().grant;
    assert_eq!(
        (grant.profile.as_str(), grant.workspace_access.to_string()),
        (PROFILE, "write".into())
    );
}
