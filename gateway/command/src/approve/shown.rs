//! A request in words, for whoever has to agree.
//!
//! Everything in it may have been chosen by a model that was talked into
//! something: nothing reaches the terminal that it would act on or hide, and no
//! line of it can be taken for one of ours.

use std::fmt;
use std::io::{self, Write};
use std::time::SystemTime;

use cofferdam_gateway::approvals::{Question, Request, State, Verdict, visible, visible_json};
use serde::Serialize;
use serde_json::Value;

use crate::report::{Report, write_table};
use crate::time;

/// What a gateway writes for elements that it leaves out.
const AND_MORE: &str = "… and more";

/// One request, in full.
pub(super) struct Shown<'a> {
    request: &'a Request,
    now: u64,
}

/// Several requests, in a line each.
#[derive(Debug, Serialize)]
pub(super) struct Listed {
    pub(super) approvals: Vec<Request>,
}

/// Characters of an action that a list shows.
const BRIEF: usize = 60;

impl<'a> Shown<'a> {
    pub(super) fn of(request: &'a Request) -> Self {
        Self { request, now: now() }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, now } = self;
        let question = &request.question;
        let asker = &question.asker;
        let mut line = |name: &str, text: &str| writeln!(out, "{name:>10}  {}", visible(text));
        line("request", &request.id)?;
        line("who asks", &who(request))?;
        line("by", &format!("{} (as the client says)", quiet(&asker.client)))?;
        line(
            "since",
            &format!(
                "{} ({} ago)",
                time::from_unix(request.created_at),
                span(now.saturating_sub(request.created_at))
            ),
        )?;
        line(
            "where",
            &format!("project {}, host {}", quiet(&question.project), quiet(&question.host)),
        )?;
        line("what", &question.action)?;
        line("gets", &question.grant)?;
        line("rules", &question.rules.join(", "))?;
        line("of", &policy(question))?;
        for reason in &question.reasons {
            line("why asked", reason)?;
        }
        for demand in &question.demands {
            line("agreeing", &format!("{demand} (rule {})", demand.rule))?;
        }
        for vote in &request.votes {
            let said = match vote.verdict {
                Verdict::Approve => "agreed",
                Verdict::Refuse => "refused",
            };
            line("", &format!("{} {said}: {}", vote.voter.user, quiet(&vote.note)))?;
        }
        line(
            "until",
            &format!(
                "{} (in {})",
                time::from_unix(request.expires_at),
                span(request.expires_at.saturating_sub(*now))
            ),
        )?;
        line("session", &asker.session)?;
        line("binding", &question.binding)?;
        if let Some(bytes) = question.cut_from_bytes {
            let note = "NOT SHOWN IN FULL: agree only to what you know otherwise; there are";
            line("!", &format!("{note} {bytes} bytes of arguments, and below is a part"))?;
        }
        write_arguments(out, &question.tool, &question.arguments)
    }
}

/// Which rules those are, as records name them.
fn policy(question: &Question) -> String {
    let digest = &question.policy_digest;
    let signed = question.signed_version.map(|version| format!(", signed as version {version}"));
    let taken = question.policy_version.map(|version| format!(", taken by record {version}"));
    format!("the policy {digest}{}{}", signed.unwrap_or_default(), taken.unwrap_or_default())
}

fn who(request: &Request) -> String {
    let asker = &request.question.asker;
    let mut parts = vec![asker.user.clone()];
    if !asker.groups.is_empty() {
        parts.push(format!("in {}", asker.groups.join(", ")));
    }
    if !asker.tenant.is_empty() {
        parts.push(format!("of the tenant {}", asker.tenant));
    }
    for (name, values) in asker.claims.iter() {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        parts.push(format!("{name}={}", values.join("+")));
    }
    parts.join(", ")
}

/// The arguments as they were sent; every line of theirs behind a bar.
fn write_arguments(out: &mut fmt::Formatter<'_>, tool: &str, arguments: &Value) -> fmt::Result {
    writeln!(out, "{:>10}  {}", "tool", visible(tool))?;
    let empty = serde_json::Map::new();
    for (name, value) in arguments.as_object().unwrap_or(&empty) {
        write!(out, "{:>10}  {}", "", visible(name))?;
        match value {
            Value::String(text) if text.contains('\n') => {
                writeln!(out, ", {} lines:", text.lines().count())?;
                for line in text.split_inclusive('\n') {
                    let (line, end) = match line.strip_suffix('\n') {
                        Some(line) => (line, ""),
                        None => (line, "  (no newline at the end)"),
                    };
                    writeln!(out, "{:>10}  | {}{end}", "", visible(line))?;
                }
            }
            value => writeln!(out, " = {}", visible_json(value))?,
        }
        if is_left_out(value) {
            let note = "NOT SHOWN IN FULL: it is too long; agree only to what you know otherwise";
            writeln!(out, "{:>10}  ! {note}", "")?;
        }
    }
    if !arguments.to_string().is_ascii() {
        let note = "it holds letters beyond ASCII, some of which look like others";
        writeln!(out, "{:>10}  ! {note}", "")?;
    }
    Ok(())
}

/// What stands for a text that is too long to be shown, or for the rest of a list,
/// wherever it lies.
fn is_left_out(value: &Value) -> bool {
    match value {
        Value::String(text) => text == AND_MORE,
        Value::Object(fields) => {
            let stands = fields.contains_key("bytes") && fields.contains_key("sha256");
            stands || fields.values().any(is_left_out)
        }
        Value::Array(elements) => elements.iter().any(is_left_out),
        _ => false,
    }
}

fn quiet(text: &str) -> &str {
    if text.is_empty() { "(nothing)" } else { text }
}

/// A list's line for one request.
pub(super) fn summary(request: &Request) -> String {
    row(request, now()).join("  ")
}

fn row(request: &Request, now: u64) -> [String; 6] {
    let question = &request.question;
    let action = visible(&question.action);
    let brief: String = action.chars().take(BRIEF).collect();
    let more = if brief.len() < action.len() { "…" } else { "" };
    let left = match request.state {
        State::Pending => span(request.expires_at.saturating_sub(now)),
        _ => String::new(),
    };
    [
        request.id.clone(),
        request.state.name().to_owned(),
        left,
        visible(&question.asker.user),
        visible(&question.host),
        brief + more,
    ]
}

impl Report for Listed {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.approvals.is_empty() {
            return writeln!(out, "nothing waits for anybody to agree");
        }
        let now = now();
        let rows: Vec<_> = self.approvals.iter().map(|request| row(request, now)).collect();
        write_table(out, ["REQUEST", "STATE", "LEFT", "USER", "HOST", "ACTION"], &rows)
    }
}

/// `45 s`, `12 m`, `3 h`, `2 d`.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} m", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs())
}

#[cfg(test)]
pub(super) mod tests;
