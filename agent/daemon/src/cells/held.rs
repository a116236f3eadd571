//! A cell in the hands of one call.

use std::sync::Arc;

use cofferdam_proto::exec::v1::Layer;
use tokio::sync::OwnedSemaphorePermit;

use super::Shared;
use crate::cell::Cell;
use crate::disks::Room;
use crate::warden::Warden;
use crate::worker::resident::Desk;

/// A cell, for the time of one call. When the last one lets go of a cell that
/// nobody keeps, the cell ends.
#[derive(Debug)]
pub struct Held {
    pub(super) shared: Option<Arc<Shared>>,
    pub(super) warden: Arc<Warden>,
    pub(super) _turn: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// How the protected paths of its workspace stand, for an outcome; `None`
    /// where it protects none.
    pub async fn protection(&self) -> Option<Layer> {
        match self.shared.as_ref().and_then(|shared| shared.cell.places.as_ref()) {
            Some(places) => Some(places.layer().await),
            None => None,
        }
    }

    /// Where its file worker is kept.
    #[must_use]
    pub fn desk(&self) -> &Desk {
        match &self.shared {
            Some(shared) => &shared.desk,
            None => unreachable!("only the drop takes it"),
        }
    }

    /// How its workspace stands on its disk; `None` where it cannot write there. Asks
    /// the file system.
    #[must_use]
    pub fn room(&self) -> Option<std::io::Result<Room>> {
        let disk = self.shared.as_ref().and_then(|shared| shared.cell.disk.as_ref());
        disk.map(|disk| tokio::task::block_in_place(|| disk.room()))
    }
}

impl std::ops::Deref for Held {
    type Target = Cell;

    fn deref(&self) -> &Cell {
        match &self.shared {
            Some(shared) => &shared.cell,
            None => unreachable!("only the drop takes it"),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.touch();
            if let Some(Shared { cell, .. }) = Arc::into_inner(shared) {
                let warden = Arc::clone(&self.warden);
                tokio::spawn(async move { cell.end(&warden).await });
            }
        }
    }
}
