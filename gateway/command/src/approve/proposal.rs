//! The smallest rule for what somebody agreed to, to be put into the rules by
//! hand: exactly this user, host and project, and exactly these programs or paths.

use std::fmt::Write as _;

use cofferdam_gateway::approvals::{Question, Request, visible};
use cofferdam_gateway::asked_call;
use cofferdam_policy::{Action, Call};

use crate::policy::learn::wanted::{Wanted, literal, quoted, toml_text};

/// The rule as TOML, with a test that it does what it says.
///
/// # Errors
/// Why no rule can name exactly this.
pub(super) fn propose(request: &Request) -> Result<String, String> {
    let question = &request.question;
    let call = asked_call(question).map_err(|error| error.to_string())?;
    let wanted = Wanted::of(&call)?;
    let id = &request.id;
    let asking: Vec<&str> = question.demands.iter().map(|demand| demand.rule.as_str()).collect();
    let mut out = String::new();
    let _ = writeln!(
        out,
        "# Proposed from the request {id}. What a rule asks about is asked about, whatever"
    );
    let _ = writeln!(out, "# others allow: narrow {}, so that it does", asking.join(" and "));
    out.push_str(
        "# not match this any more. Until then the test below fails, and rules with a failing\n",
    );
    out.push_str("# test are not taken.\n");
    for (name, why) in wanted.runners() {
        let name = visible(name);
        let _ = writeln!(out, "# {name} can run anything, because {why};");
        out.push_str("# the profile alone holds it.\n");
    }
    let _ = writeln!(out, "[[rule]]\nid = {}\neffect = \"allow\"", quoted(&format!("agreed-{id}")));
    let _ = writeln!(out, "reason = {}", quoted(&format!("agreed to as {id}")));
    let _ = writeln!(out, "subjects = {{ users = [{}] }}", quoted(literal(&question.asker.user)?));
    if !question.host.is_empty() {
        let _ = writeln!(out, "hosts = {{ names = [{}] }}", quoted(literal(&question.host)?));
    }
    if !question.project.is_empty() {
        let _ = writeln!(out, "projects = [{}]", quoted(literal(&question.project)?));
    }
    wanted.write(&mut out);
    let (profile, access) = (quoted(&question.profile), quoted(&question.workspace_access));
    let _ = writeln!(out, "grant = {{ profile = {profile}, workspace_access = {access} }}");
    write_test(&mut out, id, question, &call);
    Ok(out)
}

fn write_test(out: &mut String, id: &str, question: &Question, call: &Call) {
    let mut fields = vec![("user", quoted(&question.asker.user))];
    let mut add = |name: &'static str, text: &str| {
        if !text.is_empty() {
            fields.push((name, quoted(text)));
        }
    };
    add("client", &question.asker.client);
    add("tenant", &question.asker.tenant);
    add("host", &question.host);
    add("project", &question.project);
    add("workspace", &question.workspace);
    add("tool", &question.tool);
    let argument = |name: &str| question.arguments.get(name).and_then(|value| value.as_str());
    for name in ["program", "command", "path", "working_directory"] {
        add(name, argument(name).unwrap_or_default());
    }
    if let Some(arguments) = question.arguments.get("arguments").filter(|it| it.is_array()) {
        // An array of texts is written alike in JSON and in TOML.
        fields.push(("args", toml_text(arguments)));
    }
    if let Action::ReadService { what, unit } = &call.action {
        fields.extend([("what", quoted(what.name())), ("unit", quoted(unit))]);
    }
    if let Action::Execute(execute) = &call.action
        && !execute.environment_names.is_empty()
    {
        let names: Vec<String> =
            execute.environment_names.iter().map(|name| quoted(name)).collect();
        fields.push(("environment", format!("[{}]", names.join(", "))));
    }
    if !question.asker.groups.is_empty() {
        let groups: Vec<String> = question.asker.groups.iter().map(|name| quoted(name)).collect();
        fields.push(("groups", format!("[{}]", groups.join(", "))));
    }
    let claims: Vec<String> = question
        .asker
        .claims
        .iter()
        .map(|(name, values)| {
            let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
            format!("{} = [{}]", quoted(name), values.join(", "))
        })
        .collect();
    if !claims.is_empty() {
        fields.push(("claims", format!("{{ {} }}", claims.join(", "))));
    }
    let fields: Vec<String> =
        fields.into_iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let _ = writeln!(
        out,
        "\n[[test]]\nname = {}",
        quoted(&format!("what was agreed to as {id} is allowed"))
    );
    let _ = writeln!(out, "call = {{ {} }}\nexpect = \"allow\"", fields.join(", "));
}

#[cfg(test)]
mod tests {
    use cofferdam_gateway::approvals::is_visible;
    use cofferdam_policy::{Decision, RuleSet};
    use serde_json::json;

    use super::super::shown::tests::request;
    use super::*;

    #[test]
    fn what_is_proposed_is_a_rule_that_permits_exactly_that_and_its_test_passes() {
        for arguments in [
            json!({ "program": "git", "arguments": ["push", "odd \"name\""] }),
            json!({ "program": "git", "arguments": ["\u{7f}\u{9b}2J\u{202e}x\n\\"] }),
            json!({ "command": "git push origin && git status -s > out.txt" }),
            json!({ "program": "make", "environment": { "CI": "1" } }),
        ] {
            let request = request(arguments);
            let text = format!("version = 1\n{}", propose(&request).unwrap());
            assert!(text.chars().all(|c| c == '\n' || is_visible(c)), "{text:?}");
            let rules = RuleSet::parse(&[("proposed", &text)], [0; 32])
                .unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert!(rules.check_tests().is_ok(), "{text}");
            let call = asked_call(&request.question).unwrap();
            assert!(matches!(rules.decide(call.clone()), Decision::Permit(_)), "{text}");
            let mut other = call.clone();
            other.subject.user = "eve".into();
            assert!(matches!(rules.decide(other), Decision::Deny(_)), "{text}");
            let mut other = call;
            other.host.name = "web-2".into();
            assert!(matches!(rules.decide(other), Decision::Deny(_)), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_named_exactly_is_not_proposed() {
        for arguments in [
            json!({ "command": "eval \"$X\"" }),
            json!({ "command": "git push $BRANCH" }),
            json!({ "command": { "bytes": 100_000, "sha256": "00", "head": "x" } }),
        ] {
            propose(&request(arguments)).unwrap_err();
        }
    }
}
