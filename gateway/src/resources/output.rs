//! What a run printed, byte by byte, for resources: read like `read_process` reads it,
//! by the same rules and with the same record, and not made plain.

use std::time::Duration;

use cofferdam_policy::ProcessUse;
use cofferdam_proto::exec::v1::{
    Gap, Held, ListRunsResponse, Output, RunState, RunSummary, Stream, run_event::Event,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use tokio_stream::StreamExt;

use super::raw::Told;
use crate::fault::Fault;
use crate::hosts::SKIP;
use crate::input::{BadInput, bounded};
use crate::tools::{About, ListProcesses, Look, LookTool, ReadProcess, Target};

/// The longest until what the host holds has arrived.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of one answer.
pub(crate) const MOST: u64 = 1024 * 1024;

/// Reads bytes of a run's output.
pub(crate) struct ReadOutput;

/// Looks what a run is, for whoever wants to be told when it prints.
pub(crate) struct DescribeRun;

/// Lists runs of the caller's own.
pub(crate) struct OwnRuns;

/// A part of what a run printed, as `read_process` would be asked for it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    process: String,
    /// None: that stream is skipped.
    stdout_offset: Option<u64>,
    stderr_offset: Option<u64>,
    /// Bytes of each stream.
    length: Option<u64>,
}

/// Which runs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListInput {
    host: Option<String>,
    project: Option<String>,
    page_size: Option<u64>,
    page: Option<String>,
}

/// What was read of a run.
pub(crate) struct Printed {
    pub(crate) summary: RunSummary,
    /// Of standard output and error; none: it was skipped.
    pub(crate) streams: [Option<Bytes>; 2],
}

/// What was read of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Bytes {
    pub(crate) data: Vec<u8>,
    /// Where reading began.
    pub(crate) offset: u64,
    /// Where to go on.
    pub(crate) next: u64,
    /// Bytes from `offset` on that are not held any more.
    pub(crate) lost: u64,
    /// How far the stream was when reading began.
    pub(crate) end: u64,
    most: usize,
}

impl Target for Input {
    fn project(&self) -> Option<&str> {
        None
    }
    fn host(&self) -> Option<&str> {
        None
    }
    fn process(&self) -> Option<&str> {
        Some(&self.process)
    }
}

impl Target for ListInput {
    fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }
    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

impl LookTool for ReadOutput {
    type Input = Input;
    type Output = Told<Printed>;

    const ABOUT: About = ReadProcess::ABOUT;
    const USE: ProcessUse = ReadProcess::USE;

    fn check(input: &Input) -> Result<(), BadInput> {
        bounded("length", input.length, MOST, 1..=MOST).map(drop)
    }

    async fn look(look: Look<'_>, input: Input) -> Result<Told<Printed>, Fault> {
        let process = own(&look)?;
        let summary = process.summary.clone();
        let most = usize::try_from(input.length.unwrap_or(MOST)).unwrap_or(usize::MAX);
        let bytes = |offset: Option<u64>, held: Option<Held>| {
            let end = held.map_or(0, |held| held.end);
            offset.map(|offset| Bytes { offset, next: offset, end, most, ..Bytes::default() })
        };
        // A terminal has one stream.
        let stderr = input.stderr_offset.filter(|_| summary.terminal.is_none());
        let mut streams =
            [bytes(input.stdout_offset, summary.stdout), bytes(stderr, summary.stderr)];
        let deadline = Instant::now() + PATIENCE;
        if streams.iter().flatten().any(Bytes::wants_more) {
            let at = [0, 1].map(|it| streams[it].as_ref().map_or(SKIP, |stream| stream.next));
            let mut events = look.host.watch(look.looked, &process.run_id, at).await?;
            // What does not come in time, or breaks off, is read on from `next`.
            while streams.iter().flatten().any(Bytes::wants_more)
                && let Ok(Some(Ok(event))) = timeout_at(deadline, events.next()).await
            {
                match event.and_then(|event| event.event) {
                    Some(Event::Finished(_)) => break,
                    Some(event) => take(&mut streams, &event),
                    None => {}
                }
            }
        }
        Ok(Told(Printed { summary, streams }))
    }
}

impl LookTool for DescribeRun {
    type Input = Input;
    type Output = Told<RunSummary>;

