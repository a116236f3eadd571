//! Sets what a session carries into the arguments of a call, before anything is looked
//! at: what is decided, recorded and shown to people is the whole call, as if the caller
//! had sent all of it.
//!
//! What the call says itself wins, but for the project, which the handle is bound to.
//! The handle itself leaves the arguments, so that no record has it.

use rmcp::model::JsonObject;
use serde_json::Value;

use super::{Session, SessionError};
use crate::call::Call;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::input::BadInput;
use crate::tools::{definitions, path_text, takes};

/// The argument that names a session.
const SESSION: &str = "session";
/// Arguments that are one path, or several.
const PATHS: [&str; 4] = ["path", "from", "to", "paths"];

/// Completes `call` by the session that it names, if it names one.
pub(crate) fn carry(gateway: &Gateway, call: &mut Call) -> Result<(), Fault> {
    let tool = call.origin.tool.clone();
    let takes = |argument: &str| takes(&tool, argument);
    if !takes(SESSION) {
        return Ok(());
    }
    let arguments = call.arguments.get_or_insert_default();
    let handle = match arguments.remove(SESSION) {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::String(handle)) => handle,
        Some(_) => {
            let message = "`session` must be a text: the handle that open_session gave";
            return Err(BadInput::field(SESSION, message).into());
        }
    };
    let session = gateway.sessions().find(&call.origin.caller, &handle)?;
    let named = arguments.get("project").and_then(Value::as_str);
    if named.is_some_and(|named| named != session.project) {
        return Err(SessionError::Unknown.into());
    }
    let definition = definitions().iter().find(|it| it.name == tool);
    let required = definition.and_then(|it| it.input_schema.get("required")?.as_array());
    let needs_path = required.is_some_and(|names| names.iter().any(|name| name == "path"));
    call.origin.session = session.name();
    call.profile.clone_from(&session.profile);
    fill(arguments, session, &takes, needs_path);
    Ok(())
}

fn fill(
    arguments: &mut JsonObject,
    session: Session,
    takes: &dyn Fn(&str) -> bool,
    needs_path: bool,
) {
    let Session { project, host, working_directory, environment, .. } = session;
    arguments.insert("project".to_owned(), project.into());
    let names_hosts = ["hosts", "host_labels"].iter().any(|name| arguments.contains_key(*name));
    if !names_hosts {
        arguments.entry("host").or_insert_with(|| host.into());
    }
    if takes("environment")
        && !environment.is_empty()
        && let Value::Object(own) =
            arguments.entry("environment").or_insert_with(|| JsonObject::new().into())
    {
        for (name, value) in environment {
            own.entry(name).or_insert_with(|| value.into());
        }
    }
    if working_directory.is_empty() {
        return;
    }
    if takes("working_directory") {
        arguments.entry("working_directory").or_insert_with(|| working_directory.clone().into());
        return;
    }
    // In paths of file tools a backslash may begin an escape.
    let directory = path_text(working_directory.as_bytes());
    for name in PATHS.into_iter().filter(|name| takes(name)) {
        match arguments.get_mut(name) {
            Some(Value::String(path)) => *path = beneath(&directory, path),
            Some(Value::Array(paths)) => {
                for path in paths {
                    if let Value::String(path) = path {
                        *path = beneath(&directory, path);
                    }
                }
            }
            None if name == "path" && !needs_path => {
                arguments.insert(name.to_owned(), directory.clone().into());
            }
            _ => {}
        }
    }
}

/// `path` as it is meant by whoever is in `directory`. An empty one stays what it is: no
/// path.
fn beneath(directory: &str, path: &str) -> String {
    let relative = path.trim_start_matches("./");
    match (path, relative) {
        ("", _) => String::new(),
        (path, _) if path.starts_with('/') => path.to_owned(),
        (_, "" | ".") => directory.to_owned(),
        (_, relative) => format!("{}/{relative}", directory.trim_end_matches('/')),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn session() -> Session {
        Session {
            id: "1".into(),
            project: "site".into(),
            host: "web-1".into(),
            profile: None,
            working_directory: "src/app".into(),
            environment: BTreeMap::from([("A".into(), "1".into()), ("B".into(), "2".into())]),
            created_at: 0,
            used_at: 0,
            hosts: Vec::new(),
            is_closing: false,
        }
    }

    fn filled(takes: &[&str], needs_path: bool, arguments: Value) -> Value {
        let Value::Object(mut arguments) = arguments else { panic!("an object") };
        fill(&mut arguments, session(), &|name| takes.contains(&name), needs_path);
        Value::Object(arguments)
    }

    #[test]
    fn a_command_gets_what_it_does_not_say_itself() {
        let takes = ["host", "project", "working_directory", "environment"];
        let own = json!({"host": "web-2", "environment": {"B": "3"}});
        assert_eq!(
            filled(&takes, false, own),
            json!({
                "project": "site", "host": "web-2", "working_directory": "src/app",
                "environment": {"A": "1", "B": "3"},
            })
        );
        let several = filled(&takes, false, json!({"hosts": ["a"], "working_directory": "/x"}));
        assert_eq!((&several["host"], &several["working_directory"]), (&Value::Null, &json!("/x")));
    }

    #[test]
    fn relative_paths_of_file_tools_begin_at_its_working_directory() {
        let at = |path: &str| filled(&["path"], true, json!({"path": path}))["path"].clone();
        assert_eq!(at("main.rs"), "src/app/main.rs");
        assert_eq!(at("./main.rs"), "src/app/main.rs");
        assert_eq!((at("."), at("")), (json!("src/app"), json!("")));
        assert_eq!(at("/etc/hostname"), "/etc/hostname");
        assert_eq!(at("../x"), "src/app/../x", "refused like any other `..`");
        let several = filled(&["paths"], false, json!({"paths": ["a", "/b", 3]}));
        assert_eq!(several["paths"], json!(["src/app/a", "/b", 3]));
        assert_eq!(filled(&["path"], false, json!({}))["path"], "src/app");
        assert_eq!(filled(&["path"], true, json!({}))["path"], Value::Null);
        let moved = filled(&["from", "to"], false, json!({"from": "a", "to": "b"}));
        assert_eq!((&moved["from"], &moved["to"]), (&json!("src/app/a"), &json!("src/app/b")));
    }
}
