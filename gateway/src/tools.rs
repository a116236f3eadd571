//! The tools, one file each: what a model reads about a tool, what it may send,
//! what it gets, and how the one becomes an action on a host.
//!
//! A tool file decides nothing and records nothing; [`crate::pipeline`] leads
//! every call the same way, and a tool acts only on the [`RecordedIntent`] that
//! it is handed.

pub(crate) mod check_approval;
mod check_command_exists;
pub(crate) mod close_session;
mod definition;
pub(crate) mod describe_access;
mod edit_file;
mod execute_command;
mod file_content;
mod file_input;
mod files;
mod get_system_info;
mod list_directory;
pub(crate) mod list_hosts;
mod list_processes;
pub(crate) mod list_sessions;
mod offered;
pub(crate) mod open_session;
mod process_view;
mod read_file;
mod read_process;
mod read_service;
mod resize_process;
mod run_now;
mod search_files;
mod signal_process;
mod start_process;
mod view;
mod wait_process;
mod write_file;
mod write_process;

use std::future::Future;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use cofferdam_journal::{Ending, Usage};
use cofferdam_policy::ProcessUse;
use cofferdam_proto::exec::v1::RunOwner;
use rmcp::model::Tool;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub(crate) use check_command_exists::CheckCommandExists;
pub(crate) use definition::{About, takes};
use definition::{Effect, define, in_session};
pub(crate) use edit_file::EditFile;
pub(crate) use execute_command::ExecuteCommand;
pub(crate) use file_content::media_type;
pub(crate) use file_input::path_bytes;
pub(crate) use files::{
    CopyFile, DeleteFile, MakeDirectory, MoveFile, ReadFiles, StatFile, WatchFiles,
};
pub(crate) use get_system_info::GetSystemInfo;
pub(crate) use list_directory::ListDirectory;
pub(crate) use list_processes::ListProcesses;
pub(crate) use offered::offered;
pub(crate) use read_file::ReadFile;
pub(crate) use read_process::ReadProcess;
pub(crate) use read_service::ReadService;
pub(crate) use resize_process::ResizeProcess;
pub(crate) use run_now::{Now, RunNow};
pub(crate) use search_files::SearchFiles;
pub(crate) use signal_process::SignalProcess;
pub(crate) use start_process::StartProcess;
pub(crate) use view::{Decision, Provenance, kind_name, path_text, timestamp};
pub(crate) use wait_process::WaitProcess;
pub(crate) use write_file::WriteFile;
pub(crate) use write_process::WriteProcess;

use crate::action::WireAction;
use crate::call::Call;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::hosts::{CheckedReceipt, Host, HostError};
use crate::input::BadInput;
use crate::place::Place;
use crate::process::Process;
use crate::progress::Progress;
use crate::record::{Looked, RecordedIntent};
use crate::result::Answer;

/// A tool that a host carries out.
pub(crate) trait HostTool {
    /// What a caller sends.
    type Input: DeserializeOwned + JsonSchema + Target + Send + 'static;
    /// What the host is asked to do.
    type Wire: WireAction;
    /// What a caller gets.
    type Output: Answer + Send;

    /// What a client is told about it.
    const ABOUT: About;

    /// Makes the action of the input, or says what is wrong with it.
    fn ask(input: Self::Input, place: &Place) -> Result<Asked<Self::Wire>, BadInput>;

    /// How long its caller waits for a run; none: to its end.
    fn wait(_input: &Self::Input) -> Option<Duration> {
        None
    }

    /// How long a task may stand for the call, where its client takes one: as long as its
    /// caller says that they wait, and [`Duration::MAX`] to the end of the run.
    fn wait_as_task(_input: &Self::Input) -> Option<Duration> {
        None
    }

    /// Narrows the action to what one answer can show.
    fn fit(_wire: &mut Self::Wire, _budget: usize) {}

    /// Has the host act, and shapes its answer.
    fn act(
        job: Job<'_>,
        intent: &RecordedIntent<Self::Wire>,
    ) -> impl Future<Output = Result<Acted<Self::Output>, HostError>> + Send;

    /// The same, for what may go on when its caller is answered.
    fn lead(
        job: Job<'_>,
        intent: &RecordedIntent<Self::Wire>,
    ) -> impl Future<Output = Result<Led<Self::Output>, HostError>> + Send {
        async move { Self::act(job, intent).await.map(Box::new).map(Led::Ended) }
    }

    /// Adds to the answer what further calls tell, each decided and recorded by itself.
    fn complete(
        _gateway: &Arc<Gateway>,
        _call: &Call,
        answer: Self::Output,
    ) -> impl Future<Output = Self::Output> + Send {
        async move { answer }
    }

    /// Whether it takes one of the places for calls under way while its host acts; not
    /// where nothing is done but waiting.
    fn holds_place() -> bool {
        true
    }

    /// Whether the call changes nothing, so that its record may reach the disk
    /// a little later.
    fn only_reads() -> bool {
        Self::ABOUT.effect == Effect::Reads
    }
}

/// An input that can name where it is meant for.
pub(crate) trait Target {
    /// The project that it names.
    fn project(&self) -> Option<&str>;
    /// The host that it names.
    fn host(&self) -> Option<&str>;
    /// The process that it names, by its handle, which tells host and project.
    fn process(&self) -> Option<&str> {
        None
    }
}

