//! Conditions that could never be met, or always are, are errors.

use super::{error, parse};

fn rule(effect: &str, rest: &str) -> String {
    format!(
        "version = 1\n[[rule]]\nid = \"a\"\neffect = \"{effect}\"\nprograms = [{{ name = \"x\" }}]\n{rest}\n"
    )
}

#[test]
fn conditions_that_mean_nothing_are_refused() {
    for (rest, part) in [
        ("valid = {}", "give `from`, `until` or both"),
        ("valid = { from = \"2026-01-01\" }", "RFC 3339"),
        ("valid = { until = \"soon\" }", "RFC 3339"),
        (
            "valid = { from = \"2026-02-01T00:00:00Z\", until = \"2026-01-01T00:00:00Z\" }",
            "not after",
        ),
        ("valid = { to = \"x\" }", "unknown field `to`"),
        ("when = {}", "give days"),
        ("when = { zone = \"UTC\" }", "give days"),
        ("when = { days = [] }", "an empty list"),
        ("when = { days = [\"Monday\"] }", "a day is one of"),
        ("when = { from = \"8:00\" }", "no time of day"),
        ("when = { from = \"08:00\", until = \"08:00\" }", "the same as `from`"),
        ("when = { from = \"08:00\", zone = \"Berlin\" }", "no time zone"),
        ("require = []", "an empty list"),
        ("require = [\"selinux\"]", "no layer is named `selinux`; there are namespaces"),
        ("ask_if = []", "an empty list"),
        ("ask_if = [{ rest = true }]", "exactly one argument"),
        ("ask_if = [{ none_of = [] }]", "an empty list"),
        ("ask_if = [{ any_of = [\"a\"], glob = \"b\" }]", "exactly one of"),
        ("ask_if = [{ any_of = [{ rest = true }] }]", "exactly one argument"),
    ] {
        let text = rule("allow", rest);
        let message = error(&text);
        assert!(message.contains(part), "{rest}: {message}");
        assert!(message.starts_with("rules.toml:6:"), "{message}");
    }
}

#[test]
fn conditions_stand_only_where_they_can_mean_something() {
    for (effect, rest, part) in [
        ("deny", "require = [\"landlock\"]", "leave `require` out"),
        ("deny", "ask_if = [\"x\"]", "belongs to a rule that allows"),
        ("ask", "ask_if = [\"x\"]", "belongs to a rule that allows"),
    ] {
        let message = error(&rule(effect, rest));
        assert!(message.contains(part), "{rest}: {message}");
    }
    for rest in ["valid = { until = \"2030-01-01T00:00:00+02:00\" }", "when = { days = [\"sat\"] }"]
    {
        assert!(parse(&rule("deny", rest)).is_ok(), "{rest}");
    }
}

#[test]
fn a_test_may_say_its_time_and_what_the_host_holds() {
    let text = rule("allow", "when = { days = [\"sun\"] }\nrequire = [\"landlock\"]");
    let case = |call: &str, expect: &str| {
        format!(
            "{text}[[test]]\nname = \"t\"\nexpect = \"{expect}\"\ncall = {{ tool = \
             \"execute_command\", program = \"x\"{call} }}\n"
        )
    };
    for (call, expect) in [
        (", at = \"2026-01-04T00:00:00Z\", layers = [\"landlock\"]", "allow"),
        (", at = \"2026-01-05T00:00:00Z\", layers = [\"landlock\"]", "deny"),
        (", at = \"2026-01-04T00:00:00Z\"", "deny"),
        (", layers = [\"landlock\"]", "deny"),
    ] {
        parse(&case(call, expect)).unwrap().check_tests().unwrap();
    }
    assert!(error(&case(", at = \"today\"", "deny")).contains("RFC 3339"));
}
