//! How processes and what they printed look in answers, the same for every tool
//! that shows them.

use std::time::Duration;

use cofferdam_journal::{Ending, Usage};
use cofferdam_proto::exec::v1::{
    Finished, Gap as WireGap, Held, Output as WireOutput, RunState, RunSummary, Stream,
    Terminal as WireTerminal, run_event::Event,
};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_stream::StreamExt;

use super::Look;
use super::execute_command::met::Met;
use super::view::{OutcomeView, UsageView, timestamp};
use crate::fault::Fault;
use crate::hosts::{Events, HostError, SKIP};
use crate::process::Process;
use crate::transcript::{Gap, Shown, Transcript};

/// How long more of what is there already is waited for.
pub(super) const BREATH: Duration = Duration::from_millis(60);
/// The longest until what is there already has arrived.
const CATCH_UP: Duration = Duration::from_secs(30);
/// How often a connection that breaks is made again, in one call.
pub(super) const ATTEMPTS: u32 = 5;

/// Bytes that were printed and are not held any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct GapView {
    /// stdout or stderr.
    pub(super) stream: &'static str,
    /// Where they began.
    pub(super) offset: u64,
    /// How many.
    pub(super) length: u64,
}

/// The size of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Size {
    /// Lines.
    pub(super) rows: u32,
    /// Characters of a line.
    pub(super) columns: u32,
}

/// How a process ended.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct End {
    /// How it ended; absent: it has not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<OutcomeView>,
    /// What it used, once it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<UsageView>,
    #[serde(flatten)]
    pub(super) met: Met,
}

/// What was read of a process.
pub(super) struct Read {
    /// Of standard output and error.
    pub(super) shown: [Shown; 2],
    pub(super) end: End,
    /// More of it is there, or will be.
    pub(super) more: bool,
    /// starting, running or ended.
    pub(super) state: &'static str,
}

/// For what output is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// Anything new.
    Output,
    /// What the transcripts await.
    Match,
    /// The end.
    End,
}

/// Words for the state of a run.
pub(super) fn state_name(state: RunState) -> &'static str {
    match state {
        RunState::Unspecified | RunState::Starting => "starting",
        RunState::Running => "running",
        RunState::Ended => "ended",
    }
}

pub(super) fn size(terminal: WireTerminal) -> Size {
    let WireTerminal { rows, columns } = terminal;
    Size { rows, columns }
}

pub(super) fn gaps([stdout, stderr]: [&Shown; 2]) -> Vec<GapView> {
    let of = |shown: &Shown, stream| -> Vec<GapView> {
        let view = |gap: &Gap| GapView { stream, offset: gap.offset, length: gap.length };
        shown.gaps.iter().map(view).collect()
    };
    [of(stdout, "stdout"), of(stderr, "stderr")].concat()
}

/// The time of a message, if it says one.
pub(super) fn time(stamp: Option<&prost_types::Timestamp>) -> Option<String> {
    stamp.and_then(timestamp)
}

impl End {
    /// Of a run that ended, in about `budget` bytes.
    pub(super) fn of(finished: Finished, budget: usize) -> Self {
        let Finished { outcome, usage, receipt: _, stdout_bytes: _, stderr_bytes: _, sandbox } =
            finished;
        let ending = Ending::from_wire(outcome.unwrap_or_default());
        let met = Met::of(sandbox, ending == Ending::Exited { code: 0 }, budget);
        let usage = usage.map(|usage| UsageView::from(Usage::from_wire(usage)));
        Self { outcome: Some(ending.into()), usage, met }
    }

    /// In a few words.
    pub(super) fn in_words(&self) -> String {
        match &self.outcome {
            None => "runs".to_owned(),
            Some(OutcomeView { kind, code: Some(code), .. }) => format!("{kind} with code {code}"),
            Some(OutcomeView { kind, detail: Some(detail), .. }) => format!("{kind}: {detail}"),
            Some(OutcomeView { kind, .. }) => (*kind).to_owned(),
        }
    }
}

