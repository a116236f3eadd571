//! Starts one run: fork, cgroup leaf, limits, streams, its own layer of the
//! sandbox, exec.
//!
//! Everything that can be prepared is prepared before the fork. The child
//! reports a failure over a pipe that a successful exec closes. Another command of
//! the cell may stop the child before that, and a file system may hang: PID 1
//! waits for it no longer than [`EXECUTION_TIME`].

use std::ffi::{CStr, CString};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use cofferdam_plan::run::LoopbackHold;
use cofferdam_plan::{RunLimits, RunPlan, RunStep};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, ioctl_tiocsctty, kill_process, setrlimit, setsid,
};

use crate::confine::{Confined, Rules};
use crate::leaf::Entry;
use crate::loopback::LoopbackLayer;
use crate::sys::{self, Forked};
use crate::terminal::Terminal;

/// How long a child may take from the fork until its program is executed.
const EXECUTION_TIME: Duration = Duration::from_secs(10);
/// How long one that is killed may take to die.
const DYING_TIME: Duration = Duration::from_secs(1);

/// Why a run did not start.
pub(crate) struct StartError {
    /// Where.
    pub(crate) step: RunStep,
    /// errno(3); 0 where none applies.
    pub(crate) errno: i32,
}

impl StartError {
    pub(crate) fn new(step: RunStep, errno: Errno) -> Self {
        Self { step, errno: errno.raw_os_error() }
    }
}

/// A run that was started.
pub(crate) struct Started {
    pub(crate) process: Pid,
    /// Its pidfd.
    pub(crate) descriptor: OwnedFd,
    /// The agent's end of its terminal.
    pub(crate) terminal: Option<OwnedFd>,
    /// How far the kernel holds it to its plan's loopback.
    pub(crate) loopback: LoopbackHold,
}

/// What of the cell a run enters.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// The way into its cgroup leaf, if it has one.
    pub(crate) entry: Option<&'a Entry>,
    pub(crate) rules: &'a Rules,
    pub(crate) loopback: &'a LoopbackLayer,
    pub(crate) confined: &'a Confined,
}

/// The plan, ready for system calls.
struct Prepared<'a> {
    /// What to try to execute, in order.
    candidates: Vec<CString>,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    working_directory: CString,
    streams: Streams<'a>,
    limits: &'a RunLimits,
    surroundings: Surroundings<'a>,
}

enum Streams<'a> {
    Pipes(&'a [OwnedFd; 3]),
    Terminal(Terminal),
}

/// Starts the run and waits until its program was executed or was not.
pub(crate) fn start(
    plan: &RunPlan,
    streams: &[OwnedFd],
    surroundings: Surroundings<'_>,
) -> Result<Started, StartError> {
    let prepared = prepare(plan, streams, surroundings)?;
    let fork_failed = |errno| StartError::new(RunStep::Fork, errno);
    let (report, failure) = pipe_with(PipeFlags::CLOEXEC).map_err(fork_failed)?;
    let into = match surroundings.entry {
        Some(Entry::Clone(directory)) => Some(directory),
        Some(Entry::Join(_)) | None => None,
    };
    match sys::fork(surroundings.confined.fork_into(into)).map_err(fork_failed)? {
        Forked::Child => {
            drop(report);
            let error = become_program(&prepared);
            let [e0, e1, e2, e3] = error.errno.to_le_bytes();
            // If even this fails, the parent sees an end without a report and
            // then the exit status.
            _ = std::fs::File::from(failure).write_all(&[error.step as u8, e0, e1, e2, e3]);
            sys::exit_now(127)
        }
        Forked::Parent { process, descriptor } => {
            drop(failure);
            let mut answer = [0; 5];
            let error = if !is_readable_within(&report, EXECUTION_TIME) {
                StartError::new(RunStep::Execute, Errno::TIMEDOUT)
            } else if rustix::io::read(&report, &mut answer) == Ok(answer.len()) {
                let [step, errno @ ..] = answer;
                let step = RunStep::decode_number(step).unwrap_or(RunStep::Plan);
                StartError { step, errno: i32::from_le_bytes(errno) }
            } else {
                // Closed without a word: the program is running.
                let terminal = match prepared.streams {
                    Streams::Terminal(terminal) => Some(terminal.controller),
                    Streams::Pipes(_) => None,
                };
                let loopback = surroundings.loopback.hold();
                return Ok(Started { process, descriptor, terminal, loopback });
            };
            put_away(process, &descriptor);
            Err(error)
        }
    }
}

/// Ends a child that executed nothing, also one that was stopped. One that does
/// not die in time (uninterruptible sleep) never executes anything any more, and
/// is reaped with the orphans.
fn put_away(process: Pid, descriptor: &OwnedFd) {
    // It is not reaped: the number is still its own.
    _ = kill_process(process, Signal::KILL);
    if is_readable_within(descriptor, DYING_TIME) {
        sys::reap(process);
    }
}

fn is_readable_within(source: impl AsFd, time: Duration) -> bool {
    let deadline = Instant::now() + time;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).ok();
        match poll(&mut [PollFd::new(&source, PollFlags::IN)], timeout.as_ref()) {
            Err(Errno::INTR) => {}
            ready => return ready.is_ok_and(|count| count > 0),
        }
    }
}

