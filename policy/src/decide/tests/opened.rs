//! What programs open, as rules say that permit them, against rules on paths.

use super::*;

const SECRETS: &str = "[[rule]]\nid='secrets'\neffect='deny'\nreason='stay with people'\n\
     paths=[{beneath='workspace/secrets',mode='read'}]\n";

/// `cat` with the mode, `tac` without.
const READERS: &str = "[[rule]]\nid='cat'\neffect='allow'\nshell='parsed'\n\
     programs=[{name='cat',args=[{rest={any_of=[{beneath='/',mode='read'},{any=true}]}}]},\
     {name='tac'}]\n";

fn denial(rules: &RuleSet, call: Call) -> String {
    let Decision::Deny(denial) = rules.decide(call) else { panic!("not denied") };
    denial.line()
}

#[test]
fn a_deny_rule_on_paths_meets_an_argument_that_the_permitting_rule_says_is_read() {
    let rules = rules(&[READERS, SECRETS].concat());
    for words in [
        &["cat", "secrets/key"][..],
        &["cat", "-n", "a", "./secrets//key"],
        &["cat", "a/../secrets/key"],
        &["cat", "/srv/shop/secrets"],
        &["/usr/bin/cat", "secrets/key"],
    ] {
        assert_eq!(effect(&rules, program(words)), Effect::Deny, "{words:?}");
    }
    for words in
        [&["cat", "a"][..], &["cat", "/etc/hosts", "-"], &["cat", "secretsx"], &["tac", "secrets"]]
    {
        assert_eq!(effect(&rules, program(words)), Effect::Allow, "{words:?}");
    }
    let told = denial(&rules, program(&["cat", "secrets/key"]));
    assert!(
        told.contains(
            "rule `secrets` refuses to run `cat secrets/key`, which reads \
             `/srv/shop/secrets/key` (stay with people)"
        ),
        "{told}"
    );
    let inside = |directory: &str| {
        let mut execute = Execute::program("cat", vec![b"key".to_vec()]);
        execute.working_directory = directory.into();
        effect(&rules, call("execute_command", Action::Execute(execute)))
    };
    assert_eq!((inside("secrets"), inside("src")), (Effect::Deny, Effect::Allow));
}

#[test]
fn what_is_read_from_above_or_cannot_be_told_is_denied() {
    let rules = rules(&[READERS, SECRETS].concat());
    for call in [
        program(&["cat", "."]),
        program(&["cat", "/"]),
        program(&["cat", "../shop/secrets/key"]),
        line("cat \"$x\""),
        line("cat *.rs"),
        line("cat secre*/key"),
        line("cd a && cat ../b"),
        line("cat a; cat secrets/key"),
    ] {
        assert_eq!(effect(&rules, call.clone()), Effect::Deny, "{:?}", call.action);
    }
    let told = denial(&rules, line("cat \"$x\""));
    assert!(told.contains("which path that is, is not known before running"), "{told}");
    assert_eq!(effect(&rules, line("cat a | cat; echo secrets/key")), Effect::Allow);
    let decision = rules.decide(line("cat a; cat secrets/key"));
    let table = decision.command_table().unwrap();
    let rows: Vec<_> = table.rows.iter().map(|row| row.rules.join(" ")).collect();
    assert_eq!(rows, ["cat", "secrets"]);
}

#[test]
fn a_directory_that_is_not_read_beneath_may_be_looked_at_from_above() {
    let listing = "[[rule]]\nid='ls'\neffect='allow'\nprograms=[\
         {name='ls',args=[{beneath='/',mode='read',recursive=false}]},\
         {name='ls',args=[],opens=[{beneath='directory',mode='read',recursive=false}]},\
         {name='rg',args=[{any=true}],opens=[{beneath='directory',mode='read'}]}]\n";
    let rules = rules(&[listing, SECRETS].concat());
    assert_eq!(effect(&rules, program(&["ls", "."])), Effect::Allow);
    assert_eq!(effect(&rules, program(&["ls"])), Effect::Allow);
    assert_eq!(effect(&rules, program(&["ls", "secrets"])), Effect::Deny);
    // It reads where it starts, and all that is beneath.
    assert_eq!(effect(&rules, program(&["rg", "x"])), Effect::Deny);
    let inside = |name: &str, words: Vec<Vec<u8>>, directory: &str| {
        let mut execute = Execute::program(name, words);
        execute.working_directory = directory.into();
        effect(&rules, call("execute_command", Action::Execute(execute)))
    };
    assert_eq!(inside("rg", vec![b"x".to_vec()], "src"), Effect::Allow);
    assert_eq!(inside("ls", vec![], "secrets"), Effect::Deny);
}

