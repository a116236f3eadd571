//! Which shell the rules permit, from what `describe_access` tells.

use serde_json::Value;

/// Shells, the likeliest to be liked first.
const SHELLS: [&str; 7] = ["bash", "zsh", "fish", "ksh", "dash", "ash", "sh"];
/// Programs that are named where there is no shell, at most.
const NAMED: usize = 8;

/// A shell that may be started on a terminal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) program: String,
    /// The rule that permits it.
    pub(super) rule: String,
}

/// Why there is none, and what there is instead.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoShell(pub(super) String);

/// The shell that is permitted with a terminal.
pub(super) fn shell_of(access: &Value) -> Result<Found, NoShell> {
    let rules: Vec<&Value> = access["may"].as_array().into_iter().flatten().collect();
    let able = rules.iter().filter(|rule| gives_terminals(rule));
    let found = able.flat_map(|rule| {
        let shells = list(&rule["programs"]).filter_map(shell_in);
        shells.map(|(rank, program)| (rank, program, rule["rule"].as_str().unwrap_or_default()))
    });
    if let Some((_, program, rule)) = found.min_by_key(|(rank, ..)| *rank) {
        return Ok(Found { program, rule: rule.to_owned() });
    }
    let of_rules = rules.iter().flat_map(|rule| list(&rule["programs"]));
    let named: Vec<&str> = of_rules.take(NAMED).collect();
    let told = match named.as_slice() {
        [] => "the rules permit you no program there.".to_owned(),
        named => format!(
            "no rule permits you a shell with a terminal there; they permit {}.",
            named.join(", ")
        ),
    };
    Err(NoShell(crate::call::plain(&told)))
}

/// A terminal is given by rules that name the tool, or let command lines be any.
/// The gateway tells the tools that a rule is about either way, so this may be too much;
/// then the gateway refuses, and says why.
fn gives_terminals(rule: &Value) -> bool {
    list(&rule["tools"]).any(|tool| tool == "start_process")
}

/// The shell that a pattern of programs permits without arguments, and its rank.
fn shell_in(pattern: &str) -> Option<(usize, String)> {
    let any = pattern.starts_with("any program");
    let (which, arguments) = if any {
        ("bash", pattern.trim_start_matches("any program"))
    } else {
        pattern.split_once(' ').unwrap_or((pattern, ""))
    };
    let arguments = arguments.trim();
    let may_lack = |word: &str| word == "…" || (word.starts_with('[') && word.ends_with(']'));
    let without = arguments.is_empty()
        || arguments.starts_with('(')
        || arguments.split_whitespace().all(may_lack);
    if !without {
        return None;
    }
    let named = which.split('|').filter_map(|name| {
        let base = name.rsplit('/').next().unwrap_or(name);
        // A whole directory of programs has the usual one, or the gateway says no.
        let base = if base == "*" { "bash" } else { base };
        let rank = SHELLS.iter().position(|shell| *shell == base)?;
        Some((rank, name.replace('*', "bash")))
    });
    named.min_by_key(|(rank, _)| *rank)
}

fn list(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn access(rules: &[(&str, &[&str])]) -> Value {
        let rules: Vec<Value> = rules
            .iter()
            .map(|(id, programs)| {
                json!({ "rule": id, "tools": ["start_process"], "programs": programs })
            })
            .collect();
        json!({ "may": rules })
    }

    fn found(rules: &[(&str, &[&str])]) -> Option<(String, String)> {
        shell_of(&access(rules)).ok().map(|found| (found.program, found.rule))
    }

    fn shell(program: &str, rule: &str) -> (String, String) {
        (program.to_owned(), rule.to_owned())
    }

    #[test]
    fn the_shell_that_the_rules_permit_is_taken() {
        assert_eq!(found(&[("a", &["git …", "sh"]), ("b", &["zsh …"])]), Some(shell("zsh", "b")));
        assert_eq!(found(&[("a", &["any program"])]), Some(shell("bash", "a")));
        assert_eq!(found(&[("a", &["git|sh|dash (without arguments)"])]), Some(shell("dash", "a")));
        assert_eq!(found(&[("a", &["/usr/bin/fish [-l]"])]), Some(shell("/usr/bin/fish", "a")));
        assert_eq!(found(&[("a", &["/bin/*"])]), Some(shell("/bin/bash", "a")));
    }

    #[test]
    fn where_there_is_none_it_is_said_what_there_is() {
        for programs in [&["bash -c …"][..], &["git log …"], &["bashful"]] {
            let NoShell(told) = shell_of(&access(&[("a", programs)])).unwrap_err();
            assert!(told.contains(programs[0]), "{told}");
        }
        let NoShell(told) = shell_of(&json!({ "may": [] })).unwrap_err();
        assert!(told.contains("no program"), "{told}");
        let other =
            json!({ "may": [{ "rule": "a", "tools": ["execute_command"], "programs": ["sh"] }] });
        assert!(shell_of(&other).is_err());
    }
}
