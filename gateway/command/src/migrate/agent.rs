//! The configuration of an old host agent.

use std::path::Path;

use serde_json::Value;

use super::MigrateError;
use super::commands;
use super::document::{Document, is_secret};
use super::found::{Found, Program};
use super::output;

const MIB: u32 = 1024 * 1024;

/// What is known of it.
const KNOWN: [&str; 4] =
    ["allowed_commands", "blocked_commands", "path_restrictions", "resource_limits"];

pub(super) fn read(document: &Value, path: &Path, found: &mut Found) -> Result<(), MigrateError> {
    let other = |problem: String| MigrateError::Other {
        path: path.to_owned(),
        expected: "a host agent's configuration",
        problem,
    };
    let fields = document.as_object().ok_or_else(|| other("it is no object".to_owned()))?;
    // Some keep it all beneath one key.
    let fields = match fields.values().next() {
        Some(Value::Object(inner)) if fields.len() == 1 && has_known(inner) => inner,
        _ => fields,
    };
    if !has_known(fields) {
        return Err(other(format!("it has none of {}", KNOWN.join(", "))));
    }
    let file = path.display().to_string();
    for (key, value) in fields {
        let mut reader = Reader { found: &mut *found, file: &file };
        match key.as_str() {
            "allowed_commands" | "command_allowlist" => reader.commands(key, value, true),
            "blocked_commands" | "denied_commands" => reader.commands(key, value, false),
            "path_restrictions" | "paths" => reader.paths(key, value),
            "resource_limits" | "limits" | "timeouts" => reader.limits(key, value),
            _ if reader.limit("", key, value) || reader.path_list("", key, value) => {}
            _ => reader.rest(key, value),
        }
    }
    Ok(())
}

fn has_known(fields: &serde_json::Map<String, Value>) -> bool {
    KNOWN.iter().any(|key| fields.contains_key(*key))
}

struct Reader<'a> {
    found: &'a mut Found,
    file: &'a str,
}

