use serde_json::{Value, json};

use super::*;

fn ask(arguments: Value) -> Result<Asked<Command>, BadInput> {
    let Value::Object(arguments) = arguments else { panic!("an object") };
    let place = Place {
        project: "p".into(),
        host: "h".into(),
        labels: BTreeMap::new(),
        layers: None,
        workspace: "/srv/p".into(),
    };
    ExecuteCommand::ask(crate::input::parse(Some(arguments))?, &place)
}

fn refused(arguments: Value) -> BadInput {
    ask(arguments).unwrap_err()
}

#[test]
fn a_command_line_is_run_by_bash_as_one_argument() {
    let asked = ask(json!({"command": "ls | wc -l", "timeout_seconds": 5})).unwrap();
    assert_eq!(asked.wire.program, b"/bin/bash");
    let Some([.., flag, line]) = asked.wire.arguments.get(..) else { panic!("a shell and a line") };
    assert_eq!((flag.as_slice(), line.as_slice()), (&b"-c"[..], &b"ls | wc -l"[..]));
    assert_eq!(asked.wall, Some(Duration::from_secs(5)));
}

#[test]
fn a_program_takes_its_arguments_as_they_are() {
    let asked = ask(json!({"program": "git", "arguments": ["log", "a b", ""]})).unwrap();
    assert_eq!(asked.wire.program, b"git");
    assert_eq!(asked.wire.arguments, [b"log".to_vec(), b"a b".to_vec(), b"".to_vec()]);
    assert_eq!(asked.wall, Some(Duration::from_mins(2)));
}

#[test]
fn how_long_the_sandbox_lives_is_part_of_what_the_host_is_asked() {
    let plain = ask(json!({"command": "x"})).unwrap().wire;
    assert!(!plain.background && !plain.one_shot);
    let background = ask(json!({"command": "x", "background": true})).unwrap().wire;
    assert!(background.background && !background.one_shot);
    let one_shot =
        ask(json!({"command": "x", "one_shot": true, "background": false})).unwrap().wire;
    assert!(one_shot.one_shot && !one_shot.background);
    let digests = [plain, background, one_shot].map(|wire| cofferdam_trust::action_digest(&wire));
    assert!(digests[0] != digests[1] && digests[1] != digests[2] && digests[0] != digests[2]);
}

#[test]
fn bad_input_is_refused_and_the_field_named() {
    let table = [
        (json!({}), "command", "neither"),
        (json!({"command": "ls", "program": "ls"}), "command", "both"),
        (json!({"command": "  \n"}), "command", "empty"),
        (json!({"command": "ls", "arguments": ["-l"]}), "arguments", "belongs to `program`"),
        (json!({"command": "a\u{0}b"}), "command", "NUL"),
        (json!({"program": ""}), "program", "empty"),
        (json!({"program": "a\u{0}"}), "program", "NUL"),
        (json!({"program": "bin/x"}), "program", "relative"),
        (json!({"program": "../x"}), "program", "`..`"),
        (json!({"program": "ls", "arguments": ["a", "b\u{0}"]}), "arguments[1]", "NUL"),
        (json!({"program": "ls", "arguments": "-l"}), "arguments", "sequence"),
        (json!({"program": "ls", "arguments": [1]}), "arguments[0]", "string"),
        (json!({"command": 7}), "command", "string"),
        (json!({"command": "ls", "timeout_seconds": 0}), "timeout_seconds", "1 to 86400"),
        (json!({"command": "ls", "timeout_seconds": 86_401}), "timeout_seconds", "1 to 86400"),
        (json!({"command": "ls", "timeout_seconds": -1}), "timeout_seconds", "-1"),
        (json!({"command": "ls", "timeout_seconds": 1.5}), "timeout_seconds", "1.5"),
        (json!({"command": "ls", "working_directory": "../.."}), "working_directory", "`..`"),
        (json!({"command": "ls", "working_directory": ""}), "working_directory", "empty"),
        (json!({"command": "ls", "environment": {"A=B": "c"}}), "environment.A=B", "`=`"),
        (json!({"command": "ls", "environment": {"A": "\u{0}"}}), "environment.A", "NUL"),
        (json!({"command": "ls", "background": true, "one_shot": true}), "one_shot", "both set"),
        (json!({"command": "ls", "background": "yes"}), "background", "boolean"),
        (json!({"command": "ls", "enviroment": {}}), "enviroment", "unknown field"),
    ];
    for (arguments, field, message) in table {
        let wrong = refused(arguments.clone());
        assert_eq!(wrong.field, field, "{arguments}: {wrong}");
        assert!(wrong.message.contains(message), "{arguments}: {wrong}");
    }
}

#[test]
fn too_much_is_refused_with_the_limit() {
    let one = refused(json!({"program": "echo", "arguments": ["x".repeat(10_000_000)]}));
    assert_eq!((one.reason, one.field.as_str()), ("TOO_LARGE", "arguments[0]"));
    assert!(one.message.contains("131071"), "{one}");
    let line = refused(json!({"command": "x".repeat(131_072)}));
    assert_eq!((line.reason, line.field.as_str()), ("TOO_LARGE", "command"));
    let many = vec!["x".repeat(100_000); 11];
    let all = refused(json!({"program": "echo", "arguments": many}));
    assert!(all.message.contains("1048576"), "{all}");
    let stdin = refused(json!({"command": "cat", "stdin": "x".repeat(5_000_000)}));
    assert_eq!((stdin.reason, stdin.field.as_str()), ("TOO_LARGE", "stdin"));
    assert!(ask(json!({"program": "echo", "arguments": ["x".repeat(131_071)]})).is_ok());
}
