//! A run as its caller sees it: what it says, how it ends.

use cofferdam_proto::exec::v1::outcome::Ending;
use cofferdam_proto::exec::v1::run_event::Event;
use cofferdam_proto::exec::v1::{
    CancelRunRequest, Finished, Layer, RunEvent, StartRunResponse, Started, Stream,
};
use cofferdam_proto::intent::v1::SignedIntent;
use cofferdam_trust::{receipt_matches, verify_receipt};
use tonic::{Status, Streaming};

use super::{Caller, wait};

/// A run that goes on.
#[derive(Debug)]
pub struct Live {
    pub(super) events: Streaming<StartRunResponse>,
    pub(super) intent: SignedIntent,
    pub(super) caller: Caller,
    /// What it has said so far.
    pub ran: Ran,
}

/// What a run said, and how it ended.
#[derive(Debug, Default)]
pub struct Ran {
    /// Its first word.
    pub started: Option<Started>,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
    /// Bytes that were not kept.
    pub gaps: u64,
    /// Its last word.
    pub finished: Option<Finished>,
}

impl Live {
    /// Follows it until `is_so` of what it has said.
    ///
    /// # Panics
    /// When it ends before.
    pub fn until(&mut self, is_so: impl Fn(&Ran) -> bool) {
        wait(async {
            while !is_so(&self.ran) {
                let more = self.next().await.unwrap_or_else(|status| panic!("{status:?}"));
                assert!(more || is_so(&self.ran), "it ends before: {:?}", self.ran);
            }
        });
    }

    /// Follows it until it has said `word`.
    ///
    /// # Panics
    /// When it ends before.
    pub fn until_says(&mut self, word: &str) {
        self.until(|ran| String::from_utf8_lossy(&ran.stdout).contains(word));
    }

    /// Asks the agent to end it.
    ///
    /// # Panics
    /// When the agent does not answer.
    pub fn cancel(&self) {
        let run_id = self.ran.started.as_ref().expect("it started").run_id.clone();
        let cancelled = wait(self.caller.exec().cancel_run(CancelRunRequest { run_id }));
        cancelled.expect("an answer");
    }

    /// Follows it to its end.
    ///
    /// # Errors
    /// Where the connection ends before the run.
    pub fn finish(self) -> Result<Ran, Status> {
        wait(self.follow())
    }

    /// Follows it to its end, whose receipt must answer the intent.
    ///
    /// # Errors
    /// Where the connection ends before the run.
    ///
    /// # Panics
    /// When the receipt is not right.
    pub async fn follow(mut self) -> Result<Ran, Status> {
        while self.next().await? {}
        let Some(finished) = &self.ran.finished else {
            return Err(Status::aborted("the stream ended without a last word"));
        };
        let receipt = finished.receipt.as_ref().expect("a receipt");
        let receipt = verify_receipt(&self.caller.keys.receipts, receipt).expect("its signature");
        assert!(receipt_matches(&receipt, &self.intent), "the receipt is for another intent");
        Ok(self.ran)
    }

    /// Takes one event; false where there is no other.
    ///
    /// # Errors
    /// Where the connection ends.
    ///
    /// # Panics
    /// When the event is empty.
    pub async fn next(&mut self) -> Result<bool, Status> {
        let Some(response) = self.events.message().await? else { return Ok(false) };
        self.ran.take(response.event.expect("an event"));
        Ok(true)
    }
}

impl Ran {
    fn take(&mut self, event: RunEvent) {
        match event.event.expect("an event") {
            Event::Started(started) => self.started = Some(started),
            Event::Output(output) => match output.stream() {
                Stream::Stdout => self.stdout.extend_from_slice(&output.data),
                _ => self.stderr.extend_from_slice(&output.data),
            },
            Event::Gap(gap) => self.gaps += gap.length,
            Event::Finished(finished) => self.finished = Some(finished),
        }
    }

    /// How it ended.
    ///
    /// # Panics
    /// When it has not.
    #[must_use]
    pub fn ending(&self) -> Ending {
        let outcome = self.finished.as_ref().and_then(|finished| finished.outcome.clone());
        outcome.and_then(|outcome| outcome.ending).unwrap_or_else(|| panic!("no end: {self:?}"))
    }

    /// The exit code.
    ///
    /// # Panics
    /// When it did not exit.
    #[must_use]
    pub fn code(&self) -> u32 {
        match self.ending() {
            Ending::Exited(exited) => exited.code,
            other => panic!("no exit but {other:?}: {}", self.said()),
        }
    }

    /// Standard output without the last line's end.
    #[must_use]
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }

    /// All it said.
    #[must_use]
    pub fn said(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        text(&self.stdout) + &text(&self.stderr)
    }

    /// A layer as the run had it.
    ///
    /// # Panics
    /// When it did not start or has no such layer.
    #[must_use]
    pub fn layer(&self, name: &str) -> &Layer {
        let layers = self.started.as_ref().map_or(&[][..], |started| &started.layers);
        let layer = layers.iter().find(|layer| layer.name == name);
        layer.unwrap_or_else(|| panic!("no layer `{name}` in {layers:?}"))
    }
}
