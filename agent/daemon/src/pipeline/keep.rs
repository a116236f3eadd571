//! Has a run outlive this process: what the next one needs stands in the store before
//! PID 1 hears of the run.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use cofferdam_plan::Leaf;
use cofferdam_proto::exec::v1::Sandbox;

use super::Agent;
use crate::cap::Capped;
use crate::cells::Held;
use crate::planner::Command;
use crate::record::Recorded;
use crate::registry::Run;
use crate::restart::VERSION;
use crate::restart::log::memory;
use crate::restart::run::{KeptRun, Part, Words, number_of};
use crate::restart::strip::Strip;
use crate::streams::{OwnEnds, Relay};

/// What is known of a run that is about to be started.
pub(super) struct Keeping<'a> {
    pub(super) cell: &'a Held,
    pub(super) leaf: Option<Leaf>,
    pub(super) recorded: &'a Recorded,
    pub(super) sandbox: &'a Sandbox,
    pub(super) capped: &'a Capped,
}

/// A run's log, and what leads from a terminal to its strip and back.
type Kept = (Option<Arc<KeptRun>>, Option<[Relay; 2]>);

impl Keeping<'_> {
    /// Puts it into the store, if there is one and the cell is there, too. `own` are its
    /// pipes; without, it has a terminal.
    pub(super) fn keep(
        &self,
        agent: &Agent,
        run: &Run,
        command: &Command,
        own: Option<&OwnEnds>,
        has_way_out: bool,
    ) -> io::Result<Kept> {
        let Self { cell, .. } = *self;
        if !cell.is_kept() {
            return Ok((None, None));
        }
        let mut parts = match own {
            Some(own) => own.parts()?,
            None => Vec::new(),
        };
        let relays = match own {
            Some(_) => None,
            None => Some([Relay::new()?, Relay::new()?]),
        };
        if let Some([Relay(shown_out, shown_in), Relay(typed_out, typed_in)]) = &relays {
            parts.push((Part::ShownOut, shown_out.try_clone()?));
            parts.push((Part::ShownIn, shown_in.try_clone()?));
            parts.push((Part::TypedOut, typed_out.try_clone()?));
            parts.push((Part::TypedIn, typed_in.try_clone()?));
        }
        let strips = [Strip::new()?, Strip::new()?];
        for (part, strip) in [Part::StdoutStrip, Part::StderrStrip].into_iter().zip(&strips) {
            parts.push((part, strip.as_fd().try_clone_to_owned()?));
        }
        if run.input().is_some() {
            let file = memory("cofferdam-input")?;
            parts.push((Part::StdinStrip, OwnedFd::from(file.try_clone()?)));
            run.input().keep_in(file)?;
        }
        run.spool().keep_in(strips);
        let words = self.words(run, command, agent.spool_bytes, has_way_out);
        let kept = KeptRun::begin(&agent.store, run.id(), &words, &parts)?;
        run.is_kept_by(Arc::clone(&kept));
        Ok((Some(kept), relays))
    }

    fn words(&self, run: &Run, command: &Command, capacity: usize, has_way_out: bool) -> Words {
        let Self { cell, leaf, recorded, sandbox, capped } = *self;
        let size = command.terminal;
        Words {
            version: VERSION,
            intent_hash: recorded.hash().to_vec(),
            gateway: recorded.verified().gateway().to_string(),
            signed: Some(recorded.verified().signed().clone()),
            cell: cell.id().0.to_vec(),
            leaf: leaf.map_or(0, |leaf| leaf.number),
            background: command.background,
            profile: capped.profile.name.clone(),
            command: run.command().to_owned(),
            input: number_of(run.input().kind()),
            rows: size.map_or(0, |size| size.rows.into()),
            columns: size.map_or(0, |size| size.columns.into()),
            capacity: capacity as u64,
            limits: Some(capped.limits),
            sandbox: Some(sandbox.clone()),
            had_way_out: has_way_out,
            kept: run.is_kept(),
            ..Words::default()
        }
    }
}
