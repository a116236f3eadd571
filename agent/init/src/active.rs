//! A run that is under way, and how it ends with its whole tree.

use std::time::{Duration, Instant};

use cofferdam_plan::run::RunSignal;
use cofferdam_plan::{RunEnding, RunId, RunPlan};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::leaf::Leaf;
use crate::sys::{self, Usage};
use crate::terminal;

/// How long the rest of a tree may take to die before it is killed again: a
/// process in uninterruptible sleep outlives its SIGKILL.
const AGAIN: Duration = Duration::from_millis(10);

/// The run.
pub(crate) struct Active {
    pub(crate) id: RunId,
    process: Pid,
    leaf: Option<Leaf>,
    background: bool,
    has_terminal: bool,
    started: Instant,
    grace: Duration,
    /// When SIGTERM is due.
    deadline: Option<Instant>,
    /// When SIGKILL is due: set with SIGTERM, and again while something lives.
    kill_at: Option<Instant>,
    timed_out: bool,
    cancelled: bool,
    /// How its first process ended; the rest of its tree is dying.
    ended: Option<(i32, Duration)>,
    /// Of all its processes that were reaped.
    usage: Usage,
}

impl Active {
    pub(crate) fn new(plan: &RunPlan, process: Pid, leaf: Option<Leaf>) -> Self {
        let started = Instant::now();
        let wall = Duration::from_millis(plan.limits.wall_millis);
        Self {
            id: plan.run,
            process,
            leaf,
            background: plan.background,
            has_terminal: plan.terminal.is_some(),
            started,
            grace: Duration::from_millis(plan.limits.grace_millis),
            deadline: (!wall.is_zero()).then(|| started + wall),
            kill_at: None,
            timed_out: false,
            cancelled: false,
            ended: None,
            usage: Usage::default(),
        }
    }

    /// Whether it has a cgroup leaf, and so can have company.
    pub(crate) fn has_leaf(&self) -> bool {
        self.leaf.is_some()
    }

    /// When it wants to be looked at again.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.kill_at.or(self.deadline)
    }

    /// Takes the end of one process: its first one's, or (where `alone`) that
    /// of an orphan, which must have been its.
    pub(crate) fn take_end(&mut self, process: Pid, status: i32, usage: Usage, alone: bool) {
        if process == self.process {
            self.ended = Some((status, self.started.elapsed()));
            self.kill_at = None;
            self.deadline = None;
        }
        if process == self.process || alone {
            self.usage.add(usage);
        }
    }

    /// Once the first process has ended: ends the rest of the tree, and says
    /// how the run ended when nothing of it is left.
    pub(crate) fn end(&mut self) -> Option<RunEnding> {
        let (wait_status, wall) = self.ended?;
        let empty = match &self.leaf {
            // What lives on belongs to the cell from now on.
            Some(_) if self.background && !self.cancelled && !self.timed_out => true,
            Some(leaf) => !leaf.kill(),
            None => {
                end_everything();
                true
            }
        };
        if !empty {
            self.kill_at = Some(Instant::now() + AGAIN);
            return None;
        }
        let Usage { user_micros, system_micros, peak_resident_bytes } = self.usage;
        Some(RunEnding {
            wait_status,
            timed_out: self.timed_out,
            cancelled: self.cancelled,
            wall_micros: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
            user_micros,
            system_micros,
            peak_resident_bytes,
        })
    }

    /// Sends what is due: SIGTERM at the deadline, SIGKILL after the grace.
    pub(crate) fn keep_time(&mut self) {
        let now = Instant::now();
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill_at = Some(now + AGAIN);
            self.kill_tree();
        } else if self.kill_at.is_none() && self.deadline.is_some_and(|at| at <= now) {
            self.timed_out = true;
            self.ask_to_end();
        }
    }

    /// Ends it on somebody's word.
    pub(crate) fn cancel(&mut self) {
        self.cancelled = true;
        self.ask_to_end();
    }

    /// The same without asking first.
    pub(crate) fn kill(&mut self) {
        self.cancelled = true;
        self.kill_at = Some(Instant::now());
        self.keep_time();
    }

    /// Sends a signal to whom its terminal's keys would reach, or else to the
    /// group of its first process; once that has ended, to nobody.
    pub(crate) fn signal(&self, signal: RunSignal) {
        if self.ended.is_some() {
            return;
        }
        let foreground = self.has_terminal.then(|| terminal::foreground(self.process)).flatten();
        let group = foreground.unwrap_or(self.process);
        // A group that is gone meanwhile needs no signal.
        _ = kill_process_group(group, signal_of(signal));
    }

    /// SIGTERM to the run's process group, SIGKILL to everything later.
    fn ask_to_end(&mut self) {
        if self.kill_at.is_none() && self.ended.is_none() {
            // A process that is gone needs no signal.
            let asked = kill_process_group(self.process, Signal::TERM)
                .and_then(|()| kill_process(self.process, Signal::CONT));
            self.kill_at = Some(match asked {
                Ok(()) => Instant::now() + self.grace,
                Err(_) => Instant::now(),
            });
        }
    }

    fn kill_tree(&self) {
        match &self.leaf {
            Some(leaf) => _ = leaf.kill(),
            None => sys::kill_all(),
        }
    }
}

fn signal_of(signal: RunSignal) -> Signal {
    match signal {
        RunSignal::Hangup => Signal::HUP,
        RunSignal::Interrupt => Signal::INT,
        RunSignal::Quit => Signal::QUIT,
        RunSignal::User1 => Signal::USR1,
        RunSignal::User2 => Signal::USR2,
        RunSignal::Terminate => Signal::TERM,
        RunSignal::Continue => Signal::CONT,
        RunSignal::Stop => Signal::STOP,
        RunSignal::TerminalStop => Signal::TSTP,
        RunSignal::WindowChange => Signal::WINCH,
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
