//! What is said when everything is ready.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::snippets::{Snippet, snippets, try_it};
use super::standing::Standing;
use super::state::State;
use super::surroundings::Surroundings;
use crate::report::Report;

/// The announcement. Scripts get all but the details on one line.
#[derive(Debug, Serialize)]
pub(super) struct Announcement {
    pub(super) mcp_url: String,
    pub(super) token: String,
    pub(super) state_dir: PathBuf,
    /// The agent's address.
    pub(super) agent: String,
    /// Layers of the sandbox that this machine does not give as asked.
    pub(super) degraded: Vec<Value>,
    /// The file with the credential for `cofferdam approve`.
    pub(super) approver_file: PathBuf,
    #[serde(skip)]
    pub(super) details: Details,
}

/// What only a person wants to know.
#[derive(Debug)]
pub(super) struct Details {
    workspace: PathBuf,
    root_owned: bool,
    toolchains: Vec<&'static str>,
    left_out: Vec<(PathBuf, &'static str)>,
    temporary: bool,
    root: bool,
    token_file: PathBuf,
}

impl Details {
    pub(super) fn of(
        surroundings: &Surroundings,
        state: &State,
        standing: Standing,
        token_file: &Path,
    ) -> Self {
        let Surroundings { workspace, root_owned, toolchains, left_out, .. } = surroundings;
        let mut names: Vec<_> = toolchains.iter().map(|toolchain| toolchain.name).collect();
        names.sort_unstable();
        names.dedup();
        Self {
            workspace: workspace.clone(),
            root_owned: *root_owned,
            toolchains: names,
            left_out: left_out.clone(),
            temporary: state.is_temporary(),
            root: standing.is_root(),
            token_file: token_file.to_owned(),
        }
    }
}

impl Report for Announcement {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Cofferdam is ready. Ctrl-C ends it and leaves no process behind.\n")?;
        self.write_facts(out)?;
        self.write_weaknesses(out)?;
        let own = std::env::current_exe().unwrap_or_else(|_| "cofferdam".into());
        let current = std::env::current_dir().unwrap_or_default();
        let line = try_it(&own, &current, &self.mcp_url, &self.details.token_file);
        writeln!(out, "\nTry it, in another terminal:\n\n{line}")?;
        for Snippet { title, text } in snippets(&self.mcp_url, &self.token) {
            writeln!(out, "\n{title}:\n\n{text}")?;
        }
        Ok(())
    }
}

impl Announcement {
    fn write_facts(&self, out: &mut dyn Write) -> io::Result<()> {
        let Details { workspace, toolchains, left_out, temporary, .. } = &self.details;
        let state = self.state_dir.display();
        let programs = [&["/usr", "/opt"], &toolchains[..]].concat().join(", ");
        let kept = if *temporary { "removed at the end" } else { "kept" };
        writeln!(out, "  workspace  {}, the only place that can be changed", workspace.display())?;
        writeln!(out, "  programs   {programs}; read-only")?;
        for (path, why) in left_out {
            writeln!(out, "  not in PATH  {}: {why}", path.display())?;
        }
        writeln!(out, "  MCP URL    {}", self.mcp_url)?;
        writeln!(out, "  token      {}", self.token)?;
        writeln!(out, "  approver   {}, for `cofferdam approve`", self.approver_file.display())?;
        writeln!(out, "  state      {state}, {kept}")?;
        writeln!(out, "  journals   {state}/gateway/journal, {state}/agent/journal")?;
        writeln!(out, "  logs       {state}/log")
    }

    /// What does not hold here as it would on a host that was set up for it.
    fn write_weaknesses(&self, out: &mut dyn Write) -> io::Result<()> {
        let Details { workspace, root_owned, root, .. } = &self.details;
        writeln!(out, "\nWeaker than on a host that was set up for it:\n")?;
        writeln!(out, "  gateway and agent run as one user; certificates are throw-away")?;
        writeln!(
            out,
            "  DEV LETS WHOEVER STARTED IT AGREE TO THEIR OWN REQUESTS, and so whatever runs as \
             them; a real gateway does not"
        )?;
        if !root {
            writeln!(out, "  started without root: cells run as your user")?;
        }
        if *root && *root_owned {
            let workspace = workspace.display();
            writeln!(out, "  {workspace} belongs to root, and so does what commands make there")?;
        }
        for layer in &self.degraded {
            let text = |key: &str| layer[key].as_str().unwrap_or("?").to_owned();
            writeln!(out, "  {}: {}", text("layer"), text("detail"))?;
        }
        Ok(())
    }
}

/// The layers of a run's cell that are weaker than asked.
pub(super) fn degraded(answer: &Value) -> Vec<Value> {
    answer["degraded"].as_array().cloned().unwrap_or_default()
}

/// The name that records show for the caller.
pub(super) fn user_name() -> String {
    ["USER", "LOGNAME"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|name| !name.is_empty() && name.len() <= 255 && !name.contains(char::is_control))
        .unwrap_or_else(|| "dev".to_owned())
}