#[test]
fn no_rule_that_says_nothing_opens_a_way_around_what_another_says() {
    let open = "[[rule]]\nid='open'\neffect='allow'\nprograms=[{name='cat'}]\n\
         [[rule]]\nid='path'\neffect='allow'\nprograms=[{path='/usr/bin/cat'}]\n";
    let both = rules(&[open, READERS, SECRETS].concat());
    assert_eq!(effect(&both, program(&["cat", "secrets/key"])), Effect::Deny);
    assert_eq!(effect(&both, program(&["/usr/bin/cat", "secrets/key"])), Effect::Deny);
    let alone = rules(&[open, SECRETS].concat());
    assert_eq!(effect(&alone, program(&["cat", "secrets/key"])), Effect::Allow);
    // Nor one of a narrower scope, or one that asks.
    for more in ["scope='project'", "subjects={groups=['devs']}"] {
        let narrower = READERS.replace("effect='allow'", &format!("effect='ask'\n{more}"));
        let rules = rules(&[open, &narrower, SECRETS].concat());
        assert_eq!(effect(&rules, program(&["cat", "secrets/key"])), Effect::Deny, "{more}");
    }
}

#[test]
fn an_ask_rule_on_paths_asks_about_what_programs_open() {
    let ask = SECRETS.replace("deny", "ask");
    let rules = rules(&[READERS, &ask].concat());
    assert_eq!(effect(&rules, program(&["cat", "secrets/key"])), Effect::Ask);
    assert_eq!(effect(&rules, line("cat a \"$x\"")), Effect::Ask);
    assert_eq!(effect(&rules, program(&["cat", "a"])), Effect::Allow);
}

#[test]
fn a_mode_is_met_as_in_rules_on_paths_and_the_value_of_a_flag_is_a_path_too() {
    let tool = "[[rule]]\nid='tool'\neffect='allow'\nprograms=[{name='tool',args=[\
         {optional={flag='--output',value={beneath='/',mode='write'}}},\
         {rest={beneath='/',mode='read'}},{beneath='/',mode='write',recursive=false}]}]\n";
    let guard = |mode: &str| {
        let guard = SECRETS.replace("'read'", &format!("'{mode}'"));
        rules(&[tool, &guard].concat())
    };
    for (words, read, write) in [
        (&["tool", "a", "b"][..], Effect::Allow, Effect::Allow),
        (&["tool", "secrets/a", "b"], Effect::Deny, Effect::Allow),
        // The last one is written, and it alone.
        (&["tool", "a", "secrets/b"], Effect::Deny, Effect::Deny),
        (&["tool", "--output=secrets/x", "a"], Effect::Deny, Effect::Deny),
        (&["tool", "--output", "secrets/x", "a"], Effect::Deny, Effect::Deny),
        (&["tool", "--output", "x", "a"], Effect::Allow, Effect::Allow),
    ] {
        assert_eq!(effect(&guard("read"), program(words)), read, "{words:?}");
        assert_eq!(effect(&guard("write"), program(words)), write, "{words:?}");
    }
}

#[test]
fn an_allow_rule_on_paths_permits_no_program_to_open_them_and_is_not_needed_for_it() {
    let files = "[[rule]]\nid='files'\neffect='allow'\nscope='project'\n\
         programs=[{name='cat'}]\npaths=[{beneath='workspace/a',mode='read'}]\n";
    let rules = rules(&[READERS, files].concat());
    assert_eq!(effect(&rules, program(&["cat", "b"])), Effect::Allow);
    assert_eq!(effect(&rules, program(&["tac", "a"])), Effect::Deny);
}
