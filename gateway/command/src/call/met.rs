//! What a run that failed met at the walls of its sandbox, as lines for standard
//! error: the person at the terminal sees why as a model does.

use serde_json::Value;

use super::answer::plain;

/// The lines; none where the run succeeded or nothing is told. The gateway keeps
/// the lists short.
pub(crate) fn lines(told: &Value) -> Vec<String> {
    let outcome = &told["outcome"];
    if outcome["kind"] == "exited" && outcome["code"] == 0 {
        return Vec::new();
    }
    let mut lines: Vec<String> = list(&told["denials"]).iter().map(denial).collect();
    lines.extend(text(&told["denials_note"]).map(str::to_owned));
    lines.extend(list(&told["network"]).iter().filter_map(refused));
    lines.iter().map(|line| format!("cofferdam: {}", plain(line))).collect()
}

fn denial(denial: &Value) -> String {
    let word = |name: &str| text(&denial[name]).unwrap_or("-").to_owned();
    let object = text(&denial["object"]).map_or(String::new(), |object| format!(" `{object}`"));
    format!(
        "the sandbox refused to {}{object}: setting `{}`; what would allow it: {}",
        word("operation"),
        word("setting"),
        word("remedy")
    )
}

/// Only what was refused is a reason to fail.
fn refused(reached: &Value) -> Option<String> {
    let why = text(&reached["refused"])?;
    let destination = text(&reached["destination"]).unwrap_or("-");
    Some(format!("the sandbox refused to connect to `{destination}`: {why}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(outcome: &Value) -> Value {
        json!({
            "outcome": outcome,
            "denials": [{
                "operation": "read the file", "object": "/etc/\u{1b}shadow", "count": 2,
                "setting": "view.read", "remedy": "a profile that shows it",
            }],
            "denials_note": "3 refusals more are not told",
            "network": [
                { "destination": "crates.io:443", "connections": 1 },
                { "destination": "evil.example:80", "refused": "no list allows it" },
            ],
        })
    }

    #[test]
    fn a_failed_run_says_what_was_refused_and_what_would_allow_it() {
        assert_eq!(
            lines(&told(&json!({ "kind": "exited", "code": 1 }))),
            [
                "cofferdam: the sandbox refused to read the file `/etc/\u{fffd}shadow`: setting \
                 `view.read`; what would allow it: a profile that shows it",
                "cofferdam: 3 refusals more are not told",
                "cofferdam: the sandbox refused to connect to `evil.example:80`: no list allows it",
            ]
        );
        assert_eq!(lines(&told(&json!({ "kind": "signalled" }))).len(), 3);
    }

    #[test]
    fn a_run_that_succeeded_and_an_old_gateway_say_nothing() {
        assert!(lines(&told(&json!({ "kind": "exited", "code": 0 }))).is_empty());
        assert!(lines(&json!({ "outcome": { "kind": "lost" } })).is_empty());
    }
}
