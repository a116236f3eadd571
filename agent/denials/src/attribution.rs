//! Which record is of which run.
//!
//! Landlock. A run's first process takes on a domain of its own before exec.
//! The kernel tells a domain's maker («allocated») only after the first refusal,
//! so a refusal of an unknown domain waits for that record, and that record
//! waits for the agent to know the run's process; both wait for at most
//! [`WAIT`], and only so many. A program in a run may make domains too: those
//! refusals are the program's own doing and are only counted. Ours are told by
//! the maker's program: it is the warden's as long as nothing was executed.
//!
//! seccomp. A record has the caller's process and user. The run is that of the
//! first process; else what the agent can look up while the process lives; else
//! the only run of that user.
//!
//! Losses. The kernel's queue and the socket's buffer overflow under a flood.
//! A domain's end tells how often it refused in truth; overruns and what the
//! kernel counts as lost taint every run of that time.
//!
//! Invariant: memory is bounded by [`MAX_REFUSALS`] a run and [`MAX_WAITING`]
//! in all; what finds no room is counted. Called by the agent, from one task.

mod run;
mod waiting;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::record::{Access, Domain, Event, Record, Seccomp};
use crate::refusal::{Refusal, Refused};
use run::Run;
use waiting::{Maker, Waiting};

/// How long a record may wait for its run to be told.
const WAIT: Duration = Duration::from_secs(5);
/// Domains, and as many calls, that wait.
const MAX_WAITING: usize = 256;
/// Different refusals kept of a run.
const MAX_REFUSALS: usize = 64;
/// Domains of a run that are followed, its own and those that it made.
const MAX_DOMAINS: usize = 64;
/// Processes of a run that are remembered once looked up.
const MAX_PROCESSES: usize = 64;
/// The kernel queues this many records before it loses any
/// (`audit_backlog_limit`, by default).
const QUEUE: u64 = 64;

/// The agent's number for a run; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunKey(pub u64);

/// A run, as the agent tells it.
#[derive(Debug, Clone, Copy)]
pub struct Started {
    /// Its name.
    pub key: RunKey,
    /// Its first process, as the host counts; none where it had ended and was
    /// reaped before anybody could ask. Then its user tells what it did, if that
    /// has no other run.
    pub pid: Option<u32>,
    /// Its user as the host counts, if nothing but cells of one session has
    /// that user; none in rootless mode, where it is a person's.
    pub uid: Option<u32>,
    /// When it was asked for, or any time before.
    pub since: Instant,
}

/// Records of a run that did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loss {
    /// Refusals of Landlock that the kernel counted and that did not arrive.
    pub landlock: u64,
    /// More may be missing: records were lost while it ran, nobody knows whose.
    pub unknown: bool,
}

/// What is known of a run that ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Different refusals, in the order of their first; at most 64.
    pub refusals: Vec<Refusal>,
    /// Refusals that arrived when there was no room for another.
    pub more: u64,
    /// Refusals of sandboxes that programs of the run made themselves.
    pub own: u64,
    /// What did not arrive.
    pub loss: Loss,
}

/// All runs that are under way, and the records that wait for theirs.
#[derive(Debug)]
pub struct Attribution {
    /// The program that PID 1 of a cell runs, as the kernel names it.
    maker: Vec<u8>,
    runs: HashMap<RunKey, Run>,
    first_processes: HashMap<u32, RunKey>,
    domains: HashMap<u64, RunKey>,
    waiting: Waiting,
    unattributed: u64,
    last_loss: Option<Instant>,
    kernel_lost: Option<u32>,
}

impl Attribution {
    /// `maker`: the path of the warden's program, as its own namespaces see it.
    /// The kernel tells it from the root of the file system that it lies on,
    /// because the cell's view has it not: so the end of the path has to fit.
    #[must_use]
    pub fn new(maker: Vec<u8>) -> Self {
        Self {
            maker,
            runs: HashMap::new(),
            first_processes: HashMap::new(),
            domains: HashMap::new(),
            waiting: Waiting::default(),
            unattributed: 0,
            last_loss: None,
            kernel_lost: None,
        }
    }

