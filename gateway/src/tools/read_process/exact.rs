//! Reading a process byte by byte: for terminals and pipes at a person's end, which
//! want everything as it was printed, soon, and once.
//!
//! Invariants: the bytes of a stream in one answer hang together, and a gap lies before
//! them; whoever goes on at the offsets that are told misses nothing and gets nothing
//! twice. The host holds the reader's place from one call to the next.

use std::ops::ControlFlow;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cofferdam_proto::exec::v1::{
    Finished, Gap, Output as WireOutput, RunEvent, RunState, Stream, run_event::Event,
};
use tokio::time::{Instant, sleep_until};
use tokio_stream::StreamExt;

use super::super::process_view::{ATTEMPTS, BREATH, End, GapView, size, state_name};
use super::{DEFAULT_WAIT, Input, MAX_WAIT, Output, Streams};
use crate::fault::Fault;
use crate::hosts::{Events, HostError, SKIP};
use crate::input::{BadInput, bounded};
use crate::process::Process;
use crate::tools::Look;

/// Bytes of each stream, at most.
const MAX_BYTES: u64 = 256 * 1024;
/// How long what comes next to each other is gathered: less than a person sees.
const GATHER: Duration = Duration::from_millis(2);

/// Whether the input asks for bytes.
pub(super) fn is_wanted(input: &Input) -> bool {
    input.base64 == Some(true)
}

/// Says what is wrong with such an input.
pub(super) fn check(input: &Input) -> Result<(), BadInput> {
    let Input { pattern, head, tail, grep, context, until, wait_seconds, max_bytes, .. } = input;
    let others = [
        ("pattern", pattern.is_some()),
        ("head", head.is_some()),
        ("tail", tail.is_some()),
        ("grep", grep.is_some()),
        ("context", context.is_some()),
        ("until", until.is_some()),
    ];
    if let Some((field, _)) = others.into_iter().find(|(_, is_set)| *is_set) {
        let message = format!("`{field}` looks at lines, and `base64` gives bytes; leave out one");
        return Err(BadInput::field(field, message));
    }
    bounded("max_bytes", *max_bytes, 1, 1..=MAX_BYTES)?;
    bounded("wait_seconds", *wait_seconds, DEFAULT_WAIT, 0..=MAX_WAIT).map(drop)
}

