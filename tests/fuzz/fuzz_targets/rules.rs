//! Whatever a rule file and a caller hold, reading and deciding end in bounded
//! time without a panic, by the index as by looking at every rule, and nothing
//! is permitted that holds a NUL byte. Errors and warnings are bounded ASCII.
//!
//! The input is a rule file, a zero byte, and a caller's bytes; those are tried
//! as a command line, as a program and as a path. Where the file is not right,
//! they meet rules that permit everything that can be seen through.
#![no_main]

use cofferdam_policy::{
    Action, Call, Decision, Execute, Host, Project, RuleSet, Subject, Timestamp,
};
use libfuzzer_sys::fuzz_target;

const OPEN: &str = "version = 1
[[rule]]
id = 'all'
effect = 'allow'
programs = [{ any = true }]
paths = [{ beneath = '/', mode = 'write' }]
shell = 'parsed'
[[rule]]
id = 'opens'
effect = 'allow'
programs = [{ any = true, args = [
    { optional = { flag = '-x', value = { beneath = '/', mode = 'write' } } },
    { rest = { any_of = [{ beneath = 'workspace', mode = 'read' }, { any = true }] } },
    'end',
], opens = [{ beneath = 'directory', mode = 'read', recursive = false }] }]
[[rule]]
id = 'secrets'
effect = 'deny'
paths = [{ beneath = 'workspace/secrets', mode = 'read' }, { beneath = '/etc', mode = 'write' }]
[[rule]]
id = 'guard'
effect = 'deny'
programs = [{ name = 'rm', args = [{ rest = true }, '-rf', { flag = '-x', value = { regex = 'a*b' } }] }]
";

fn call(action: Action) -> Call {
    Call {
        subject: Subject { user: "ann".to_owned(), ..Subject::default() },
        project: Project { name: "web".to_owned(), workspace: "/srv/shop".into() },
        host: Host::default(),
        tool: "execute_command".to_owned(),
        action,
        at: Timestamp::default(),
    }
}

/// What is said of a file can be shown in a terminal.
fn check_words(words: &str) {
    let plain = |byte: u8| byte == b'\n' || (b' '..=b'~').contains(&byte);
    assert!(words.bytes().all(plain), "a character that could steer a terminal: {words:?}");
    assert!(words.lines().all(|line| line.len() < 8192), "a long line: {words}");
}

fuzz_target!(|data: &[u8]| {
    let split = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (file, rest) = data.split_at(split);
    let caller = rest.get(1..).unwrap_or_default();
    let read = |text| match RuleSet::parse(&[("rules.toml", text)], [0; 32]) {
        Ok(rules) => Some(rules),
        Err(errors) => {
            check_words(&errors.to_string());
            None
        }
    };
    let rules =
        std::str::from_utf8(file).ok().and_then(read).unwrap_or_else(|| {
            match RuleSet::parse(&[("open", OPEN)], [0; 32]) {
                Ok(open) => open,
                Err(errors) => panic!("{errors}"),
            }
        });
    let _ = rules.run_tests();
    for warning in rules.warnings(Timestamp::default()) {
        check_words(&warning.render());
    }
    let words: Vec<Vec<u8>> = caller.split(|byte| *byte == b' ').map(<[u8]>::to_vec).collect();
    for action in [
        Action::Execute(Execute::command_line(caller)),
        Action::Execute(Execute::program(words[0].clone(), words[1..].to_vec())),
        Action::ReadFile { path: caller.to_vec() },
        Action::SearchFiles { path: caller.to_vec() },
        Action::FindProgram { program: caller.to_vec() },
    ] {
        let decision = rules.decide(call(action.clone()));
        let scanned = rules.decide_by_scan(call(action.clone()));
        assert_eq!(decision, scanned, "two decisions on one call");
        let _ = (decision.line(), decision.explain(), rules.nearest(&call(action)));
        if caller.contains(&0) {
            assert!(!matches!(decision, Decision::Permit(_)), "a NUL byte was permitted");
        }
    }
});
