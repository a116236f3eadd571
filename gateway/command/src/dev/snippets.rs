//! What to paste into MCP clients.

use std::path::Path;

use serde_json::json;

/// How one client is told.
#[derive(Debug)]
pub(super) struct Snippet {
    /// The client, and where it goes.
    pub(super) title: &'static str,
    /// What to paste.
    pub(super) text: String,
}

/// For each client that is known.
pub(super) fn snippets(url: &str, token: &str) -> [Snippet; 4] {
    let authorization = format!("Bearer {token}");
    [
        Snippet { title: "Claude Code, in a terminal", text: claude_code(url, &authorization) },
        Snippet { title: "OpenCode, in opencode.json", text: opencode(url, &authorization) },
        Snippet { title: "Codex, in ~/.codex/config.toml", text: codex(url, &authorization) },
        Snippet {
            title: "Gemini CLI, in ~/.gemini/settings.json",
            text: gemini(url, &authorization),
        },
    ]
}

fn claude_code(url: &str, authorization: &str) -> String {
    format!(
        "claude mcp add --transport http cofferdam {url} --header \"Authorization: {authorization}\""
    )
}

fn opencode(url: &str, authorization: &str) -> String {
    let server = json!({
        "type": "remote",
        "url": url,
        "enabled": true,
        "oauth": false,
        "headers": { "Authorization": authorization },
    });
    pretty(&json!({
        "$schema": "https://opencode.ai/config.json",
        "mcp": { "cofferdam": server },
    }))
}

fn codex(url: &str, authorization: &str) -> String {
    format!(
        "[mcp_servers.cofferdam]\nurl = \"{url}\"\n\
         http_headers = {{ \"Authorization\" = \"{authorization}\" }}"
    )
}

fn gemini(url: &str, authorization: &str) -> String {
    let server = json!({ "httpUrl": url, "headers": { "Authorization": authorization } });
    pretty(&json!({ "mcpServers": { "cofferdam": server } }))
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}")
}

/// A line that runs something at once, from the directory `current`.
pub(super) fn try_it(program: &Path, current: &Path, url: &str, token_file: &Path) -> String {
    let program = program.strip_prefix(current).unwrap_or(program);
    format!(
        "{} call --url {url} --token-file {} execute_command -- ls -l",
        shell_word(&program.display().to_string()),
        shell_word(&token_file.display().to_string()),
    )
}

/// One word for a shell, whatever is in it.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://127.0.0.1:8460/mcp";

    #[test]
    fn every_client_is_told_address_and_token() {
        for Snippet { title, text } in snippets(URL, "cfd_secret") {
            assert!(text.contains(URL) && text.contains("Bearer cfd_secret"), "{title}");
        }
    }

    #[test]
    fn json_and_toml_are_what_they_say() {
        let [_, opencode, codex, gemini] = snippets(URL, "t");
        for text in [&opencode.text, &gemini.text] {
            serde_json::from_str::<serde_json::Value>(text).unwrap();
        }
        let table: toml::Table = toml::from_str(&codex.text).unwrap();
        assert_eq!(table["mcp_servers"]["cofferdam"]["url"].as_str(), Some(URL));
    }

    #[test]
    fn the_line_to_try_can_be_pasted_whatever_the_paths_are() {
        let token = Path::new("/tmp/it's here/token");
        let line =
            try_it(Path::new("/project/target/cofferdam"), Path::new("/project"), URL, token);
        assert!(line.starts_with("target/cofferdam call "), "{line}");
        assert!(line.contains(r"--token-file '/tmp/it'\''s here/token' "), "{line}");
    }
}
