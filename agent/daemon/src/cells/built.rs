//! A cell with what it relies on outside of it.

use std::ops::Deref;

use super::claim::Claim;
use super::site::Site;
use crate::cell::Cell;
use crate::disks::Disk;
use crate::places::Reliance;
use crate::warden::Warden;

/// A cell, and the placeholders that it covers. Those stay for as long as anything
/// of the cell does.
#[derive(Debug)]
pub(super) struct Built {
    /// The cell.
    pub(super) cell: Cell,
    /// `None` where its profile protects nothing that it could change.
    pub(super) places: Option<Reliance>,
    /// Where its workspace lies; `None` where it cannot write there.
    pub(super) disk: Option<Disk>,
    /// The directory that it took for its workspace.
    pub(super) site: Site,
    /// Whose it counts as; `None` for one that waits for somebody.
    pub(super) claim: Option<Claim>,
}

impl Built {
    /// Whether it is of use for one more call: it is there, and so is its workspace.
    pub(super) fn is_there(&self) -> bool {
        self.cell.is_there() && self.site.is_there()
    }

    /// Ends the cell and waits until nothing of it is left.
    pub(super) async fn end(self, warden: &Warden) {
        let Self { cell, places, disk: _, site: _, claim } = self;
        cell.end(warden).await;
        drop((places, claim));
    }
}

impl Deref for Built {
    type Target = Cell;

    fn deref(&self) -> &Cell {
        &self.cell
    }
}