/// Reads what a process prints into `transcripts` (`None`: that stream is skipped),
/// until what is waited for is there or `wait` is over. What the host holds already
/// is read in any case.
pub(super) async fn read(
    look: &Look<'_>,
    process: &Process,
    mut transcripts: [Option<Transcript>; 2],
    until: Until,
    wait: Duration,
) -> Result<Read, Fault> {
    // What has ended tells the rest at once.
    let has_ended = process.summary.state() == RunState::Ended;
    let (until, wait) = if has_ended { (Until::End, CATCH_UP) } else { (until, wait) };
    let mut following = Following {
        held: [&process.summary.stdout, &process.summary.stderr]
            .map(|held| held.map_or(0, |Held { start: _, end }| end)),
        until,
        deadline: Instant::now() + wait,
        has_started: process.summary.state() != RunState::Starting,
        finished: None,
    };
    for attempt in 0.. {
        let at = [0, 1].map(|stream| transcripts[stream].as_ref().map_or(SKIP, Transcript::end));
        let events = match look.host.watch(look.looked, &process.run_id, at).await {
            Ok(events) => events,
            Err(HostError::Broken { .. } | HostError::Unreachable { .. }) if attempt < ATTEMPTS => {
                tokio::time::sleep(BREATH * (attempt + 1)).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let followed = tokio::select! {
            followed = following.follow(events, &mut transcripts, look) => followed,
            () = look.cancelled.cancelled() => {
                let host = look.host.name().to_owned();
                return Err(HostError::Cancelled { host }.into());
            }
        };
        if followed == Followed::Enough || attempt >= ATTEMPTS {
            break;
        }
    }
    let more = following.finished.is_none()
        || [0, 1]
            .iter()
            .any(|stream| transcripts[*stream].as_ref().is_some_and(Transcript::is_full));
    let state = state_name(match (&following.finished, following.has_started) {
        (Some(_), _) => RunState::Ended,
        (None, true) => RunState::Running,
        (None, false) => RunState::Starting,
    });
    let end = following.finished.map(|it| End::of(it, look.budget / 4)).unwrap_or_default();
    let shown = transcripts.map(|it| it.map(Transcript::finish).unwrap_or_default());
    Ok(Read { shown, end, more, state })
}

struct Following {
    /// How far each stream was when the call began.
    held: [u64; 2],
    until: Until,
    deadline: Instant,
    has_started: bool,
    finished: Option<Finished>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Followed {
    Enough,
    Broken,
}

impl Following {
    async fn follow(
        &mut self,
        mut events: Events,
        transcripts: &mut [Option<Transcript>; 2],
        look: &Look<'_>,
    ) -> Followed {
        let last_line = look.progress.last_line();
        let latest = Instant::now() + CATCH_UP;
        loop {
            let next = if self.has_caught_up(transcripts) {
                let pause = if self.is_served(transcripts) {
                    Instant::now() + BREATH
                } else {
                    self.deadline
                };
                tokio::select! {
                    next = events.next() => next,
                    () = sleep_until(pause) => return Followed::Enough,
                }
            } else {
                match timeout_at(latest, events.next()).await {
                    Ok(next) => next,
                    Err(_) => return Followed::Enough,
                }
            };
            let Some(Ok(event)) = next else { return Followed::Broken };
            match event.and_then(|event| event.event) {
                Some(Event::Output(WireOutput { stream, offset, data })) => {
                    if let Some(transcript) = of(transcripts, stream) {
                        transcript.push(offset, &data);
                        last_line.send_replace(String::from_utf8_lossy(tail(&data)).into_owned());
                    }
                }
                Some(Event::Gap(WireGap { stream, offset, length })) => {
                    if let Some(transcript) = of(transcripts, stream) {
                        transcript.gap(offset.saturating_add(length));
                    }
                }
                Some(Event::Finished(finished)) => {
                    self.finished = Some(finished);
                    return Followed::Enough;
                }
                Some(Event::Started(_)) => self.has_started = true,
                None => {}
            }
            // Nothing more can be shown.
            if transcripts.iter().flatten().any(Transcript::is_full) {
                return Followed::Enough;
            }
        }
    }

    /// Whether all was read that was there when the call began.
    fn has_caught_up(&self, transcripts: &[Option<Transcript>; 2]) -> bool {
        let behind = |stream: usize| {
            transcripts[stream].as_ref().is_some_and(|it| it.end() < self.held[stream])
        };
        !behind(0) && !behind(1)
    }

    /// Whether there is what was waited for, so that only what comes with it is taken.
    fn is_served(&self, transcripts: &mut [Option<Transcript>; 2]) -> bool {
        let mut all = transcripts.iter_mut().flatten();
        match self.until {
            Until::Output => all.any(|it| it.bytes() > 0),
            Until::Match => all.any(Transcript::has_matched),
            Until::End => false,
        }
    }
}

fn of(transcripts: &mut [Option<Transcript>; 2], stream: i32) -> Option<&mut Transcript> {
    match Stream::try_from(stream) {
        Ok(Stream::Stdout) => transcripts[0].as_mut(),
        Ok(Stream::Stderr) => transcripts[1].as_mut(),
        Ok(Stream::Unspecified) | Err(_) => None,
    }
}

/// The last line of what came, for progress.
fn tail(data: &[u8]) -> &[u8] {
    let end = data.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |at| at + 1);
    let start = data[..end].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    &data[start..end][..(end - start).min(200)]
}

/// A run's own words about itself.
pub(super) fn outcome_of(summary: &RunSummary) -> Option<OutcomeView> {
    summary.outcome.clone().map(|outcome| Ending::from_wire(outcome).into())
}
