//! Whether what the rules of a cell stand for is still what they name.
//!
//! The kernel keeps rules by inode, for a cell and for what its PID 1 keeps opened
//! for runs that are narrower. Where a package was upgraded since, the plan reads the
//! same and refuses the new files: such a cell is taken for one of another plan.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_plan::LandlockPlan;

use crate::programs::Pins;

/// Rules of narrower runs that are remembered: more than a PID 1 keeps opened, so
/// that none is forgotten here first.
const NARROWER: usize = 64;

/// What the rules that are wanted stand for now.
#[derive(Debug, Clone)]
pub struct Footing {
    /// Those of the cell.
    pub cell: Arc<Pins>,
    /// Those of a run that is narrower than its cell.
    pub run: Option<(Vec<LandlockPlan>, Arc<Pins>)>,
}

/// What the rules of a cell stood for when they were made.
#[derive(Debug)]
pub(super) struct Ground {
    cell: Arc<Pins>,
    /// The last ones last.
    narrower: Mutex<VecDeque<(Vec<LandlockPlan>, Arc<Pins>)>>,
}

impl Ground {
    /// Of a new cell.
    pub(super) fn of(footing: &Footing) -> Self {
        let narrower = Mutex::new(footing.run.iter().cloned().collect());
        Self { cell: Arc::clone(&footing.cell), narrower }
    }

    /// Of a cell of an earlier process: what its PID 1 keeps opened for narrower runs is
    /// not known, and asked for anew.
    pub(super) fn again(cell: Pins) -> Self {
        Self { cell: Arc::new(cell), narrower: Mutex::default() }
    }

    /// What the rules of the cell stood for.
    pub(super) fn of_cell(&self) -> &Pins {
        &self.cell
    }

    /// Whether the rules mean in this cell what they mean now; those of the run are
    /// remembered then.
    pub(super) fn bears(&self, footing: &Footing) -> bool {
        if !self.cell.agree(&footing.cell) {
            return false;
        }
        let Some((rules, pins)) = &footing.run else { return true };
        let mut narrower = self.narrower.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = narrower.iter().find(|(known, _)| known == rules) {
            return known.agree(pins);
        }
        if narrower.len() == NARROWER {
            narrower.pop_front();
        }
        narrower.push_back((rules.clone(), Arc::clone(pins)));
        true
    }
}