/// Reads what there is, or waits for it.
pub(super) async fn read(
    look: &Look<'_>,
    process: &Process,
    input: &Input,
) -> Result<Output, Fault> {
    // A third more in base64, and the answer holds it twice.
    let suits = u64::try_from(look.budget / 4).unwrap_or(MAX_BYTES);
    let most = usize::try_from(input.max_bytes.unwrap_or(suits)).unwrap_or(usize::MAX);
    let offsets = [input.stdout_offset.unwrap_or(0), input.stderr_offset.unwrap_or(0)];
    let skip = skipped(process, input.stream.unwrap_or_default(), offsets);
    let mut reading = Reading {
        parts: offsets.map(Part::at),
        skip,
        most,
        deadline: Instant::now() + Duration::from_secs(input.wait_seconds.unwrap_or(DEFAULT_WAIT)),
        has_started: process.summary.state() != RunState::Starting,
        finished: None,
    };
    let only_asks = skip == [true, true] && input.wait_seconds == Some(0);
    for attempt in 0.. {
        if only_asks {
            break;
        }
        let events = look.host.watch_on(look.looked, &process.run_id, reading.next()).await;
        let followed = match events {
            Ok(events) => tokio::select! {
                followed = reading.follow(events) => followed,
                () = look.cancelled.cancelled() => {
                    let host = look.host.name().to_owned();
                    return Err(HostError::Cancelled { host }.into());
                }
            },
            Err(HostError::Broken { .. } | HostError::Unreachable { .. }) if attempt < ATTEMPTS => {
                tokio::time::sleep(BREATH * (attempt + 1)).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if followed == Followed::Enough || attempt >= ATTEMPTS {
            break;
        }
    }
    Ok(reading.answer(process, look))
}

/// Streams that are not read: those that are not asked for, that the process does not
/// have, or that have not come to where they are asked for from.
fn skipped(process: &Process, streams: Streams, offsets: [u64; 2]) -> [bool; 2] {
    let summary = &process.summary;
    let unwanted = match (summary.terminal, streams) {
        (_, Streams::Stderr) => [true, false],
        // A terminal has one stream.
        (Some(_), _) | (None, Streams::Stdout) => [false, true],
        (None, Streams::Both) => [false, false],
    };
    let ends = [summary.stdout, summary.stderr].map(|held| held.map_or(0, |held| held.end));
    [0, 1].map(|stream| unwanted[stream] || offsets[stream] > ends[stream])
}

/// What was read of one stream.
#[derive(Debug, Default)]
struct Part {
    /// Where `bytes` begin.
    start: u64,
    bytes: Vec<u8>,
    /// Before `bytes`.
    gap: Option<(u64, u64)>,
}

struct Reading {
    parts: [Part; 2],
    skip: [bool; 2],
    most: usize,
    deadline: Instant,
    has_started: bool,
    finished: Option<Finished>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Followed {
    Enough,
    Broken,
}

impl Part {
    fn at(start: u64) -> Self {
        Self { start, ..Self::default() }
    }

    fn end(&self) -> u64 {
        self.start.saturating_add(self.bytes.len() as u64)
    }

    /// Takes the next bytes, `most` in all; breaks off where there is no room for them,
    /// or where they do not follow.
    fn push(&mut self, offset: u64, data: &[u8], most: usize) -> ControlFlow<()> {
        self.skip_to(offset)?;
        let known = usize::try_from(self.end().saturating_sub(offset)).unwrap_or(usize::MAX);
        let Some(new) = data.get(known..) else { return ControlFlow::Continue(()) };
        let room = most.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&new[..new.len().min(room)]);
        if new.len() >= room { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// The stream goes on at `end`; what lies before is not held any more. Breaks off
    /// where there are bytes already: the gap is told with those after it.
    fn skip_to(&mut self, end: u64) -> ControlFlow<()> {
        if end <= self.end() {
            return ControlFlow::Continue(());
        }
        if !self.bytes.is_empty() {
            return ControlFlow::Break(());
        }
        let (from, _) = self.gap.unwrap_or((self.start, 0));
        self.gap = Some((from, end - from));
        self.start = end;
        ControlFlow::Continue(())
    }

    fn view(&self, stream: &'static str) -> Option<GapView> {
        self.gap.map(|(offset, length)| GapView { stream, offset, length })
    }
}

impl Reading {
    /// Where the next bytes are wanted from.
    fn next(&self) -> [u64; 2] {
        [0, 1].map(|stream| if self.skip[stream] { SKIP } else { self.parts[stream].end() })
    }

    fn has_any(&self) -> bool {
        self.parts.iter().any(|part| !part.bytes.is_empty() || part.gap.is_some())
    }

    async fn follow(&mut self, mut events: Events) -> Followed {
        let mut gathered = None;
        loop {
            if self.has_any() {
                gathered.get_or_insert_with(|| Instant::now() + GATHER);
            }
            // What is there comes in any case, also where nobody waits for more.
            let until = gathered.unwrap_or_else(|| self.deadline.max(Instant::now() + BREATH));
            let next = tokio::select! {
                biased;
                next = events.next() => next,
                () = sleep_until(until) => return Followed::Enough,
            };
            let Some(Ok(event)) = next else { return Followed::Broken };
            if self.take(event).is_break() {
                return Followed::Enough;
            }
        }
    }

    fn take(&mut self, event: Option<RunEvent>) -> ControlFlow<()> {
        match event.and_then(|event| event.event) {
            Some(Event::Output(WireOutput { stream, offset, data })) => {
                let most = self.most;
                self.part(stream)
                    .map_or(ControlFlow::Continue(()), |it| it.push(offset, &data, most))
            }
            Some(Event::Gap(Gap { stream, offset, length })) => {
                let end = offset.saturating_add(length);
                self.part(stream).map_or(ControlFlow::Continue(()), |it| it.skip_to(end))
            }
            Some(Event::Finished(finished)) => {
                self.finished = Some(finished);
                ControlFlow::Break(())
            }
            Some(Event::Started(_)) => {
                self.has_started = true;
                ControlFlow::Continue(())
            }
            None => ControlFlow::Continue(()),
        }
    }

    fn part(&mut self, stream: i32) -> Option<&mut Part> {
        let index = match Stream::try_from(stream) {
            Ok(Stream::Stdout) => 0,
            Ok(Stream::Stderr) => 1,
            Ok(Stream::Unspecified) | Err(_) => return None,
        };
        (!self.skip[index]).then_some(&mut self.parts[index])
    }

    fn answer(self, process: &Process, look: &Look<'_>) -> Output {
        let [stdout, stderr] = &self.parts;
        let state = state_name(match (&self.finished, self.has_started) {
            (Some(_), _) => RunState::Ended,
            (None, true) => RunState::Running,
            (None, false) => RunState::Starting,
        });
        let encoded = |part: &Part| Some(BASE64_STANDARD.encode(&part.bytes));
        Output {
            process: process.handle.clone(),
            state,
            terminal: process.summary.terminal.map(size),
            stdout_base64: encoded(stdout),
            stderr_base64: encoded(stderr),
            stdin_offset: Some(process.summary.stdin_bytes),
            next_stdout_offset: stdout.end(),
            next_stderr_offset: stderr.end(),
            gaps: stdout.view("stdout").into_iter().chain(stderr.view("stderr")).collect(),
            more: self.finished.is_none(),
            end: self.finished.map(|it| End::of(it, look.budget / 4)).unwrap_or_default(),
            provenance: look.looked.provenance().clone(),
            ..Output::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 8;

    #[test]
    fn bytes_that_hang_together_are_gathered_and_known_ones_count_once() {
        let mut part = Part::at(2);
        assert!(part.push(0, b"abcd", MOST).is_continue());
        assert!(part.push(3, b"de", MOST).is_continue());
        assert!(part.push(0, b"a", MOST).is_continue());
        assert_eq!((part.bytes.as_slice(), part.end()), (&b"cde"[..], 5));
    }

    #[test]
    fn no_more_than_there_is_room_for_is_taken_and_the_rest_comes_next() {
        let mut part = Part::at(0);
        assert!(part.push(0, b"0123456789", MOST).is_break());
        assert_eq!((part.bytes.as_slice(), part.end()), (&b"01234567"[..], 8));
    }

    #[test]
    fn a_gap_lies_before_the_bytes_and_one_after_them_is_left_for_the_next_answer() {
        let mut part = Part::at(1);
        assert!(part.skip_to(5).is_continue());
        assert!(part.push(9, b"xy", MOST).is_continue());
        let gap = GapView { stream: "stdout", offset: 1, length: 8 };
        assert_eq!((part.view("stdout"), part.end()), (Some(gap), 11));
        assert!(part.push(20, b"z", MOST).is_break());
        assert_eq!((part.bytes.as_slice(), part.end()), (&b"xy"[..], 11));
    }

    #[test]
    fn what_looks_at_lines_is_refused_beside_bytes() {
        let arguments = |more: serde_json::Value| {
            let mut all = serde_json::json!({ "process": "h/r", "base64": true });
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            check(&crate::input::parse(all.as_object().cloned()).unwrap())
        };
        assert!(arguments(serde_json::json!({ "max_bytes": 262_144 })).is_ok());
        for more in ["pattern", "grep"] {
            assert_eq!(arguments(serde_json::json!({ more: "x" })).unwrap_err().field, more);
        }
        for (more, value) in [("head", 1), ("tail", 1), ("max_bytes", 0), ("wait_seconds", 4000)] {
            assert_eq!(arguments(serde_json::json!({ more: value })).unwrap_err().field, more);
        }
    }
}