impl Reader<'_> {
    fn document(&mut self) -> Document<'_> {
        Document { file: self.file, lines: &mut self.found.lines }
    }

    /// Whether rules and ceiling can have it; says why where they cannot.
    fn takes(&mut self, key: &str, value: &Value, add: impl FnOnce(&mut Found)) -> bool {
        let some = Program { name: "ls".to_owned(), first: Vec::new() };
        let mut alone = Found { allowed: vec![some], ..Found::default() };
        add(&mut alone);
        let refusal = output::refusal(&alone);
        if let Some(why) = &refusal {
            self.document().lost(key, value, why);
        }
        refusal.is_none()
    }

    /// A list of strings, or a table of programs with their first arguments.
    fn commands(&mut self, key: &str, value: &Value, allowed: bool) {
        match value {
            Value::Array(entries) => {
                for (index, entry) in entries.iter().enumerate() {
                    self.command(&format!("{key}[{index}]"), entry, entry.as_str(), allowed);
                }
            }
            Value::Object(entries) => {
                for (name, first) in entries {
                    let key = format!("{key}.{name}");
                    match first {
                        Value::Array(list) => {
                            for argument in list {
                                let line = argument.as_str().map(|it| format!("{name} {it}"));
                                self.command(&key, argument, line.as_deref(), allowed);
                            }
                        }
                        Value::Bool(false) => self.command(&key, first, Some(name), !allowed),
                        _ => self.command(&key, first, Some(name), allowed),
                    }
                }
            }
            other => self.document().lost(key, other, "it is neither a list nor a table"),
        }
    }

    fn command(&mut self, key: &str, value: &Value, entry: Option<&str>, allowed: bool) {
        let Some(entry) = entry else {
            return self.document().lost(key, value, "it is no text");
        };
        let value = Value::from(entry);
        match commands::parse(entry) {
            Ok(program) => {
                if !self.takes(key, &value, |alone| alone.allowed.push(program.clone())) {
                    return;
                }
                let Program { name, first } = &program;
                let words = [std::slice::from_ref(name), first].concat().join(" ");
                let (verb, list) = if allowed {
                    ("may be run", &mut self.found.allowed)
                } else {
                    ("is denied", &mut self.found.blocked)
                };
                if !list.contains(&program) {
                    list.push(program);
                }
                let became = format!("rule: `{words}`, with whatever follows, {verb}");
                self.document().became(key, &value, became);
            }
            Err(why) => self.document().lost(key, &value, why),
        }
    }

    /// A list of directories that may be changed, or a table of lists.
    fn paths(&mut self, key: &str, value: &Value) {
        match value {
            Value::Array(_) => drop(self.path_list(key, "allowed", value)),
            Value::Object(fields) => {
                for (name, list) in fields {
                    if !self.path_list(key, name, list) {
                        let key = format!("{key}.{name}");
                        let why =
                            "unknown; rules on files are `paths = [{ beneath = …, mode = … }]`";
                        self.document().lost(&key, list, why);
                    }
                }
            }
            other => self.document().lost(key, other, "it is neither a list nor a table"),
        }
    }

    /// False where `name` is no list of paths.
    fn path_list(&mut self, within: &str, name: &str, value: &Value) -> bool {
        type Choose = fn(&mut Found) -> &mut Vec<String>;
        let (choose, became): (Choose, _) = match name {
            "allowed" | "allowed_paths" | "writable" | "write" | "read_write" | "allow" => {
                (|it| &mut it.writable, "rule and ceiling: files beneath may be changed")
            }
            "read_only" | "readonly" | "readable" | "read" | "read_only_paths" => {
                (|it| &mut it.readable, "rule and ceiling: files beneath may be read")
            }
            "blocked" | "denied" | "blocked_paths" | "denied_paths" | "forbidden" | "deny" => {
                (|it| &mut it.closed, "rule: nothing beneath is read or changed by file tools")
            }
            _ => return false,
        };
        let key = if within.is_empty() { name.to_owned() } else { format!("{within}.{name}") };
        let Some(list) = value.as_array() else {
            self.document().lost(&key, value, "it is no list");
            return true;
        };
        for (index, entry) in list.iter().enumerate() {
            let key = format!("{key}[{index}]");
            let path = entry.as_str().map(|it| it.trim_end_matches('/'));
            match path {
                Some(path) if path.starts_with('/') && !path.contains(['*', '?', '$', '\0']) => {
                    if !self.takes(&key, entry, |alone| choose(alone).push(path.to_owned())) {
                        continue;
                    }
                    let list = choose(self.found);
                    if !list.iter().any(|known| known == path) {
                        list.push(path.to_owned());
                    }
                    self.document().became(&key, entry, became);
                }
                Some("") => self.document().lost(
                    &key,
                    entry,
                    "all of the host is not given to anybody; name directories",
                ),
                _ => self.document().lost(
                    &key,
                    entry,
                    "a directory is named by its absolute path, without patterns or variables",
                ),
            }
        }
        true
    }

    fn limits(&mut self, key: &str, value: &Value) {
        let Some(fields) = value.as_object() else {
            return self.document().lost(key, value, "it is no table");
        };
        for (name, limit) in fields {
            if !self.limit(key, name, limit) {
                let key = format!("{key}.{name}");
                let why = "unknown; rules have `grant.limits`, the ceiling `[limits]`";
                self.document().lost(&key, limit, why);
            }
        }
    }

    /// False where `name` is no limit.
    fn limit(&mut self, within: &str, name: &str, value: &Value) -> bool {
        type Choose = fn(&mut super::found::Limits) -> &mut Option<u64>;
        let (choose, unit, became): (Choose, u32, _) = match name {
            "max_memory_mb" | "memory_mb" | "memory_limit_mb" => {
                (|it| &mut it.memory, MIB, "limits.memory")
            }
            "max_memory" | "memory_bytes" | "max_memory_bytes" => {
                (|it| &mut it.memory, 1, "limits.memory, taken as bytes")
            }
            "max_processes" | "processes" | "max_procs" => {
                (|it| &mut it.processes, 1, "limits.processes")
            }
            "max_cpu_percent" | "cpu_percent" => {
                (|it| &mut it.cpu_millis, 10, "limits.cpu_millis (100 % is one CPU)")
            }
            "timeout" | "default_timeout" | "command_timeout" | "default" => {
                (|it| &mut it.usual_wall, 1, "the rule's limits.wall, taken as seconds")
            }
            "max_timeout" | "max_execution_time" | "max" => {
                (|it| &mut it.most_wall, 1, "the ceiling's limits.wall, taken as seconds")
            }
            "max_output_size" | "max_output_bytes" | "max_output" => {
                (|it| &mut it.output, 1, "limits.output, taken as bytes")
            }
            "max_output_kb" => (|it| &mut it.output, 1024, "limits.output"),
            "max_output_mb" => (|it| &mut it.output, MIB, "limits.output"),
            "max_file_size_mb" | "file_size_mb" => {
                (|it| &mut it.file_size, MIB, "limits.file_size")
            }
            "max_file_size" | "max_file_size_bytes" => {
                (|it| &mut it.file_size, 1, "limits.file_size, taken as bytes")
            }
            "max_open_files" | "open_files" => (|it| &mut it.open_files, 1, "limits.open_files"),
            _ => return false,
        };
        let key = if within.is_empty() { name.to_owned() } else { format!("{within}.{name}") };
        let amount = value.as_f64().filter(|number| number.is_finite() && *number > 0.0);
        let amount = amount.map(|number| (number * f64::from(unit)).ceil());
        match amount.filter(|number| *number < 2f64.powi(53)) {
            Some(number) => {
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "checked"
                )]
                let number = number as u64;
                if self.takes(&key, value, |alone| *choose(&mut alone.limits) = Some(number)) {
                    *choose(&mut self.found.limits) = Some(number);
                    self.document().became(&key, value, became);
                }
            }
            None => self.document().lost(&key, value, "it is no number above zero"),
        }
        true
    }

    fn rest(&mut self, key: &str, value: &Value) {
        let mut document = self.document();
        if is_secret(key) {
            return document.secret(
                key,
                "not copied: agents and gateways know each other by certificates (`cofferdam \
                 pki`), callers get tokens of their own (`cofferdam token create`)",
            );
        }
        match key {
            "host" | "bind" | "listen" | "port" | "bind_address" => {
                document.lost(key, value, "the agent's address stands in agent.toml, `listen`");
            }
            "audit_log" | "audit" | "log_file" | "audit_log_path" | "audit_log_file" => {
                let became = "every call is in two journals, always: `cofferdam audit show`";
                document.became(key, value, became);
            }
            "log_level" | "logging" => {
                document.lost(key, value, "the log is set by the variable COFFERDAM_LOG");
            }
            "require_token" | "require_auth" => {
                document.became(key, value, "always: there are no callers without a name");
            }
            _ => document.lost(key, value, "unknown here"),
        }
    }
}
