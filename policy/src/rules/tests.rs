//! What a rule file may say, and how its errors read.

use super::*;
use crate::decision::Effect;

mod conditions;
mod packs;
mod roles;
mod schema;

const EXAMPLE: &str = include_str!("../../../packaging/config/rules.toml");

fn parse(text: &str) -> Result<RuleSet, RuleErrors> {
    RuleSet::parse(&[("rules.toml", text)], [7; 32])
}

/// The message of the only error.
fn error(text: &str) -> String {
    let errors = parse(text).expect_err(text).errors;
    assert_eq!(errors.len(), 1, "{errors:#?}");
    errors[0].to_string()
}

#[test]
fn the_shipped_example_is_a_rule_set_and_passes_its_own_tests() {
    let rules = parse(EXAMPLE).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(rules.len() >= 8);
    let results = rules.run_tests();
    assert!(results.len() >= 7);
    if let Err(failed) = rules.check_tests() {
        panic!("{failed:#?}");
    }
}

#[test]
fn no_files_and_an_empty_file_permit_nothing() {
    let none = RuleSet::parse(&[], [0; 32]).unwrap();
    assert!(none.is_empty());
    assert!(parse("version = 1").unwrap().is_empty());
}

#[test]
fn errors_name_file_line_column_and_key() {
    let text = "version = 1\n[[rule]]\nid = \"a\"\neffect = \"allow\"\nprogram = []\n";
    let message = error(text);
    assert!(message.starts_with("rules.toml:5:1: rule a: unknown field `program`"), "{message}");
}

#[test]
fn several_errors_are_reported_at_once() {
    let text = r#"
version = 2
colour = "blue"
[[rule]]
id = "a"
effect = "permit"
[[rule]]
id = "b b"
effect = "deny"
tools = ["run_comand"]
programs = [{ name = "a", args = [{ regex = "(" }] }]
"#;
    let errors = parse(text).unwrap_err().errors;
    let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let all = text.join("\n");
    for part in [
        "version 2 is unknown",
        "colour",
        "unknown variant `permit`",
        "an id has",
        "run_comand",
        "unclosed group",
    ] {
        assert!(all.contains(part), "{part} is missing in\n{all}");
    }
}

#[test]
fn what_could_never_match_is_refused() {
    let rule = |rest: &str| format!("version = 1\n[[rule]]\nid = \"a\"\neffect = \"deny\"\n{rest}");
    for (rest, part) in [
        ("programs = []", "an empty list"),
        ("paths = []", "an empty list"),
        ("tools = [\"read_fles\"]", "no tool is named"),
        ("subjects = { groups = [\"@devs\"] }", "no set is named"),
        ("programs = [{ name = \"/bin/x\" }]", "not a bare name"),
        ("programs = [{ path = \"bin/x\" }]", "not an absolute path"),
        ("programs = [{ path = \"/bin/\" }]", "names a file"),
        ("programs = [{ under = \"/bin\" }]", "with `/` at its end"),
        ("programs = [{ any = false }]", "exactly one of"),
        ("programs = [{ name = \"a\", path = \"/a\" }]", "exactly one of"),
        ("programs = [{ name = \"a\", args = [{ number = { min = 2, max = 1 } }] }]", "above"),
        ("programs = [{ name = \"a\", args = [{ one_of = [] }] }]", "matches nothing"),
        ("programs = [{ name = \"a\", args = [{ flag = \"n\", value = \"x\" }] }]", "starts with"),
        ("programs = [{ name = \"a\", args = [{ flag = \"-n\" }] }]", "exactly one of"),
        ("programs = [{ name = \"a\", args = [{ rest = false }] }]", "exactly one of"),
        ("programs = [{ name = \"a\", args = [{}] }]", "exactly one of"),
        ("programs = [{ name = \"a\", args = [3] }]", "invalid type"),
        ("paths = [{ beneath = \"../x\", mode = \"read\" }]", "neither `workspace`"),
        ("paths = [{ beneath = \"workspace\", mode = \"rw\" }]", "unknown variant"),
        ("shell = \"parsed\"", "leave `shell` out"),
        ("grant = { profile = \"x\" }", "gives nothing"),
        ("environment = [\"A\"]", "leave it out of a deny rule"),
    ] {
        let message = error(&rule(rest));
        assert!(message.contains(part), "{rest}: {message}");
        assert!(message.starts_with("rules.toml:"), "{message}");
    }
}

