//! Cells and runs for a selftest: planned as the agent plans them, with the
//! probe on top.
//!
//! Whatever depends on how cells are planned, built and run is in this file.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_plan::{
    AbsolutePath, BindPlan, CellId, CellPlan, LandlockPlan, LayerReport, LayerSet, Rights, RunId,
};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

use super::ground::{Ground, GroundError};
use super::probing::{self, Listed};
use crate::cap::Capped;
use crate::cell::{Cell, Next};
use crate::planner::{Berth, Command, Naming, Purpose, Survey, plan_cell, plan_run};
use crate::programs::Programs;
use crate::streams::ChildEnds;
use crate::warden::Warden;

/// Output of one run that is looked at, in bytes.
const MAX_OUTPUT: u64 = 64 * 1024;
/// Milliseconds that a run may take, unless a trial says otherwise.
const WALL_MILLIS: u64 = 10_000;

/// A warden and what its cells may have.
#[derive(Debug)]
pub(super) struct Bench {
    warden: Arc<Warden>,
    capped: Capped,
    survey: Arc<Survey>,
    may_lack: bool,
    probe: PathBuf,
    /// Where attempts find a directory each, beneath the workspace.
    place: AbsolutePath,
    made: Option<PathBuf>,
    layers: Mutex<Vec<LayerReport>>,
}

/// How a run ended, and the start of what it said.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) status: ExitStatus,
    pub(super) timed_out: bool,
    pub(super) text: String,
}

impl Ran {
    /// The first line, for a message.
    pub(super) fn said(&self) -> String {
        let line = self.text.lines().next().unwrap_or_default().trim();
        if line.is_empty() { self.status.to_string() } else { line.chars().take(200).collect() }
    }
}

impl Bench {
    pub(super) fn new(warden: Warden, ground: Ground) -> Result<Self, GroundError> {
        let Ground { capped, may_lack, probe, warden: _, made } = ground;
        let survey = Programs::new()?.survey(&capped, Purpose::Run)?;
        let name = format!("{}/cofferdam-selftest", capped.workspace);
        let place = AbsolutePath::new(name).map_err(|_| GroundError::Empty("usable workspace"))?;
        let warden = Arc::new(warden);
        Ok(Self { warden, capped, survey, may_lack, probe, place, made, layers: Mutex::default() })
    }

    /// Lists the probe's attempts and makes a directory for each, so that none
    /// finds what another left.
    pub(super) async fn prepare(&self) -> Result<Vec<Listed>, String> {
        let cell = self.cell(|_| {}).await?;
        *self.layers.lock().unwrap_or_else(PoisonError::into_inner) = cell.layers().to_vec();
        let listed =
            self.run(&cell, &self.capped.workspace, &[self.probe(), "list", "--numbers"]).await?;
        let attempts = probing::parse(&listed.text);
        if attempts.is_empty() {
            return Err(format!("the probe `{}` lists nothing: {}", self.probe(), listed.said()));
        }
        let mut arguments = vec!["mkdir".to_owned(), "-p".to_owned()];
        arguments.extend(attempts.iter().map(|attempt| self.place_of(&attempt.name).to_string()));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let made = self.run(&cell, &self.capped.workspace, &arguments).await?;
        cell.end(&self.warden).await;
        if made.status.success() { Ok(attempts) } else { Err(made.said()) }
    }

    /// Removes what attempts left, as the user who made it.
    pub(super) async fn clean(&self) {
        let place = self.place.to_string();
        let removed = self.once(&self.capped.workspace, &["rm", "-rf", &place]).await;
        if let Some(made) = &self.made
            && let Err(error) = std::fs::remove_dir_all(made)
        {
            tracing::warn!(path = %made.display(), %error, ?removed, "the workspace is left behind");
        }
    }

    /// The program that makes attempts.
    pub(super) fn probe(&self) -> &str {
        self.probe.to_str().unwrap_or_default()
    }

