//! PID 1 of a cell.
//!
//! The warden's builder child becomes this after it has given up everything:
//! no privilege is left when [`serve`] is called, and nothing here runs as
//! root. PID 1 starts runs by fork and exec, keeps their wall time, reaps what
//! is orphaned, and reports over the control socket.
//!
//! Invariants:
//! - When the control socket closes, PID 1 exits, and the kernel ends every
//!   process of the cell with it (pid_namespaces(7)).
//! - A run is reported as ended only when no process of it is left.
//! - One run at a time: the end of a run ends everything in the cell but PID 1.
//!
//! Commands beside PID 1 share its user, so it is not dumpable, holds no
//! secret, and the agent treats its reports as claims.

mod run;
mod sys;

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use cofferdam_plan::channel;
use cofferdam_plan::{CellEvent, CellRequest, RunEnding, RunId, RunPlan};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::sys::ChildSignals;

/// Serves the control socket until it closes, then exits the process.
///
/// Called once, as PID 1 of a PID namespace, single-threaded, after all
/// privileges are gone.
pub fn serve(control: OwnedFd) -> ! {
    let code = match ChildSignals::block() {
        Ok(signals) => Init { control, signals, run: None }.serve(),
        Err(_) => 1,
    };
    std::process::exit(code)
}

struct Init {
    control: OwnedFd,
    signals: ChildSignals,
    run: Option<Active>,
}

/// The run that is under way.
struct Active {
    id: RunId,
    process: Pid,
    started: Instant,
    grace: Duration,
    /// When SIGTERM is due.
    deadline: Option<Instant>,
    /// When SIGKILL is due: set with SIGTERM.
    kill_at: Option<Instant>,
    timed_out: bool,
    cancelled: bool,
    /// Resource use of all children that were reaped before it started.
    baseline: sys::ChildrenUsage,
}

/// The agent's end is gone: nothing is left to do but exit.
struct Disconnected;

impl Init {
    fn serve(mut self) -> i32 {
        while let Ok((requests, children)) = self.wait() {
            if self.step(requests, children).is_err() {
                return 0;
            }
        }
        1
    }

    fn step(&mut self, requests: bool, children: bool) -> Result<(), Disconnected> {
        if children {
            self.signals.acknowledge();
            self.reap()?;
        }
        self.keep_time();
        if requests { self.handle_request() } else { Ok(()) }
    }

    /// Waits for a request, a child's end or the next deadline.
    fn wait(&self) -> rustix::io::Result<(bool, bool)> {
        let due = self.run.as_ref().and_then(|run| run.kill_at.or(run.deadline));
        let timeout = due.map(|due| due.saturating_duration_since(Instant::now()));
        let timeout = timeout.and_then(|left| Timespec::try_from(left).ok());
        let mut sources = [
            PollFd::new(&self.control, PollFlags::IN),
            PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
        ];
        match poll(&mut sources, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        Ok((!sources[0].revents().is_empty(), !sources[1].revents().is_empty()))
    }

    fn handle_request(&mut self) -> Result<(), Disconnected> {
        match channel::receive::<CellRequest>(&self.control) {
            Ok((CellRequest::Start(plan), streams)) => self.start(&plan, &streams),
            Ok((CellRequest::Cancel(id), _)) => {
                if let Some(run) = self.run.as_mut().filter(|run| run.id == id) {
                    run.cancelled = true;
                    run.ask_to_end();
                }
                Ok(())
            }
            Ok((CellRequest::Kill(id), _)) => {
                if let Some(run) = self.run.as_mut().filter(|run| run.id == id) {
                    run.cancelled = true;
                    run.kill_at = Some(Instant::now());
                }
                self.keep_time();
                Ok(())
            }
            // A peer that breaks the protocol is treated like one that left.
            Err(_) => Err(Disconnected),
        }
    }

    fn start(&mut self, plan: &RunPlan, streams: &[OwnedFd]) -> Result<(), Disconnected> {
        let started = if self.run.is_some() {
            Err(run::StartError::busy())
        } else {
            run::start(plan, streams)
        };
        let event = match started {
            Ok(process) => {
                self.run = Some(Active::new(plan, process));
                CellEvent::Started { run: plan.run }
            }
            Err(error) => {
                CellEvent::FailedToStart { run: plan.run, step: error.step, errno: error.errno }
            }
        };
        self.report(&event)
    }

    fn report(&self, event: &CellEvent) -> Result<(), Disconnected> {
        channel::send(&self.control, event, &[]).map_err(|_| Disconnected)
    }

    /// Takes the ends of children. When the run's first process is among them,
    /// ends and reaps the rest of its tree and reports.
    fn reap(&mut self) -> Result<(), Disconnected> {
        while let Some((process, wait_status)) = sys::reap_one() {
            if self.run.as_ref().is_none_or(|run| run.process != process) {
                continue;
            }
            if let Some(run) = self.run.take() {
                end_everything();
                self.report(&CellEvent::Ended { run: run.id, ending: run.ending(wait_status) })?;
            }
        }
        Ok(())
    }

    /// Sends what is due: SIGTERM at the deadline, SIGKILL after the grace.
    fn keep_time(&mut self) {
        let Some(run) = &mut self.run else {
            return;
        };
        let now = Instant::now();
        if run.kill_at.is_some_and(|at| at <= now) {
            // The whole cell but PID 1. Again after a while, should the first
            // process sit in a system call that even SIGKILL must wait for.
            run.kill_at = Some(now + Duration::from_millis(100));
            sys::kill_all();
        } else if run.kill_at.is_none() && run.deadline.is_some_and(|at| at <= now) {
            run.timed_out = true;
            run.ask_to_end();
        }
    }
}

impl Active {
    fn new(plan: &RunPlan, process: Pid) -> Self {
        let started = Instant::now();
        let wall = Duration::from_millis(plan.limits.wall_millis);
        Self {
            id: plan.run,
            process,
            started,
            grace: Duration::from_millis(plan.limits.grace_millis),
            deadline: (!wall.is_zero()).then(|| started + wall),
            kill_at: None,
            timed_out: false,
            cancelled: false,
            baseline: sys::ChildrenUsage::now(),
        }
    }

    /// SIGTERM to the run's process group, SIGKILL to everything later.
    fn ask_to_end(&mut self) {
        if self.kill_at.is_none() {
            // A process that is gone needs no signal.
            let gone = kill_process_group(self.process, Signal::TERM)
                .and_then(|()| kill_process(self.process, Signal::CONT));
            self.kill_at = Some(match gone {
                Ok(()) => Instant::now() + self.grace,
                Err(_) => Instant::now(),
            });
        }
    }

    fn ending(&self, wait_status: i32) -> RunEnding {
        let used = sys::ChildrenUsage::now();
        let wall = self.started.elapsed();
        RunEnding {
            wait_status,
            timed_out: self.timed_out,
            cancelled: self.cancelled,
            wall_micros: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
            user_micros: used.user_micros.saturating_sub(self.baseline.user_micros),
            system_micros: used.system_micros.saturating_sub(self.baseline.system_micros),
            peak_resident_bytes: used.peak_resident_bytes,
        }
    }
}

/// Ends and reaps every process of the cell but PID 1. A process may fork while
/// it is being killed; the kernel signals all that exist at once, so the loop
/// ends when a round finds no child left.
fn end_everything() {
    loop {
        sys::kill_all();
        if !sys::reap_blocking() {
            return;
        }
    }
}
