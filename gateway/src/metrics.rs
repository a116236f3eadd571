//! What the gateway counts and what it reads when it is asked: see README, «Metrics».
//!
//! Words: [`cofferdam_metrics`]. What is counted is counted where it is recorded or
//! refused; what is read, `now` reads. The listener (`listener`) is one of its own and
//! off unless it is configured.
//!
//! Invariant: nothing that a caller says becomes a label. Labels are tools that there
//! are, words of this program, and hosts that an owner let in.

mod listener;
mod now;
mod told;
mod words;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use cofferdam_journal::{ApprovalStep, Ending, PeerStep};
use cofferdam_metrics::{Registry, Spans, Tally};

pub(crate) use listener::MetricsListener;

use crate::fault::Fault;

/// What was counted since the gateway began.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    calls: Tally<2>,
    call_seconds: Spans,
    refused: Tally<1>,
    limits: Tally<1>,
    approvals: Tally<1>,
    peers: Tally<1>,
    /// Renewals of the gateway's own certificate, and when the last one was, in seconds
    /// since 1970.
    renewed: AtomicU64,
    renewed_at: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: cofferdam_metrics::registry(),
            calls: Tally::new(["tool", "outcome"]),
            call_seconds: Spans::new("tool"),
            refused: Tally::new(["reason"]),
            limits: Tally::new(["limit"]),
            approvals: Tally::new(["step"]),
            peers: Tally::new(["step"]),
            renewed: AtomicU64::default(),
            renewed_at: AtomicU64::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let to = &mut self.registry;
        self.calls.register(to, "calls", "Calls of tools, by how they ended");
        let help = "From a call's arrival to its recorded end, waiting for people included";
        self.call_seconds.register(to, "call_seconds", help);
        let help = "Requests that did not become calls, by the reason in the journal";
        self.refused.register(to, "requests_refused", help);
        self.limits.register(to, "limits_hit", "What was refused or ended at a limit");
        let help = "Steps of requests for approval, as the journal names them";
        self.approvals.register(to, "approval_steps", help);
        let help = "What became of hosts and gateways, as the journal names it";
        self.peers.register(to, "peer_steps", help);
        // So that an alarm is seen as an increase from the first one on.
        for step in [PeerStep::Alarmed, PeerStep::Reattested, PeerStep::TurnedAway] {
            self.peers.begin([step.name()]);
        }
    }

    /// A call stopped before anything was asked of a host.
    pub(crate) fn stopped(&self, tool: &str, fault: &Fault, span: Duration) {
        if let Fault::Busy(busy) = fault {
            self.limits.count([words::busy(busy)]);
        }
        self.ended_as(words::tool(tool), words::fault(fault), span);
    }

    /// A call was no call of a tool that there is.
    pub(crate) fn no_call(&self, tool: &str) {
        self.calls.count([words::tool(tool), "bad_input"]);
    }

    /// A call ended, or goes on without its caller.
    pub(crate) fn ended(&self, tool: &str, ending: &Ending, span: Duration) {
        self.ended_as(words::tool(tool), ending.kind(), span);
    }

    fn ended_as(&self, tool: &'static str, outcome: &'static str, span: Duration) {
        self.calls.count([tool, outcome]);
        self.call_seconds.observe(tool, span);
    }

    /// A request did not become a call.
    pub(crate) fn refused_request(&self, reason: &'static str) {
        self.refused.count([reason]);
        if let Some(limit) = words::limit(reason) {
            self.limits.count([limit]);
        }
    }

    /// A request for approval came a step further.
    pub(crate) fn approval(&self, step: ApprovalStep) {
        self.approvals.count([step.name()]);
    }

    /// Something became of a host or a gateway.
    pub(crate) fn peer(&self, step: PeerStep) {
        self.peers.count([step.name()]);
    }

    /// The gateway has another certificate of its own.
    pub(crate) fn renewed(&self) {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
        self.renewed_at.store(now, Ordering::Relaxed);
        self.renewed.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that was, and when last; 0: not since the start.
    fn renewals(&self) -> (u64, u64) {
        (self.renewed.load(Ordering::Relaxed), self.renewed_at.load(Ordering::Relaxed))
    }
}
