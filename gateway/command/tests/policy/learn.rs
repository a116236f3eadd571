use cofferdam_journal::{ApprovalStep, Call, Digest, Ending, Entry, Outcome};
use serde_json::json;

use crate::desk::{Desk, asked, call, denied, permitted, run};

const RULES: &str = "
profiles = ['readonly', 'default']
[[rule]]
id = 'look'
effect = 'allow'
programs = [{ names = ['ls', 'head'] }]
shell = 'parsed'
grant = { profile = 'readonly' }
[[rule]]
id = 'push'
effect = 'ask'
programs = [{ name = 'git', args = ['push', { rest = true }] }]
[[rule]]
id = 'no-rm'
effect = 'deny'
programs = [{ name = 'rm' }]
[[rule]]
id = 'no-secrets'
effect = 'deny'
paths = [{ beneath = 'workspace/secrets', mode = 'read' }]
[[test]]
name = 'nobody stops a host'
call = { user = 'ann', host = 'web-1', project = 'shop', tool = 'execute_command', program = 'halt' }
expect = 'deny'
";

fn line(run_id: &str, user: &str, command: &str) -> Call {
    call(run_id, user, "execute_command", json!({"command": command}))
}

/// What is proposed, and that it does what it says.
fn learn(desk: &Desk) -> String {
    let said = desk.policy(&["learn", "--config", "gateway.toml"]);
    assert_eq!(said.code, 0, "{said:?}");
    // It is a rule file as it stands.
    std::fs::write(desk.path("proposed.toml"), &said.out).unwrap();
    let checked = desk.policy(&["check", "rules.toml", "proposed.toml"]);
    assert_eq!(checked.code, 0, "{checked:?}\n{said:?}");
    said.out
}

#[test]
fn what_was_denied_by_default_becomes_the_smallest_rule() {
    let desk = Desk::new(RULES);
    desk.record(vec![
        denied(run("1", "ann", &["git", "log", "-n", "3"]), &[]),
        denied(run("2", "ann", &["git", "log", "-n", "3"]), &[]),
        denied(run("3", "bob", &["git", "log", "-n", "3"]), &[]),
        denied(line("4", "ann", "wc -l a | head"), &[]),
        denied(line("6", "ann", "wc b > out"), &[]),
        denied(call("5", "ann", "read_file", json!({"path": "src/a"})), &[]),
    ]);
    let out = learn(&desk);
    for text in [
        "# 3 times from ",
        "# ann on web-1 in shop: run `git log -n 3`\n",
        "# no rule permits to run `git log -n 3`",
        "subjects = { users = [\"ann\", \"bob\"] }\nhosts = { names = [\"web-1\"] }\n\
         projects = [\"shop\"]\ntools = [\"execute_command\"]\n\
         programs = [\n    { name = \"git\", args = [\"log\", \"-n\", \"3\"] },\n]\n",
        "    { name = \"wc\", args = [\"-l\", \"a\"] },\n]\n",
        "    { beneath = \"workspace/out\", mode = \"write\" },\n",
        "    { beneath = \"workspace/src/a\", mode = \"read\" },\n",
    ] {
        assert!(out.contains(text), "{text}\nnot in\n{out}");
    }
    assert!(!out.contains("\"head\""), "another rule permits that already: {out}");
    let replayed = desk.policy(&[
        "replay",
        "--config",
        "gateway.toml",
        "--rules",
        "rules.toml",
        "--rules",
        "proposed.toml",
        "--json",
    ]);
    let changed = replayed.json()["changed"].as_array().unwrap().len();
    assert_eq!(changed, 6, "{replayed:?}");
}