/// A tool that looks at processes of the caller's own.
pub(crate) trait LookTool {
    /// What a caller sends.
    type Input: DeserializeOwned + JsonSchema + Target + Send + Sync + 'static;
    /// What a caller gets.
    type Output: Send;

    /// What a client is told about it.
    const ABOUT: About;
    /// What the rules decide on.
    const USE: ProcessUse;

    /// Says what is wrong with the input, before anybody is asked.
    fn check(input: &Self::Input) -> Result<(), BadInput>;

    /// Looks.
    fn look(
        look: Look<'_>,
        input: Self::Input,
    ) -> impl Future<Output = Result<Self::Output, Fault>> + Send;
}

/// What a tool has at hand when it looks.
pub(crate) struct Look<'a> {
    pub(crate) host: &'a Host,
    pub(crate) looked: &'a Looked,
    /// The process, where the input names one.
    pub(crate) process: Option<Process>,
    /// Whose processes are looked at.
    pub(crate) owner: RunOwner,
    /// The session that the call names, if it names one.
    pub(crate) session: Option<String>,
    pub(crate) cancelled: &'a CancellationToken,
    pub(crate) progress: &'a Progress,
    /// Bytes that an answer may show.
    pub(crate) budget: usize,
}

/// What a host did, or still does.
pub(crate) enum Led<O> {
    /// It is done.
    Ended(Box<Acted<O>>),
    /// It goes on, and this is what there is so far.
    GoesOn(O),
}

/// An action that is asked for and not yet decided.
#[derive(Debug)]
pub(crate) struct Asked<W> {
    /// What the host would be asked to do.
    pub(crate) wire: W,
    /// The longest that it should take, where the caller says so.
    pub(crate) wall: Option<Duration>,
}

/// What a tool has at hand when it acts.
pub(crate) struct Job<'a> {
    pub(crate) host: &'a Host,
    pub(crate) cancelled: &'a CancellationToken,
    pub(crate) progress: &'a Progress,
    /// Bytes that an answer may show.
    pub(crate) budget: usize,
    /// The workspace's path.
    pub(crate) workspace: String,
    /// How long the caller waits for a run; none: to its end.
    pub(crate) wait: Option<Duration>,
    pub(crate) provenance: Provenance,
}

/// What a host did.
pub(crate) struct Acted<O> {
    /// For the caller.
    pub(crate) answer: O,
    /// For the record.
    pub(crate) ending: Ending,
    /// For the record, of runs.
    pub(crate) usage: Option<Usage>,
    /// For the record, of runs: what held it and what it met.
    pub(crate) sandbox: Option<Value>,
    /// The host's word for it.
    pub(crate) receipt: CheckedReceipt,
}

/// Every tool, as clients are told.
pub(crate) fn definitions() -> &'static [Tool] {
    static ALL: LazyLock<Vec<Tool>> = LazyLock::new(|| {
        fn host_tool<T: HostTool>() -> Tool {
            in_session(define::<T::Input, T::Output>(T::ABOUT))
        }
        fn look_tool<T: LookTool<Output: Answer>>() -> Tool {
            define::<T::Input, T::Output>(T::ABOUT)
        }
        vec![
            host_tool::<ExecuteCommand>(),
            host_tool::<StartProcess>(),
            look_tool::<ReadProcess>(),
            host_tool::<WriteProcess>(),
            host_tool::<ResizeProcess>(),
            host_tool::<SignalProcess>(),
            look_tool::<WaitProcess>(),
            in_session(look_tool::<ListProcesses>()),
            host_tool::<ReadFile>(),
            host_tool::<ReadFiles>(),
            host_tool::<WriteFile>(),
            host_tool::<EditFile>(),
            host_tool::<StatFile>(),
            host_tool::<MakeDirectory>(),
            host_tool::<MoveFile>(),
            host_tool::<CopyFile>(),
            host_tool::<DeleteFile>(),
            host_tool::<ListDirectory>(),
            host_tool::<SearchFiles>(),
            host_tool::<WatchFiles>(),
            host_tool::<GetSystemInfo>(),
            host_tool::<CheckCommandExists>(),
            host_tool::<ReadService>(),
            define::<open_session::Input, open_session::Output>(open_session::ABOUT),
            define::<list_sessions::Input, list_sessions::Output>(list_sessions::ABOUT),
            define::<close_session::Input, close_session::Output>(close_session::ABOUT),
            define::<list_hosts::Input, list_hosts::Output>(list_hosts::ABOUT),
            define::<describe_access::Input, describe_access::Output>(describe_access::ABOUT),
            define::<check_approval::Input, check_approval::Output>(check_approval::ABOUT),
        ]
    });
    &ALL
}

/// The first elements that fit into `budget` bytes of JSON, and whether some
/// did not.
fn within_budget<T: Serialize>(elements: impl Iterator<Item = T>, budget: usize) -> (Vec<T>, bool) {
    let mut kept = Vec::new();
    let mut used = 0_usize;
    for element in elements {
        let size = serde_json::to_vec(&element).map_or(usize::MAX, |json| json.len());
        used = used.saturating_add(size);
        if used > budget {
            return (kept, true);
        }
        kept.push(element);
    }
    (kept, false)
}

#[cfg(test)]
mod tests;