    /// A run has started. Its records may have come before.
    pub fn run_started(&mut self, started: Started) {
        let Started { key, pid, uid, since } = started;
        self.runs.insert(key, Run::new(pid, uid, since));
        self.take_earlier_calls(key, since, uid);
        let Some(pid) = pid else { return };
        self.first_processes.insert(pid, key);
        for domain in self.waiting.domains_made_by(pid, uid) {
            self.adopt(domain, key);
        }
        for (call, count) in self.waiting.calls_of(pid, uid) {
            self.note(key, Refused::call(call), count);
        }
    }

    /// Takes a record. `ancestor` finds the run of a process that lives (by its
    /// cgroup); it is asked about processes that are not known, once each.
    pub fn record(
        &mut self,
        record: Record,
        now: Instant,
        ancestor: impl FnOnce(u32) -> Option<RunKey>,
    ) {
        let expired = self.waiting.expire(now);
        self.give_up(expired);
        match record.event {
            Event::Access(access) => self.access(access, now),
            Event::Domain(Domain::Allocated { domain, pid, uid, exe, comm: _ }) => {
                let maker = Maker { pid, uid, exe };
                let key = self.first_process(pid, Some(uid)).or_else(|| ancestor(pid));
                self.made(domain, maker, key, now);
            }
            Event::Domain(Domain::Deallocated { domain, denials }) => {
                self.gone(domain, denials, now);
            }
            Event::Seccomp(call) => self.call(call, now, ancestor),
        }
    }

    /// The socket's buffer ran over: records were lost (`ENOBUFS`).
    pub fn overrun(&mut self, now: Instant) {
        self.last_loss = Some(now);
    }

    /// What the kernel counts as lost (`lost` of `AUDIT_GET`), where somebody
    /// with `CAP_AUDIT_CONTROL` tells.
    pub fn kernel_lost(&mut self, total: u32, now: Instant) {
        if self.kernel_lost.replace(total).is_some_and(|before| before != total) {
            self.last_loss = Some(now);
        }
    }

    /// Whether waiting for a moment could show losses of this run: it was
    /// refused so often that the kernel's queue may have run over, and its
    /// domain's end, which tells, comes some 60 ms after the last process's.
    #[must_use]
    pub fn may_have_lost(&self, key: RunKey) -> bool {
        self.runs.get(&key).is_some_and(|run| run.open_arrived() >= QUEUE)
    }

    /// Whether anything is known of what this run was refused.
    #[must_use]
    pub fn has_met(&self, key: RunKey) -> bool {
        self.runs.get(&key).is_some_and(Run::has_met)
    }

    /// What is known of a run. What still comes of it is unattributed.
    pub fn run_ended(&mut self, key: RunKey) -> Found {
        let sure = self.take_unseen_domains(key);
        let Some(run) = self.runs.remove(&key) else { return Found::default() };
        // A later run may have the same process number already.
        if let Some(pid) = run.pid
            && self.first_processes.get(&pid) == Some(&key)
        {
            self.first_processes.remove(&pid);
        }
        self.domains.retain(|_, owner| *owner != key);
        let tainted = self.last_loss.is_some_and(|loss| loss >= run.since);
        let loss =
            Loss { landlock: run.lost(), unknown: !sure || tainted || run.open_arrived() >= QUEUE };
        Found { refusals: run.tally.refusals, more: run.tally.more, own: run.own, loss }
    }

    /// Gives a run that is told the calls that came before, of processes that may be
    /// gone again, where its user has no other run.
    fn take_earlier_calls(&mut self, key: RunKey, since: Instant, uid: Option<u32>) {
        let Some(uid) = uid.filter(|uid| self.only_of_user(*uid) == Some(key)) else { return };
        for (call, count) in self.waiting.calls_since(since, uid) {
            self.note(key, Refused::call(call), count);
        }
    }

    /// Gives a run that ends, and whose first process nobody saw, the domains that
    /// its user made. False where something may be another run's of that user.
    fn take_unseen_domains(&mut self, key: RunKey) -> bool {
        let Some(&Run { pid, uid, since, .. }) = self.runs.get(&key) else { return true };
        let unsure = uid.is_some_and(|uid| self.waiting.has_calls_since(since, uid));
        if pid.is_some() {
            return !unsure;
        }
        let Some(uid) = uid.filter(|uid| self.only_of_user(*uid) == Some(key)) else {
            return false;
        };
        for domain in self.waiting.domains_made_since(since, uid) {
            self.adopt(domain, key);
        }
        !unsure
    }

    /// Records whose run never was told, is over, or could not be known.
    #[must_use]
    pub fn unattributed(&self) -> u64 {
        self.unattributed
    }