fn prepare<'a>(
    plan: &'a RunPlan,
    streams: &'a [OwnedFd],
    surroundings: Surroundings<'a>,
) -> Result<Prepared<'a>, StartError> {
    let invalid = || StartError::new(RunStep::Plan, Errno::INVAL);
    let string = |bytes: &[u8]| CString::new(bytes).map_err(|_| invalid());
    let strings = |all: &[Vec<u8>]| all.iter().map(|one| string(one)).collect::<Result<_, _>>();
    if plan.program.is_empty() || plan.arguments.is_empty() {
        return Err(invalid());
    }
    let candidates = if plan.program.contains(&b'/') {
        vec![string(&plan.program)?]
    } else {
        let within = |directory: &cofferdam_plan::AbsolutePath| {
            string(&[directory.as_bytes(), b"/", &plan.program].concat())
        };
        plan.search_path.iter().map(within).collect::<Result<_, _>>()?
    };
    let streams = match plan.terminal {
        Some(size) => Terminal::make(size)
            .map(Streams::Terminal)
            .map_err(|errno| StartError::new(RunStep::Streams, errno))?,
        None => Streams::Pipes(streams.try_into().map_err(|_| invalid())?),
    };
    Ok(Prepared {
        candidates,
        arguments: strings(&plan.arguments)?,
        environment: strings(&plan.environment)?,
        working_directory: string(plan.working_directory.as_bytes())?,
        streams,
        limits: &plan.limits,
        surroundings,
    })
}

/// In the child: everything up to exec. Comes back only with a failure.
fn become_program(prepared: &Prepared<'_>) -> StartError {
    match set_up(prepared) {
        Ok(()) => execute(prepared),
        Err(error) => error,
    }
}

fn set_up(prepared: &Prepared<'_>) -> Result<(), StartError> {
    let at = |step| move |errno| StartError::new(step, errno);
    let Surroundings { entry, rules, loopback, confined } = prepared.surroundings;
    sys::restore_signals();
    setsid().map_err(at(RunStep::Fork))?;
    // First of all, so that the leaf counts what follows.
    if let Some(Entry::Join(tasks)) = entry {
        for file in tasks {
            rustix::io::write(file, b"0").map_err(at(RunStep::Cgroup))?;
        }
    }
    entry.into_iter().for_each(Entry::close_in_child);
    connect(&prepared.streams).map_err(at(RunStep::Streams))?;
    set_limits(prepared.limits).map_err(at(RunStep::Limits))?;
    rustix::process::chdir(prepared.working_directory.as_c_str())
        .map_err(at(RunStep::WorkingDirectory))?;
    rules.enter().map(drop).and_then(|()| loopback.enter()).map_err(|error| {
        StartError::new(RunStep::Confine, Errno::from_io_error(&error).unwrap_or(Errno::PERM))
    })?;
    confined.install_for_run().map_err(at(RunStep::Confine))
}

/// The streams come as descriptors above 2: the builder filled 0 to 2.
fn connect(streams: &Streams<'_>) -> rustix::io::Result<()> {
    match streams {
        Streams::Pipes(pipes) => (0..)
            .zip(*pipes)
            .try_for_each(|(number, pipe)| sys::duplicate_onto(pipe.as_raw_fd(), number)),
        Streams::Terminal(terminal) => {
            ioctl_tiocsctty(&terminal.run)?;
            (0..3).try_for_each(|number| sys::duplicate_onto(terminal.run.as_raw_fd(), number))
        }
    }
}

fn set_limits(limits: &RunLimits) -> rustix::io::Result<()> {
    let set = |resource, value: u64| {
        // A lower hard limit that was there before stays.
        let hard = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let value = Some(value.min(hard));
        setrlimit(resource, Rlimit { current: value, maximum: value })
    };
    // Not 0: a host whose core_pattern is a pipe would start its helper all the
    // same; 1 means no dump at all (fs/coredump.c).
    set(Resource::Core, 1)?;
    for (resource, value) in [
        (Resource::Fsize, limits.file_size_bytes),
        (Resource::Nofile, limits.open_files.into()),
        (Resource::Nproc, limits.processes.into()),
        (Resource::As, limits.address_space_bytes),
    ] {
        if value != 0 {
            set(resource, value)?;
        }
    }
    Ok(())
}

/// Tries the candidates as execvp(3) does: the first that exists counts; one
/// that may not be executed is remembered but does not stop the search.
fn execute(prepared: &Prepared<'_>) -> StartError {
    let by_path = prepared.candidates.len() == 1;
    let mut denied = None;
    for candidate in &prepared.candidates {
        match exec(candidate, prepared) {
            Errno::NOENT | Errno::NOTDIR if !by_path => {}
            Errno::ACCESS if !by_path => denied = Some(Errno::ACCESS),
            errno => return StartError::new(RunStep::Execute, errno),
        }
    }
    match denied {
        Some(errno) => StartError::new(RunStep::Execute, errno),
        None => StartError::new(RunStep::FindProgram, Errno::NOENT),
    }
}

fn exec(program: &CStr, prepared: &Prepared<'_>) -> Errno {
    sys::execute(program, &prepared.arguments, &prepared.environment)
}
