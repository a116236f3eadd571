//! Starts one run: fork, limits, streams, exec.
//!
//! Everything that allocates happens before the fork. The child reports a
//! failure over a pipe that a successful exec closes.

use std::ffi::{CStr, CString};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};

use cofferdam_plan::{RunLimits, RunPlan, RunStep};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Resource, Rlimit, setrlimit, setsid};

use crate::sys::{self, Forked};

/// Why a run did not start.
pub(crate) struct StartError {
    /// Where.
    pub(crate) step: RunStep,
    /// errno(3); 0 where none applies.
    pub(crate) errno: i32,
}

impl StartError {
    fn new(step: RunStep, errno: rustix::io::Errno) -> Self {
        Self { step, errno: errno.raw_os_error() }
    }

    /// Another run is under way.
    pub(crate) fn busy() -> Self {
        Self::new(RunStep::Plan, rustix::io::Errno::BUSY)
    }
}

/// The plan, ready for system calls.
struct Prepared<'a> {
    /// What to try to execute, in order.
    candidates: Vec<CString>,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    working_directory: CString,
    streams: &'a [OwnedFd; 3],
    limits: &'a RunLimits,
}

/// Starts the run and waits until its program was executed or was not.
pub(crate) fn start(plan: &RunPlan, streams: &[OwnedFd]) -> Result<Pid, StartError> {
    let prepared = prepare(plan, streams)?;
    let fork_failed = |errno| StartError::new(RunStep::Fork, errno);
    let (report, failure) = pipe_with(PipeFlags::CLOEXEC).map_err(fork_failed)?;
    match sys::fork().map_err(fork_failed)? {
        Forked::Child => {
            drop(report);
            let error = become_program(&prepared);
            let [e0, e1, e2, e3] = error.errno.to_le_bytes();
            // If even this fails, the parent sees an end without a report and
            // then the exit status.
            _ = std::fs::File::from(failure).write_all(&[error.step as u8, e0, e1, e2, e3]);
            sys::exit_now(127)
        }
        Forked::Parent(process) => {
            drop(failure);
            let mut answer = [0; 5];
            if std::fs::File::from(report).read_exact(&mut answer).is_err() {
                // Closed without a word: the program is running.
                return Ok(process);
            }
            sys::reap(process);
            let [step, errno @ ..] = answer;
            Err(StartError {
                step: RunStep::decode_number(step).unwrap_or(RunStep::Plan),
                errno: i32::from_le_bytes(errno),
            })
        }
    }
}

fn prepare<'a>(plan: &'a RunPlan, streams: &'a [OwnedFd]) -> Result<Prepared<'a>, StartError> {
    let invalid = || StartError::new(RunStep::Plan, rustix::io::Errno::INVAL);
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
    Ok(Prepared {
        candidates,
        arguments: strings(&plan.arguments)?,
        environment: strings(&plan.environment)?,
        working_directory: string(plan.working_directory.as_bytes())?,
        streams: streams.try_into().map_err(|_| invalid())?,
        limits: &plan.limits,
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
    let streams = |errno| StartError::new(RunStep::Streams, errno);
    sys::restore_signals();
    setsid().map_err(|errno| StartError::new(RunStep::Fork, errno))?;
    // The streams come as descriptors above 2: the builder filled 0 to 2.
    for (number, stream) in (0..).zip(prepared.streams) {
        sys::duplicate_onto(stream.as_raw_fd(), number).map_err(streams)?;
    }
    set_limits(prepared.limits).map_err(|errno| StartError::new(RunStep::Limits, errno))?;
    rustix::process::chdir(prepared.working_directory.as_c_str())
        .map_err(|errno| StartError::new(RunStep::WorkingDirectory, errno))
}

fn set_limits(limits: &RunLimits) -> rustix::io::Result<()> {
    let set = |resource, value: u64| {
        // A lower hard limit that was there before stays.
        let hard = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let value = Some(value.min(hard));
        setrlimit(resource, Rlimit { current: value, maximum: value })
    };
    set(Resource::Core, 0)?;
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
            rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR if !by_path => {}
            rustix::io::Errno::ACCESS if !by_path => denied = Some(rustix::io::Errno::ACCESS),
            errno => return StartError::new(RunStep::Execute, errno),
        }
    }
    match denied {
        Some(errno) => StartError::new(RunStep::Execute, errno),
        None => StartError::new(RunStep::FindProgram, rustix::io::Errno::NOENT),
    }
}

fn exec(program: &CStr, prepared: &Prepared<'_>) -> rustix::io::Errno {
    sys::execute(program, &prepared.arguments, &prepared.environment)
}