    fn access(&mut self, access: Access, now: Instant) {
        let domain = access.domain;
        let what = Refused::access(access);
        if let Some(key) = self.domains.get(&domain).copied() {
            self.domain_refused(key, domain, what);
        } else {
            let dropped = self.waiting.refused(domain, what, now);
            self.give_up(dropped);
        }
    }

    fn domain_refused(&mut self, key: RunKey, domain: u64, what: Refused) {
        let Some(run) = self.runs.get_mut(&key) else { return };
        if run.arrived(domain, 1) {
            run.tally.add(what, 1, MAX_REFUSALS);
        }
    }

    fn made(&mut self, domain: u64, maker: Maker, key: Option<RunKey>, now: Instant) {
        if self.domains.contains_key(&domain) {
            // Two processes that are refused at once can tell a domain twice.
            return;
        }
        let dropped = self.waiting.made(domain, maker, now);
        self.give_up(dropped);
        if let Some(key) = key {
            self.adopt(domain, key);
        }
    }

    /// A waiting domain has found its run.
    fn adopt(&mut self, domain: u64, key: RunKey) {
        let Some(found) = self.waiting.take(domain) else { return };
        let arrived = found.tally.total();
        let run = self.runs.get_mut(&key).filter(|run| run.has_room());
        let (Some(run), Some(maker)) = (run, found.maker) else {
            self.give_up(arrived);
            return;
        };
        let made_by_us = maker.exe.starts_with(b"/") && self.maker.ends_with(&maker.exe);
        let ours = run.pid.is_none_or(|pid| pid == maker.pid) && made_by_us;
        run.follow(domain, ours);
        if run.arrived(domain, arrived) {
            run.tally.absorb(found.tally, MAX_REFUSALS);
        }
        match found.denials {
            Some(denials) => run.ended(domain, denials),
            None => _ = self.domains.insert(domain, key),
        }
    }

    fn gone(&mut self, domain: u64, denials: u64, now: Instant) {
        match self.domains.remove(&domain) {
            Some(key) => {
                let Some(run) = self.runs.get_mut(&key) else { return };
                run.ended(domain, denials);
                if run.lost() > 0 {
                    // Whoever was refused meanwhile may have lost records too.
                    self.last_loss = Some(now);
                }
            }
            None => self.waiting.gone(domain, denials),
        }
    }

    fn call(&mut self, call: Seccomp, now: Instant, ancestor: impl FnOnce(u32) -> Option<RunKey>) {
        let (pid, uid) = (call.pid, call.uid);
        let known = self.first_process(pid, Some(uid)).or_else(|| {
            self.of_user(uid).find(|(_, run)| run.processes.contains(&pid)).map(key_of)
        });
        let key = known.or_else(|| {
            let key = ancestor(pid).or_else(|| self.only_of_user(uid))?;
            let run = self.runs.get_mut(&key)?;
            if run.processes.len() < MAX_PROCESSES {
                run.processes.push(pid);
            }
            Some(key)
        });
        if let Some(key) = key {
            self.note(key, Refused::call(call), 1);
        } else {
            let dropped = self.waiting.called(call, now);
            self.give_up(dropped);
        }
    }

    fn give_up(&mut self, records: u64) {
        self.unattributed = self.unattributed.saturating_add(records);
    }

    fn note(&mut self, key: RunKey, what: Refused, count: u64) {
        if let Some(run) = self.runs.get_mut(&key) {
            run.tally.add(what, count, MAX_REFUSALS);
        }
    }

    /// The run whose first process this is, if the user is its.
    fn first_process(&self, pid: u32, uid: Option<u32>) -> Option<RunKey> {
        let key = *self.first_processes.get(&pid)?;
        let run = self.runs.get(&key)?;
        (run.uid.is_none() || run.uid == uid).then_some(key)
    }

    fn of_user(&self, uid: u32) -> impl Iterator<Item = (&RunKey, &Run)> {
        self.runs.iter().filter(move |(_, run)| run.uid == Some(uid))
    }

    fn only_of_user(&self, uid: u32) -> Option<RunKey> {
        let mut runs = self.of_user(uid);
        let first = runs.next().map(key_of);
        first.filter(|_| runs.next().is_none())
    }
}

fn key_of((key, _): (&RunKey, &Run)) -> RunKey {
    *key
}

#[cfg(test)]
mod tests;
