//! PID 1 of a cell.
//!
//! The warden's builder child becomes this after it gave up its user, groups
//! and capabilities: nothing here runs as root. PID 1 confines itself for good,
//! starts runs by fork and exec, keeps their wall time, reaps what is orphaned,
//! and reports over the control socket.
//!
//! Invariants:
//! - When the control socket closes, PID 1 exits, and the kernel ends every
//!   process of the cell with it (pid_namespaces(7)).
//! - A run is reported as ended only when no process of it is left, unless it
//!   was to leave some in the background of its session.
//! - Several runs at a time only where each has a cgroup leaf; without one a
//!   run is alone, and its end ends everything in the cell but PID 1.
//!
//! Commands beside PID 1 share its user, so it is not dumpable, holds no
//! secret, and the agent treats its reports as claims.

mod active;
mod confine;
mod leaf;
mod loopback;
mod run;
mod sys;
mod terminal;

use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use cofferdam_filter::Filter;
use cofferdam_plan::channel;
use cofferdam_plan::{
    BuildFailure, CellEvent, CellRequest, LandlockPlan, LayerReport, LayerSet, RunId, RunPlan,
    RunStep, plain,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::active::Active;
use crate::confine::{ConfineError, Confined, Rules};
use crate::leaf::{Entry, Leaf};
use crate::loopback::LoopbackLayer;
use crate::run::{StartError, Started, Surroundings};
use crate::sys::ChildSignals;

/// Standard streams of a run.
const STREAMS: usize = 3;
/// Rules of runs that are narrower than their cell: as many as are kept opened.
const KEPT_RULES: usize = 8;

/// What the builder leaves to PID 1.
#[derive(Debug)]
pub struct Beginning {
    /// The cell's end of its control socket.
    pub control: OwnedFd,
    /// Closed when the cell is ready.
    pub built: OwnedFd,
    /// What was built so far.
    pub layers: Vec<LayerReport>,
    /// Landlock's rules of the cell.
    pub landlock: Vec<LandlockPlan>,
    /// The seccomp filter of the cell.
    pub filter: &'static Filter,
    /// Layers that need not be given in full.
    pub may_lack: LayerSet,
}

/// Confines the process, serves the control socket until it closes, then exits.
///
/// Called once, as PID 1 of a PID namespace, single-threaded, after user,
/// groups and capabilities are given up; anything left of them is an error that
/// is reported instead of a cell.
pub fn begin(beginning: Beginning) -> ! {
    let Beginning { control, built, mut layers, landlock, filter, may_lack } = beginning;
    sys::forget_arguments();
    sys::forget_ignored_signals();
    _ = rustix::thread::set_name(c"cofferdam-init");
    let confined = confine::confine(&landlock, filter, may_lack);
    let signals = ChildSignals::block();
    let (event, confined) = match confined {
        Ok(confined) => {
            layers.extend(confined.layers.clone());
            (CellEvent::Ready(layers), Some(confined))
        }
        Err(ConfineError { step, errno, detail }) => {
            let (errno, detail) = (errno.raw_os_error(), plain(&detail));
            (CellEvent::BuildFailed(BuildFailure { step, errno, detail }), None)
        }
    };
    let told = channel::send(&control, &event, &[]);
    drop(built);
    let code = match (told, confined, signals) {
        (Ok(()), Some(confined), Ok(signals)) => {
            let (runs, narrower) = (Vec::new(), Vec::new());
            Init { control, signals, confined, narrower, runs }.serve()
        }
        _ => 1,
    };
    std::process::exit(code)
}

struct Init {
    control: OwnedFd,
    signals: ChildSignals,
    confined: Confined,
    /// Opened rules of runs that are narrower than their cell.
    narrower: Vec<Rules>,
    runs: Vec<Active>,
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
            self.reap();
        }
        self.runs.iter_mut().for_each(Active::keep_time);
        self.report_ends()?;
        if requests { self.handle_request() } else { Ok(()) }
    }

    /// Waits for a request, a child's end or the next deadline.
    fn wait(&self) -> rustix::io::Result<(bool, bool)> {
        let due = self.runs.iter().filter_map(Active::due).min();
        let timeout = due.map(|due| due.saturating_duration_since(Instant::now()));
        let timeout = timeout.and_then(|left| Timespec::try_from(left).ok());
        let mut sources = [
            PollFd::new(&self.control, PollFlags::IN),
            PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
        ];
        match poll(&mut sources, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        Ok((!sources[0].revents().is_empty(), !sources[1].revents().is_empty()))
    }

    fn handle_request(&mut self) -> Result<(), Disconnected> {
        match channel::receive::<CellRequest>(&self.control) {
            Ok((CellRequest::Start(plan), given)) => self.start(&plan, given),
            Ok((CellRequest::Cancel(id), _)) => {
                self.run(id).map(Active::cancel);
                Ok(())
            }
            Ok((CellRequest::Kill(id), _)) => {
                self.run(id).map(Active::kill);
                Ok(())
            }
            Ok((CellRequest::Listen, _)) => self.listen(),
            Ok((CellRequest::Check, _)) => self.report(&CellEvent::Heard, &[]),
            Ok((CellRequest::Signal(id, signal), _)) => {
                if let Some(run) = self.run(id) {
                    run.signal(signal);
                }
                Ok(())
            }
            // A peer that breaks the protocol is treated like one that left.
            Err(_) => Err(Disconnected),
        }
    }

    fn run(&mut self, id: RunId) -> Option<&mut Active> {
        self.runs.iter_mut().find(|run| run.id == id)
    }

    fn start(&mut self, plan: &RunPlan, given: Vec<OwnedFd>) -> Result<(), Disconnected> {
        let run = plan.run;
        match self.try_start(plan, given) {
            Ok((Started { process: _, descriptor, terminal, loopback }, active)) => {
                self.runs.push(active);
                let given: Vec<_> =
                    [Some(&descriptor), terminal.as_ref()].into_iter().flatten().collect();
                let given: Vec<_> = given.into_iter().map(AsFd::as_fd).collect();
                self.report(&CellEvent::Started { run, loopback }, &given)
            }
            Err(StartError { step, errno }) => {
                self.report(&CellEvent::FailedToStart { run, step, errno }, &[])
            }
        }
    }

    fn try_start(
        &mut self,
        plan: &RunPlan,
        mut streams: Vec<OwnedFd>,
    ) -> Result<(Started, Active), StartError> {
        let refused = |step, errno| Err(StartError::new(step, errno));
        let alone = plan.leaf == 0 || self.runs.iter().any(|run| !run.has_leaf());
        if self.runs.iter().any(|run| run.id == plan.run) || (alone && !self.runs.is_empty()) {
            return refused(RunStep::Plan, Errno::BUSY);
        }
        if plan.leaf == 0 && plan.background {
            return refused(RunStep::Cgroup, Errno::OPNOTSUPP);
        }
        // Those of the leaf follow the streams; a terminal's run is given none of these.
        let mine = if plan.terminal.is_some() { 0 } else { STREAMS.min(streams.len()) };
        let ways = streams.split_off(mine);
        let entry = Entry::of(ways).filter(|_| plan.leaf != 0);
        if entry.is_none() && plan.leaf != 0 {
            return refused(RunStep::Cgroup, Errno::NOENT);
        }
        let narrower = self.narrower(&plan.landlock)?;
        let rules = narrower.map_or(&self.confined.rules, |index| &self.narrower[index]);
        let loopback = LoopbackLayer::of(plan.loopback, self.confined.landlock)
            .map_err(|_| StartError::new(RunStep::Confine, Errno::NOSYS))?;
        let surroundings = Surroundings {
            entry: entry.as_ref(),
            rules,
            loopback: &loopback,
            confined: &self.confined,
        };
        let started = run::start(plan, &streams, surroundings)?;
        let leaf = entry.map(|_| Leaf::new(plan.leaf));
        let active = Active::new(plan, started.process, leaf);
        Ok((started, active))
    }

    /// Where the opened rules of a narrower run are; `None` for the cell's own.
    fn narrower(&mut self, rules: &[LandlockPlan]) -> Result<Option<usize>, StartError> {
        if rules.is_empty() || self.confined.rules.is_of(rules) {
            return Ok(None);
        }
        if let Some(index) = self.narrower.iter().position(|kept| kept.is_of(rules)) {
            return Ok(Some(index));
        }
        let opened = Rules::open(rules, false)
            .map_err(|_| StartError::new(RunStep::Confine, Errno::NOSYS))?;
        if self.narrower.len() == KEPT_RULES {
            self.narrower.remove(0);
        }
        self.narrower.push(opened);
        Ok(Some(self.narrower.len() - 1))
    }

    fn listen(&self) -> Result<(), Disconnected> {
        let made = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| Ok((listener.local_addr()?.port(), listener)));
        match made {
            Ok((port, listener)) => {
                self.report(&CellEvent::Listening { port }, &[listener.as_fd()])
            }
            Err(_) => self.report(&CellEvent::Listening { port: 0 }, &[]),
        }
    }

    fn report(&self, event: &CellEvent, given: &[BorrowedFd<'_>]) -> Result<(), Disconnected> {
        channel::send(&self.control, event, given).map_err(|_| Disconnected)
    }

    /// Takes the ends of children.
    fn reap(&mut self) {
        while let Some((process, status, usage)) = sys::reap_one() {
            let alone = self.runs.len() == 1;
            for run in &mut self.runs {
                run.take_end(process, status, usage, alone);
            }
        }
    }

    /// Reports each run whose first process has ended and of which nothing is
    /// left.
    fn report_ends(&mut self) -> Result<(), Disconnected> {
        let mut ended = Vec::new();
        self.runs.retain_mut(|run| {
            let ending = run.end();
            let kept = ending.is_none();
            ended.extend(ending.map(|ending| CellEvent::Ended { run: run.id, ending }));
            kept
        });
        ended.iter().try_for_each(|event| self.report(event, &[]))
    }
}