/// A rule set with one allow rule that gives this.
fn with_network(list: &str) -> String {
    format!(
        "version = 1\n[sets]\nown = [\"A.example.org:443\"]\nbad = [\"a\"]\n[[rule]]\nid = \"fetch\"\n\
         effect = \"allow\"\nprograms = [{{ any = true }}]\ngrant = {{ network = {list} }}\n"
    )
}

#[test]
fn a_destination_that_means_nothing_is_named_with_file_rule_and_key() {
    for (list, part) in [
        ("[\"crates.io\"]", "`crates.io` is no destination: the port is missing"),
        ("[\"http://crates.io:80\"]", "the scheme \"http\" is unknown"),
        ("[\"crates.io:443\", \"2001:db8::1:443\"]", "in brackets"),
        ("[\"crates.io:0\"]", "is no destination"),
        ("[\"*.*.io:443\"]", "is no destination"),
        ("[\"\"]", "is no destination"),
        ("[\"@gone\"]", "no set is named `gone`"),
        ("[\"@bad\"]", "`a` is no destination"),
    ] {
        let message = error(&with_network(list));
        assert!(message.starts_with("rules.toml:9:"), "{message}");
        assert!(message.contains(": rule fetch: grant.network: "), "{message}");
        assert!(message.contains(part), "{list}: {message}");
    }
    assert!(error(&with_network("\"crates.io:443\"")).contains("invalid type"));
    let many = vec!["\"a.org:443\""; 257].join(", ");
    assert!(error(&with_network(&format!("[{many}]"))).contains("at most 256"));
}

#[test]
fn a_grants_network_is_kept_in_one_spelling_and_may_be_empty() {
    let texts = |list: &str| {
        let rules = parse(&with_network(list)).unwrap_or_else(|errors| panic!("{errors}"));
        rules.rules[0].gives.network.to_texts()
    };
    let two = texts("[\"b.example.org:443\", \"@own\"]");
    assert_eq!(two, [["a.example.org:443", "b.example.org:443"]]);
    assert_eq!(texts("[]"), [[""; 0]]);
}

#[test]
fn an_allow_rule_says_what_it_permits() {
    let message = error("version = 1\n[[rule]]\nid = \"a\"\neffect = \"allow\"\n");
    assert!(message.contains("permits nothing in particular"), "{message}");
}

#[test]
fn ids_and_sets_are_unique_across_files() {
    let text = "version = 1\n[sets]\ns = [\"x\"]\n[[rule]]\nid = \"a\"\neffect = \"deny\"\n";
    let errors = RuleSet::parse(&[("one", text), ("two", text)], [0; 32]).unwrap_err().errors;
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors.iter().all(|error| error.place.file == "two"));
}

#[test]
fn a_test_of_a_rule_that_is_not_there_is_an_error() {
    let message = error(
        "version = 1\n[[test]]\nname = \"t\"\nexpect = \"deny\"\nrule = \"gone\"\ncall = { tool = \
         \"list_hosts\" }\n",
    );
    assert!(message.contains("no rule has the id `gone`"), "{message}");
}

#[test]
fn a_test_that_fails_says_what_was_decided() {
    let rules = parse(
        "version = 1\n[[test]]\nname = \"t\"\nexpect = \"allow\"\ncall = { tool = \"list_hosts\" }\n",
    )
    .unwrap();
    let failed = rules.check_tests().unwrap_err();
    assert_eq!(failed[0].place, "rules.toml:2:1");
    assert_eq!(failed[0].problem, format!("expected allow, got {}", Effect::Deny));
}

#[test]
fn hostile_files_are_errors_and_not_crashes() {
    let deep = format!("version = 1\nx = {}", "[".repeat(100_000));
    assert!(parse(&deep).is_err());
    let dotted = format!("version = 1\n{} = 1", vec!["a"; 50_000].join("."));
    assert!(parse(&dotted).is_err());
    assert!(parse(&"x".repeat(file::MAX_FILE + 1)).is_err());
    assert!(parse("\u{feff}version = 1\n\0").is_err());
    let nested = format!(
        "version = 1\n[[rule]]\nid = \"a\"\neffect = \"deny\"\nprograms = [{{ name = \"a\", args = [{}\"x\"{}] }}]",
        "{ optional = ".repeat(5_000),
        " }".repeat(5_000)
    );
    assert!(parse(&nested).is_err());
    let bomb = "version = 1\n[[rule]]\nid = \"a\"\neffect = \"deny\"\nprograms = [{ name = \"a\", args = [{ regex = \"((a{999}){999}){999}\" }] }]";
    assert!(error(bomb).contains("make it smaller"));
}