#[test]
fn nothing_is_proposed_for_what_a_deny_rule_names() {
    let desk = Desk::new(RULES);
    desk.record(vec![
        denied(run("1", "ann", &["rm", "-rf", "x"]), &["no-rm"]),
        // Then there was no such rule yet.
        denied(run("2", "ann", &["rm", "y"]), &[]),
        denied(line("3", "ann", "true && rm z"), &[]),
        denied(call("4", "ann", "read_file", json!({"path": "secrets/key"})), &[]),
        denied(call("5", "ann", "search_files", json!({"content": "x"})), &[]),
    ]);
    let out = learn(&desk);
    assert!(!out.contains("[[rule]]"), "{out}");
    assert!(out.contains("# nothing for 3 times: refused by `no-rm`"), "{out}");
    assert!(out.contains("# nothing for 2 times: refused by `no-secrets`"), "{out}");
}

#[test]
fn nothing_is_proposed_that_would_fail_a_test_or_permit_more() {
    let desk = Desk::new(RULES);
    desk.record(vec![
        denied(run("1", "ann", &["halt"]), &[]),
        denied(line("2", "ann", "eval \"$X\""), &[]),
        denied(line("3", "ann", "wc $FILES"), &[]),
    ]);
    let out = learn(&desk);
    assert!(!out.contains("[[rule]]"), "{out}");
    assert!(out.contains("the test «nobody stops a host» would fail"), "{out}");
}

#[test]
fn an_interpreter_is_never_proposed_without_a_warning() {
    let desk = Desk::new(RULES);
    desk.record(vec![denied(run("1", "ann", &["/usr/bin/python3.11", "x.py"]), &[])]);
    let out = learn(&desk);
    assert!(out.contains("# WARNING: `python3.11` can run anything"), "{out}");
    assert!(out.contains("{ path = \"/usr/bin/python3.11\", args = [\"x.py\"] }"), "{out}");
}

#[test]
fn what_was_asked_is_told_and_not_proposed() {
    let desk = Desk::new(RULES);
    let push = run("1", "ann", &["git", "push"]);
    desk.record(vec![asked(push, "push", ApprovalStep::Requested)]);
    let out = learn(&desk);
    assert!(!out.contains("[[rule]]"), "{out}");
    assert!(out.contains("# asked once by `push`: ann\n"), "{out}");
}

#[test]
fn what_the_kernel_refused_is_told_with_what_would_allow_it() {
    let desk = Desk::new(RULES);
    let denial = |object: &str| {
        json!({
            "layer": "landlock", "operation": "read", "object": object, "count": 2,
            "setting": "view.read", "remedy": "a profile that shows it",
        })
    };
    let outcome = Outcome {
        sandbox: Some(json!({"denials": [denial("/opt/x"), denial("/srv/shop/secrets/k")]})),
        ..Outcome::new("1", Digest::ZERO.0, Ending::Exited { code: 1 })
    };
    desk.record(vec![permitted(run("1", "ann", &["ls"]), "look"), Entry::Outcome(outcome)]);
    let out = learn(&desk);
    for text in [
        "# the kernel refused 2 times: read /opt/x\n# to ann on web-1 in shop, permitted by `look`\n\
         # governed by view.read; a profile that shows it\n",
        "# and that is as `no-secrets` wants it\n",
    ] {
        assert!(out.contains(text), "{text}\nnot in\n{out}");
    }
}

#[test]
fn nothing_that_a_caller_wrote_ends_a_comment() {
    let desk = Desk::new(RULES);
    let evil = "x\n[[rule]]\nid = 'evil'\neffect = 'allow'\nprograms = [{ any = true }]\n#";
    desk.record(vec![denied(run("1", "ann", &["wc", evil]), &[])]);
    let out = learn(&desk);
    assert_eq!(out.matches("\n[[rule]]").count(), 1, "{out}");
    let found = desk.policy(&["learn", "--config", "gateway.toml", "--json"]).json();
    assert_eq!(found["proposals"][0]["users"], json!(["ann"]), "{found}");
}

const NARROW: &str = "
[[rule]]
id = 'build'
effect = 'allow'
programs = [{ name = 'make' }, { name = 'tidy' }]
shell = 'parsed'
[rule.grant]
profile = 'build'
workspace_access = 'write'
programs = ['/usr/bin/make']
network = ['a.example.org:443']
limits = { processes = 64, wall = '10m', memory = '1GiB' }
[[rule]]
id = 'open'
effect = 'allow'
programs = [{ name = 'cargo' }]
[[rule]]
id = 'no-cc'
effect = 'deny'
programs = [{ name = 'cc' }]
";

