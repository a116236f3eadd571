//! What the programs of packs open, against a deny rule on paths.

use super::*;
use crate::action::{Host, Project};
use crate::subject::Subject;
use crate::warning::WarningKind;

const SECRETS: &str = "version = 1\npacks = ['search']\n[[rule]]\nid = 'no-secrets'\n\
     effect = 'deny'\npaths = [{ beneath = 'workspace/secrets', mode = 'read' }]\n\
     [[rule]]\nid = 'no-shadow'\neffect = 'deny'\npaths = [{ beneath = '/etc/shadow', mode = 'read' }]\n";

/// Lines that read what is denied, or may.
const REACHING: [&str; 62] = [
    "cat secrets/key",
    "cat ./secrets/../secrets/key",
    "cat /srv/shop/secrets/key",
    "cat ../shop/secrets/key",
    "cat /etc/shadow",
    "head -n 3 secrets/key",
    "tail -3 secrets/key",
    "wc -l --files0-from=secrets/key",
    "od -c secrets/key",
    "tr a b < secrets/key",
    "ls secrets",
    "ls -la secrets/inner",
    "ls -R",
    "ls -lR .",
    "stat secrets/key",
    "du",
    "du -d 1",
    "grep x secrets/key",
    "grep -n x a secrets/key",
    "grep -e x secrets/key",
    "grep -ex secrets/key",
    "grep secrets/key -e x",
    "grep -f secrets/key a",
    "grep -hfsecrets/key a",
    "grep --file=secrets/key a",
    "grep -- -x secrets/key",
    "grep -r x",
    "grep x -r",
    "grep -rn x .",
    "grep -rn -A 3 x",
    "grep -rn --include '*.rs' x",
    "grep -rne x",
    "grep --recursive x",
    "grep -d recurse x",
    "egrep x secrets/key",
    "jq . secrets/key",
    "jq -n 'import \"key\" as $k {search: \"./secrets\"}; $k'",
    "rg x",
    "rg -n x -A 3",
    "rg x secrets",
    "rg x .",
    "rg -e x secrets/key",
    "rg -t rust x",
    "rg --files",
    "rg --files secrets",
    "rg -f secrets/key x a",
    "find",
    "find .",
    "find secrets -name x",
    "find src secrets -name x",
    "find -name x",
    "find -L . -type f",
    "find ../shop/secrets",
    "sort secrets/key",
    "uniq -c secrets/key",
    "diff a secrets/key",
    "diff -r a .",
    "sed -n 1,5p secrets/key",
    "sed -n -e 1p a secrets/key",
    "file secrets/key",
    "cat \"$x\"",
    "cat a; cat secrets/key",
];

fn rules(text: &str) -> RuleSet {
    RuleSet::parse(&[("rules.toml", text)], [0; 32]).unwrap_or_else(|errors| panic!("{errors}"))
}

fn effect(rules: &RuleSet, line: &str, directory: &str) -> Effect {
    let mut execute = Execute::command_line(line);
    execute.working_directory = directory.into();
    let call = Call {
        subject: Subject { user: "ann".to_owned(), ..Subject::default() },
        project: Project { name: "shop".to_owned(), workspace: "/srv/shop".into() },
        host: Host::default(),
        tool: "execute_command".to_owned(),
        action: Action::Execute(execute),
        at: jiff::Timestamp::default(),
    };
    rules.decide(call).effect()
}

#[test]
fn what_a_deny_rule_on_paths_names_is_not_read_by_the_search_pack() {
    let rules = rules(SECRETS);
    let mut wrong = Vec::new();
    for line in REACHING {
        if effect(&rules, line, "") != Effect::Deny {
            wrong.push(line);
        }
    }
    for line in ["cat key", "ls", "grep -r x", "rg x", "find -type f", "cat a"] {
        if effect(&rules, line, "secrets") != Effect::Deny {
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "permitted: {wrong:#?}");
}

#[test]
fn what_it_does_not_name_is_read_as_before() {
    let rules = rules(SECRETS);
    let mut wrong = Vec::new();
    for line in [
        "cat a src/main.rs",
        "cat a | grep secrets | tr a-z secrets | wc -l",
        "head -n 3 a",
        "ls",
        "ls -la .",
        "ls -la src",
        "ls -R src",
        "du -sh src",
        "grep secrets src/main.rs",
        "grep -rn secrets src",
        "grep -rn -A 3 x src",
        "grep -rn --include='*.rs' secrets src",
        "grep -- -x src",
        "jq .secrets a.json",
        "rg -n secrets src",
        "rg -tjson secrets src",
        "find src -name secrets",
        "find -L src tests -type f -newer a",
        "sort -t , -k 2nr a",
        "uniq -c a",
        "diff -ru a b",
        "sed -n 's/secrets/x/p' a",
        "file a",
        "basename secrets/key",
        "date -u; id; uname -a",
        "cat /etc/hosts",
    ] {
        if effect(&rules, line, "") != Effect::Allow {
            wrong.push(line);
        }
    }
    for line in ["rg x", "grep -r x", "find -type f", "ls -R", "du -sh"] {
        if effect(&rules, line, "src") != Effect::Allow {
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "denied: {wrong:#?}");
}

#[test]
fn a_deny_rule_on_paths_beside_the_search_pack_is_not_warned_of() {
    let kinds = |text: &str| -> Vec<WarningKind> {
        rules(text).warnings(jiff::Timestamp::default()).iter().map(|one| one.kind).collect()
    };
    assert!(!kinds(SECRETS).contains(&WarningKind::PathsBesidePrograms));
    let more = SECRETS.replace("['search']", "['search', 'git-read']");
    assert!(kinds(&more).contains(&WarningKind::PathsBesidePrograms));
}
