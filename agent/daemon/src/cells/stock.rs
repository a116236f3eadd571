//! Cells that are prepared before anybody asks: each like one that was asked for
//! lately, each for one session or call only, and none for long.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_plan::CellPlan;
use tokio::time::Instant;

use super::built::Built;
use super::site::Site;
use super::{Cells, complete, disk_of};
use crate::cap::Capped;
use crate::cell::Cell;
use crate::programs::Pins;

/// How long a prepared cell waits to be asked for.
const SHELF_LIFE: Duration = Duration::from_mins(1);
/// How often is looked whether one is ready.
const GLANCE: Duration = Duration::from_millis(5);

/// A cell that served nobody yet.
#[derive(Debug)]
pub(super) struct Spare {
    pub(super) cell: Built,
    plan: Arc<CellPlan>,
    pins: Arc<Pins>,
    since: Instant,
}

impl Spare {
    /// Whether somebody who asks soon could have it.
    pub(super) fn is_fresh(&self) -> bool {
        self.cell.is_there() && self.since.elapsed() < SHELF_LIFE
    }
}

impl Cells {
    /// Takes a prepared cell that is exactly so. One whose rules stand for files that
    /// were replaced since is of no use to anybody.
    pub(super) fn take_prepared(&self, plan: &CellPlan, pins: &Pins) -> Option<Built> {
        let mut kept = self.lock();
        kept.stock.retain(|spare| spare.cell.is_there());
        while let Some(index) = kept.stock.iter().position(|spare| *spare.plan == *plan) {
            let spare = kept.stock.swap_remove(index);
            if spare.pins.agree(pins) {
                return Some(spare.cell);
            }
            self.end(spare.cell);
        }
        None
    }

    /// Waits until none is being prepared, or for so long: whoever ends all cells wants
    /// to see those, too.
    pub async fn none_is_coming(&self, most: Duration) {
        let arrived = async {
            while !self.lock().coming.is_empty() {
                tokio::time::sleep(GLANCE).await;
            }
        };
        drop(tokio::time::timeout(most, arrived).await);
    }

    /// Has another cell like this one prepared, for whoever comes next.
    pub(super) fn prepare(
        self: &Arc<Self>,
        plan: &Arc<CellPlan>,
        pins: &Arc<Pins>,
        capped: &Capped,
    ) {
        let plan = Arc::clone(plan);
        let mut kept = self.lock();
        let there = kept.coming.contains(&plan) || kept.stock.iter().any(|it| it.plan == plan);
        if there || kept.stopping || kept.stock.len() + kept.coming.len() >= self.stock {
            return;
        }
        kept.coming.push(Arc::clone(&plan));
        drop(kept);
        let (cells, capped, pins) = (Arc::clone(self), capped.clone(), Arc::clone(pins));
        tokio::spawn(async move {
            let places = cells.rely(&capped).await;
            let site = Site::of(&plan);
            let built = match complete(&plan, "") {
                Ok(plan) => Cell::build(&cells.warden, plan).await,
                Err(error) => Err(error),
            };
            let mut kept = cells.lock();
            kept.coming.retain(|coming| *coming != plan);
            match built {
                Ok(cell) if !kept.stopping => {
                    let disk = disk_of(&plan);
                    let cell = Built { cell, places, disk, site, claim: None };
                    kept.stock.push(Spare { cell, plan, pins, since: Instant::now() });
                }
                Ok(_) => {}
                // Nobody waits for it; who wants one builds it and is told why not.
                Err(error) => tracing::debug!(%error, "no cell for the stock"),
            }
        });
    }
}
