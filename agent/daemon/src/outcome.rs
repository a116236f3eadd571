//! How a run ended, in the wire's words.
//!
//! The cause comes before the symptom: a run that the agent ended for its output
//! died of a signal too, but that is not what its caller needs to know. Who sent a
//! signal that is no such symptom is told by [`attributed`].

use cofferdam_plan::{Refusal, RunEnding};
use cofferdam_proto::exec::v1::{
    Cancelled, Exited, FailedToStart, LimitHit, Lost, OutOfMemory, Outcome, Signalled, TimedOut,
    Usage, outcome::Ending,
};
use prost_types::Duration;
use rustix::process::Signal;

use crate::cap::CappedLimits;
use crate::cell::{BuildError, Fate, StartError};
use crate::usage::CellUsage;
use crate::warden::WardenError;

mod sender;

pub use sender::{Evidence, attributed};

/// What the agent itself did to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Nothing.
    ByItself,
    /// Ended it for its output.
    ForOutput,
    /// Ended it for its silence.
    ForSilence,
    /// Ended what the kernel had left of it for want of memory.
    ForMemory,
    /// Ended it because somebody asked: who.
    For(&'static str),
}

/// The outcome of a run that started. Who sent its signal, if one ended it, is not
/// yet said.
#[must_use]
pub fn of_run(
    ending: &RunEnding,
    ended: &Ended,
    usage: CellUsage,
    limits: &CappedLimits,
) -> Outcome {
    let status = Status::of(ending.wait_status);
    let failed = status != Status::Exited(0);
    let ending = match (ended, status) {
        (Ended::ForOutput, _) => limit_hit("output", limits.output_bytes),
        (Ended::ForSilence, _) => {
            limit_hit("idle milliseconds", limits.idle_millis.unwrap_or_default())
        }
        (Ended::ForMemory, _) => out_of_memory(usage, limits),
        (Ended::For(by), _) => Ending::Cancelled(Cancelled { by: (*by).to_owned() }),
        _ if ending.timed_out => Ending::TimedOut(TimedOut {
            limit: Some(duration(limits.wall_millis.saturating_mul(1000))),
        }),
        _ if ending.cancelled => Ending::Cancelled(Cancelled { by: "agent".to_owned() }),
        _ if usage.oom_kills > 0 && failed => out_of_memory(usage, limits),
        (_, Status::Signalled(signal))
            if signal == Signal::XFSZ.as_raw() && limits.file_size_bytes > 0 =>
        {
            limit_hit("file size", limits.file_size_bytes)
        }
        (_, Status::Signalled(signal)) => Ending::Signalled(Signalled {
            signal: signal.unsigned_abs(),
            name: signal_name(signal).to_owned(),
            ..Signalled::default()
        }),
        (_, Status::Exited(code)) => Ending::Exited(Exited { code }),
    };
    Outcome { ending: Some(ending) }
}

fn out_of_memory(usage: CellUsage, limits: &CappedLimits) -> Ending {
    Ending::OutOfMemory(OutOfMemory {
        limit_bytes: limits.memory_bytes,
        peak_bytes: usage.peak_memory_bytes,
    })
}

/// Whether the command itself says that all went well.
#[must_use]
pub fn succeeded(outcome: &Outcome) -> bool {
    matches!(outcome.ending, Some(Ending::Exited(Exited { code: 0 })))
}

fn limit_hit(limit: &str, value: u64) -> Ending {
    Ending::LimitHit(LimitHit { limit: limit.to_owned(), value })
}

/// What a run used.
#[must_use]
pub fn usage(ending: &RunEnding, usage: CellUsage) -> Usage {
    let (user, system) = usage.cpu_micros.unwrap_or((ending.user_micros, ending.system_micros));
    Usage {
        wall: Some(duration(ending.wall_micros)),
        cpu_user: Some(duration(user)),
        cpu_system: Some(duration(system)),
        peak_memory_bytes: usage.peak_memory_bytes,
        read_bytes: usage.read_bytes,
        written_bytes: usage.written_bytes,
    }
}

fn duration(micros: u64) -> Duration {
    Duration {
        seconds: i64::try_from(micros / 1_000_000).unwrap_or(i64::MAX),
        nanos: i32::try_from(micros % 1_000_000 * 1000).unwrap_or_default(),
    }
}

/// The outcome of a call whose cell could not be built.
#[must_use]
pub fn not_built(error: &BuildError) -> Outcome {
    let (step, errno) = match error {
        BuildError::Failed { step, errno, .. } => (step.name(), *errno),
        BuildError::Warden(WardenError::Refused { refusal, .. }) => (refused_step(*refusal), 0),
        BuildError::Warden(_) => ("warden", 0),
        BuildError::TooMany(_) | BuildError::Sockets(_) => ("resources", 0),
        BuildError::Weaker { .. } | BuildError::SocketsUnseen(_) => ("protection", 0),
        BuildError::Socket(_) | BuildError::Vanished | BuildError::Late => ("cell", 0),
    };
    failed_to_start(step, errno, error.to_string())
}

/// What of a cell the warden would not or could not give.
fn refused_step(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Ceiling => "ceiling",
        Refusal::Plan => "plan",
        Refusal::Exhausted => "resources",
        Refusal::Protection => "protection",
        Refusal::System => "namespaces",
    }
}

