//! `list_processes`: the processes of the caller's own on a host.

use cofferdam_journal::Usage;
use cofferdam_policy::ProcessUse;
use cofferdam_proto::exec::v1::{Held, ListRunsResponse, RunState, RunSummary};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definition::{About, Effect};
use super::process_view::{Size, outcome_of, size, state_name, time};
use super::view::{OutcomeView, Provenance, UsageView};
use super::{Look, LookTool, Target, within_budget};
use crate::fault::Fault;
use crate::input::{BadInput, bounded};
use crate::process::handle;
use crate::result::Answer;

const DEFAULT_PAGE: u64 = 50;
const MAX_PAGE: u64 = 200;

pub(crate) struct ListProcesses;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The host, as `list_hosts` names it. Default: the project's first.
    host: Option<String>,
    /// The project, as `list_hosts` names it. Needed only where there are several.
    project: Option<String>,
    /// Which to show. Default: all.
    state: Option<Which>,
    /// At most this many, 1 to 200. Default: 50.
    #[schemars(range(min = 1, max = 200))]
    page_size: Option<u64>,
    /// The `next_page` of the answer before.
    page: Option<String>,
}

/// Which processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Which {
    #[default]
    All,
    Running,
    Ended,
}

/// What a caller gets.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// Those that run and those that ended and are still kept, of this page.
    processes: Vec<ProcessView>,
    /// Give it as `page` to see more; absent: these were the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page: Option<String>,
    #[serde(flatten)]
    provenance: Provenance,
}

/// One process.
#[derive(Debug, Serialize, JsonSchema)]
struct ProcessView {
    /// Its handle.
    process: String,
    /// starting, running or ended.
    state: &'static str,
    /// What it runs, cut where it is long.
    command: String,
    /// The sandbox profile that it runs under.
    profile: String,
    /// When it started (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeView>,
    /// The size of its terminal; absent: it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    terminal: Option<Size>,
    /// `write_process` can write to it.
    stdin_open: bool,
    /// Bytes that it has printed to stdout.
    stdout_bytes: u64,
    /// Bytes that it has printed to stderr.
    stderr_bytes: u64,
    /// What it used so far, or until it ended; absent: the host cannot tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageView>,
    /// Bytes of memory that it has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
    /// Its processes and threads now.
    #[serde(skip_serializing_if = "Option::is_none")]
    tasks: Option<u32>,
}

impl Target for Input {
    fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }
    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

impl LookTool for ListProcesses {
    type Input = Input;
    type Output = Output;

    const ABOUT: About = About {
        name: "list_processes",
        title: "List your processes",
        description: "Lists the processes that you started on a host in a project, with \
             execute_command or start_process: those that run, and those that ended and whose \
             output is still kept; with `session` only those of that session. read_process reads \
             them by their handle.",
        effect: Effect::Reads,
    };
    const USE: ProcessUse = ProcessUse::List;

    fn check(input: &Input) -> Result<(), BadInput> {
        bounded("page_size", input.page_size, DEFAULT_PAGE, 1..=MAX_PAGE)?;
        match &input.page {
            Some(page) if uuid::Uuid::parse_str(page).is_err() => {
                Err(BadInput::field("page", "`page` is no `next_page` of an answer"))
            }
            _ => Ok(()),
        }
    }

    async fn look(look: Look<'_>, input: Input) -> Result<Output, Fault> {
        let size = input.page_size.unwrap_or(DEFAULT_PAGE);
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let which = input.state.unwrap_or_default();
        let page = input.page.unwrap_or_default();
        let host = look.host;
        let ListRunsResponse { runs, next_page_token } = host
            .list_runs(look.looked, look.owner.clone(), look.session.clone(), (size, page))
            .await?;
        let wanted = |run: &RunSummary| match which {
            Which::All => true,
            Which::Running => run.state() != RunState::Ended,
            Which::Ended => run.state() == RunState::Ended,
        };
        let views = runs.iter().filter(|run| wanted(run)).map(|run| view(host.name(), run));
        let (processes, cut) = within_budget(views, look.budget);
        // What did not fit is on the next page.
        let last =
            processes.last().filter(|_| cut).map(|last| crate::process::run_of(&last.process));
        let next_page = last.or((!next_page_token.is_empty()).then_some(next_page_token));
        Ok(Output { processes, next_page, provenance: look.looked.provenance().clone() })
    }
}

fn view(host: &str, run: &RunSummary) -> ProcessView {
    let end = |held: Option<Held>| held.map_or(0, |held| held.end);
    ProcessView {
        process: handle(host, &run.run_id),
        state: state_name(run.state()),
        command: run.command.clone(),
        profile: run.profile.clone(),
        started_at: time(run.started_at.as_ref()),
        ended_at: time(run.ended_at.as_ref()),
        outcome: outcome_of(run),
        terminal: run.terminal.map(size),
        stdin_open: run.stdin_open,
        stdout_bytes: end(run.stdout),
        stderr_bytes: end(run.stderr),
        usage: run.usage.map(|usage| Usage::from_wire(usage).into()),
        memory_bytes: Some(run.memory_bytes).filter(|bytes| *bytes > 0),
        tasks: Some(run.processes).filter(|tasks| *tasks > 0),
    }
}

impl Answer for Output {
    fn headline(&self) -> String {
        let more = if self.next_page.is_some() { ", and more on the next page" } else { "" };
        format!("{} processes on {}{more}", self.processes.len(), self.provenance.host)
    }
}