    const ABOUT: About = ReadProcess::ABOUT;
    const USE: ProcessUse = ReadProcess::USE;

    fn check(_: &Input) -> Result<(), BadInput> {
        Ok(())
    }

    async fn look(look: Look<'_>, _: Input) -> Result<Told<RunSummary>, Fault> {
        Ok(Told(own(&look)?.summary.clone()))
    }
}

impl LookTool for OwnRuns {
    type Input = ListInput;
    type Output = Told<ListRunsResponse>;

    const ABOUT: About = ListProcesses::ABOUT;
    const USE: ProcessUse = ListProcesses::USE;

    fn check(_: &ListInput) -> Result<(), BadInput> {
        Ok(())
    }

    async fn look(look: Look<'_>, input: ListInput) -> Result<Told<ListRunsResponse>, Fault> {
        let size = u32::try_from(input.page_size.unwrap_or(1)).unwrap_or(1);
        let page = input.page.unwrap_or_default();
        Ok(Told(look.host.list_runs(look.looked, look.owner.clone(), None, (size, page)).await?))
    }
}

fn own<'a>(look: &'a Look<'_>) -> Result<&'a crate::process::Process, Fault> {
    look.process.as_ref().ok_or_else(|| Fault::Internal("a process is missing".to_owned()))
}

fn take(streams: &mut [Option<Bytes>; 2], event: &Event) {
    let (Event::Output(Output { stream, .. }) | Event::Gap(Gap { stream, .. })) = event else {
        return;
    };
    let bytes = match Stream::try_from(*stream) {
        Ok(Stream::Stdout) => streams[0].as_mut(),
        Ok(Stream::Stderr) => streams[1].as_mut(),
        Ok(Stream::Unspecified) | Err(_) => None,
    };
    match (bytes, event) {
        (Some(bytes), Event::Output(Output { offset, data, .. })) => bytes.push(*offset, data),
        (Some(bytes), Event::Gap(Gap { offset, length, .. })) => {
            bytes.gap(offset.saturating_add(*length));
        }
        _ => {}
    }
}

impl Bytes {
    fn wants_more(&self) -> bool {
        self.next < self.end && self.data.len() < self.most
    }

    /// Takes bytes that begin at `offset`; those that are known already are skipped.
    fn push(&mut self, offset: u64, data: &[u8]) {
        self.gap(offset);
        let known = usize::try_from(self.next.saturating_sub(offset)).unwrap_or(usize::MAX);
        let Some(new) = data.get(known..) else { return };
        let new = &new[..new.len().min(self.most.saturating_sub(self.data.len()))];
        self.data.extend_from_slice(new);
        self.next += new.len() as u64;
    }

    /// The stream goes on at `end`. What lies before is lost, where nothing is shown
    /// yet; else this part ends here, so that nothing is shown as if it belonged
    /// together.
    fn gap(&mut self, end: u64) {
        if end <= self.next {
            return;
        }
        if self.data.is_empty() {
            self.lost += end - self.next;
            self.next = end;
        } else {
            self.most = self.data.len();
        }
    }
}

/// Whether a run is over.
pub(crate) fn has_ended(summary: &RunSummary) -> bool {
    summary.state() == RunState::Ended
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(offset: u64, most: usize) -> Bytes {
        Bytes { offset, next: offset, end: 100, most, ..Bytes::default() }
    }

    #[test]
    fn a_part_holds_each_byte_once_and_no_more_than_was_asked_for() {
        let mut part = bytes(2, 5);
        part.push(0, b"abcd");
        part.push(2, b"cdef");
        assert_eq!((part.data.as_slice(), part.next), (&b"cdef"[..], 6));
        part.push(6, b"ghij");
        assert_eq!((part.data.as_slice(), part.next), (&b"cdefg"[..], 7));
        assert!(!part.wants_more());
    }

    #[test]
    fn what_is_not_held_any_more_is_told_and_nothing_is_joined_over_it() {
        let mut part = bytes(0, 50);
        part.gap(10);
        assert_eq!((part.lost, part.next), (10, 10));
        part.push(10, b"xy");
        part.push(20, b"z");
        assert_eq!((part.data.as_slice(), part.next), (&b"xy"[..], 12));
        assert!(!part.wants_more());
    }
}
