//! The list of project servers of an old manager: one endpoint, one bearer token,
//! and a server for each project.

use std::path::Path;

use serde_json::{Map, Value};

use super::MigrateError;
use super::document::{Document, is_secret};
use super::found::{Found, Project};
use super::output;

/// Where the list stands.
const LISTS: [&str; 4] = ["servers", "mcpServers", "projects", "mcp_servers"];
/// Where a server says which directory it is for.
const WORKSPACES: [&str; 8] = [
    "workspace",
    "project_path",
    "project_root",
    "path",
    "root",
    "cwd",
    "directory",
    "working_dir",
];

pub(super) fn read(document: &Value, path: &Path, found: &mut Found) -> Result<(), MigrateError> {
    let other = |problem: &str| MigrateError::Other {
        path: path.to_owned(),
        expected: "a list of project servers",
        problem: problem.to_owned(),
    };
    let fields = document.as_object().ok_or_else(|| other("it is no object"))?;
    let list = LISTS.iter().find_map(|name| Some((*name, fields.get(*name)?)));
    let (name, list) = list.ok_or_else(|| other("it has no `servers`"))?;
    let file = path.display().to_string();
    match list {
        Value::Array(servers) => {
            for (index, server) in servers.iter().enumerate() {
                server_of(&format!("{name}[{index}]"), None, server, &file, found);
            }
        }
        Value::Object(servers) => {
            for (key, server) in servers {
                server_of(&format!("{name}.{key}"), Some(key), server, &file, found);
            }
        }
        _ => return Err(other("its servers are neither a list nor a table")),
    }
    let mut document = Document { file: &file, lines: &mut found.lines };
    for (key, value) in fields.iter().filter(|(key, _)| key.as_str() != name) {
        rest(&mut document, key, key, value);
    }
    Ok(())
}

fn server_of(key: &str, called: Option<&str>, server: &Value, file: &str, found: &mut Found) {
    let mut document = Document { file, lines: &mut found.lines };
    let Some(fields) = server.as_object() else {
        return document.lost(key, server, "it is no table");
    };
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let Some(name) = called.or_else(|| text("name")).or_else(|| text("id")) else {
        return document.lost(key, server, "it has no name");
    };
    if [
        fields.get("enabled") == Some(&Value::Bool(false)),
        fields.get("disabled") == Some(&Value::Bool(true)),
    ]
    .contains(&true)
    {
        return document.lost(key, server, "it is switched off");
    }
    let (project, changed) = plain_name(name);
    let host = host_of(fields);
    let workspace = WORKSPACES.iter().find_map(|it| text(it)).filter(|it| it.starts_with('/'));
    let workspace = workspace.map(|it| it.trim_end_matches('/').to_owned());
    let workspace = workspace.filter(|it| {
        let alone = Found { writable: vec![it.clone()], ..Found::default() };
        output::refusal(&alone).is_none()
    });
    if found.projects.iter().any(|known| known.name == project) {
        return document.lost(key, server, "another server has this name, or comes to it");
    }
    let became = match &workspace {
        Some(workspace) => format!("project `{project}`: {workspace} on the host `{host}`"),
        None => format!("project `{project}` on the host `{host}`"),
    };
    let note = match (&workspace, changed) {
        (None, _) => {
            "it names no directory that can be one: write its `workspace` before you use it"
        }
        (_, true) => "its name was changed to what a project may be called",
        _ => "",
    };
    document.became_with(key, &Value::from(name), became, note);
    for (field, value) in fields {
        let understood = ["name", "id", "url", "host", "port", "enabled", "disabled", "endpoint"];
        if !understood.contains(&field.as_str()) && !WORKSPACES.contains(&field.as_str()) {
            rest(&mut document, &format!("{key}.{field}"), field, value);
        }
    }
    found.projects.push(Project { name: project, host, workspace });
}

fn rest(document: &mut Document<'_>, key: &str, name: &str, value: &Value) {
    if is_secret(name) || matches!(name, "auth" | "headers" | "env") {
        return document.secret(
            key,
            "not copied: each person or agent gets a token of its own (`cofferdam token create`)",
        );
    }
    match name {
        "host" | "port" | "listen" | "bind" => {
            document.lost(key, value, "the gateway's address stands in gateway.toml, `listen`");
        }
        "reload" | "hot_reload" | "watch" | "reload_interval" => {
            document.became(key, value, "rules are taken again within seconds, always");
        }
        "tools" | "allowed_tools" => {
            document.lost(key, value, "rules name tools: `tools = […]`, with `projects = […]`");
        }
        "command" | "args" => document.lost(
            key,
            value,
            "no server is started for a project: the host's agent serves them all",
        ),
        _ => document.lost(key, value, "unknown here"),
    }
}

/// The machine in `url`, else in `host`; else the one that it ran on.
fn host_of(fields: &Map<String, Value>) -> String {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let from_url = text("url").or_else(|| text("endpoint")).and_then(|url| {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next()?;
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let host = match host.strip_prefix('[') {
            Some(address) => address.split(']').next()?,
            None => host.split(':').next()?,
        };
        (!host.is_empty()).then(|| host.to_owned())
    });
    let host = from_url.or_else(|| text("host").map(str::to_owned));
    match host.as_deref() {
        None | Some("localhost" | "127.0.0.1" | "::1" | "0.0.0.0") => "this-host".to_owned(),
        Some(host) => plain_name(host).0,
    }
}

/// A name of letters, digits, dots and hyphens; and whether that changed it.
fn plain_name(name: &str) -> (String, bool) {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '-' })
        .take(63)
        .collect();
    let plain = plain.trim_matches(['.', '-', '_']);
    let plain = if plain.is_empty() { "unnamed" } else { plain };
    (plain.to_owned(), plain != name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_the_one_of_the_address() {
        for (server, host) in [
            (serde_json::json!({ "url": "http://web-1.example:3001/mcp" }), "web-1.example"),
            (serde_json::json!({ "url": "https://user:pw@web-2/mcp" }), "web-2"),
            (serde_json::json!({ "url": "http://[2001:db8::1]:80" }), "2001-db8--1"),
            (serde_json::json!({ "url": "http://localhost:3001" }), "this-host"),
            (serde_json::json!({ "host": "db 1" }), "db-1"),
            (serde_json::json!({}), "this-host"),
        ] {
            assert_eq!(host_of(server.as_object().unwrap()), host, "{server}");
        }
    }
}
