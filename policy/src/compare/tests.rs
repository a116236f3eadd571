use super::*;
use crate::action::{Action, Call, Execute, Host, Project};
use crate::subject::Subject;

fn rules(text: &str) -> RuleSet {
    let text = format!("version = 1\n{text}");
    RuleSet::parse(&[("rules.toml", &text)], [0; 32]).unwrap()
}

fn changes(old: &str, new: &str) -> Vec<RuleChange> {
    rules(old).changes(&rules(new))
}

const LS: &str = "[[rule]]\nid = 'a'\neffect = 'allow'\nprograms = [{ names = ['ls', 'cat'] }]\n";

#[test]
fn order_of_alternatives_sets_and_names_of_roles_are_no_meaning() {
    let old = "[sets]\nlook = ['ls', 'cat']\n[roles]\nops = { users = ['ann', 'bob'] }\n\
        [[rule]]\nid = 'a'\neffect = 'allow'\nprograms = [{ names = ['@look'] }]\n\
        subjects = { roles = ['ops'] }\n\
        [[rule]]\nid = 'b'\neffect = 'deny'\n";
    let new = "[roles]\nother = { users = ['eve'] }\nadmins = { users = ['bob', 'ann'] }\n\
        [[rule]]\nid = 'b'\neffect = 'deny'\n\
        [[rule]]\nid = 'a'\neffect = 'allow'\nsubjects = { roles = ['admins'] }\n\
        programs = [{ name = 'cat' }, { name = 'ls' }]\n";
    assert_eq!(changes(old, new), []);
}

#[test]
fn added_removed_and_changed_rules_are_told_by_what_changed() {
    let new = "[[rule]]\nid = 'b'\neffect = 'deny'\nprograms = [{ name = 'rm' }]\n\
        [[rule]]\nid = 'a'\neffect = 'allow'\nshell = 'parsed'\n\
        programs = [{ name = 'ls' }, { name = 'cat', args = [{ beneath = 'workspace' }] }]\n";
    let found = changes(LS, new);
    let facet = |name: &str, removed: &[&str], added: &[&str]| FacetChange {
        name: name.to_owned(),
        removed: removed.iter().map(ToString::to_string).collect(),
        added: added.iter().map(ToString::to_string).collect(),
    };
    let programs =
        facet("programs", &["cat with any arguments"], &["cat <path beneath workspace>"]);
    assert_eq!(
        found,
        [
            RuleChange {
                id: "a".into(),
                kind: ChangeKind::Changed,
                facets: vec![programs, facet("shell", &["refuse"], &["parsed"])],
            },
            RuleChange {
                id: "b".into(),
                kind: ChangeKind::Added(Effect::Deny),
                facets: Vec::new(),
            },
        ]
    );
    let back = changes(new, LS);
    assert_eq!(back[1].kind, ChangeKind::Removed(Effect::Deny));
}

#[test]
fn who_holds_a_role_and_the_kind_of_a_pattern_are_meaning() {
    let with = |users: &str| {
        format!("[roles]\nops = {{ users = [{users}] }}\n{LS}subjects = {{ roles = ['ops'] }}\n")
    };
    assert_eq!(changes(&with("'ann'"), &with("'ann', 'bob'")).len(), 1);
    let argument = |pattern: &str| {
        format!(
            "[[rule]]\nid = 'a'\neffect = 'allow'\nprograms = [{{ name = 'x', args = [{pattern}] }}]\n"
        )
    };
    let kinds = ["'a?'", "{ glob = 'a?' }", "{ regex = 'a?' }"].map(argument);
    for one in &kinds {
        let differing = kinds.iter().filter(|other| !changes(one, other).is_empty()).count();
        assert_eq!(differing, 2, "{one}");
    }
    assert_eq!(changes("profiles = ['a', 'b']", "profiles = ['b', 'a']").len(), 1);
}

#[test]
fn other_rules_that_say_the_same_are_no_difference() {
    let decided = |text: &str| {
        rules(text).decide(Call {
            subject: Subject::default(),
            project: Project { name: String::new(), workspace: "/srv/shop".into() },
            host: Host::default(),
            tool: "execute_command".to_owned(),
            action: Action::Execute(Execute::program("ls", Vec::new())),
            at: jiff::Timestamp::default(),
        })
    };
    let allow = decided(LS);
    let renamed = decided(&LS.replace("'a'", "'z'"));
    assert_eq!(Difference::of(&allow, &renamed), None);
    let ask = decided(&LS.replace("allow", "ask"));
    assert_eq!(Difference::of(&allow, &ask), Some(Difference::Narrower));
    assert_eq!(Difference::of(&decided(""), &ask), Some(Difference::Wider));
    let write = decided(&format!("{LS}grant = {{ workspace_access = 'write' }}\n"));
    assert_eq!(Difference::of(&allow, &write), Some(Difference::Grant));
}
