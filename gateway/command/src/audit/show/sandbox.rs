//! What an outcome's record says of the sandbox, as lines beneath it: layers that
//! were weaker, what was refused, what was reached. Reads the records of gateways
//! and of agents; what it does not know it leaves out, because the form is free.

use serde_json::Value;

/// Lines of one kind.
const MOST: usize = 20;
/// The longest line, in characters.
const LONGEST: usize = 300;

/// The lines; none where there is nothing to tell.
pub(super) fn lines(sandbox: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let weaker = |layer: &&Value| layer["effective"] != Value::Bool(true);
    let layers = list(&sandbox["weak_layers"]).iter().chain(list(&sandbox["layers"]));
    add(&mut lines, layers.filter(weaker).map(layer));
    add(&mut lines, list(&sandbox["denials"]).iter().map(denial));
    if let Some(more) = more(&sandbox["denials_untold"]) {
        lines.push(format!("refused: {more} times more, of what nothing is recorded"));
    }
    if let Some(why) = text(&sandbox["denials_unseen"]) {
        lines.push(format!("refused: not all is known: {why}"));
    }
    add(&mut lines, list(&sandbox["connections"]).iter().map(connection));
    if let Some(more) = more(&sandbox["connections_untold"]) {
        lines.push(format!("reached: {more} connections more"));
    }
    lines.iter().map(|line| line.chars().take(LONGEST).collect()).collect()
}

fn add(lines: &mut Vec<String>, new: impl Iterator<Item = String>) {
    let mut new = new.peekable();
    lines.extend(new.by_ref().take(MOST));
    if new.peek().is_some() {
        lines.push(format!("and {} more; --json shows all", new.count()));
    }
}

fn layer(layer: &Value) -> String {
    format!("weaker: {}: {}", known(&layer["name"]), known(&layer["detail"]))
}

fn denial(denial: &Value) -> String {
    let object = text(&denial["object"]).map_or(String::new(), |object| format!(" `{object}`"));
    let times = match denial["count"].as_u64() {
        None | Some(0 | 1) => String::new(),
        Some(times) => format!(", {times} times"),
    };
    let (operation, setting) = (known(&denial["operation"]), known(&denial["setting"]));
    format!("refused: {operation}{object}{times} (setting {setting})")
}

fn connection(connection: &Value) -> String {
    let destination = format!("{}:{}", known(&connection["name"]), known(&connection["port"]));
    if let Some(why) = text(&connection["refused"]) {
        return format!("refused: connect to {destination}: {why}");
    }
    let address = text(&connection["address"]).map_or(String::new(), |it| format!(" at {it}"));
    let (sent, received) = (known(&connection["sent"]), known(&connection["received"]));
    format!("reached: {destination}{address}, {sent} bytes sent, {received} received")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn more(value: &Value) -> Option<u64> {
    value.as_u64().filter(|more| *more > 0)
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

/// A text or a number; a mark where it is neither.
fn known(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_gateways_record_is_told_in_lines() {
        let sandbox = json!({
            "kernel": "6.18.0",
            "profile": "build",
            "weak_layers": [{ "name": "cgroup", "detail": "no memory controller" }],
            "denials": [
                { "layer": "landlock", "operation": "read the file", "object": "/etc/shadow", "count": 2, "setting": "view.read" },
                { "layer": "seccomp", "operation": "call", "object": "", "count": 1, "setting": "syscalls.filter" },
            ],
            "denials_untold": 3,
            "connections": [
                { "protocol": "connect", "name": "crates.io", "port": 443, "address": "192.0.2.1:443", "refused": "", "sent": 10, "received": 20 },
                { "protocol": "http", "name": "evil.example", "port": 80, "address": "", "refused": "no list allows it", "sent": 0, "received": 0 },
            ],
        });
        assert_eq!(
            lines(&sandbox),
            [
                "weaker: cgroup: no memory controller",
                "refused: read the file `/etc/shadow`, 2 times (setting view.read)",
                "refused: call (setting syscalls.filter)",
                "refused: 3 times more, of what nothing is recorded",
                "reached: crates.io:443 at 192.0.2.1:443, 10 bytes sent, 20 received",
                "refused: connect to evil.example:80: no list allows it",
            ]
        );
    }

    #[test]
    fn of_an_agents_record_only_weaker_layers_are_told() {
        let sandbox = json!({
            "layers": [
                { "name": "seccomp", "effective": true, "detail": "" },
                { "name": "io", "effective": false, "detail": "no controller" },
            ],
            "denials": [], "denials_untold": 0, "denials_unseen": "audit is off",
            "connections": [], "connections_untold": 0,
        });
        assert_eq!(
            lines(&sandbox),
            ["weaker: io: no controller", "refused: not all is known: audit is off"]
        );
    }

    #[test]
    fn whatever_stands_there_the_lines_are_few_and_short() {
        assert!(lines(&json!({})).is_empty() && lines(&json!([1, "x"])).is_empty());
        let odd = json!({ "denials": vec![json!({ "object": "x".repeat(5000) }); 100], "connections": [7, null] });
        let lines = lines(&odd);
        assert_eq!(lines.len(), MOST + 1 + 2);
        assert_eq!(lines[MOST], "and 80 more; --json shows all");
        assert!(lines.iter().all(|line| line.chars().count() <= LONGEST));
    }
}