/// The outcome of a run that its cell could not start.
#[must_use]
pub fn not_started(error: &StartError) -> Outcome {
    match error {
        StartError::Failed { step, errno, .. } => {
            failed_to_start(step.name(), *errno, error.to_string())
        }
        StartError::Warden(_)
        | StartError::Channel(_)
        | StartError::Vanished
        | StartError::Late => failed_to_start("cell", 0, error.to_string()),
    }
}

/// The outcome of a run that never started.
#[must_use]
pub fn failed_to_start(step: &str, errno: i32, detail: String) -> Outcome {
    let failed = FailedToStart { step: step.to_owned(), errno, detail };
    Outcome { ending: Some(Ending::FailedToStart(failed)) }
}

/// The outcome of a run that nobody saw the end of.
#[must_use]
pub fn lost(reason: &str) -> Outcome {
    Outcome { ending: Some(Ending::Lost(Lost { reason: reason.to_owned() })) }
}

/// A cell that ended without saying how its run did: the kernel may have
/// killed PID 1 for want of memory.
#[must_use]
pub fn of_vanished(ended: &Ended, fate: Fate, usage: CellUsage, limits: &CappedLimits) -> Outcome {
    match ended {
        Ended::For(by) => {
            Outcome { ending: Some(Ending::Cancelled(Cancelled { by: (*by).to_owned() })) }
        }
        Ended::ForOutput => Outcome { ending: Some(limit_hit("output", limits.output_bytes)) },
        Ended::ForSilence => Outcome {
            ending: Some(limit_hit("idle milliseconds", limits.idle_millis.unwrap_or_default())),
        },
        Ended::ByItself | Ended::ForMemory if usage.oom_kills > 0 => {
            Outcome { ending: Some(out_of_memory(usage, limits)) }
        }
        Ended::ByItself | Ended::ForMemory => lost(fate.in_words()),
    }
}

/// A wait status, as wait(2) explains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Exited(u32),
    Signalled(i32),
}

impl Status {
    fn of(status: i32) -> Self {
        match status & 0x7f {
            0 => Self::Exited((status >> 8 & 0xff).unsigned_abs()),
            signal => Self::Signalled(signal),
        }
    }
}

fn signal_name(signal: i32) -> &'static str {
    const NAMES: [&str; 31] = [
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    let index = usize::try_from(signal).ok().and_then(|signal| signal.checked_sub(1));
    index.and_then(|index| NAMES.get(index)).copied().unwrap_or("a real-time signal")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: CappedLimits = CappedLimits {
        memory_bytes: 1 << 20,
        swap_bytes: 0,
        processes: 1,
        cpu_millis: 1,
        cpu_weight: 100,
        io_bytes_per_second: 0,
        idle_millis: None,
        wall_millis: 1500,
        output_bytes: 10,
        file_size_bytes: 20,
        open_files: 1,
    };

    fn ending(wait_status: i32) -> RunEnding {
        RunEnding {
            wait_status,
            timed_out: false,
            cancelled: false,
            wall_micros: 1_500_000,
            user_micros: 0,
            system_micros: 0,
            peak_resident_bytes: 0,
        }
    }

    fn of(ending: &RunEnding, ended: &Ended, oom_kills: u64) -> Ending {
        let usage = CellUsage { peak_memory_bytes: 7, oom_kills, ..CellUsage::default() };
        of_run(ending, ended, usage, &LIMITS).ending.unwrap()
    }

    #[test]
    fn exits_and_signals_are_told_apart() {
        let by_itself = |status| of(&ending(status), &Ended::ByItself, 0);
        assert_eq!(by_itself(3 << 8), Ending::Exited(Exited { code: 3 }));
        assert_eq!(by_itself(255 << 8), Ending::Exited(Exited { code: 255 }));
        let Ending::Signalled(signalled) = by_itself(0x8b) else { panic!("no signal") };
        assert_eq!((signalled.signal, signalled.name.as_str()), (11, "SIGSEGV"));
        assert!(matches!(by_itself(31), Ending::Signalled(it) if it.name == "SIGSYS"));
        assert!(matches!(by_itself(25), Ending::LimitHit(hit) if hit.limit == "file size"));
    }

    #[test]
    fn the_cause_comes_before_the_signal() {
        let late = RunEnding { timed_out: true, ..ending(9) };
        let Ending::TimedOut(timed_out) = of(&late, &Ended::ByItself, 0) else { panic!() };
        let limit = timed_out.limit.unwrap();
        assert_eq!((limit.seconds, limit.nanos), (1, 500_000_000));
        assert!(matches!(of(&late, &Ended::ForOutput, 0), Ending::LimitHit(_)));
        assert!(matches!(of(&ending(9), &Ended::For("caller"), 0), Ending::Cancelled(_)));
        assert!(matches!(of(&ending(9), &Ended::ByItself, 1), Ending::OutOfMemory(_)));
        // A child that was killed for memory and got over it is no failure.
        assert!(matches!(of(&ending(0), &Ended::ByItself, 1), Ending::Exited(_)));
    }
}
