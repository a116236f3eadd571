//! What is warned about, and what is not.

use super::*;

const HEAD: &str = "version = 1\n[sets]\nlook = ['ls', 'cat']\nspare = ['x']\n";

fn rules(text: &str) -> RuleSet {
    RuleSet::parse(&[("rules.toml", text)], [0; 32]).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Kind and key of each warning.
fn warned(text: &str) -> Vec<(WarningKind, String)> {
    let now = "2026-06-01T00:00:00Z".parse().unwrap();
    let all = rules(text).warnings(now);
    assert!(all.iter().all(|one| !one.help.is_empty() && one.render().is_ascii()));
    all.into_iter().map(|one| (one.kind, one.key)).collect()
}

fn rule(id: &str, effect: &str, rest: &str) -> String {
    format!("[[rule]]\nid = '{id}'\neffect = '{effect}'\n{rest}\n")
}

fn kinds(rules: &[String]) -> Vec<WarningKind> {
    let text = format!("version = 1\n{}", rules.concat());
    warned(&text).into_iter().map(|(kind, _)| kind).collect()
}

#[test]
fn an_allow_rule_that_a_deny_rule_covers_is_in_vain() {
    let allow = |rest: &str| rule("a", "allow", rest);
    let deny = |rest: &str| rule("d", "deny", rest);
    for (one, other, vain) in [
        ("programs = [{ name = 'ls' }]", "programs = [{ names = ['ls', 'rm'] }]", true),
        ("programs = [{ names = ['ls', 'cat'] }]", "programs = [{ name = 'ls' }]", false),
        ("programs = [{ path = '/opt/ls' }]", "programs = [{ name = 'ls' }]", true),
        ("programs = [{ name = 'ls', args = ['-l'] }]", "programs = [{ name = 'ls' }]", true),
        ("programs = [{ name = 'ls' }]", "programs = [{ name = 'ls', args = ['-l'] }]", false),
        ("programs = [{ name = 'ls' }]", "", true),
        ("programs = [{ name = 'ls' }]", "subjects = { users = ['ann'] }", false),
        (
            "programs = [{ name = 'ls' }]\nsubjects = { users = ['ann'] }",
            "subjects = { users = ['a*'] }",
            true,
        ),
        (
            "paths = [{ beneath = 'workspace/a', mode = 'write' }]",
            "paths = [{ beneath = 'workspace', mode = 'read' }]",
            true,
        ),
        (
            "paths = [{ beneath = 'workspace/a', mode = 'read' }]",
            "paths = [{ beneath = 'workspace', mode = 'write' }]",
            false,
        ),
        (
            "paths = [{ beneath = 'workspace', mode = 'read' }]",
            "paths = [{ beneath = 'workspace/a', mode = 'read' }]",
            false,
        ),
        ("tools = ['list_hosts']", "tools = ['list_hosts']", true),
        (
            "programs = [{ name = 'ls' }]",
            "programs = [{ name = 'ls' }]\nvalid = { from = '2026-01-01T00:00:00Z' }",
            false,
        ),
    ] {
        let found = kinds(&[allow(one), deny(other)]);
        let expected: &[WarningKind] = if vain { &[WarningKind::Unreachable] } else { &[] };
        assert_eq!(found, expected, "{one} against {other}");
    }
}

#[test]
fn a_narrower_scope_cannot_permit_what_the_widest_does_not() {
    let base = rule("a", "allow", "programs = [{ name = 'ls' }]");
    let narrow = |program: &str| {
        rule("b", "allow", &format!("scope = 'project'\nprograms = [{{ name = '{program}' }}]"))
    };
    assert_eq!(kinds(&[base.clone(), narrow("stat")]), [WarningKind::Unreachable]);
    assert_eq!(kinds(&[base, narrow("ls")]), []);
}

#[test]
fn two_rules_that_permit_the_same_are_told_with_both_places() {
    let one = |id: &str, grant: &str| {
        rule(id, "allow", &format!("programs = [{{ name = 'ls' }}]\n{grant}"))
    };
    let text = format!("version = 1\n{}{}", one("b", "grant = { profile = 'x' }"), one("a", ""));
    let all = rules(&text).warnings(Timestamp::UNIX_EPOCH);
    assert_eq!(all.len(), 1);
    let rendered = all[0].render();
    for part in ["warning[contradictory]: rule b: ", "rules.toml:3:6", "rules.toml:8:6", "`a`"] {
        assert!(rendered.contains(part), "{part}\n{rendered}");
    }
    assert_eq!(kinds(&[one("a", ""), one("b", "hosts = { names = ['x'] }")]), []);
}

#[test]
fn sets_that_nothing_uses_and_rules_that_are_over_are_told() {
    let text = format!(
        "{HEAD}{}",
        rule(
            "a",
            "allow",
            "programs = [{ names = ['@look'] }]\nvalid = { until = '2026-01-01T00:00:00Z' }"
        )
    );
    assert_eq!(
        warned(&text),
        [
            (WarningKind::UnusedSet, "sets.spare".to_owned()),
            (WarningKind::Expired, "rule a".to_owned())
        ]
    );
}

#[test]
fn roles_that_nothing_refers_to_are_told() {
    let roles = "version = 1\n[sets]\nall = ['ops', 'dev']\n[roles]\n\
                 lead = { users = ['ann'] }\nops = { users = ['bob'], roles = ['lead'] }\n\
                 dev = { users = ['eve'] }\nspare = { users = ['x'], roles = ['dev'] }\n";
    let of = |role: &str| {
        rule(
            "a",
            "allow",
            &format!("programs = [{{ name = 'ls' }}]\nsubjects = {{ roles = ['{role}'] }}"),
        )
    };
    let unused = |names: &[&str]| {
        names
            .iter()
            .map(|name| (WarningKind::UnusedRole, format!("roles.{name}")))
            .collect::<Vec<_>>()
    };
    assert_eq!(warned(&format!("{roles}{}", of("@all"))), unused(&["spare"]));
    let pack = "[[pack]]\nname = 'search'\nsubjects = { roles = ['ops', 'spare'] }\n";
    assert_eq!(warned(&format!("{}{pack}", roles.replace("all = ['ops', 'dev']", ""))), []);
}

#[test]
fn a_rule_that_asks_and_does_not_say_for_what_is_told() {
    let ask = |rest: &str| rule("a", "ask", &format!("programs = [{{ name = 'ls' }}]\n{rest}"));
    assert_eq!(kinds(&[ask("")]), [WarningKind::AskWithoutGrant]);
    // That it grants what no allow rule grants is how it is meant.
    assert_eq!(kinds(&[ask("grant = { profile = 'x' }")]), []);
    assert_eq!(kinds(&[ask("grant = { workspace_access = 'write' }")]), []);
    let wide = rule("w", "allow", "programs = [{ name = 'ls' }]\ngrant = { profile = 'x' }");
    assert_eq!(kinds(&[wide, ask("scope = 'project'")]), []);
    assert_eq!(kinds(&[rule("a", "ask", "tools = ['list_hosts']")]), []);
    let files = "tools = ['write_file']\npaths = [{ beneath = 'workspace', mode = 'write' }]";
    assert_eq!(kinds(&[rule("a", "ask", files)]), []);
}

#[test]
fn programs_that_run_others_are_told_unless_their_arguments_leave_it_out() {
    for (program, open) in [
        ("{ name = 'bash' }", true),
        ("{ name = 'bash', args = ['x.sh'] }", true),
        ("{ path = '/usr/bin/python3.12' }", true),
        ("{ any = true }", true),
        ("{ under = '/usr/bin/' }", true),
        ("{ name = 'ls' }", false),
        ("{ name = 'find' }", true),
        ("{ name = 'find', args = [{ rest = true }] }", true),
        (
            "{ name = 'find', args = [{ beneath = 'workspace' }, '-name', { glob = '*.rs' }] }",
            false,
        ),
        (
            "{ name = 'find', args = [{ rest = { none_of = [{ glob = '-exec*' }, { glob = '-ok*' }, '-delete', { glob = '-f*' }] } }] }",
            false,
        ),
        ("{ name = 'git' }", true),
        (
            "{ name = 'git', args = [{ optional = { flag = '-c', value = { any = true } } }, 'log'] }",
            true,
        ),
        ("{ name = 'git', args = ['status'] }", false),
        ("{ name = 'git', args = ['log', { rest = true }] }", true),
        ("{ name = 'sed' }", true),
        (
            "{ name = 'sed', args = ['-n', { regex = '[0-9]+(,[0-9]+)?p' }, { beneath = 'workspace' }] }",
            false,
        ),
        ("{ name = 'awk', args = ['{print $1}', { beneath = 'workspace' }] }", false),
        ("{ name = 'sed', args = [{ rest = { beneath = 'workspace' } }] }", true),
        ("{ name = 'awk', args = [{ any = true }] }", true),
        ("{ name = 'tar', args = ['-tf', { beneath = 'workspace' }] }", false),
        ("{ name = 'sort', args = [{ rest = { beneath = 'workspace' } }] }", false),
    ] {
        let found = kinds(&[rule("a", "allow", &format!("programs = [{program}]"))]);
        let expected: &[WarningKind] = if open { &[WarningKind::RunsAnything] } else { &[] };
        assert_eq!(found, expected, "{program}");
    }
    let grant =
        "programs = [{ name = 'ls' }]\ngrant = { programs = ['/usr/bin/ls', '/usr/bin/bash'] }";
    assert_eq!(kinds(&[rule("a", "allow", grant)]), [WarningKind::RunsAnything]);
    assert_eq!(kinds(&[rule("a", "deny", "programs = [{ name = 'bash' }]")]), []);
}

#[test]
fn a_deny_rule_on_paths_beside_programs_that_can_use_them_is_told() {
    let deny = |rest: &str| rule("secrets", "deny", rest);
    let paths = "paths = [{ beneath = 'workspace/secrets', mode = 'read' }]";
    let allow = |programs: &str| rule("look", "allow", &format!("programs = [{programs}]"));
    for (programs, told) in [
        ("{ name = 'cat' }", true),
        ("{ name = 'cat', args = [{ beneath = 'workspace' }] }", true),
        ("{ name = 'cat', args = [{ optional = { regex = '.*' } }] }", true),
        ("{ name = 'cat', args = [{ rest = { beneath = '/', mode = 'read' } }] }", false),
        ("{ name = 'make', opens = [{ beneath = 'workspace', mode = 'write' }] }", false),
        ("{ name = 'cat', args = [{ beneath = '/', mode = 'read' }] }, { name = 'tac' }", true),
        ("{ name = 'cat', args = [{ beneath = '/', mode = 'read' }] }, { name = 'cat' }", false),
        ("{ name = 'date', args = ['-u'] }", false),
        (
            "{ name = 'head', args = [{ one_of = ['-n'] }, { number = { min = 1, max = 9 } }] }",
            false,
        ),
    ] {
        let found = kinds(&[allow(programs), deny(paths)]);
        let reach = found.contains(&WarningKind::PathsBesidePrograms);
        assert_eq!(reach, told, "{programs}: {found:?}");
    }
    let files = rule("files", "allow", "paths = [{ beneath = 'workspace', mode = 'read' }]");
    assert!(kinds(&[files, deny(paths)]).is_empty());
    let programs = kinds(&[allow("{ name = 'cat' }"), deny("programs = [{ name = 'vi' }]")]);
    assert!(programs.is_empty(), "{programs:?}");
}
