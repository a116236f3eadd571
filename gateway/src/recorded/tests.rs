use cofferdam_policy::TOOLS;

use super::*;
use crate::call::for_record;
use crate::tools::{ListDirectory, SearchFiles, WriteFile};

fn config() -> Config {
    let text = crate::config::tests::by_hand();
    Config::parse("/etc/cofferdam/gateway.toml".as_ref(), &text).unwrap()
}

/// As the gateway records it, secrets replaced.
fn recorded(config: &Config, tool: &str, arguments: Value) -> journal::Call {
    let (project, found) = config.roster.projects.first_key_value().unwrap();
    let Value::Object(arguments) = arguments else { panic!("an object") };
    journal::Call {
        subject: Some(journal::Subject { user: "ann".into(), ..journal::Subject::default() }),
        project: project.clone(),
        host: found.hosts[0].clone(),
        tool: tool.to_owned(),
        action: journal::redact_value(for_record(tool, Some(&arguments))),
        ..journal::Call::default()
    }
}

fn again(tool: &str, arguments: Value) -> Result<Call, Undecidable> {
    let config = config();
    recorded_call(&config, &recorded(&config, tool, arguments), Timestamp::UNIX_EPOCH)
}

/// What the gateway decides on when the call is made.
fn live<T: HostTool>(arguments: Value) -> Action {
    let config = config();
    let place =
        Place::resolve(&config.roster, config.roster.projects.keys().next().map(|p| &**p), None)
            .unwrap();
    let Value::Object(arguments) = arguments else { panic!("an object") };
    T::ask(parse(Some(arguments)).unwrap(), &place).unwrap().wire.action()
}

#[test]
fn what_is_decided_again_is_what_was_decided_on() {
    let command = json!({
        "command": "git log | head", "working_directory": "src", "stdin": "abc",
        "environment": {"LANG": "C", "API_TOKEN": "hunter2hunter2"}, "timeout_seconds": 5,
    });
    let found = again("execute_command", command.clone()).unwrap();
    assert_eq!(found.action, live::<ExecuteCommand>(command));
    assert_eq!((found.subject.user.as_str(), found.tool.as_str()), ("ann", "execute_command"));
    let write = json!({"path": "a", "content": "x".repeat(100_000), "encoding": "utf-8"});
    assert_eq!(again("write_file", write.clone()).unwrap().action, live::<WriteFile>(write));
    let list = json!({"depth": 3});
    assert_eq!(again("list_directory", list.clone()).unwrap().action, live::<ListDirectory>(list));
    let search = json!({"content": "password: hunter2", "path": "src"});
    assert_eq!(again("search_files", search.clone()).unwrap().action, live::<SearchFiles>(search));
}

#[test]
fn a_call_whose_deciding_part_was_redacted_or_cut_is_never_guessed() {
    let secret = again(
        "execute_command",
        json!({"program": "curl", "arguments": ["--password", "hunter2", "x"]}),
    );
    assert_eq!(secret, Err(Undecidable::Redacted("arguments".into())));
    let long = again("execute_command", json!({"command": "echo ".repeat(5000)}));
    assert_eq!(long, Err(Undecidable::Cut("command".into())));
    let many = again("execute_command", json!({"program": "ls", "arguments": vec!["y"; 100_000]}));
    assert_eq!(many, Err(Undecidable::Cut("arguments".into())));
    let variables: Map<String, Value> =
        (0..300).map(|count| (format!("V{count}"), json!("x"))).collect();
    let named = again("execute_command", json!({"program": "ls", "environment": variables}));
    assert_eq!(named, Err(Undecidable::Cut("environment".into())));
}

#[test]
fn a_place_that_is_gone_is_no_place() {
    let config = config();
    let mut call = recorded(&config, "read_file", json!({"path": "a"}));
    call.project = "gone".into();
    let error = recorded_call(&config, &call, Timestamp::UNIX_EPOCH).unwrap_err();
    assert!(error.to_string().contains("no project is named `gone`"), "{error}");
    call.subject = None;
    assert_eq!(
        recorded_call(&config, &call, Timestamp::UNIX_EPOCH),
        Err(Undecidable::Unsaid("who asked"))
    );
}

#[test]
fn every_tool_that_rules_can_name_can_be_decided_again() {
    for tool in TOOLS {
        let arguments = json!({"path": "a", "paths": ["a"], "from": "a", "to": "b", "program": "ls", "what": "list", "unit": "*"});
        let found = again(tool, arguments).map(|call| call.tool);
        assert_eq!(found.as_deref(), Ok(tool));
    }
}