    /// The layers of the first cell.
    pub(super) fn layers(&self) -> Vec<LayerReport> {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The directory of an attempt.
    pub(super) fn place_of(&self, name: &str) -> AbsolutePath {
        let path = self.place.as_path().join(name);
        AbsolutePath::new(path.as_os_str().as_bytes()).unwrap_or_else(|_| self.place.clone())
    }

    /// The profile lets programs of the workspace be executed.
    pub(super) fn executes(&self) -> bool {
        self.capped.execute
    }

    /// The profile gives every run this variable.
    pub(super) fn sets(&self, name: &str) -> bool {
        let usual = ["PATH", "HOME", "USER", "LOGNAME", "SHELL"];
        usual.contains(&name) || self.capped.profile.environment.contains_key(name)
    }

    /// The workspace.
    pub(super) fn workspace(&self) -> &AbsolutePath {
        &self.capped.workspace
    }

    /// One run in a cell of its own.
    pub(super) async fn once(&self, place: &AbsolutePath, argv: &[&str]) -> Result<Ran, String> {
        let cell = self.cell(|_| {}).await?;
        let ran = self.run(&cell, place, argv).await;
        self.end(cell).await;
        ran
    }

    /// A cell, planned by the agent's own planner; `change` narrows the plan.
    pub(super) async fn cell(&self, change: impl FnOnce(&mut CellPlan)) -> Result<Cell, String> {
        let naming = Naming {
            cell: CellId(*uuid::Uuid::new_v4().as_bytes()),
            subject: "selftest".to_owned(),
            hostname: "cell".to_owned(),
        };
        let plan = plan_cell(&self.capped, &self.survey, Purpose::Run, naming);
        let mut plan = plan.map_err(|error| error.to_string())?;
        self.add_probe(&mut plan);
        if self.may_lack {
            plan.may_lack = LayerSet::ALL;
        }
        change(&mut plan);
        Cell::build(&self.warden, plan).await.map_err(|error| format!("{error}"))
    }

    /// Ends a cell and waits until nothing of it is left.
    pub(super) async fn end(&self, cell: Cell) {
        cell.end(&self.warden).await;
    }

    /// The probe is shown and may be executed; the warden asks the ceiling.
    fn add_probe(&self, plan: &mut CellPlan) {
        let Ok(path) = AbsolutePath::new(self.probe.as_os_str().as_bytes()) else { return };
        let shown = |bind: &BindPlan| bind.execute && path.is_beneath(bind.path.as_path());
        if !plan.binds.iter().any(shown) {
            plan.binds.push(BindPlan { path: path.clone(), execute: true });
        }
        plan.landlock.push(LandlockPlan { path, rights: Rights::EXECUTE });
    }

    /// A run to its end.
    pub(super) async fn run(
        &self,
        cell: &Cell,
        place: &AbsolutePath,
        argv: &[&str],
    ) -> Result<Ran, String> {
        self.run_for(cell, place, argv, WALL_MILLIS).await
    }

    /// The same with a wall time of its own, in milliseconds.
    pub(super) async fn run_for(
        &self,
        cell: &Cell,
        place: &AbsolutePath,
        argv: &[&str],
        wall_millis: u64,
    ) -> Result<Ran, String> {
        let words: Vec<Vec<u8>> = argv.iter().map(|word| word.as_bytes().to_vec()).collect();
        let (program, arguments) = words.split_first().ok_or("no program")?;
        let command = Command {
            program: program.clone(),
            arguments: arguments.to_vec(),
            working_directory: place.clone(),
            environment: Vec::new(),
            stdin: Vec::new(),
            background: false,
            one_shot: true,
            stdin_open: false,
            terminal: None,
        };
        let run = RunId(*uuid::Uuid::new_v4().as_bytes());
        let mut plan = plan_run(run, &command, &self.capped, Berth::default());
        plan.limits.wall_millis = wall_millis;
        plan.limits.grace_millis = 500;
        let (streams, output) = streams().map_err(|error| error.to_string())?;
        let started = cell.start(plan, Some(streams)).await;
        let mut running = started.map_err(|error| error.to_string())?;
        let text = read(output).await;
        match running.ended().await {
            Next::Ended(ending) => Ok(Ran {
                status: ExitStatus::from_raw(ending.wait_status),
                timed_out: ending.timed_out,
                text,
            }),
            Next::Vanished => Err("the cell ended without a word".to_owned()),
        }
    }
}

/// No input, and one pipe for all output.
fn streams() -> std::io::Result<(ChildEnds, OwnedFd)> {
    let (output, stdout) = pipe_with(PipeFlags::CLOEXEC)?;
    let stderr = stdout.try_clone()?;
    let stdin = std::fs::File::open(Path::new("/dev/null"))?.into();
    Ok((ChildEnds { stdin, stdout, stderr }, output))
}

/// The start of the output; the rest is read and dropped, so that nobody waits
/// for a reader.
async fn read(output: OwnedFd) -> String {
    let mut bytes = Vec::new();
    if let Ok(mut pipe) = Receiver::from_owned_fd(output) {
        let start = (&mut pipe).take(MAX_OUTPUT).read_to_end(&mut bytes).await;
        let rest = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
        drop((start, rest));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
