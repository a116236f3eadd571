//! `cofferdam call --list`: which tools there are, and what one takes.

use std::io::{self, Write};
use std::process::ExitCode;

use cofferdam_gateway::client::Client;
use cofferdam_gateway::client::Tool;
use serde::Serialize;
use serde_json::Value;

use super::CallError;
use crate::report::{Format, Report, write_table};

#[derive(Serialize)]
struct Tools {
    tools: Vec<Tool>,
}

#[derive(Serialize)]
#[serde(transparent)]
struct One(Tool);

/// Shows all tools, or what one takes.
pub(super) async fn show(
    client: &Client,
    name: Option<&str>,
    format: Format,
) -> Result<ExitCode, CallError> {
    Ok(match name {
        Some(name) => format.show(&One(find(client, name).await?)),
        None => format.show(&Tools { tools: client.tools().await? }),
    })
}

/// The tool of this name.
pub(super) async fn find(client: &Client, name: &str) -> Result<Tool, CallError> {
    let tools = client.tools().await?;
    let known = tools.iter().map(|tool| &*tool.name).collect::<Vec<_>>().join(", ");
    let found = tools.into_iter().find(|tool| tool.name == name);
    found.ok_or_else(|| CallError::UnknownTool { tool: name.to_owned(), known })
}

impl Report for Tools {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows: Vec<_> =
            self.tools.iter().map(|tool| [tool.name.to_string(), title(tool)]).collect();
        write_table(out, ["TOOL", "WHAT"], &rows)
    }
}

impl Report for One {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self(tool) = self;
        writeln!(out, "{}: {}\n", tool.name, title(tool))?;
        writeln!(out, "{}\n", tool.description.as_deref().unwrap_or_default())?;
        let schema = Value::Object(tool.input_schema.as_ref().clone());
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let properties = schema["properties"].as_object().into_iter().flatten();
        for (name, property) in properties {
            let must = if required.iter().any(|it| it == name) { " (required)" } else { "" };
            let what = property["description"].as_str().unwrap_or_default();
            let words: Vec<_> = what.split_whitespace().collect();
            writeln!(out, "  {name}{must}\n      {}", words.join(" "))?;
        }
        Ok(())
    }
}

fn title(tool: &Tool) -> String {
    tool.title.clone().unwrap_or_default()
}