/// What a run was refused by the sandbox, and its outcome.
fn refused(run_id: &str, programs: &[&str], destination: Option<(&str, &str)>) -> Entry {
    let denials: Vec<_> = programs
        .iter()
        .map(|path| {
            json!({
                "layer": "landlock", "operation": "execute the program", "object": path, "count": 1,
                "setting": "programs.execute",
                "remedy": format!("a rule whose grant has `{path}` in `programs`, beside those it has (/usr/bin/make)"),
            })
        })
        .collect();
    let connections: Vec<_> = destination
        .iter()
        .map(|(name, why)| {
            json!({"protocol": "connect", "name": name, "port": 443, "address": "", "refused": why,
                   "sent": 0, "received": 0})
        })
        .collect();
    Entry::Outcome(Outcome {
        sandbox: Some(json!({"denials": denials, "connections": connections})),
        ..Outcome::new(run_id, Digest::ZERO.0, Ending::Exited { code: 1 })
    })
}

const UNLISTED: &str = "`b.example.org:443` is not allowed: `grant.network` does not name it. Allowed: a.example.org:443.";

#[test]
fn a_grant_that_was_too_narrow_becomes_a_rule_for_the_very_call_that_gives_what_it_lacked() {
    let desk = Desk::new(NARROW);
    let make = || run("1", "ann", &["make", "all"]);
    desk.record(vec![
        permitted(make(), "build"),
        refused("1", &["/usr/bin/awk"], Some(("b.example.org", UNLISTED))),
    ]);
    let out = learn(&desk);
    for text in [
        "# by its grant it may not execute `/usr/bin/awk`, and may not reach `b.example.org:443`\n",
        "# WARNING: `/usr/bin/awk` can run anything",
        "# WARNING: profile and ceiling have to allow `b.example.org:443`, too\n",
        "    { name = \"make\", args = [\"all\"] },\n",
        "programs = [\"/usr/bin/awk\", \"/usr/bin/make\"]\n",
        "network = [\"a.example.org:443\", \"b.example.org:443\"]\n",
        "limits = { memory = \"1073741824B\", processes = 64, wall = \"600000ms\" }\n",
        "# the kernel refused once: execute the program /usr/bin/awk\n",
    ] {
        assert!(out.contains(text), "{text}\nnot in\n{out}");
    }
    assert_eq!(out.matches("\n[[rule]]").count(), 1, "{out}");
    // It gives that to this call alone.
    let explained = |words: &[&str]| {
        let files = ["explain", "rules.toml", "proposed.toml"];
        let who = ["--user", "ann", "--host", "web-1", "--project", "shop", "--"];
        desk.policy(&[&files[..], &who[..], words].concat()).out
    };
    let with = explained(&["make", "all"]);
    assert!(with.contains("/usr/bin/awk") && with.contains("b.example.org:443"), "{with}");
    assert!(!explained(&["make", "other"]).contains("awk"));
}

#[test]
fn no_wider_grant_is_proposed_for_what_a_rule_denies_or_cannot_give() {
    let desk = Desk::new(NARROW);
    desk.record(vec![
        permitted(run("1", "ann", &["make"]), "build"),
        refused("1", &["/usr/bin/cc"], Some(("*.example.org", UNLISTED))),
        permitted(run("2", "ann", &["tidy"]), "build"),
        refused("2", &[], Some(("c.example.org", "it is at 10.0.0.1, which is private"))),
        permitted(run("3", "ann", &["cargo", "build"]), "open"),
        refused("3", &["/usr/bin/awk"], None),
    ]);
    let out = learn(&desk);
    assert!(!out.contains("\n[[rule]]"), "{out}");
    assert!(out.contains("# and that is as `no-cc` wants it\n"), "{out}");
    let left = "# nothing for once: `/usr/bin/awk` is left to the profile by every grant\n";
    assert!(out.contains(left), "{out}");
}
